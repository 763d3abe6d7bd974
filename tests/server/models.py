"""A model folder of a small detector whose stages differ."""

import io
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import PIL.Image

from featsr_tf.config.schema import Pipeline
from featsr_tf.data.label_map import LabelMap
from featsr_tf.exporting.saved_model import export
from featsr_tf.model.build import build_detector
from featsr_tf.training import model_folder
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import StageCheckpoints
from tests.model.small import randomize
from tests.model.small import small_backbone
from tests.model.small import small_pipeline

LABEL_MAP = LabelMap({1: "one", 2: "two"})


def write_model(folder, stages=(BASE, FINE_TUNE), overrides=()):
    """Writes checkpoints as if all stages had been trained.

    Args:
        folder: becomes the model folder.
        stages: names of the stages that get a checkpoint.
        overrides: fields of the config that are set otherwise.

    Returns:
        The pipeline.
    """
    pipeline = small_pipeline(*overrides)
    with small_backbone():
        detector = build_detector(pipeline)
    randomize(detector)
    model_folder.prepare(str(folder), pipeline, LABEL_MAP)
    for step, stage in enumerate(stages, start=1):
        StageCheckpoints(str(folder), stage, {"detector": detector}).save(step)
        _change_what_later_stages_train(detector)
    return pipeline


class ExportedModel(NamedTuple):
    """A model folder and what was exported from it.

    Attributes:
        model_dir: the folder.
        pipeline: its config.
        path: the folder of the one version of the SavedModel.
    """

    model_dir: Path
    pipeline: Pipeline
    path: Path


def export_model(folder: Path) -> ExportedModel:
    """Writes a model folder and exports it, both into a folder."""
    keras.utils.set_random_seed(0)
    pipeline = write_model(folder / "model")
    with small_backbone():
        path = export(pipeline, str(folder / "model"), str(folder / "signs"))
    return ExportedModel(folder / "model", pipeline, path)


def _change_what_later_stages_train(detector):
    source = np.random.default_rng(0)
    for part in (
        detector.large_predictor,
        detector.small_predictor,
        detector.refiner,
    ):
        for variable in part.trainable_variables:
            variable.assign_add(source.normal(0.0, 0.05, variable.shape))


def random_images(count, height=50, width=70, seed=0):
    """Noise `[count, height, width, 3]` uint8."""
    source = np.random.default_rng(seed)
    return source.integers(0, 256, (count, height, width, 3), np.uint8)


def png(image):
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
