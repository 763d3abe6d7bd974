"""Which anchor or proposal stands for which object."""

from typing import NamedTuple

import tensorflow as tf
from keras_cv.layers import BoxMatcher

from featsr_tf.geometry import boxes as box_ops

POSITIVE = 1
NEGATIVE = 0
NEITHER = -1


class Matches(NamedTuple):
    """What each candidate box stands for.

    Attributes:
        labels: `[B, N]` int32: `POSITIVE`, `NEGATIVE` or `NEITHER`.
        indices: `[B, N]` int32 index of the best overlapping object.
    """

    labels: tf.Tensor
    indices: tf.Tensor


def match(
    candidates: tf.Tensor,
    truth_boxes: tf.Tensor,
    truth_ignored: tf.Tensor,
    negative_iou: float,
    positive_iou: float,
    match_every_object: bool = False,
) -> Matches:
    """Matches candidate boxes to objects by IoU.

    Args:
        candidates: `[B, N, 4]`, px.
        truth_boxes: `[B, M, 4]`, px, zero padded.
        truth_ignored: `[B, M]` bool: crowds and difficult objects; candidates
            that lie in one by half are neither positive nor negative.
        negative_iou: candidates below it are background.
        positive_iou: candidates at or above it are objects.
        match_every_object: whether the best candidate of each object is
            positive whatever its IoU (anchors).

    Returns:
        `Matches`.
    """
    objects = tf.where(truth_ignored[..., None], 0.0, truth_boxes)
    iou = box_ops.intersection_over_union(candidates, objects)
    if negative_iou < positive_iou:
        matcher = BoxMatcher(
            [negative_iou, positive_iou], [NEGATIVE, NEITHER, POSITIVE]
        )
    else:
        matcher = BoxMatcher([positive_iou], [NEGATIVE, POSITIVE])
    indices, labels = matcher(iou)
    indices = tf.minimum(indices, tf.shape(truth_boxes)[1] - 1)
    labels = _leave_out_ignored(candidates, truth_boxes, truth_ignored, labels)
    if match_every_object:
        # BoxMatcher's own option would also match a candidate to each padding
        # row of the truth.
        best = tf.reduce_max(iou, axis=1, keepdims=True)
        is_best = (iou == best) & (best > 0.0)
        forced = tf.reduce_any(is_best, axis=2)
        forced_indices = tf.argmax(
            tf.where(is_best, iou, -1.0), axis=2, output_type=tf.int32
        )
        indices = tf.where(forced, forced_indices, indices)
        labels = tf.where(forced, POSITIVE, labels)
    return Matches(labels, indices)


def _leave_out_ignored(candidates, truth_boxes, truth_ignored, labels):
    regions = tf.where(truth_ignored[..., None], truth_boxes, 0.0)
    inside = box_ops.intersection_over_area(candidates, regions)
    ignored = tf.reduce_any(inside > 0.5, axis=2)
    return tf.where(ignored & (labels == NEGATIVE), NEITHER, labels)
