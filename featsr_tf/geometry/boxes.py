"""Boxes as `[..., 4]` tensors: ymin, xmin, ymax, xmax in continuous pixels."""

from collections.abc import Sequence

import tensorflow as tf
from keras.utils import bounding_boxes
from keras_cv.layers import AnchorGenerator

# The Faster R-CNN box coder of the TF Object Detection API scales deltas by
# 10, 10, 5, 5; these are the same numbers as variances.
DELTA_VARIANCES = (0.1, 0.1, 0.2, 0.2)

# A box 20,000 times as long as its anchor is longer than any image.
MAXIMUM_SIZE_DELTA = 50.0


def area(boxes: tf.Tensor) -> tf.Tensor:
    """Computes areas `[...]`, px^2; 0 for boxes empty or inside out."""
    sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return sides[..., 0] * sides[..., 1]


def clip(boxes: tf.Tensor, image_sizes: tf.Tensor) -> tf.Tensor:
    """Clips boxes `[B, N, 4]` to images of sizes `[B, 2]`, px."""
    limits = tf.tile(image_sizes, [1, 2])[:, None, :]
    return tf.clip_by_value(boxes, 0.0, limits)


def intersection_over_union(
    boxes: tf.Tensor, other_boxes: tf.Tensor
) -> tf.Tensor:
    """Computes the IoU `[B, N, M]` of boxes `[B, N, 4]` and `[B, M, 4]`.

    It is 0 against an empty box.
    """
    return bounding_boxes.compute_iou(boxes, other_boxes, "yxyx")


def intersection_over_area(boxes: tf.Tensor, regions: tf.Tensor) -> tf.Tensor:
    """Computes which share `[B, N, M]` of each box lies in each region."""
    boxes = boxes[:, :, None, :]
    regions = regions[:, None, :, :]
    shared = tf.concat(
        [
            tf.maximum(boxes[..., :2], regions[..., :2]),
            tf.minimum(boxes[..., 2:], regions[..., 2:]),
        ],
        axis=-1,
    )
    return area(shared) / tf.maximum(area(boxes), 1e-6)


def encode(boxes: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Expresses boxes as deltas from anchors (or proposals).

    Args:
        boxes: `[..., 4]`, px.
        anchors: `[..., 4]`, px.

    Returns:
        `[..., 4]` deltas of centre y, centre x, log height, log width over
        `DELTA_VARIANCES`; finite for every finite input.
    """
    return bounding_boxes.encode_box_to_deltas(
        anchors,
        boxes,
        anchor_format="yxyx",
        box_format="yxyx",
        encoding_format="center_yxhw",
        variance=DELTA_VARIANCES,
    )


def decode(deltas: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Inverts `encode`: boxes `[..., 4]`, px, of deltas from anchors."""
    centers, sizes = tf.split(deltas, 2, axis=-1)
    sizes = tf.minimum(sizes, MAXIMUM_SIZE_DELTA)
    return bounding_boxes.decode_deltas_to_boxes(
        anchors,
        tf.concat([centers, sizes], axis=-1),
        anchor_format="yxyx",
        box_format="yxyx",
        encoded_format="center_yxhw",
        variance=DELTA_VARIANCES,
    )


def jitter(boxes: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Moves and rescales boxes relative to their own size.

    Args:
        boxes: `[..., 4]`, px.
        offsets: `[..., 4]` shift of the centre in y and x as shares of
            height and width, then the logarithms of the factors of height and
            width.
    """
    return decode(offsets / tf.constant(DELTA_VARIANCES), boxes)


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
