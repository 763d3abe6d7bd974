"""The second look: where windows are laid, what they show, what they change."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.model.postprocess import RawDetections
from featsr_tf.model.second_look import arrange_by_image
from featsr_tf.model.views import OriginalFrames
from featsr_tf.model.views import Places
from featsr_tf.model.views import Views
from tests.model.small import small_detector

EXTENSION = "model.feature_super_resolution"
FIELDS = (
    f"{EXTENSION}.refiner=SECOND_LOOK",
    f"{EXTENSION}.second_look={{window_size: 64 magnifications: [2, 3, 4] "
    "preferred_size: 40 maximum_enlargement: 3 margin: 4 "
    "objectness_threshold: 0}",
)


@pytest.fixture(scope="module")
def detector():
    return small_detector(*FIELDS)


def places(boxes, magnifications, image_indices=None):
    count = len(boxes)
    return Places(
        tf.constant(boxes, tf.float32),
        tf.constant(image_indices or [0] * count),
        tf.constant(magnifications, tf.float32),
    )


def squares(*corners_and_sides):
    return [[y, x, y + side, x + side] for y, x, side in corners_and_sides]


def test_objects_are_brought_near_the_preferred_size(detector):
    sides = tf.constant([5, 10, 13, 18, 22, 23, 50], tf.float32)
    scales = tf.ones([7, 2])
    # 40 px are wanted, at most 3 px per px of the original; a step may be a
    # tenth above what is wanted.
    np.testing.assert_array_equal(
        detector.second_look.settings.magnifications_of(sides**2, scales),
        [3, 3, 3, 2, 2, 0, 0],
    )


def test_the_original_limits_the_magnification(detector):
    areas = tf.fill([3], 25.0)
    scales = tf.constant([[0.5, 0.5], [1.0, 1.0], [2.0, 2.0]])
    np.testing.assert_array_equal(
        detector.second_look.settings.magnifications_of(areas, scales),
        [4, 3, 0],
    )


def test_a_window_holds_what_is_near_and_enlarged_alike(detector):
    chosen = places(
        squares(
            (40, 40, 8), (42, 48, 8), (46, 46, 8), (140, 30, 8), (41, 41, 8)
        ),
        [2, 2, 3, 2, 2],
        [0, 0, 0, 0, 1],
    )
    views, is_held = detector.second_look.lay_windows(
        chosen, tf.constant([[200.0, 300.0], [200.0, 300.0]]), most=9
    )
    assert is_held.numpy().all()
    found = set(
        zip(
            views.image_indices.numpy(),
            views.magnifications.numpy(),
            strict=True,
        )
    )
    assert len(views.magnifications) == 4
    assert found == {(0, 2.0), (0, 3.0), (1, 2.0)}


@pytest.mark.parametrize("size", [(200.0, 300.0), (20.0, 300.0), (1.0, 1.0)])
def test_windows_lie_within_the_frame_where_it_is_large_enough(detector, size):
    height, width = size
    boxes = [
        [0, 0, min(6.0, height), min(6.0, width)],
        [max(height - 6, 0), max(width - 6, 0), height, width],
    ]
    views, is_held = detector.second_look.lay_windows(
        places(boxes, [2, 2]), tf.constant([size]), most=9
    )
    assert is_held.numpy().all()
    side = 32
    assert np.all(views.corners >= 0)
    assert np.all(views.corners <= np.maximum(np.subtract(size, side), 0))


def test_what_an_edge_of_a_window_cuts_is_left_out(detector):
    views = Views(
        tf.constant([[0.0, 10.0]]),
        tf.constant([64, 64]),
        tf.constant([2.0]),
        tf.constant([0]),
    )
    boxes = [
        [0, 20, 30, 40],  # at the upper edge of the frame
        [20, 0, 40, 30],  # cut at the left
        [20, 40, 40, 63.5],  # at the right edge of the frame
        [40, 20, 63.5, 40],  # cut below
        [20, 20, 40, 40],
    ]
    look = detector.second_look
    for margin, expected in ((4, [1, 0, 1, 0, 1]), (42, [0, 0, 1, 0, 0])):
        settings = dataclasses.replace(look.settings, margin=margin)
        with mock.patch.object(look, "settings", settings):
            is_whole = look.is_whole(
                tf.constant(boxes, tf.float32)[:, None],
                views,
                tf.zeros([5], tf.int32),
                tf.constant([[90.0, 42.0]]),
            )
        np.testing.assert_array_equal(is_whole[:, 0], expected)


def test_candidates_are_listed_image_by_image():
    boxes = tf.reshape(tf.range(20.0), [5, 1, 4])
    scores = tf.reshape(tf.range(10.0), [5, 2])
    found = arrange_by_image(boxes, scores, tf.constant([1, 0, 1, 1, -1]), 3)
    np.testing.assert_array_equal(
        found.valid, [[1, 0, 0], [1, 1, 1], [0, 0, 0]]
    )
    np.testing.assert_array_equal(found.boxes[0, 0], boxes[1])
    np.testing.assert_array_equal(found.scores[1], tf.gather(scores, [0, 2, 3]))


def test_no_more_windows_are_laid_than_decide_for_one_view(detector):
    sizes = tf.constant([[960.0, 1280.0]])
    corners = [
        (y, x, 12) for y in range(0, 940, 50) for x in range(0, 1200, 50)
    ]
    many = places(squares(*corners), [2] * len(corners))
    views, _ = detector.second_look.lay_windows(many, sizes, most=7)
    assert len(views.corners) == 7


def test_many_windows_become_one_view_of_the_frame(detector):
    sizes = tf.constant([[96.0, 128.0]])
    few = places(squares((40, 40, 12)), [2])
    views, _ = detector.second_look.choose_views(few, sizes)
    np.testing.assert_array_equal(views.size, [64, 64])
    corners = [(y, x, 12) for y in range(0, 84, 14) for x in range(0, 112, 14)]
    many = places(squares(*corners), [2] * len(corners))
    views, is_held = detector.second_look.choose_views(many, sizes)
    assert is_held.numpy().all()
    np.testing.assert_array_equal(views.size, [192, 224])
    np.testing.assert_array_equal(views.corners, [[0, 0]])


def test_windows_have_at_most_their_share_of_the_part_that_they_lie_in(
    detector,
):
    look = detector.second_look
    sizes = tf.constant([[96.0, 128.0]])
    # Two windows of 64 x 64 px in a part of 192 x 256: a sixth of it.
    apart = places(squares((0, 0, 12), (80, 110, 12)), [2, 2])
    for share, width, size in ((0.2, 2, [64, 64]), (0.15, 1, [192, 256])):
        limited = dataclasses.replace(look.settings, maximum_share=share)
        with mock.patch.object(look, "settings", limited):
            views, is_held = look.choose_views(apart, sizes)
        assert len(views.corners) == width
        np.testing.assert_array_equal(views.size, size)
        assert is_held.numpy().all()


def test_what_is_certain_has_no_window(detector):
    """Neither for its detection nor for a peak of the focus map upon it."""
    boxes = squares((8, 8, 10), (8, 40, 10), (44, 44, 10))
    first = RawDetections(
        tf.repeat(tf.constant(boxes, tf.float32)[None, :, None], 2, axis=2),
        tf.constant([[[0.1, 0.9, 0], [0.4, 0.6, 0], [0.05, 0, 0.95]]]),
        tf.ones([1, 3], bool),
    )
    frames = OriginalFrames(
        IMAGES[:1], tf.constant([[64.0, 64.0]]), tf.ones([1, 2])
    )
    peaks = tf.constant(squares((10, 10, 8), (50, 8, 8), (41, 41, 8)))

    def windows_of(**settings):
        look = detector.second_look
        changed = dataclasses.replace(
            look.settings, score_threshold=0.5, **settings
        )
        with mock.patch.object(look, "settings", changed):
            _, windows = look(
                first,
                lambda boxes, rows: tf.ones_like(rows, bool),
                frames,
                (tf.cast(peaks, tf.float32), tf.zeros([3], tf.int32)),
            )
        windows = windows[0].numpy()
        return [window for window in windows if window[4]]

    def hold(windows, box):
        return any(
            (window[:2] <= box[:2]).all() and (window[2:4] >= box[2:]).all()
            for window in windows
        )

    everywhere = windows_of()
    assert all(hold(everywhere, np.array(box)) for box in boxes)
    doubtful = windows_of(certain_score=0.9)
    # The second box, and the second peak.
    assert len(doubtful) == 2
    assert hold(doubtful, np.array(boxes[1]))
    assert hold(doubtful, np.array([50, 8, 58, 16]))


def detect(detector, threshold, images, **options):
    settings = dataclasses.replace(
        detector.second_look.settings,
        score_threshold=threshold,
        focus_threshold=1.0,
    )
    with mock.patch.object(detector.second_look, "settings", settings):
        found, _ = detector.look(
            images,
            tf.constant([[64.0, 64.0]] * 2),
            tf.ones([2, 2]),
            **options,
        )
        return found


IMAGES = tf.constant(
    np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)), tf.float32
)


def test_where_nothing_is_in_doubt_it_is_the_base_detector(detector):
    found = detect(detector, 1.1, IMAGES)
    base = detect(detector, 1.1, IMAGES, super_resolve=False)
    for ours, theirs in zip(found, base, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    always = dataclasses.replace(detector.second_look, can_skip=False)
    with mock.patch.object(detector, "second_look", always):
        looked = detect(detector, 1.1, IMAGES)
    for ours, theirs in zip(
        detector.postprocess.suppress(looked)[:4],
        detector.postprocess.suppress(RawDetections(*base))[:4],
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("can_skip", [True, False])
def test_the_detector_tells_where_it_has_looked(detector, can_skip):
    look = dataclasses.replace(
        detector.second_look,
        can_skip=can_skip,
        settings=dataclasses.replace(
            detector.second_look.settings, score_threshold=0.0
        ),
    )
    arguments = (IMAGES, tf.constant([[64.0, 64.0]] * 2), tf.ones([2, 2]))
    with mock.patch.object(detector, "second_look", look):
        windows = detector(*arguments).windows
    assert windows.shape[0] == 2 and windows.shape[2] == 5
    windows = windows.numpy().reshape(-1, 5)
    windows = windows[windows[:, 4] > 0]
    assert len(windows)
    sides = windows[:, 2:4] - windows[:, :2]
    # A window has 64 px, and so has the frame.
    is_window = np.isclose(sides * windows[:, 4:], 64).all(axis=1)
    assert (is_window | (sides == 64).all(axis=1)).all()
    assert detector(*arguments, super_resolve=False).windows is None
    never = dataclasses.replace(
        look,
        settings=dataclasses.replace(
            look.settings, score_threshold=1.1, focus_threshold=1.0
        ),
    )
    with mock.patch.object(detector, "second_look", never):
        assert not detector(*arguments).windows.numpy().any()


def test_what_is_looked_at_again_is_judged_by_windows_alone(detector):
    base = detect(detector, 0.0, IMAGES, super_resolve=False)
    found = detect(detector, 0.0, IMAGES)
    count = base.valid.shape[1]
    is_left = found.valid[:, :count].numpy()
    assert (is_left <= base.valid.numpy()).all()
    assert is_left.sum() < base.valid.numpy().sum()
    boxes = base.boxes[:, :, 0].numpy()
    areas = np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
    # Large ones are none of its business.
    is_large = base.valid.numpy() & (areas >= 1024)
    np.testing.assert_array_equal(is_left[is_large], True)
    added = found.valid[:, count:].numpy()
    assert added.any()
    new = found.boxes[:, count:].numpy()[added]
    assert np.all((new >= 0) & (new <= 64))
    np.testing.assert_allclose(
        found.scores[:, count:].numpy()[added].max(axis=-1) <= 1, True
    )
