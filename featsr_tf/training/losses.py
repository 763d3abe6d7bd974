"""The losses of Faster R-CNN and of the paper (equations 4, 5 and 6).

Each function returns one loss per proposal (or anchor); `weighted_mean` makes
of them the scalar that is minimised, exactly 0 where nothing has a weight. One
that is not finite ends a training at once.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import tensorflow as tf

from featsr_tf.errors import FeatsrError
from featsr_tf.geometry import boxes as box_ops
from featsr_tf.geometry.sampling import SampledProposals


def weighted_mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Averages over the global batch.

    Args:
        values: any shape.
        weights: same shape, 0 for what does not count.

    Returns:
        Scalar, whose sum over replicas is the mean; exactly 0 (and so its
        gradient) where all weights are 0.
    """
    values = tf.where(weights > 0.0, values, 0.0)
    return per_count(tf.reduce_sum(values * weights), tf.reduce_sum(weights))


def per_count(total: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Divides a sum of this replica by a count, at least 1, of all replicas."""
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        count = context.all_reduce(tf.distribute.ReduceOp.SUM, count)
    return total / tf.maximum(count, 1.0)


def objectness_loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross-entropy `[...]` of anchors; labels are 1.0 for objects, else 0."""
    return tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)


def classification_loss(
    logits: tf.Tensor, classes: tf.Tensor, logit_scale: float = 1.0
) -> tf.Tensor:
    """Cross-entropy `[n]` of proposals, L_cls.

    Args:
        logits: `[n, C + 1]`.
        classes: `[n]` int32, 0 is background.
        logit_scale: divisor of the logits. Default 1.0.
    """
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        classes, logits / logit_scale
    )


def sigmoid_classification_loss(
    logits: tf.Tensor, classes: tf.Tensor
) -> tf.Tensor:
    """Sum over the classes of the cross-entropies of "it is this one", `[n]`.

    Background is a class like the others; see `classification_loss`.
    """
    labels = tf.one_hot(classes, logits.shape[-1])
    return tf.reduce_sum(
        tf.nn.sigmoid_cross_entropy_with_logits(labels, logits), axis=-1
    )


def box_loss(deltas: tf.Tensor, target_deltas: tf.Tensor) -> tf.Tensor:
    """Smooth L1 distance `[...]` of box deltas `[..., 4]`, L_loc."""
    distance = tf.abs(deltas - target_deltas)
    return tf.reduce_sum(
        tf.where(distance < 1.0, 0.5 * distance**2, distance - 0.5), axis=-1
    )


class PredictorLoss:
    """Weighted sum of L_cls and L_loc of a predictor on sampled proposals.

    Args:
        classification_weight: weight of L_cls. Default 1.0.
        localization_weight: weight of L_loc. Default 1.0.
        classification_loss: L_cls of logits `[n, C + 1]` and classes `[n]`.
            Default is that of softmax.
    """

    def __init__(
        self,
        classification_weight: float = 1.0,
        localization_weight: float = 1.0,
        classification_loss: Callable = classification_loss,
    ):
        self.classification_weight = classification_weight
        self.localization_weight = localization_weight
        self.classification_loss = classification_loss

    def __call__(
        self, predictions, sample: SampledProposals
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Compares predictions with their targets."""
        classes = tf.reshape(sample.classes, [-1])
        weights = tf.reshape(sample.weights, [-1])
        boxes = tf.reshape(sample.boxes, [-1, 4])
        targets = box_ops.encode(
            tf.reshape(sample.target_boxes, [-1, 4]), boxes
        )
        # Background has no box; one box for all classes has number 0.
        box_class = tf.maximum(classes - 1, 0)
        if predictions.box_deltas.shape[1] == 1:
            box_class = tf.zeros_like(box_class)
        deltas = tf.gather(predictions.box_deltas, box_class, batch_dims=1)
        is_object = tf.cast(classes > 0, tf.float32)
        classification = weighted_mean(
            self.classification_loss(predictions.class_logits, classes),
            weights,
        )
        localization = weighted_mean(
            box_loss(deltas, targets) * is_object, weights
        )
        total = (
            self.classification_weight * classification
            + self.localization_weight * localization
        )
        return total, {
            "classification": classification,
            "localization": localization,
        }


def content_loss(targets: tf.Tensor, super_resolved: tf.Tensor) -> tf.Tensor:
    """Squared distance `[n]` of S^0.5 from T^1.0, `[n, k, k, C]` (equation 4).

    The mean over cells and channels rather than their sum: the same minimum,
    and a loss weight that keeps its meaning when the backbone changes.
    """
    difference = tf.stop_gradient(targets) - super_resolved
    return tf.reduce_mean(difference**2, axis=[1, 2, 3])


def generator_loss(generated_logits: tf.Tensor) -> tf.Tensor:
    """Cost `[n]` of not deceiving the discriminator, -log D(S) (equation 5)."""
    return tf.nn.softplus(-generated_logits)


def discriminator_loss(
    target_logits: tf.Tensor, generated_logits: tf.Tensor
) -> tf.Tensor:
    """Cost `[n]` of confusing features, -log D(T) - log(1 - D(S)) (equation 6).

    Args:
        target_logits: `[n]` of D(T^1.0).
        generated_logits: `[n]` of D(S^0.5).
    """
    return tf.nn.softplus(-target_logits) + tf.nn.softplus(generated_logits)


class NonFiniteError(FeatsrError):
    """A loss, a gradient or a variable is NaN or infinite.

    Args:
        step: the step after which it was found, from 1.
        values: losses and gauges of the step by name, or variables.
    """

    def __init__(self, stage: str, step: int, values: Mapping[str, float]):
        self.stage = stage
        self.step = step
        self.values = values
        super().__init__(
            f"stage {stage}, step {step}: expected finite numbers, found "
            f"{_describe(values)}"
        )


def _describe(values: Mapping[str, float]) -> str:
    """Names the first values that are not finite, such as "loss nan"."""
    wrong = [
        f"{name} {value}"
        for name, value in values.items()
        if not math.isfinite(value)
    ]
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return ", ".join(wrong[:5]) + more


@contextlib.contextmanager
def translate_non_finite_errors(
    record_names: Callable[[int], Sequence[str]],
) -> Iterator[None]:
    """Adds to a `NonFiniteError` what to look at and what to do.

    Args:
        record_names: gives the records that a step, from 1, was made of.

    Raises:
        FeatsrError: in place of the `NonFiniteError`, in one line.
    """
    try:
        yield
    except NonFiniteError as error:
        names = ", ".join(record_names(error.step))
        raise FeatsrError(
            f"{error}; its batch holds the records {names}; lower the learning "
            "rate, or mend these images, and run the same command again: it "
            "continues after the last checkpoint"
        ) from None
