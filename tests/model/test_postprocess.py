"""Detections by hand: decoded, clipped, suppressed, numbered from 1."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.model.postprocess import PostProcessing
from featsr_tf.model.predictor import Predictions
from featsr_tf.model.proposal_network import Proposals

SIZES = tf.constant([[60.0, 70.0]])
LOG_2 = np.log(2.0)


def detect(boxes, probabilities, deltas=None, valid=None, **options):
    """Detections of one image; columns of probabilities: background first."""
    boxes = np.array(boxes, "float32")
    probabilities = np.array(probabilities, "float32")
    if deltas is None:
        deltas = np.zeros((len(boxes), probabilities.shape[1] - 1, 4))
    if valid is None:
        valid = [True] * len(boxes)
    proposals = Proposals(
        tf.constant(boxes[None]),
        tf.ones([1, len(boxes)]),
        tf.constant([valid]),
    )
    predictions = Predictions(
        tf.math.log(probabilities), tf.constant(deltas, tf.float32)
    )
    options = {"maximum_total": 4, **options}
    return process(PostProcessing(**options), predictions, proposals, SIZES)


def process(postprocess, *arguments):
    return postprocess.suppress(postprocess.decode(*arguments), SIZES)


def test_classes_are_ids_of_the_label_map_and_padding_is_class_zero():
    found = detect(
        [[0, 0, 20, 20], [30, 30, 50, 50]],
        [[0.2, 0.7, 0.1], [0.05, 0.05, 0.9]],
        score_threshold=0.5,
    )
    np.testing.assert_array_equal(found.classes, [[2, 1, 0, 0]])
    np.testing.assert_allclose(found.scores, [[0.9, 0.7, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(
        found.boxes[0],
        [[30, 30, 50, 50], [0, 0, 20, 20], [0, 0, 0, 0], [0, 0, 0, 0]],
    )
    np.testing.assert_array_equal(found.count, [2])
    assert found.classes.dtype == tf.int32


def test_each_class_has_its_own_box():
    # Class 1: moved down by half a height; class 2: twice as wide.
    deltas = [[[5.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, LOG_2 / 0.2]]]
    found = detect([[10, 20, 30, 40]], [[0.1, 0.5, 0.4]], deltas)
    np.testing.assert_array_equal(found.classes, [[1, 2, 0, 0]])
    np.testing.assert_allclose(
        found.boxes[0, :2], [[20, 20, 40, 40], [10, 10, 30, 50]], atol=1e-4
    )


def test_one_box_can_serve_all_classes():
    deltas = [[[5.0, 0.0, 0.0, 0.0]]]
    found = detect([[10, 20, 30, 40]], [[0.1, 0.5, 0.4]], deltas)
    np.testing.assert_array_equal(found.classes, [[1, 2, 0, 0]])
    np.testing.assert_allclose(
        found.boxes[0, :2], [[20, 20, 40, 40]] * 2, atol=1e-4
    )


def test_boxes_end_at_the_border_of_the_image():
    deltas = [[[0.0, 0.0, 10.0, 10.0]]]
    found = detect([[40, 40, 60, 60]], [[0.1, 0.9]], deltas)
    np.testing.assert_allclose(found.boxes[0, 0], [0, 0, 60, 70], atol=1e-4)


def test_duplicates_are_suppressed_within_a_class_only():
    # The boxes overlap by 15 / 25 = .6.
    boxes = [[0, 0, 20, 20], [5, 0, 25, 20]]
    same = detect(
        boxes,
        [[0.1, 0.8, 0.1], [0.2, 0.7, 0.1]],
        score_threshold=0.5,
        iou_threshold=0.5,
    )
    np.testing.assert_array_equal(same.count, [1])
    np.testing.assert_allclose(same.boxes[0, 0], [0, 0, 20, 20])
    tolerant = detect(
        boxes,
        [[0.1, 0.8, 0.1], [0.2, 0.7, 0.1]],
        score_threshold=0.5,
        iou_threshold=0.65,
    )
    np.testing.assert_array_equal(tolerant.count, [2])
    other = detect(
        boxes,
        [[0.1, 0.8, 0.1], [0.2, 0.1, 0.7]],
        score_threshold=0.5,
        iou_threshold=0.5,
    )
    np.testing.assert_array_equal(other.classes, [[1, 2, 0, 0]])


def test_padding_of_the_proposals_is_never_detected():
    found = detect(
        [[0, 0, 20, 20], [0, 0, 0, 0]],
        [[0.4, 0.6], [0.01, 0.99]],
        valid=[True, False],
    )
    np.testing.assert_array_equal(found.count, [1])
    np.testing.assert_allclose(found.scores[0, 0], 0.6, rtol=1e-6)


def test_no_proposals_give_no_detections():
    found = detect([[0, 0, 0, 0]], [[0.1, 0.9]], valid=[False])
    for values in (found.boxes, found.scores, found.classes, found.count):
        assert not np.any(values)


def test_the_best_are_kept_in_each_class_and_in_all():
    boxes = [[0, 10 * i, 10, 10 * i + 10] for i in range(5)]
    probabilities = [[0.0, p, 1.0 - p] for p in (0.9, 0.8, 0.7, 0.6, 0.55)]
    found = detect(
        boxes,
        probabilities,
        score_threshold=0.3,
        maximum_per_class=2,
        maximum_total=3,
    )
    np.testing.assert_allclose(found.scores, [[0.9, 0.8, 0.45]], rtol=1e-6)
    np.testing.assert_array_equal(found.classes, [[1, 1, 2]])


@pytest.mark.parametrize(
    "converter, score",
    [("SOFTMAX", 0.75), ("SIGMOID", 0.75), ("IDENTITY", np.log(3.0))],
)
def test_scores_are_converted_as_told(converter, score):
    # Logits 0 and log 3; the sigmoid of log 3 is 3 / 4 as well.
    found = detect([[0, 0, 20, 20]], [[1.0, 3.0]], score_converter=converter)
    np.testing.assert_allclose(found.scores[0, 0], score, rtol=1e-6)


def test_images_of_a_batch_are_judged_apart():
    proposals = Proposals(
        tf.constant([[[0, 0, 20, 20]], [[0, 0, 20, 20]]], tf.float32),
        tf.ones([2, 1]),
        tf.constant([[True], [True]]),
    )
    predictions = Predictions(
        tf.math.log([[0.1, 0.9], [0.7, 0.3]]), tf.zeros([2, 1, 4])
    )
    sizes = tf.constant([[60.0, 70.0], [15.0, 10.0]])
    postprocess = PostProcessing(maximum_total=1)
    found = process(postprocess, predictions, proposals, sizes)
    np.testing.assert_allclose(found.scores, [[0.9], [0.3]], rtol=1e-6)
    np.testing.assert_allclose(
        found.boxes[:, 0], [[0, 0, 20, 20], [0, 0, 15, 10]]
    )


@pytest.mark.parametrize(
    ("converter", "scores"),
    [
        # Logits 1 and 2 halved, beside a background of 0.
        ("SOFTMAX", np.exp([0.5, 1.0]) / (1 + np.exp(0.5) + np.exp(1.0))),
        ("SIGMOID", 1 / (1 + np.exp([-0.5, -1.0]))),
        ("IDENTITY", [0.5, 1.0]),
    ],
)
def test_logits_are_divided_by_their_scale_before_they_become_scores(
    converter, scores
):
    found = detect(
        [[0, 0, 20, 20]],
        np.exp([[0.0, 1.0, 2.0]]),
        score_converter=converter,
        logit_scale=2.0,
    )
    np.testing.assert_allclose(found.scores[0, :2], scores[::-1], rtol=1e-5)


def test_candidates_are_decoded_clipped_and_have_the_background():
    proposals = Proposals(
        tf.constant([[[10.0, 20, 30, 40], [40, 40, 60, 60], [0, 0, 0, 0]]]),
        tf.ones([1, 3]),
        tf.constant([[True, True, False]]),
    )
    deltas = np.zeros([3, 2, 4], "float32")
    # Class 1: moved down by half a height; class 2: twice as wide.
    deltas[:, 0, 0], deltas[:, 1, 3] = 5.0, LOG_2 / 0.2
    probabilities = [[0.1, 0.5, 0.4], [0.7, 0.1, 0.2], [0.2, 0.4, 0.4]]
    predictions = Predictions(
        tf.math.log(tf.constant(probabilities)), tf.constant(deltas)
    )
    postprocess = PostProcessing(maximum_total=5)
    candidates = postprocess.decode(predictions, proposals, SIZES)
    np.testing.assert_allclose(
        candidates.boxes[0, :2],
        [
            [[20, 20, 40, 40], [10, 10, 30, 50]],
            [[50, 40, 60, 60], [40, 30, 60, 70]],
        ],
        atol=1e-4,
    )
    np.testing.assert_allclose(candidates.scores[0], probabilities, rtol=1e-6)
    np.testing.assert_array_equal(candidates.valid, [[True, True, False]])
    found = postprocess.suppress(candidates)
    np.testing.assert_allclose(
        found.scores, [[0.5, 0.4, 0.2, 0.1, 0.0]], rtol=1e-5
    )
    np.testing.assert_array_equal(found.classes, [[1, 2, 2, 1, 0]])


@pytest.mark.parametrize("clips_last, count", [(False, 1), (True, 2)])
def test_boxes_may_be_suppressed_before_they_are_clipped(clips_last, count):
    found = detect(
        [[50, 0, 70, 20], [50, 0, 90, 20], [70, 0, 90, 20]],
        [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]],
        clips_last=clips_last,
        score_threshold=0.1,
    )
    # The third one has no part in the image of 60 px.
    boxes = found.boxes[0][np.flatnonzero(found.scores[0] > 0.0)[0] :]
    np.testing.assert_allclose(boxes[0], [50, 0, 60, 20])
    overlapping = [box for box in boxes.numpy() if box[2] - box[0] == 10]
    assert len(overlapping) == count
