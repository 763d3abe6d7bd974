"""What the three stages of training have in common (section 4.3)."""

import time
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.geometry import boxes as box_ops
from featsr_tf.geometry import sampling
from featsr_tf.model.detector import Detector
from featsr_tf.model.predictor import Predictions
from featsr_tf.model.proposal_network import Proposals
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.row_ops import flatten_boxes
from featsr_tf.training import losses
from featsr_tf.training.optimizers import apply_gradients
from featsr_tf.training.optimizers import num_replicas


class Part:
    """Names of what `Stage.look` sees.

    Attributes:
        SMALL: `SampledProposals` for the small predictor.
        SMALL_INPUTS: what the refiner sees of them, F first.
        PAIR_WEIGHTS: `[B, K]`, 0 where fewer pairs could be had.
        PAIR_INPUTS: what the refiner sees of the pairs, F^0.5 first. Not
            there where the pairs are the small proposals themselves.
        TARGETS: `[B, K, k, k, C]` targets of the pairs, T^1.0.
        LARGE: `SampledProposals` for the large predictor.
        LARGE_FEATURES: `[B, K, k, k, C]` their features, F.
        NUMBERS: `[B]` int64, running number of the example that a row is of,
            where it comes from a cache.
    """

    SMALL = "small"
    SMALL_INPUTS = "small_inputs"
    PAIR_WEIGHTS = "pair_weights"
    PAIR_INPUTS = "pair_inputs"
    TARGETS = "targets"
    LARGE = "large"
    LARGE_FEATURES = "large_features"
    NUMBERS = "numbers"


def counted(batch: dict[str, tf.Tensor], weights: tf.Tensor) -> tf.Tensor:
    """Takes the weights from images that stand in for missing ones.

    Args:
        batch: see `Batch`.
        weights: `[B, K]`.

    Returns:
        `[B, K]`, 0 for images that do not count.
    """
    if Batch.EXAMPLE_MASK not in batch:
        return weights
    return weights * batch[Batch.EXAMPLE_MASK][:, None]


def per_image(parts: Any, batch_size: int) -> Any:
    """Gives the rows of a batch a dimension for the image.

    Args:
        parts: tensors `[B * K, ...]`, in any structure.
        batch_size: B.

    Returns:
        The same with `[B, K, ...]`.
    """
    return tf.nest.map_structure(
        lambda x: tf.reshape(x, [batch_size, -1, *x.shape[1:]]), parts
    )


def of_batch(parts: Any) -> Any:
    """Lists the rows of all images one after the other.

    Args:
        parts: tensors `[B, K, ...]`, in any structure.

    Returns:
        The same with `[B * K, ...]`.
    """
    return tf.nest.map_structure(
        lambda x: tf.reshape(x, [-1, *x.shape[2:]]), parts
    )


# The time at which a step's data were there, for the share of waiting time.
DATA_READY = "data_ready"
# Names of gauges: norms before the gradients are clipped.
GRADIENT_NORM = "gradient_norm"
DISCRIMINATOR_GRADIENT_NORM = "discriminator_gradient_norm"


@dataclass(frozen=True)
class ProposalSampling:
    """How proposals are sampled for the losses of a predictor.

    Attributes:
        count: proposals per image. Default 64.
        positive_fraction: share of objects at the most. Default 0.25.
        jittered_boxes_per_object: jittered copies of each true box that are
            added to the proposals. Default 4.
    """

    count: int = 64
    positive_fraction: float = 0.25
    jittered_boxes_per_object: int = 4


class Stage(keras.Model):
    """What the stages have in common.

    Args:
        detector: the detector that all stages share.
        proposal_sampling: proposals for the predictors' losses.
        classification_weight: weight of L_cls. Default 1.0.
        localization_weight: weight of L_loc. Default 1.0.
        clip_norm: global norm to which gradients are clipped; 0 = not
            clipped. Default 10.0.
        classification_loss: L_cls of logits `[n, C + 1]` and classes `[n]`.
            Default is that of softmax.
        regularized: whether the regularizers of the trained variables are
            minimized too. Default True.
    """

    def __init__(
        self,
        detector: Detector,
        proposal_sampling: ProposalSampling,
        classification_weight: float = 1.0,
        localization_weight: float = 1.0,
        clip_norm: float = 10.0,
        classification_loss: Callable = losses.classification_loss,
        regularized: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.detector = detector
        self.classification_loss = classification_loss
        self.regularized = regularized
        self.proposal_sampling = proposal_sampling
        self.classification_weight = classification_weight
        self.localization_weight = localization_weight
        self.clip_norm = clip_norm
        self.built = True

    @property
    def trained_variables(self) -> list[keras.Variable]:
        """The variables that this stage changes (batch statistics apart)."""
        raise NotImplementedError

    @property
    def needs_half_images(self) -> bool:
        """Whether batches must hold I^0.5 beside I^1.0."""
        return False

    def train_step(self, batch):
        """One step; returns the losses.

        Args:
            batch: see `Batch`, or what `look` has seen in one before.
        """
        ready = data_ready(batch)
        seen = self.look(batch) if Batch.IMAGES in batch else batch
        return {**sum_over_replicas(self.learn(seen)), DATA_READY: ready}

    def look(self, batch) -> dict[str, Any]:
        """Computes all that no step of this stage changes.

        Args:
            batch: see `Batch`.

        Returns:
            Parts by name, for `learn`: tensors of B rows, or tuples of them.
        """
        raise NotImplementedError

    def learn(self, seen: dict[str, Any]) -> dict[str, tf.Tensor]:
        """Changes the trained variables.

        Args:
            seen: of `look`.

        Returns:
            The losses by name.
        """
        raise NotImplementedError

    def checkpointed(self) -> dict:
        """The objects whose state makes up this stage, by name."""
        return {"detector": self.detector, "optimizer": self.optimizer}

    def minimize(
        self,
        loss: Callable[[], tuple[tf.Tensor, Any]],
        variables: Sequence[keras.Variable],
        optimizer: keras.optimizers.Optimizer,
    ) -> tuple[Any, tf.Tensor]:
        """Makes one step down the gradient of a loss, if that is finite.

        Args:
            loss: gives the scalar to minimise and anything else.
            variables: those that are changed.
            optimizer: the optimizer of these variables.

        Returns:
            What the loss gave beside the scalar, such as what is to be logged;
            and this replica's share of the gradient's global norm.
        """
        with tf.GradientTape() as tape:
            total, others = loss()
            scaled = optimizer.scale_loss(total)
        gradients = tape.gradient(scaled, [v.value for v in variables])
        norm = apply_gradients(optimizer, gradients, variables, self.clip_norm)
        return others, norm / num_replicas()

    def total_loss(
        self, total: tf.Tensor, parts: dict[str, tf.Tensor]
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Adds the regularizers of the trained variables to a stage's losses.

        Args:
            total: weighted sum of the losses.
            parts: these losses by name.

        Returns:
            What is minimized, and what is logged.
        """
        terms = [
            variable.regularizer(variable)
            for variable in self.trained_variables
            if self.regularized and variable.regularizer is not None
        ]
        if terms:
            # The losses of the replicas are summed.
            regularization = tf.add_n(terms) / num_replicas()
            total += regularization
            parts = {**parts, "regularization_loss": regularization}
        return total, {"loss": total, **parts}

    def candidates(self, batch, proposals: Proposals):
        """Adds true and jittered boxes to proposals; see `add_truth`."""
        return sampling.add_truth(
            proposals.boxes,
            proposals.valid,
            batch[Batch.BOXES],
            batch[Batch.CLASSES],
            batch[Batch.IMAGE_SIZES],
            batch[Batch.SEEDS],
            self.proposal_sampling.jittered_boxes_per_object,
        )

    def sample(
        self, batch, candidates, allowed, count=None, positive_fraction=None
    ) -> sampling.SampledProposals:
        """Samples proposals with targets for a predictor's losses."""
        sample = sampling.sample_proposals(
            candidates,
            allowed,
            batch[Batch.BOXES],
            batch[Batch.CLASSES],
            batch[Batch.IGNORED],
            batch[Batch.SEEDS],
            count or self.proposal_sampling.count,
            positive_fraction or self.proposal_sampling.positive_fraction,
        )
        return sample._replace(weights=counted(batch, sample.weights))

    def area_over_threshold(self, batch, candidates) -> tf.Tensor:
        """Measures boxes `[B, N, 4]` against the small threshold, `[B, N]`."""
        boxes, image_indices = flatten_boxes(candidates)
        ratios = self.detector.area_over_threshold(
            boxes, image_indices, batch[Batch.SCALES]
        )
        return tf.reshape(ratios, tf.shape(candidates)[:2])

    def predictor_loss(
        self, predictions: Predictions, sample: sampling.SampledProposals
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Weighs L_cls and L_loc of a predictor on sampled proposals.

        Args:
            predictions: of the B * K sampled proposals.
            sample: the proposals and their targets.

        Returns:
            The weighted sum, and the parts by name.
        """
        classes = tf.reshape(sample.classes, [-1])
        weights = tf.reshape(sample.weights, [-1])
        boxes = tf.reshape(sample.boxes, [-1, 4])
        targets = box_ops.encode(
            tf.reshape(sample.target_boxes, [-1, 4]), boxes
        )
        own_class = tf.maximum(classes - 1, 0)
        if predictions.box_deltas.shape[1] == 1:
            own_class = tf.zeros_like(own_class)
        deltas = tf.gather(predictions.box_deltas, own_class, batch_dims=1)
        is_object = tf.cast(classes > 0, tf.float32)
        classification = losses.weighted_mean(
            self.classification_loss(predictions.class_logits, classes),
            weights,
        )
        localization = losses.weighted_mean(
            losses.box_loss(deltas, targets) * is_object, weights
        )
        total = (
            self.classification_weight * classification
            + self.localization_weight * localization
        )
        return total, {
            "classification": classification,
            "localization": localization,
        }

    def chosen(self, sample, features, images, image_scale=1.0):
        """Pools the base features of sampled proposals, `ChosenProposals`."""
        boxes, image_indices = flatten_boxes(sample.boxes)
        base = self.detector.pool_base(
            features["base"], boxes, image_indices, image_scale
        )
        return ChosenProposals(boxes, image_indices, base, features, images)

    def frozen_features(self, images):
        """Runs the frozen extractor; no gradient flows through it."""
        features = self.detector.extract(images)
        return {name: tf.stop_gradient(f) for name, f in features.items()}


def data_ready(batch) -> tf.Tensor:
    """Tells when the batch had arrived, in seconds, float64."""
    with tf.control_dependencies(tf.nest.flatten(batch)[:1]):
        # TensorFlow refuses tf.timestamp where all is to be deterministic.
        return tf.ensure_shape(tf.numpy_function(time.time, [], tf.float64), [])


def sum_over_replicas(logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Makes the losses of the global batch of those of the replicas."""
    if num_replicas() == 1:
        return logs
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, logs)
