"""Non-maximum suppression against a plain loop."""

import numpy as np
import tensorflow as tf

from featsr_tf.geometry.boxes import intersection_over_union
from featsr_tf.geometry.nms import suppress


def slow_suppress(boxes, scores, iou_threshold):
    overlap = intersection_over_union(boxes[None], boxes[None])[0].numpy()
    kept = []
    for index in np.argsort(-scores, kind="stable"):
        if all(overlap[index, other] <= iou_threshold for other in kept):
            kept.append(index)
    return kept


def test_equals_a_plain_loop_on_random_boxes():
    generator = np.random.default_rng(0)
    for _ in range(20):
        corners = generator.uniform(0, 80, [60, 2])
        sides = generator.uniform(5, 40, [60, 2])
        boxes = np.concatenate([corners, corners + sides], 1).astype("float32")
        scores = generator.uniform(0.1, 1, 60).astype("float32")
        found = suppress(
            boxes[None, :, None], scores[None, :, None], 0.5, 0.0, 60, 60
        )
        expected = slow_suppress(tf.constant(boxes), scores, 0.5)
        count = int(found.count[0])
        assert count == len(expected)
        np.testing.assert_allclose(found.boxes[0, :count], boxes[expected])
        np.testing.assert_allclose(found.scores[0, :count], scores[expected])


def test_classes_do_not_suppress_each_other():
    boxes = tf.constant([[[[0.0, 0.0, 10.0, 10.0]]]])
    found = suppress(boxes, tf.constant([[[0.4, 0.9]]]), 0.5, 0.0, 5, 5)
    np.testing.assert_array_equal(found.classes[0, :2], [1, 0])
    np.testing.assert_array_equal(found.count, [2])


def test_low_scores_are_dropped():
    boxes = tf.constant([[[[0.0, 0.0, 10.0, 10.0]], [[50.0, 50, 60, 60]]]])
    found = suppress(boxes, tf.constant([[[0.4], [0.1]]]), 0.5, 0.2, 5, 5)
    np.testing.assert_array_equal(found.count, [1])
