"""Rows of tensors: proposals picked for one predictor and put back."""

from collections.abc import Sequence
from typing import TypeVar

import tensorflow as tf

Rows = TypeVar("Rows", bound=tuple)


def rows_where(mask: tf.Tensor) -> tf.Tensor:
    """Lists the rows where a mask `[n]` is true, or one row beyond the last.

    TensorFlow's convolutions fail on an empty batch; the row beyond the last
    reads as the last one and `scatter_rows` drops it.

    Returns:
        `[m]` int32, m at least 1.
    """
    rows = tf.cast(tf.where(mask)[:, 0], tf.int32)
    missing = tf.cast(tf.size(rows) == 0, tf.int32)
    return tf.pad(rows, [[0, missing]], constant_values=tf.size(mask))


def gather_rows(rows: tf.Tensor, *values: tf.Tensor) -> list[tf.Tensor]:
    """Takes the rows `[m]` of `rows_where` of tensors of n rows."""
    rows = tf.minimum(rows, tf.shape(values[0])[0] - 1)
    return [tf.gather(value, rows) for value in values]


def scatter_rows(rows: tf.Tensor, values: Rows, count: tf.Tensor) -> Rows:
    """Inverts `gather_rows`.

    Args:
        rows: `[m]` of `rows_where`.

    Returns:
        The tuple with n rows, 0 in the other ones.
    """
    scattered = []
    for value in values:
        shape = tf.concat([[count + 1], tf.shape(value)[1:]], axis=0)
        found = tf.scatter_nd(rows[:, None], value, shape)[:-1]
        scattered.append(tf.ensure_shape(found, [None, *value.shape[1:]]))
    return type(values)(*scattered)


def select_rows(mask: tf.Tensor, values: Rows, others: Rows) -> Rows:
    """Takes rows of `values` where a mask `[n]` is true, else of `others`."""
    return tf.nest.map_structure(
        lambda one, other: tf.where(
            tf.reshape(mask, [-1] + [1] * (len(one.shape) - 1)), one, other
        ),
        values,
        others,
    )


def rows_by_image(
    rows: Sequence[tf.Tensor], image_indices: tf.Tensor, batch_size: tf.Tensor
) -> list[tf.Tensor]:
    """Lists rows image by image.

    Args:
        rows: tensors of n rows each, `[n, ...]`.
        image_indices: `[n]` int32, row of the batch; -1 = of no image.

    Returns:
        Each as `[B, Q, ...]`, Q at least 1, with 0 behind the rows of an image.
    """
    is_of = image_indices[None] == tf.range(batch_size)[:, None]
    counts = tf.cumsum(tf.cast(is_of, tf.int32), axis=1)
    room = tf.maximum(tf.reduce_max(counts), 1)
    ranks = tf.reduce_sum(tf.where(is_of, counts - 1, 0), axis=0)
    # Those of no image land in a row beyond the last.
    images = tf.where(image_indices < 0, batch_size, image_indices)
    places = tf.stack([images, ranks], axis=1)
    scattered = []
    for values in rows:
        shape = tf.concat(
            [[batch_size + 1, room], tf.shape(values)[1:]], axis=0
        )
        found = tf.scatter_nd(places, values, shape)[:-1]
        scattered.append(
            tf.ensure_shape(found, [None, None, *values.shape[1:]])
        )
    return scattered


def flatten_boxes(boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Lists the boxes of a batch one after the other.

    Args:
        boxes: `[B, P, 4]`, px.

    Returns:
        boxes `[B * P, 4]` and their rows in the batch `[B * P]` int32.
    """
    batch, count = tf.unstack(tf.shape(boxes)[:2])
    if None not in boxes.shape[:2]:
        batch, count = boxes.shape[:2]
    indices = tf.repeat(tf.range(batch), count)
    return tf.reshape(boxes, [batch * count, 4]), indices
