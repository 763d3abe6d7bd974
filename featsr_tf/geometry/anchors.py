"""Anchors of the region proposal network."""

from collections.abc import Sequence

import tensorflow as tf
from keras_cv.layers import AnchorGenerator


def anchors_of_one_cell(
    base_height: float,
    base_width: float,
    scales: Sequence[float],
    aspect_ratios: Sequence[float],
) -> tf.Tensor:
    """Makes the anchors around the origin.

    Args:
        base_height: height at scale 1 and aspect ratio 1, px.
        base_width: width at scale 1 and aspect ratio 1, px.
        scales: factors of the base size.
        aspect_ratios: width over height, relative to the base.

    Returns:
        `[A, 4]`, px, scale-major, with A = number of scales x ratios.
    """
    generator = AnchorGenerator(
        "yxyx",
        sizes=[1.0],
        scales=list(scales),
        aspect_ratios=list(aspect_ratios),
        strides=[1],
    )
    unit_anchors = generator(image_shape=(1, 1, 3))[0] - 0.5
    return unit_anchors * tf.constant(
        [base_height, base_width, base_height, base_width], tf.float32
    )


def anchor_grid(
    cell_anchors: tf.Tensor,
    grid_height: tf.Tensor | int,
    grid_width: tf.Tensor | int,
    stride: float,
    first_center: float,
) -> tf.Tensor:
    """Places anchors at the true centre of every feature cell.

    The grid comes as tensors, so one graph serves frames of any size.

    Args:
        cell_anchors: `[A, 4]` from `anchors_of_one_cell`, px.
        grid_height: rows of the feature map.
        grid_width: columns of the feature map.
        stride: px from cell to cell.
        first_center: pixel index of the centre of cell 0 (its continuous
            coordinate is `first_center + 0.5`).

    Returns:
        `[grid_height * grid_width * A, 4]`, px.
    """
    y = tf.cast(tf.range(grid_height), tf.float32) * stride + first_center + 0.5
    x = tf.cast(tf.range(grid_width), tf.float32) * stride + first_center + 0.5
    x, y = tf.meshgrid(x, y)
    centers = tf.stack([y, x, y, x], axis=-1)
    grid = centers[:, :, None, :] + cell_anchors[None, None]
    return tf.reshape(grid, [-1, 4])
