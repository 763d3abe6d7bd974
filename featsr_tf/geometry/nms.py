"""Non-maximum suppression of proposals and of detections."""

from typing import NamedTuple

import tensorflow as tf


class KeptBoxes(NamedTuple):
    """The boxes that survive, best first, padded with zeros.

    Attributes:
        boxes: `[B, K, 4]`, px.
        scores: `[B, K]`.
        classes: `[B, K]` int32, 0-based index of the score's column.
        count: `[B]` int32, how many of the K are boxes.
    """

    boxes: tf.Tensor
    scores: tf.Tensor
    classes: tf.Tensor
    count: tf.Tensor


def suppress(
    boxes: tf.Tensor,
    scores: tf.Tensor,
    iou_threshold: float,
    score_threshold: float,
    maximum_per_class: int,
    maximum_total: int,
) -> KeptBoxes:
    """Keeps the best of overlapping boxes, class by class.

    TensorFlow's own kernel: on 2 x 500 boxes it takes a tenth of the time of
    keras_cv's NonMaxSuppression, which is a loop of graph operations.

    Args:
        boxes: `[B, N, C or 1, 4]`, px.
        scores: `[B, N, C]`.
        iou_threshold: boxes that overlap a better one by more are dropped.
        score_threshold: boxes with lower scores are dropped.
        maximum_per_class: boxes kept per class.
        maximum_total: K, boxes kept in all.

    Returns:
        `KeptBoxes`.
    """
    kept = tf.image.combined_non_max_suppression(
        boxes,
        scores,
        maximum_per_class,
        maximum_total,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        clip_boxes=False,
    )
    return KeptBoxes(
        kept.nmsed_boxes,
        kept.nmsed_scores,
        tf.cast(kept.nmsed_classes, tf.int32),
        kept.valid_detections,
    )
