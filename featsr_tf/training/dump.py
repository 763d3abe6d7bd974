"""A step that gave numbers which are not finite, kept to be looked at.

    MODEL_DIR/non_finite/STAGE-STEP/step.json        what was found, and where
    MODEL_DIR/non_finite/STAGE-STEP/batch.npz        what the stage had seen
    MODEL_DIR/non_finite/STAGE-STEP/ckpt-STEP.*      weights and optimizers
    MODEL_DIR/non_finite/STAGE-STEP/pipeline.config  the effective config
    MODEL_DIR/non_finite/STAGE-STEP/image_N.png      the images with their boxes

The weights are those before the step, because a gradient that is not finite
changes none.
"""

import json
import math
import os
import zipfile
from typing import Any

import numpy as np
import PIL.Image
import tensorflow as tf

from featsr_tf.data.build import training_names
from featsr_tf.data.keys import Batch
from featsr_tf.data.records import RecordFiles
from featsr_tf.drawing.boxes import draw_detections
from featsr_tf.errors import DataError
from featsr_tf.files import write_text
from featsr_tf.geometry.sampling import SampledProposals
from featsr_tf.model.build import build_detector
from featsr_tf.training import checkpoints
from featsr_tf.training import checkpoints as checkpoint_files
from featsr_tf.training import feature_cache
from featsr_tf.training import model_folder
from featsr_tf.training.build import build_stage
from featsr_tf.training.non_finite import NonFiniteError
from featsr_tf.training.non_finite import describe
from featsr_tf.training.stage import DATA_READY
from featsr_tf.training.stage import Part
from featsr_tf.training.stage import Stage

DIRECTORY = "non_finite"
_STEP_FILE = "step.json"
_BATCH_FILE = "batch.npz"
# What files raise that are missing, cut or of another kind.
_READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    zipfile.BadZipFile,
)
_SAMPLES = (Part.SMALL, Part.LARGE)
_INPUTS = (Part.SMALL_INPUTS, Part.PAIR_INPUTS)


def write(
    pipeline,
    source: RecordFiles,
    model_dir: str,
    stage: Stage,
    batches: tf.data.Dataset,
    error: NonFiniteError,
) -> str:
    """Keeps a step.

    Args:
        pipeline: the config.
        source: the training records.
        model_dir: model folder.
        stage: the stage as the step has left it.
        batches: those from this step on.
        error: what was found, and where.

    Returns:
        The folder.
    """
    folder = os.path.join(model_dir, DIRECTORY, f"{error.stage}-{error.step}")
    os.makedirs(folder, exist_ok=True)
    batch = next(iter(batches))
    if Batch.SEEDS in batch:
        numbers = batch[Batch.SEEDS][:, 1].numpy().tolist()
        seed_offset = checkpoints.STAGES.index(error.stage)
    else:
        numbers = batch[Part.NUMBERS].numpy().tolist()
        seed_offset = feature_cache.SEED_OFFSET
    model_folder.write_config(folder, pipeline)
    np.savez_compressed(os.path.join(folder, _BATCH_FILE), **_arrays(batch))
    checkpoint_files.write(
        tf.train.Checkpoint(**stage.checkpointed()),
        checkpoint_files.prefix_of(folder, error.step),
        {},
    )
    content = {
        "stage": error.stage,
        "step": error.step,
        # JSON has no NaN.
        "values": {name: str(value) for name, value in error.values.items()},
        "records": training_names(pipeline, source, numbers, seed_offset),
    }
    if Batch.IMAGES in batch:
        _draw(folder, batch)
    write_text(
        os.path.join(folder, _STEP_FILE), json.dumps(content, indent=1) + "\n"
    )
    return folder


def replay(folder: str) -> tuple[str, bool]:
    """Makes a step again.

    Args:
        folder: of `write`.

    Returns:
        What is not finite now, in one line; and whether it is what was found
        in the training.

    Raises:
        ConfigError: there is no step in this folder.
        DataError: its files are damaged.
    """
    pipeline = model_folder.load(folder)
    name, number, values, batch = _read(folder)
    detector = build_detector(pipeline, load_weights=False)
    stage = build_stage(pipeline, name, detector)
    path = checkpoint_files.prefix_of(folder, number)
    with checkpoints.named_checkpoint_errors(path):
        status = tf.train.Checkpoint(**stage.checkpointed()).read(path)
        status.assert_existing_objects_matched()
    logs = tf.function(stage.train_step)(batch)
    found = {key: float(logs[key]) for key in logs if key != DATA_READY}
    found |= {
        variable.path: math.nan
        for variable in detector.variables
        if not checkpoints.is_finite(variable)
    }
    expected = {key for key, v in values.items() if not math.isfinite(v)}
    repeated = expected <= {k for k, v in found.items() if not math.isfinite(v)}
    return (
        f"stage {name}, step {number}: {describe(found) or 'all is finite'}; "
        f"in the training: {describe(values)}",
        repeated,
    )


def _read(folder: str) -> tuple[str, int, dict[str, float], dict[str, Any]]:
    path = os.path.join(folder, _STEP_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        values = {key: float(v) for key, v in content["values"].items()}
        with np.load(os.path.join(folder, _BATCH_FILE)) as arrays:
            batch = _batch(arrays)
        return content["stage"], content["step"], values, batch
    except _READ_ERRORS as error:
        raise DataError(
            f"{folder}: expected a folder that a training has written below "
            f"{DIRECTORY}, found none that is whole ({error})"
        ) from None


def _arrays(batch: dict[str, Any]) -> dict[str, np.ndarray]:
    return {
        f"{name}/{number}": tensor.numpy()
        for name, part in batch.items()
        for number, tensor in enumerate(tf.nest.flatten(part))
    }


def _batch(arrays) -> dict[str, Any]:
    """Undoes `_arrays`."""
    parts: dict[str, list[tf.Tensor]] = {}
    for key in arrays.files:
        parts.setdefault(key.split("/")[0], []).append(tf.constant(arrays[key]))
    return {name: _packed(name, tensors) for name, tensors in parts.items()}


def _packed(name: str, tensors: list[tf.Tensor]) -> Any:
    if name in _SAMPLES:
        return SampledProposals(*tensors)
    if name in _INPUTS:
        return tuple(tensors)
    (tensor,) = tensors
    return tensor


def _draw(folder: str, batch: dict[str, tf.Tensor]) -> None:
    for row, image in enumerate(batch[Batch.IMAGES].numpy()):
        is_object = batch[Batch.CLASSES][row].numpy() > 0
        pixels = np.nan_to_num(image, nan=0.0).clip(0, 255).astype(np.uint8)
        drawn = draw_detections(
            pixels,
            batch[Batch.BOXES][row].numpy()[is_object],
            batch[Batch.CLASSES][row].numpy()[is_object],
        )
        PIL.Image.fromarray(drawn).save(
            os.path.join(folder, f"image_{row}.png")
        )
