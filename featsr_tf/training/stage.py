"""What the three stages of training have in common (section 4.3)."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.geometry import sampling
from featsr_tf.geometry.sampling import SampledProposals
from featsr_tf.model.detector import Detector
from featsr_tf.model.proposal_network import Proposals
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.row_ops import flatten_boxes
from featsr_tf.training.losses import PredictorLoss
from featsr_tf.training.optimizers import Minimizer
from featsr_tf.training.optimizers import num_replicas

# The time at which a step's data were there, for the share of waiting time.
DATA_READY = "data_ready"
# Names of gauges: norms before the gradients are clipped.
GRADIENT_NORM = "gradient_norm"
DISCRIMINATOR_GRADIENT_NORM = "discriminator_gradient_norm"
FOCUS_GRADIENT_NORM = "focus_gradient_norm"


class StageInputs:
    """Names of what `Stage.compute_frozen` gives and a feature cache keeps.

    Attributes:
        SMALL: `SampledProposals` for the small predictor.
        SMALL_INPUTS: what the refiner takes of them, F first.
        PAIR_WEIGHTS: `[B, K]`, 0 where fewer pairs were found.
        PAIR_INPUTS: what the refiner takes of the pairs, F^0.5 first. Left out
            where the pairs are the small proposals themselves.
        TARGETS: `[B, K, k, k, C]` targets of the pairs, T^1.0.
        LARGE: `SampledProposals` for the large predictor.
        LARGE_FEATURES: `[B, K, k, k, C]` their features, F.
        FOCUS_FEATURES: feature maps of whole frames, by layer.
        FOCUS_TARGETS: `FocusTargets` of these.
        NUMBERS: `[B]` int64, running number of each row's example; only in
            batches from a cache.
    """

    SMALL = "small"
    SMALL_INPUTS = "small_inputs"
    PAIR_WEIGHTS = "pair_weights"
    PAIR_INPUTS = "pair_inputs"
    TARGETS = "targets"
    LARGE = "large"
    LARGE_FEATURES = "large_features"
    FOCUS_FEATURES = "focus_features"
    FOCUS_TARGETS = "focus_targets"
    NUMBERS = "numbers"


def mask_padding_examples(
    batch: dict[str, tf.Tensor], weights: tf.Tensor
) -> tf.Tensor:
    """Sets weights `[B, ...]` to 0 in padding examples (`EXAMPLE_MASK`)."""
    if Batch.EXAMPLE_MASK not in batch:
        return weights
    ones = [1] * (weights.shape.rank - 1)
    return weights * tf.reshape(batch[Batch.EXAMPLE_MASK], [-1, *ones])


def unflatten_images(rows: Any, batch_size: int) -> Any:
    """Reshapes tensors `[B * K, ...]`, in any structure, to `[B, K, ...]`."""
    return tf.nest.map_structure(
        lambda x: tf.reshape(x, [batch_size, -1, *x.shape[1:]]), rows
    )


def flatten_images(rows: Any) -> Any:
    """Reshapes tensors `[B, K, ...]`, in any structure, to `[B * K, ...]`."""
    return tf.nest.map_structure(
        lambda x: tf.reshape(x, [-1, *x.shape[2:]]), rows
    )


class FrozenProposals(NamedTuple):
    """Proposals of the frozen base detector, with true and jittered boxes.

    Attributes:
        features: feature maps of I^1.0 by layer, "base" and "sub".
        boxes: `[B, N, 4]`, px of I^1.0.
        valid: `[B, N]` bool, False for padding and empty boxes.
        area_ratios: `[B, N]` area over the small threshold; below 1 is small.
    """

    features: dict[str, tf.Tensor]
    boxes: tf.Tensor
    valid: tf.Tensor
    area_ratios: tf.Tensor


class ProposalSampler:
    """Samples and pools the proposals that the losses are computed on.

    Args:
        count: sampled proposals per image. Default 64.
        positive_fraction: largest share of objects among them. Default 0.25.
        jittered_boxes_per_object: jittered copies of each true box that are
            added to the proposals. Default 4.
    """

    def __init__(
        self,
        detector: Detector,
        count: int = 64,
        positive_fraction: float = 0.25,
        jittered_boxes_per_object: int = 4,
    ):
        self.detector = detector
        self.count = count
        self.positive_fraction = positive_fraction
        self.jittered_boxes_per_object = jittered_boxes_per_object

    def propose(
        self,
        batch,
        proposer: Callable[[Any, tf.Tensor], Proposals] | None = None,
    ) -> FrozenProposals:
        """Runs the frozen base detector on I^1.0 of a batch.

        Args:
            batch: see `Batch`.
            proposer: makes proposals of feature maps and image sizes. Default
                the detector's `propose`.
        """
        features = self.extract_frozen(batch[Batch.IMAGES])
        proposer = proposer or self.detector.propose
        boxes, valid = self.add_truth(
            batch, proposer(features, batch[Batch.IMAGE_SIZES])
        )
        ratios = self.detector.area_over_threshold(
            *flatten_boxes(boxes), batch[Batch.SCALES]
        )
        ratios = tf.reshape(ratios, tf.shape(boxes)[:2])
        return FrozenProposals(features, boxes, valid, ratios)

    def extract_frozen(self, images) -> dict[str, tf.Tensor]:
        """Runs the frozen extractor; no gradient flows through it."""
        features = self.detector.extract(images)
        return {name: tf.stop_gradient(f) for name, f in features.items()}

    def add_truth(
        self, batch, proposals: Proposals
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Adds true and jittered boxes to proposals; see the one of `sampling`.

        Returns:
            Boxes `[B, N, 4]`, px, and which of them are valid, `[B, N]` bool.
        """
        return sampling.add_truth(
            proposals.boxes,
            proposals.valid,
            batch[Batch.BOXES],
            batch[Batch.CLASSES],
            batch[Batch.IMAGE_SIZES],
            batch[Batch.SEEDS],
            self.jittered_boxes_per_object,
        )

    def sample(
        self,
        batch,
        boxes: tf.Tensor,
        allowed: tf.Tensor,
        count: int | None = None,
        positive_fraction: float | None = None,
    ) -> SampledProposals:
        """Samples K proposals per image, with targets.

        Args:
            batch: see `Batch`.
            boxes: `[B, N, 4]`, px.
            allowed: `[B, N]` bool: which boxes may be sampled.
            count: K. Default that of the sampler.
            positive_fraction: default that of the sampler.
        """
        sample = sampling.sample_proposals(
            boxes,
            allowed,
            batch[Batch.BOXES],
            batch[Batch.CLASSES],
            batch[Batch.IGNORED],
            batch[Batch.SEEDS],
            count or self.count,
            positive_fraction or self.positive_fraction,
        )
        weights = mask_padding_examples(batch, sample.weights)
        return sample._replace(weights=weights)

    def pool(
        self,
        sample: SampledProposals,
        features: dict[str, tf.Tensor],
        images: tf.Tensor,
        image_scale: float = 1.0,
    ) -> ChosenProposals:
        """Pools the base features of sampled proposals.

        Args:
            sample: the proposals, px of I^1.0.
            images: `[B, H, W, 3]`.
            image_scale: px of the images per px of I^1.0. Default 1.0.
        """
        boxes, image_indices = flatten_boxes(sample.boxes)
        base = self.detector.pool_base(
            features["base"], boxes, image_indices, image_scale
        )
        return ChosenProposals(boxes, image_indices, base, features, images)


class Stage(keras.Model):
    """A stage of training: which losses change which parts of the detector.

    A step is `compute_frozen`, whose results a feature cache may keep, and
    `update`, which changes the trained variables.

    Args:
        regularized: whether the regularizers of the trained variables are
            minimized too. Default True.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        sampler: ProposalSampler,
        predictor_loss: PredictorLoss,
        minimizer: Minimizer,
        regularized: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.detector = detector
        self.sampler = sampler
        self.predictor_loss = predictor_loss
        self.minimizer = minimizer
        self.regularized = regularized
        # XLA has no crop_and_resize: what it can do it is given by parts.
        self.compile(optimizer=minimizer.optimizer, jit_compile=False)
        self.built = True

    @property
    def trained_variables(self) -> list[keras.Variable]:
        """The variables that this stage changes (batch statistics apart)."""
        raise NotImplementedError

    @property
    def needs_half_images(self) -> bool:
        """Whether batches must hold I^0.5 beside I^1.0."""
        return False

    @property
    def needs_originals(self) -> bool:
        """Whether batches must hold whole frames and their originals."""
        return False

    def train_step(self, batch):
        """Makes one step.

        Args:
            batch: see `Batch`, or what `compute_frozen` gave for one before.
        """
        batch, ready = _time_arrival(batch)
        inputs = self.compute_frozen(batch) if Batch.IMAGES in batch else batch
        return {**_sum_over_replicas(self.update(inputs)), DATA_READY: ready}

    def compute_frozen(self, batch) -> dict[str, Any]:
        """Computes all that no step of this stage changes.

        Args:
            batch: see `Batch`.
        """
        raise NotImplementedError

    def update(self, inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
        """Changes the trained variables."""
        raise NotImplementedError

    @property
    def minimizers(self) -> dict[str, Minimizer]:
        """What changes variables, by the names of checkpoints."""
        return {"optimizer": self.minimizer}

    def checkpointed(self) -> dict:
        """The objects whose state makes up this stage, by name."""
        # Others hold no averages: the name keeps them apart.
        optimizers = {
            f"averaging_{name}" if minimizer.keeps_averages else name: (
                minimizer.optimizer
            )
            for name, minimizer in self.minimizers.items()
        }
        return {"detector": self.detector, **optimizers}

    def swap_averages(self) -> None:
        """Exchanges all values with their moving averages, where these are."""
        for minimizer in self.minimizers.values():
            minimizer.swap_averages()

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Lets the detector have the moving averages for a while.

        Checkpoints are written so: what they call the detector is what is
        used, and the averages of the optimizer are the values to train on
        with.
        """
        self.swap_averages()
        try:
            yield
        finally:
            self.swap_averages()

    def add_regularization(
        self, total: tf.Tensor, losses: dict[str, tf.Tensor]
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Adds the regularizers of the trained variables to the losses."""
        terms = [
            variable.regularizer(variable)
            for variable in self.trained_variables
            if self.regularized and variable.regularizer is not None
        ]
        if terms:
            # The losses of the replicas are summed.
            regularization = tf.add_n(terms) / num_replicas()
            total += regularization
            losses = {**losses, "regularization_loss": regularization}
        return total, {"loss": total, **losses}

    def get_config(self):
        """Refuses what Keras saves a model by; see `save`."""
        raise NotImplementedError(_NOT_SAVED.format(name=self.name))

    def save(self, *args, **kwargs):
        """Refuses to save a stage, and says what to save instead."""
        raise NotImplementedError(_NOT_SAVED.format(name=self.name))


_NOT_SAVED = (
    "{name}: a stage is a config's losses and optimizers around a detector, "
    "and no model to save; write checkpoints of `stage.checkpointed()` with "
    "`training.checkpoints.StageCheckpoints`, make the stage again with "
    "`training.build.build_stage`, and export the detector with "
    "`python -m featsr_tf.export`"
)


def _time_arrival(batch) -> tuple[Any, tf.Tensor]:
    """Gives the batch, and when it had arrived, in seconds, float64."""
    with tf.control_dependencies(tf.nest.flatten(batch)[:1]):
        # TensorFlow refuses tf.timestamp where all is to be deterministic.
        ready = tf.numpy_function(time.time, [], tf.float64)
    # On one core the clock would else be read when the step is over.
    with tf.control_dependencies([ready]):
        batch = tf.nest.map_structure(tf.identity, batch)
    return batch, tf.ensure_shape(ready, [])


def _sum_over_replicas(logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Makes the losses of the global batch of those of the replicas."""
    if num_replicas() == 1:
        return logs
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, logs)
