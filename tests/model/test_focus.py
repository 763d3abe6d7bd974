"""The focus map: which cells become places, and what its head learns."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.model.focus import FocusHead
from featsr_tf.model.focus import FocusMap
from featsr_tf.training.focus import focus_loss
from featsr_tf.training.focus import mark_objects
from tests.model.small import small_detector
from tests.model.test_second_look import FIELDS
from tests.model.test_second_look import IMAGES

CELLS = ReceptiveField(size=9, stride=8, first_center=3.5)


def map_of(scores, sides=None):
    scores = np.array(scores, np.float32)
    if sides is None:
        sides = np.full_like(scores, 8.0)
    return FocusMap(
        tf.constant(np.log(scores / (1 - scores))), tf.constant(sides)
    )


def test_a_peak_is_a_square_around_the_middle_of_its_cell():
    scores = np.full((2, 3, 4), 0.01)
    scores[1, 1, 2] = 0.9
    scores[1, 0, 1] = 0.8  # beside the peak
    sides = np.full(scores.shape, 8.0, np.float32)
    sides[1, 1, 2] = 6.0
    boxes, rows = map_of(scores, sides).peaks(
        0.3, CELLS, tf.constant([[24.0, 32.0]] * 2)
    )
    np.testing.assert_array_equal(rows, [1])
    # The middle of cell (1, 2) is at (12, 20) px.
    np.testing.assert_array_equal(boxes, [[9, 17, 15, 23]])


def test_peaks_are_above_the_threshold_and_within_the_image():
    scores = np.full((1, 5, 5), 0.01)
    scores[0, 0, 0], scores[0, 0, 4], scores[0, 4, 0] = 0.5, 0.9, 0.2
    focus = map_of(scores)
    whole, narrow = tf.constant([[40.0, 40.0]]), tf.constant([[40.0, 30.0]])
    assert len(focus.peaks(0.3, CELLS, whole)[0]) == 2
    assert len(focus.peaks(0.1, CELLS, whole)[0]) == 3
    assert len(focus.peaks(0.3, CELLS, narrow)[0]) == 1
    saturated = FocusMap(tf.fill([1, 5, 5], 99.0), focus.sides)
    assert len(saturated.peaks(1.0, CELLS, whole)[0]) == 0


def test_objects_mark_the_cells_that_they_cover_and_one_at_least():
    boxes = tf.constant(
        [[[0.0, 0.0, 16.0, 16.0], [26.0, 26.0, 28.0, 28.0], [0, 24, 16, 40]]]
    )
    found = mark_objects(
        boxes,
        is_wanted=tf.constant([[True, True, False]]),
        is_object=tf.constant([[True, True, True]]),
        cells=CELLS,
        shape=tf.constant([5, 5]),
    )
    labels = np.zeros((1, 5, 5))
    labels[0, :2, :2] = 1
    labels[0, 3, 3] = 1
    np.testing.assert_array_equal(found.labels, labels)
    weights = np.ones((1, 5, 5))
    weights[0, :2, 3:5] = 0
    np.testing.assert_array_equal(found.weights, weights)
    np.testing.assert_allclose(found.sides[0, 0, 0], 16.0)
    np.testing.assert_allclose(found.sides[0, 3, 3], 2.0)


def test_the_loss_is_focal_and_per_marked_cell():
    labels = np.zeros((1, 1, 3), np.float32)
    labels[0, 0, 0] = 1
    targets = mark_objects(
        tf.constant([[[0.0, 0.0, 8.0, 8.0]]]),
        tf.constant([[True]]),
        tf.constant([[True]]),
        CELLS,
        tf.constant([1, 3]),
    )
    np.testing.assert_array_equal(targets.labels, labels)
    focus = map_of([[[0.5, 0.25, 0.25]]], np.full((1, 1, 3), 16.0, np.float32))
    total, logs = focus_loss(focus, targets)
    expected = 0.75 * 0.25 * np.log(2) - 2 * 0.25 / 16 * np.log(0.75)
    np.testing.assert_allclose(logs["focus"], expected, rtol=1e-4)
    np.testing.assert_allclose(logs["focus_side"], np.log(2), rtol=1e-5)
    np.testing.assert_allclose(total, expected + 0.1 * np.log(2), rtol=1e-4)
    ignored = targets._replace(weights=tf.zeros_like(targets.weights))
    assert float(focus_loss(focus, ignored)[0]) == 0.0


@pytest.mark.parametrize("base_shape", [(2, 3), (3, 4)])
def test_a_new_head_sees_nothing_special(base_shape):
    head = FocusHead(8, stride=8, base_stride=16)
    sub, base = tf.random.normal([2, 4, 6, 5]), (2, *base_shape, 7)
    head.build(sub.shape, base)
    found = head({"sub": sub, "base": tf.random.normal(base)})
    assert found.logits.shape == found.sides.shape == (2, 4, 6)
    assert np.all(tf.sigmoid(found.logits) < 0.1)
    copy = FocusHead.from_config(head.get_config())
    copy.build(sub.shape, base)
    assert [v.shape for v in copy.weights] == [v.shape for v in head.weights]


def test_a_peak_is_looked_at_though_nothing_was_detected_there():
    detector = small_detector(*FIELDS)
    sizes, scales = tf.constant([[64.0, 64.0]] * 2), tf.ones([2, 2])
    settings = dataclasses.replace(
        detector.second_look.settings, score_threshold=1.1, focus_threshold=0.5
    )
    shape = (2, 16, 16)
    scores = np.full(shape, 0.01)
    scores[1, 4, 8] = 0.9
    focus = map_of(scores)
    look = detector.second_look
    laid = []

    def choose_views(places, image_sizes):
        laid.append(places)
        return type(look).choose_views(look, places, image_sizes)

    with (
        mock.patch.object(look, "settings", settings),
        mock.patch.object(look, "choose_views", choose_views),
        mock.patch.object(detector, "focus_head", lambda _: focus),
        mock.patch.object(look, "can_skip", False),
    ):
        found, _ = detector.look(IMAGES, sizes, scales)
        base, _ = detector.look(IMAGES, sizes, scales, super_resolve=False)
    # One call for each image; there is nothing in the first one.
    _, places = laid
    np.testing.assert_array_equal(places.boxes.shape, [1, 4])
    count = base.valid.shape[1]
    # What the first pass has found stays, what the window shows is added.
    np.testing.assert_array_equal(found.valid[:, :count], base.valid)
    added = found.valid[:, count:].numpy()
    assert not added[0].any() and added[1].any()


def test_an_image_is_looked_at_alike_whatever_else_is_in_its_batch():
    detector = small_detector(*FIELDS)
    settings = dataclasses.replace(
        detector.second_look.settings,
        score_threshold=1.1,
        focus_threshold=0.5,
        maximum_share=0.8,
    )
    # Many places in one image, which is looked at as a whole; one in the other.
    scores = np.full((2, 16, 16), 0.01)
    scores[0, ::4, ::4] = 0.9
    scores[1, 8, 8] = 0.9

    def look_at(*rows):
        focus = map_of(scores[list(rows)])
        images = tf.gather(IMAGES, rows)
        with (
            mock.patch.object(detector.second_look, "settings", settings),
            mock.patch.object(detector, "focus_head", lambda _: focus),
        ):
            return detector(
                images,
                tf.constant([[64.0, 64.0]] * len(rows)),
                tf.ones([len(rows), 2]),
            )

    together = look_at(0, 1)
    for row in (0, 1):
        alone = look_at(row)
        (windows,) = alone.windows.numpy()
        side = (windows[:, 2] - windows[:, 0]).max()
        assert side == 64 if row == 0 else side < 64
        np.testing.assert_allclose(
            together.windows[row, : len(windows)], windows, atol=1e-4
        )
        assert not together.windows[row, len(windows) :].numpy().any()
        for ours, theirs in zip(together[:4], alone[:4], strict=True):
            np.testing.assert_allclose(ours[row], theirs[0], atol=1e-4)
