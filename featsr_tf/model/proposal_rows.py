"""Groups of proposals, judged apart and put back into one order."""

import tensorflow as tf

from featsr_tf.model.predictor import Predictions
from featsr_tf.model.refiner import ChosenProposals


def rows_where(mask: tf.Tensor) -> tf.Tensor:
    """Lists the rows where a mask is true, or one row beyond the last.

    TensorFlow's convolutions fail on an empty batch; the row beyond the last
    reads as the last one and `merge` drops it.

    Args:
        mask: `[n]` bool.

    Returns:
        `[m]` int32, m at least 1.
    """
    rows = tf.cast(tf.where(mask)[:, 0], tf.int32)
    missing = tf.cast(tf.size(rows) == 0, tf.int32)
    return tf.pad(rows, [[0, missing]], constant_values=tf.size(mask))


def gather_rows(rows: tf.Tensor, *values: tf.Tensor) -> list[tf.Tensor]:
    """Takes rows of tensors.

    Args:
        rows: `[m]` from `rows_where`.
        values: tensors of n rows.

    Returns:
        The tensors with m rows.
    """
    rows = tf.minimum(rows, tf.shape(values[0])[0] - 1)
    return [tf.gather(value, rows) for value in values]


def choose(proposals: ChosenProposals, rows: tf.Tensor) -> ChosenProposals:
    """Picks proposals.

    Args:
        proposals: n proposals.
        rows: `[m]` from `rows_where`.

    Returns:
        m proposals.
    """
    boxes, image_indices, base = gather_rows(
        rows, proposals.boxes, proposals.image_indices, proposals.base
    )
    return proposals._replace(
        boxes=boxes, image_indices=image_indices, base=base
    )


def merge(
    parts: list[tuple[tf.Tensor, Predictions]], count: tf.Tensor
) -> Predictions:
    """Puts predictions of several groups of proposals back into one order.

    Args:
        parts: rows `[m]` from `rows_where` and predictions of each group.
        count: n, number of all proposals.

    Returns:
        `Predictions` of n proposals, 0 for those in no group.
    """
    rows = tf.concat([rows for rows, _ in parts], axis=0)[:, None]
    merged = []
    for values in zip(*(predictions for _, predictions in parts), strict=True):
        values = tf.concat(values, axis=0)
        shape = tf.concat([[count + 1], tf.shape(values)[1:]], axis=0)
        scattered = tf.scatter_nd(rows, values, shape)[:-1]
        merged.append(tf.ensure_shape(scattered, [None, *values.shape[1:]]))
    return Predictions(*merged)


def prefer(
    others: Predictions, predictions: Predictions, mask: tf.Tensor
) -> Predictions:
    """Takes other predictions of some proposals.

    Args:
        others: of n proposals.
        predictions: of the same proposals.
        mask: `[n]` bool, where `others` count.

    Returns:
        `Predictions` of the n proposals.
    """
    return Predictions(
        tf.where(mask[:, None], others.class_logits, predictions.class_logits),
        tf.where(
            mask[:, None, None], others.box_deltas, predictions.box_deltas
        ),
    )
