"""Detectors from model folders and from SavedModels."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featsr_tf.data.build import build_resizer
from featsr_tf.data.resize import resized_size
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import ExportedModel
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.versions import CHECKSUMS_FILE
from featsr_tf.exporting.versions import SAVED_MODEL_FILE
from featsr_tf.exporting.versions import ModelVersion
from featsr_tf.exporting.versions import find_version
from featsr_tf.prediction.model import DetectionModel
from featsr_tf.prediction.tiling import ImageFunction
from featsr_tf.training import model_folder

if TYPE_CHECKING:
    from featsr_tf.config.schema import Pipeline
    from featsr_tf.model.detector import Detector


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


def load_detector(
    model_dir: str,
    stage: str | None = None,
    pipeline: "Pipeline | None" = None,
    **options,
) -> "Detector":
    """Loads the detector of a model folder as one of its stages left it.

    Everything that needs a trained detector loads it here.

    Args:
        model_dir: model folder.
        stage: name of the stage, such as "base"; None = the last one that
            has a checkpoint. Of its checkpoints the best is taken where the
            training has validated, else the newest.
        pipeline: the config; None = that of the folder.
        **options: further arguments of `build_detector`.

    Returns:
        The detector, as for training. After stage 1 its small predictor is
        the large one, as stage 2 would begin with.

    Raises:
        ConfigError: there is no model.
        DataError: there is no checkpoint, or only damaged ones.
    """
    # A SavedModel does without all of this.
    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints

    if pipeline is None:
        pipeline = model_folder.load(model_dir)
    if stage is None:
        stage = checkpoints.newest_stage(model_dir) or checkpoints.BASE
    detector = build_detector(pipeline, load_weights=False, **options)
    checkpoints.restore_detector(detector, model_dir, stage)
    if stage == checkpoints.BASE:
        detector.start_small_predictor_from_large()
    return detector


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
        from featsr_tf.prediction.data_set import image_function
        from featsr_tf.prediction.evaluation import load_detection_function

        detect = load_detection_function(pipeline, path, name)
        return image_function(detect, build_resizer(pipeline))

    files = sorted(Path(path, "checkpoints").rglob("*"))
    return _make(path, pipeline, load_function, files)


def _saved_model(folder: Path) -> DetectionModel:
    path = str(folder)
    pipeline = model_folder.load(path)
    model = ExportedModel(ModelVersion(folder.parent.name, 0, folder))

    def load_function(name: str) -> ImageFunction:
        return functools.partial(model.detect, base=name == BASE)

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
