"""Detectors from model folders and from SavedModels."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from featsr_tf.data.build import build_resizer
from featsr_tf.data.resize import resized_size
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import read_saved_model
from featsr_tf.exporting.names import BASE_SIGNATURE
from featsr_tf.exporting.names import IMAGE_SIGNATURE
from featsr_tf.exporting.names import INPUT
from featsr_tf.exporting.versions import CHECKSUMS_FILE
from featsr_tf.exporting.versions import SAVED_MODEL_FILE
from featsr_tf.exporting.versions import find_version
from featsr_tf.prediction.model import BASE
from featsr_tf.prediction.model import DetectionModel
from featsr_tf.prediction.tiling import ImageFunction
from featsr_tf.training import model_folder


def load(
    path: str | os.PathLike, overrides: Sequence[str] = ()
) -> DetectionModel:
    """Loads a trained detector.

    Args:
        path: a model folder of `featsr_tf.train`, or what `featsr_tf.export`
            wrote: the folder NAME, whose newest version is taken, or
            NAME/VERSION.
        overrides: fields that a model folder uses with another value, such
            as "model.feature_super_resolution.gate_maximum=8".

    Returns:
        The detector.

    Raises:
        ConfigError: there is none.
        DataError: it is damaged.
    """
    path = os.fspath(path)
    exported = _exported_folder(path)
    if exported is None:
        return _model_folder(path, overrides)
    if overrides:
        raise ConfigError(
            f"--set {overrides[0]}: expected a model folder of featsr_tf.train "
            f"with it, found the exported model {path}, which is as it was "
            "exported; give --set to featsr_tf.export"
        )
    return _saved_model(exported)


def _exported_folder(path: str) -> Path | None:
    """The folder of a SavedModel; None where nothing was ever exported."""
    folder = Path(path)
    if (folder / SAVED_MODEL_FILE).is_file():
        return folder
    if (folder / CHECKSUMS_FILE).is_file():
        raise DataError(
            f"{path}: an export without {SAVED_MODEL_FILE}; expected one "
            "with --format saved_model"
        )
    for name in (SAVED_MODEL_FILE, CHECKSUMS_FILE):
        if any(folder.glob(f"*/{name}")):
            return find_version(path).folder
    return None


def _model_folder(path: str, overrides: Sequence[str]) -> DetectionModel:
    pipeline = model_folder.load(path, overrides)

    def load_function(name: str) -> ImageFunction:
        # A SavedModel does without all of this.
        from featsr_tf.exporting.signatures import Signatures
        from featsr_tf.prediction.evaluation import load_detection_function

        detect = load_detection_function(pipeline, path, name)
        function = tf.function(
            Signatures(detect, build_resizer(pipeline)).images,
            input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)],
        )
        return functools.partial(_run, function)

    files = sorted(Path(path, "checkpoints").rglob("*"))
    return _make(path, pipeline, load_function, files)


def _saved_model(folder: Path) -> DetectionModel:
    path = str(folder)
    pipeline = model_folder.load(path)
    read_saved_model(str(folder / SAVED_MODEL_FILE))
    try:
        loaded = tf.saved_model.load(path)
    except (OSError, ValueError, tf.errors.OpError):
        raise DataError(
            f"{path}: the SavedModel is damaged; export it again"
        ) from None
    if IMAGE_SIGNATURE not in loaded.signatures:
        raise DataError(
            f"{path}: expected a SavedModel with a signature "
            f"{IMAGE_SIGNATURE!r}, as featsr_tf.export writes it, found "
            f"{', '.join(sorted(loaded.signatures)) or 'none'}"
        )

    def load_function(name: str) -> ImageFunction:
        # What was exported without later stages is the base detector.
        has_base = BASE_SIGNATURE in loaded.signatures
        is_base = name == BASE and has_base
        signature = BASE_SIGNATURE if is_base else IMAGE_SIGNATURE
        return functools.partial(_run, loaded.signatures[signature])

    files = [folder / SAVED_MODEL_FILE, *sorted(folder.glob("variables/*"))]
    return _make(path, pipeline, load_function, files)


def _make(path, pipeline, load_function, files) -> DetectionModel:
    resizer = build_resizer(pipeline)
    return DetectionModel(
        path,
        load_function,
        model_folder.load_classes(path).names,
        pipeline.eval_config.min_score_threshold,
        lambda height, width: resized_size(height, width, resizer),
        files,
    )


def _run(function, images: np.ndarray) -> dict[str, np.ndarray]:
    found = function(**{INPUT: tf.constant(images)})
    return {name: value.numpy() for name, value in found.items()}
