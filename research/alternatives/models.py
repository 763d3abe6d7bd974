"""The trained detectors, and whether they can be compared at all."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featsr_tf.config.schema import Pipeline
from featsr_tf.data.tfrecord_files import expand_patterns
from featsr_tf.data.tfrecord_files import walk_records
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting.names import BASE
from featsr_tf.prediction.model import load_detector
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder
from research.ablation.folds import frame_name


@dataclasses.dataclass(frozen=True)
class Model:
    """A trained detector.

    Attributes:
        name: what it is called in the table.
        folder: its model folder.
        pipeline: its config.
        overrides: fields that are not as they were trained.
    """

    name: str
    folder: str
    pipeline: Pipeline
    overrides: Sequence[str] = ()


def open_models(named: Sequence[str], judged: Sequence[str]) -> list[Model]:
    """Opens the model folders and refuses what makes no fair comparison.

    Args:
        named: NAME=DIR of each, with FIELD=VALUE of its config behind it.
        judged: files or patterns of the records that judge.

    Returns:
        The models, in the same order.

    Raises:
        ConfigError: a name is missing or comes twice, a folder is none, or a
            model was trained on the frames that are judged.
        DataError: a checkpoint is missing or damaged, or the base detectors
            differ.
    """
    models = []
    for text in named:
        name, is_named, rest = text.partition("=")
        folder, *overrides = shlex.split(rest) or [""]
        if not is_named or not folder:
            raise ConfigError(f"--models: expected NAME=DIR, found {text!r}")
        if name in [BASE, *(model.name for model in models)]:
            raise ConfigError(f"--models: the name {name!r} is taken")
        pipeline = model_folder.load(folder, overrides)
        models.append(Model(name, folder, pipeline, overrides))
    first, *others = models
    names = frame_names(judged)
    for model in models:
        _check_unseen(model, names)
    weights = _base_weights(first)
    for model in others:
        _check_same_base(first, weights, model)
    return models


def frame_names(patterns: Sequence[str]) -> set[str]:
    """Reads the names of all frames in record files, without endings.

    Args:
        patterns: files or patterns.
    """
    names = set()
    for path in expand_patterns(patterns):
        for record in walk_records(path):
            place = f"{path}: record {record.number}"
            if record.damage:
                raise DataError(f"{place}: {record.damage}")
            names.add(Path(frame_name(record.payload, place)).stem)
    return names


def _check_unseen(model: Model, judged: set[str]) -> None:
    reader = model.pipeline.train_input_reader.tf_record_input_reader
    seen = judged & frame_names(reader.input_path)
    if seen:
        raise ConfigError(
            f"{model.folder}: was trained on {len(seen)} of the "
            f"{len(judged)} frames that judge, such as {min(seen)}; give "
            "--records that it has not seen"
        )


def _check_same_base(first: Model, weights: list, model: Model) -> None:
    others = _base_weights(model)
    if len(weights) != len(others) or not all(
        map(np.array_equal, weights, others)
    ):
        raise DataError(
            f"{model.folder}: expected the base detector of {first.folder}, "
            "found another one; train with --base_from"
        )


def _base_weights(model: Model) -> list[np.ndarray]:
    detector = load_detector(model.folder, checkpoints.BASE, model.pipeline)
    parts = (
        detector.extractor,
        detector.proposal_network,
        detector.large_predictor,
    )
    return [variable.numpy() for part in parts for variable in part.variables]
