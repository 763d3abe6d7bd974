"""Box arithmetic against numbers worked out by hand."""

import numpy as np
import tensorflow as tf

from featsr_tf.geometry import boxes as box_ops


def test_area_of_an_inverted_box_is_zero():
    boxes = tf.constant([[0.0, 0.0, 2.0, 3.0], [5.0, 5.0, 4.0, 9.0]])
    np.testing.assert_array_equal(box_ops.area(boxes), [6.0, 0.0])


def test_boxes_are_clipped_to_their_own_image():
    boxes = tf.constant([[[-5.0, -1.0, 50.0, 20.0]]] * 2)
    clipped = box_ops.clip(boxes, tf.constant([[40.0, 10.0], [60.0, 30.0]]))
    np.testing.assert_array_equal(clipped, [[[0, 0, 40, 10]], [[0, 0, 50, 20]]])


def test_iou_of_hand_computed_pairs():
    boxes = tf.constant([[[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 0.0, 0.0]]])
    others = tf.constant([[[5.0, 0.0, 15.0, 10.0], [0.0, 0.0, 10.0, 10.0]]])
    iou = box_ops.intersection_over_union(boxes, others)
    np.testing.assert_allclose(iou, [[[1 / 3, 1.0], [0.0, 0.0]]], atol=1e-6)


def test_intersection_over_area_is_the_share_inside():
    boxes = tf.constant([[[0.0, 0.0, 10.0, 10.0]]])
    regions = tf.constant([[[0.0, 0.0, 100.0, 4.0]]])
    share = box_ops.intersection_over_area(boxes, regions)
    np.testing.assert_allclose(share, [[[0.4]]], atol=1e-6)


def test_deltas_are_the_ones_of_the_object_detection_api():
    anchor = tf.constant([[10.0, 10.0, 20.0, 30.0]])
    box = tf.constant([[12.0, 14.0, 32.0, 34.0]])
    # Centre moves by (7, 4) from (15, 20); sides go from (10, 20) to (20, 20).
    expected = [[0.7 * 10, 0.2 * 10, np.log(2.0) * 5, 0.0]]
    np.testing.assert_allclose(
        box_ops.encode(box, anchor), expected, rtol=1e-5, atol=1e-5
    )


def test_decode_inverts_encode():
    generator = np.random.default_rng(0)
    corners = generator.uniform(0, 300, [2, 500, 2])
    sides = generator.uniform(10, 200, [2, 500, 2])
    boxes, anchors = np.concatenate([corners, corners + sides], -1).astype(
        "float32"
    )
    decoded = box_ops.decode(box_ops.encode(boxes, anchors), anchors)
    np.testing.assert_allclose(decoded, boxes, rtol=1e-4, atol=1e-3)


def test_padding_gives_finite_deltas():
    zeros = tf.zeros([1, 4])
    anchors = tf.constant([[0.0, 0.0, 16.0, 16.0]])
    assert np.isfinite(box_ops.encode(zeros, anchors)).all()
    assert np.isfinite(box_ops.encode(zeros, zeros)).all()


def test_absurd_size_deltas_do_not_overflow():
    deltas = tf.constant([[0.0, 0.0, 1e9, 1e9]])
    anchors = tf.constant([[0.0, 0.0, 16.0, 16.0]])
    assert np.isfinite(box_ops.decode(deltas, anchors)).all()


def test_jitter_moves_and_rescales_by_shares_of_the_box():
    box = tf.constant([[10.0, 10.0, 30.0, 20.0]])
    offsets = tf.constant([[0.1, -0.2, 0.0, np.log(2.0)]], tf.float32)
    # Centre (20, 15) + (2, -2); height 20, width 20.
    np.testing.assert_allclose(
        box_ops.jitter(box, offsets), [[12, 3, 32, 23]], rtol=1e-5
    )
