"""What candidates stand for, with the cases that go wrong in practice."""

import numpy as np
import tensorflow as tf

from featsr_tf.geometry.sampling import NEGATIVE
from featsr_tf.geometry.sampling import NEITHER
from featsr_tf.geometry.sampling import POSITIVE
from featsr_tf.geometry.sampling import match

OBJECT = [0.0, 0.0, 10.0, 10.0]
PADDING = [0.0, 0.0, 0.0, 0.0]


def matches_of(candidates, truth, ignored=None, **options):
    truth = tf.constant([truth], tf.float32)
    ignored = [ignored or [False] * truth.shape[1]]
    return match(
        tf.constant([candidates], tf.float32),
        truth,
        tf.constant(ignored),
        0.3,
        0.5,
        **options,
    )


def test_labels_follow_the_overlap():
    candidates = [
        [0, 0, 10, 10],  # IoU 1
        [0, 0, 10, 5],  # IoU .5
        [0, 0, 10, 4],  # IoU .4
        [0, 0, 10, 2],  # IoU .2
        [50, 50, 60, 60],
    ]
    labels = matches_of(candidates, [OBJECT, PADDING]).labels[0]
    np.testing.assert_array_equal(
        labels, [POSITIVE, POSITIVE, NEITHER, NEGATIVE, NEGATIVE]
    )


def test_indices_name_the_best_object():
    truth = [[0, 0, 10, 10], [0, 8, 10, 18], PADDING]
    found = matches_of([[0, 7, 10, 17], [0, 1, 10, 11]], truth)
    np.testing.assert_array_equal(found.indices[0], [1, 0])


def test_every_object_gets_its_best_candidate_whatever_the_overlap():
    candidates = [[0, 0, 3, 3], [0, 0, 4, 4], [90, 90, 99, 99]]
    found = matches_of(candidates, [OBJECT], match_every_object=True)
    np.testing.assert_array_equal(
        found.labels[0], [NEGATIVE, POSITIVE, NEGATIVE]
    )


def test_padding_is_never_matched():
    found = matches_of(
        [[0, 0, 0, 0], [5, 5, 9, 9]],
        [PADDING, PADDING],
        match_every_object=True,
    )
    np.testing.assert_array_equal(found.labels[0], [NEGATIVE, NEGATIVE])


def test_candidates_inside_an_ignored_object_are_neither():
    found = matches_of(
        [[0, 0, 10, 10], [2, 2, 8, 8], [0, 8, 10, 18]], [OBJECT], [True]
    )
    np.testing.assert_array_equal(found.labels[0], [NEITHER, NEITHER, NEGATIVE])
