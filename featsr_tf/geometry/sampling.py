"""Anchors and proposals matched with objects, and sampled for the losses."""

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
        match_every_object: whether the best candidate of each object is
            positive whatever its IoU (anchors).
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


class SampledProposals(NamedTuple):
    """A fixed number of proposals per image with their targets.

    Attributes:
        boxes: `[B, K, 4]`, px.
        classes: `[B, K]` int32, 0 is background.
        target_boxes: `[B, K, 4]`, px; the proposal itself for background.
        weights: `[B, K]` float32, 0 where fewer than K could be had.
    """

    boxes: tf.Tensor
    classes: tf.Tensor
    target_boxes: tf.Tensor
    weights: tf.Tensor


def uniform(seeds: tf.Tensor, shape: list, salt: int) -> tf.Tensor:
    """Draws numbers `[B, *shape]` in 0..1 by the seeds `[B, 2]` of images.

    `salt` tells independent draws for one image apart.
    """
    return tf.map_fn(
        lambda seed: tf.random.stateless_uniform(shape, seed + salt),
        seeds,
        fn_output_signature=tf.float32,
    )


def balanced_ranks(
    labels: tf.Tensor,
    random_numbers: tf.Tensor,
    count: int,
    positive_fraction: float,
) -> tf.Tensor:
    """Ranks candidates so that the best `count` are a balanced random sample.

    Args:
        labels: `[B, N]` as in `Matches`.
        random_numbers: `[B, N]` in 0..1.

    Returns:
        `[B, N]` float32: positives 2..3, negatives 1..2, -1 for those that
        must not be taken.
    """
    positive = labels == POSITIVE
    limit = max(int(count * positive_fraction), 1)
    ranks = tf.where(positive, random_numbers + 2.0, -1.0)
    threshold = _best(ranks, limit).values[:, -1:]
    ranks = tf.where(positive & (ranks < threshold), -1.0, ranks)
    negative = labels == NEGATIVE
    return tf.where(negative, random_numbers + 1.0, ranks)


def _best(ranks, count: int):
    """The best `count` of each row, or all where there are fewer."""
    return tf.math.top_k(ranks, min(count, ranks.shape[1] or count))


def sample_anchors(
    labels: tf.Tensor, seeds: tf.Tensor, count: int, positive_fraction: float
) -> tf.Tensor:
    """Chooses the anchors that the proposal network's losses see.

    Args:
        labels: `[B, N]` as in `Matches`.
        seeds: `[B, 2]` int32.

    Returns:
        `[B, N]` float32 weights, 1 for the chosen anchors.
    """
    numbers = uniform(seeds, [tf.shape(labels)[1]], salt=1)
    ranks = balanced_ranks(labels, numbers, count, positive_fraction)
    threshold = _best(ranks, count).values[:, -1:]
    return tf.cast((ranks >= threshold) & (ranks > 0.0), tf.float32)


def add_truth(
    proposals: tf.Tensor,
    valid: tf.Tensor,
    truth_boxes: tf.Tensor,
    truth_classes: tf.Tensor,
    image_sizes: tf.Tensor,
    seeds: tf.Tensor,
    copies: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Adds the true boxes and jittered copies of them to the proposals.

    Args:
        proposals: `[B, P, 4]`, px.
        valid: `[B, P]` bool.
        truth_boxes: `[B, M, 4]`, px.
        truth_classes: `[B, M]` int32, 0 is padding.
        image_sizes: `[B, 2]`, px.
        seeds: `[B, 2]` int32.

    Returns:
        candidates `[B, P + M * (copies + 1), 4]`, px, and which of them are
        boxes at all, bool.
    """
    is_object = truth_classes > 0
    repeated = tf.repeat(truth_boxes, copies, axis=1)
    numbers = uniform(seeds, [tf.shape(repeated)[1], 4], salt=2)
    jittered = box_ops.jitter(repeated, 0.5 * (numbers - 0.5))
    candidates = tf.concat(
        [proposals, truth_boxes, box_ops.clip(jittered, image_sizes)], axis=1
    )
    valid = tf.concat(
        [valid, is_object, tf.repeat(is_object, copies, axis=1)], axis=1
    )
    return candidates, valid & (box_ops.area(candidates) >= 1.0)


def sample_proposals(
    candidates: tf.Tensor,
    allowed: tf.Tensor,
    truth_boxes: tf.Tensor,
    truth_classes: tf.Tensor,
    truth_ignored: tf.Tensor,
    seeds: tf.Tensor,
    count: int,
    positive_fraction: float,
) -> SampledProposals:
    """Chooses the proposals that a predictor's losses see, with their targets.

    Args:
        candidates: `[B, N, 4]`, px.
        allowed: `[B, N]` bool: which candidates may be chosen.
        truth_boxes: `[B, M, 4]`, px.
        truth_classes: `[B, M]` int32, 0 is padding.
        truth_ignored: `[B, M]` bool.
        seeds: `[B, 2]` int32.
    """
    matches = match(candidates, truth_boxes, truth_ignored, 0.5, 0.5)
    labels = tf.where(allowed, matches.labels, NEITHER)
    numbers = uniform(seeds, [tf.shape(labels)[1]], salt=3)
    ranks = balanced_ranks(labels, numbers, count, positive_fraction)
    top = _best(ranks, count)
    boxes = tf.gather(candidates, top.indices, batch_dims=1)
    positive = tf.gather(labels, top.indices, batch_dims=1) == POSITIVE
    objects = tf.gather(matches.indices, top.indices, batch_dims=1)
    classes = tf.gather(truth_classes, objects, batch_dims=1)
    targets = tf.gather(truth_boxes, objects, batch_dims=1)
    return SampledProposals(
        boxes,
        tf.where(positive, classes, 0),
        tf.where(positive[..., None], targets, boxes),
        tf.cast(top.values > 0.0, tf.float32),
    )
