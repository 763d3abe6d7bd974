"""All kinds of features, pooled once for the same pairs."""

import copy
import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf
import tqdm

from featsr_tf.config import Pipeline
from featsr_tf.config.schema.super_resolution import TwinPooling
from featsr_tf.data.keys import Batch
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.resize import enlarged_image
from featsr_tf.errors import DataError
from featsr_tf.geometry.sampling import SampledProposals
from featsr_tf.model.build import build_target_features
from featsr_tf.model.detector import Detector
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.zoom import MAGNIFICATION
from featsr_tf.training.stage import flatten_images
from featsr_tf.training.super_resolution_stage import SuperResolutionStage
from featsr_tf.training.targets import AtrousTargets
from featsr_tf.training.targets import NaiveTargets
from featsr_tf.training.targets import PlaceboTargets
from featsr_tf.training.targets import TargetSource
from research.views import count_batches
from research.views import fixed_views


class EnlargedHalfTargets:
    """The plain features of I^0.5 enlarged back to the size of I^1.0.

    As dense a grid as that of F^1.0, but no pixel more than F^0.5 has seen.

    Args:
        detector: The detector whose extractor and pooling are used.
    """

    of_half_images = True

    def __init__(self, detector: Detector):
        self.detector = detector

    def __call__(
        self, inputs: ChosenProposals, full: ChosenProposals
    ) -> tf.Tensor:
        """Makes targets; see `TargetSource`."""
        images = enlarged_image(inputs.images, MAGNIFICATION)
        features = self.detector.extract(images)
        return self.detector.pool_base(
            features["base"], full.boxes, full.image_indices
        )


def build_sources(
    pipeline: Pipeline, detector: Detector
) -> dict[str, TargetSource]:
    """Makes a source of each kind of features, by name."""
    sources: dict[str, TargetSource] = {"half": PlaceboTargets()}
    for pooling in TwinPooling:
        changed = copy.deepcopy(pipeline)
        changed.model.feature_super_resolution.twin_pooling = pooling
        sources[f"atrous_{pooling.value.lower()}"] = AtrousTargets(
            detector, *build_target_features(changed, detector)
        )
    sources["enlarged_half"] = EnlargedHalfTargets(detector)
    sources["full"] = NaiveTargets()
    return sources


@dataclasses.dataclass(frozen=True, eq=False)
class PooledPairs:
    """Proposals and what each kind of features tells of them.

    Args:
        sample: The n proposals with their targets, `[n, ...]` arrays.
        views: `[n]` number of the view that each is in.
        features: `[n, k, k, C]` by kind, float16.
        num_views: Number of views, also of those without pairs.
    """

    sample: SampledProposals
    views: np.ndarray
    features: Mapping[str, np.ndarray]
    num_views: int


def pool_pairs(
    pipeline: Pipeline,
    stage: SuperResolutionStage,
    sources: Mapping[str, TargetSource],
    source: RecordFiles,
    title: str,
) -> PooledPairs:
    """Pools all kinds of features of the pairs in fixed views of records.

    Batches of views without an object of the right size are left out.

    Args:
        pipeline: The config.
        stage: Samples the pairs.
        sources: Sources of features.
        source: The records.
        title: Of the progress bar.

    Raises:
        DataError: No view has an object of the right size.
    """
    parts = list(_parts(pipeline, stage, sources, source, title))
    if not parts:
        raise DataError(
            f"{', '.join(source.paths)}: no view has an object whose area is "
            f"{stage.pair_sampling.minimum_area_ratio:g} to "
            f"{stage.pair_sampling.maximum_area_ratio:g} times the small "
            "threshold; give other records"
        )
    sample, views, features = tf.nest.map_structure(
        lambda *arrays: np.concatenate(arrays), *parts
    )
    num_views = count_batches(pipeline, source)
    num_views *= pipeline.train_config.batch_size
    return PooledPairs(sample, views, features, num_views)


def _parts(pipeline, stage, sources, source, title) -> Iterator[tuple]:
    @tf.function
    def sample_of(batch):
        proposals = stage.sampler.propose(batch)
        return proposals.features, stage.sample_pairs(batch, proposals)

    @tf.function
    def features_of(batch, features, sample):
        halved = stage.pool_halved(batch, sample)
        full = stage.sampler.pool(sample, features, batch[Batch.IMAGES])
        return {
            name: tf.cast(make(halved, full), tf.float16)
            for name, make in sources.items()
        }

    total = count_batches(pipeline, source)
    views = fixed_views(pipeline, source)
    for number, batch in enumerate(
        tqdm.tqdm(views, title, total, unit="batch")
    ):
        features, sample = sample_of(batch)
        if not np.any(sample.classes):
            continue
        pooled = features_of(batch, features, sample)
        batch_size, count = sample.classes.shape
        rows = np.repeat(np.arange(batch_size) + number * batch_size, count)
        sample = flatten_images(sample)
        is_pair = sample.weights.numpy() > 0
        yield tf.nest.map_structure(
            lambda part, chosen=is_pair: np.asarray(part)[chosen],
            (sample, rows, pooled),
        )
