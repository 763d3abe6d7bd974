"""Samples are balanced, honest about their size, and fixed by the seed."""

import numpy as np
import tensorflow as tf

from featsr_tf.geometry import sampling
from featsr_tf.geometry.sampling import NEGATIVE
from featsr_tf.geometry.sampling import NEITHER
from featsr_tf.geometry.sampling import POSITIVE

SEEDS = tf.constant([[0, 1], [0, 2]])


def labels_with(positives, negatives, neither):
    row = [POSITIVE] * positives + [NEGATIVE] * negatives + [NEITHER] * neither
    return tf.constant([row, row])


def test_positives_are_at_most_their_share():
    labels = labels_with(40, 200, 60)
    weights = sampling.sample_anchors(labels, SEEDS, 64, 0.25).numpy()
    np.testing.assert_array_equal(weights[:, :40].sum(axis=1), [16, 16])
    np.testing.assert_array_equal(weights[:, 40:240].sum(axis=1), [48, 48])
    assert weights[:, 240:].sum() == 0


def test_negatives_fill_up_where_positives_are_few():
    labels = labels_with(3, 200, 60)
    weights = sampling.sample_anchors(labels, SEEDS, 64, 0.25).numpy()
    np.testing.assert_array_equal(weights[:, :3].sum(axis=1), [3, 3])
    np.testing.assert_array_equal(weights.sum(axis=1), [64, 64])


def test_nothing_is_made_up_where_candidates_are_few():
    labels = labels_with(2, 5, 93)
    weights = sampling.sample_anchors(labels, SEEDS, 64, 0.5).numpy()
    np.testing.assert_array_equal(weights.sum(axis=1), [7, 7])


def test_the_sample_of_an_image_depends_on_its_seed_alone():
    labels = labels_with(40, 200, 60)
    both = sampling.sample_anchors(labels, SEEDS, 64, 0.25)
    alone = sampling.sample_anchors(labels[1:], SEEDS[1:], 64, 0.25)
    np.testing.assert_array_equal(both[1:], alone)
    assert np.any(both[0] != both[1])


def sample(truth, classes, ignored=None, allowed=None, count=8):
    candidates = tf.constant(
        [[[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 70, 70], [80, 80, 99, 99]]],
        tf.float32,
    )
    candidates = tf.concat([candidates, tf.zeros([1, 10, 4])], axis=1)
    if allowed is None:
        allowed = [True] * 4 + [False] * 10
    return sampling.sample_proposals(
        candidates,
        tf.constant([allowed]),
        tf.constant([truth], tf.float32),
        tf.constant([classes]),
        tf.constant([ignored or [False] * len(classes)]),
        SEEDS[:1],
        count,
        0.5,
    )


def test_sampled_proposals_carry_class_and_box_of_their_object():
    found = sample([[0, 0, 10, 10], [0, 0, 0, 0]], [3, 0])
    weights = found.weights[0].numpy()
    assert weights.sum() == 4
    boxes = found.boxes[0].numpy()[weights > 0]
    classes = found.classes[0].numpy()[weights > 0]
    targets = found.target_boxes[0].numpy()[weights > 0]
    near = boxes[:, 2] == 10
    np.testing.assert_array_equal(classes, np.where(near, 3, 0))
    np.testing.assert_array_equal(targets[near], [[0, 0, 10, 10]] * 2)
    np.testing.assert_array_equal(targets[~near], boxes[~near])


def test_only_allowed_candidates_are_sampled():
    allowed = [False, True, True, False] + [False] * 10
    found = sample([[0, 0, 10, 10]], [3], allowed=allowed)
    kept = found.boxes[0].numpy()[found.weights[0].numpy() > 0]
    assert sorted(kept[:, 2]) == [9.0, 70.0] or sorted(kept[:, 2]) == [
        10.0,
        70.0,
    ]
    assert len(kept) == 2


def test_an_ignored_object_is_neither_truth_nor_background():
    found = sample([[0, 0, 10, 10]], [3], ignored=[True])
    weights = found.weights[0].numpy()
    assert weights.sum() == 2
    assert found.classes.numpy().max() == 0


def test_jittered_boxes_stay_near_their_object():
    truth = tf.constant([[[40.0, 40.0, 80.0, 80.0], [0.0, 0.0, 0.0, 0.0]]])
    boxes, valid = sampling.add_truth(
        tf.zeros([1, 3, 4]),
        tf.zeros([1, 3], tf.bool),
        truth,
        tf.constant([[2, 0]]),
        tf.constant([[100.0, 100.0]]),
        SEEDS[:1],
        copies=5,
    )
    kept = boxes[0].numpy()[valid[0].numpy()]
    assert len(kept) == 6
    np.testing.assert_array_equal(kept[0], [40, 40, 80, 80])
    centers = (kept[:, :2] + kept[:, 2:]) / 2
    assert np.abs(centers - 60).max() <= 10.1
    assert len(np.unique(kept, axis=0)) == 6
