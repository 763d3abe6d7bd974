"""Trained models whose refined features are compared, from their folders."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featsr_tf.config.schema import Pipeline
from featsr_tf.config.schema import RefinerType
from featsr_tf.config.schema import Supervision
from featsr_tf.config.schema import TwinPooling
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.model.build import build_target_features
from featsr_tf.model.build import build_zoom
from featsr_tf.model.detector import Detector
from featsr_tf.model.zoom import MAGNIFICATION
from featsr_tf.prediction.model import load_detector
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder
from featsr_tf.training.targets import AtrousTargets
from featsr_tf.training.targets import MagnifiedTargets
from featsr_tf.training.targets import NaiveTargets
from featsr_tf.training.targets import TargetSource
from research.probe.features import EnlargedHalfTargets

TWIN, PLAIN, MAGNIFIED = "$T^{1.0}$", "$F^{1.0}$", f"$F^{{{MAGNIFICATION}.0}}$"
_FOLLOWED = {
    Supervision.ATROUS: TWIN,
    Supervision.NAIVE: PLAIN,
    Supervision.MAGNIFIED: MAGNIFIED,
    Supervision.PLACEBO: "its input",
    Supervision.NONE: "no target",
}


@dataclass(frozen=True)
class TrainedModel:
    """A model with a trained generator.

    Attributes:
        name: what the figure calls it.
        detector: the detector that its last stage left.
        followed: what its generator has learned to give.
    """

    name: str
    detector: Detector
    followed: str


@dataclass(frozen=True)
class Target:
    """Features that a generator may follow.

    Attributes:
        symbol: what the figure calls them.
        description: what they are, in a few words.
        source: makes them.
        is_measured: whether distances of the others to them are shown.
    """

    symbol: str
    description: str
    source: TargetSource
    is_measured: bool = True


@dataclass(frozen=True)
class Comparison:
    """Which proposals are refined, and what they are compared with.

    Attributes:
        title: what the proposals are.
        input_scale: px of the image that the generator's input is from, per
            px of I^1.0.
        least_area: smallest area of the proposals over the small threshold.
        area_limit: areas from here on are too large.
        targets: what the refined features may become, and what they are
            looked at beside.
    """

    title: str
    input_scale: float
    least_area: float
    area_limit: float
    targets: Sequence[Target]


def load_models(
    folders: Mapping[str, str], pipelines: Mapping[str, Pipeline]
) -> list[TrainedModel]:
    """Loads models that share one base detector.

    Args:
        folders: model folders by name.
        pipelines: their configs by name.

    Returns:
        The models in their order.

    Raises:
        ConfigError: a refiner has nothing to learn, or the base detectors
            differ.
        DataError: a checkpoint is missing or damaged.
    """
    models = [_load(name, folders[name], pipelines[name]) for name in folders]
    first = next(iter(folders))
    for model in models[1:]:
        model_folder.check_base(folders[first], pipelines[model.name])
        pairs = zip(
            model.detector.extractor.get_weights(),
            models[0].detector.extractor.get_weights(),
            strict=True,
        )
        if not all(np.array_equal(ours, theirs) for ours, theirs in pairs):
            raise ConfigError(
                f"--model {model.name}={folders[model.name]}: its base "
                f"detector is not that of {first}={folders[first]}; train "
                "both from one, with --base_from"
            )
    return models


def comparisons(
    pipelines: Sequence[Pipeline], detector: Detector
) -> list[Comparison]:
    """Says what the models of some configs are to be compared by.

    Args:
        pipelines: the configs; the first one tells the sizes of proposals.
        detector: of the first one.

    Returns:
        Pairs of the paper, on I^0.5 and I^1.0, and small proposals beside
        their features of the magnified image: what the models have learned.
    """
    extensions = [
        pipeline.model.feature_super_resolution for pipeline in pipelines
    ]
    is_magnified = [
        extension.supervision == Supervision.MAGNIFIED
        for extension in extensions
    ]
    chosen = []
    if not all(is_magnified):
        chosen.append(_on_pairs(pipelines[0], detector))
    if any(is_magnified):
        pipeline = pipelines[is_magnified.index(True)]
        chosen.append(_on_small_proposals(pipeline, detector))
    return chosen


def _on_pairs(pipeline: Pipeline, detector: Detector) -> Comparison:
    extension = pipeline.model.feature_super_resolution
    strided = copy.deepcopy(pipeline)
    strided.model.feature_super_resolution.twin_pooling = TwinPooling.STRIDE
    twin, strided_twin = (
        AtrousTargets(detector, *build_target_features(config, detector))
        for config in (pipeline, strided)
    )
    return Comparison(
        "Medium-sized objects, seen at half scale by the generator",
        0.5,
        extension.minimum_pair_area_ratio,
        extension.maximum_pair_area_ratio,
        [
            Target(TWIN, "atrous twin", twin),
            Target(TWIN, "twin, plain strides", strided_twin, False),
            Target(
                f"$F({MAGNIFICATION} I^{{0.5}})$",
                "half image enlarged",
                EnlargedHalfTargets(detector),
                False,
            ),
            Target(PLAIN, "plain features", NaiveTargets()),
        ],
    )


def _on_small_proposals(pipeline: Pipeline, detector: Detector) -> Comparison:
    zoom = build_zoom(pipeline, detector.backbone, detector.pool_base)
    return Comparison(
        "Small objects, as the detector meets them",
        1.0,
        0.0,
        1.0,
        [Target(MAGNIFIED, "magnified image", MagnifiedTargets(zoom))],
    )


def _load(name: str, folder: str, pipeline: Pipeline) -> TrainedModel:
    extension = pipeline.model.feature_super_resolution
    stage = checkpoints.newest_stage(folder)
    if extension.refiner in (RefinerType.NONE, RefinerType.ZOOM):
        raise ConfigError(
            f"--model {name}={folder}: its refiner {extension.refiner} has "
            "nothing to learn; expected a model with a generator"
        )
    if stage in (None, checkpoints.BASE):
        raise DataError(
            f"--model {name}={folder}: its generator is not trained yet; "
            f"expected a checkpoint of stage {checkpoints.SUPER_RESOLUTION} "
            f"or {checkpoints.FINE_TUNE}, found {stage or 'none'}; go on with "
            "`python -m featsr_tf.train`"
        )
    detector = load_detector(folder, stage, pipeline)
    return TrainedModel(name, detector, _FOLLOWED[extension.supervision])
