"""A second look from outside: where it looks, and what it makes of it."""

import numpy as np
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.metrics.detections import Detections
from featsr_tf.prediction.second_look import make_plan
from featsr_tf.prediction.tiling import Tiling
from featsr_tf.prediction.tiling import detect
from featsr_tf.prediction.tiling import views
from tests.prediction.bright import bright_model
from tests.prediction.bright import scene

# Of a frame of 200 x 300 px: tiles of 100 px, small is below 20 px.
TILING = Tiling(None, second_look=True).of_frame(200, 300)


def found(*rows):
    """Detections from rows of ymin, xmin, ymax, xmax, score."""
    table = np.reshape(rows, [-1, 5])
    return Detections(0, table[:, :4], table[:, 4], np.ones(len(table)))


def windows_of(*rows, size=(200, 300), tiling=TILING):
    return make_plan(found(*rows), size, tiling).windows


def test_a_window_lies_around_what_is_small_and_in_doubt():
    assert windows_of([95, 145, 105, 155, 0.5]) == [(50, 100, 150, 200)]


@pytest.mark.parametrize(
    "row",
    [
        [90, 140, 110, 150, 0.5],  # 20 px are not small
        [95, 145, 105, 155, 0.99],
        [95, 145, 105, 155, 0.04],
    ],
)
def test_there_is_no_window_around_anything_else(row):
    assert windows_of(row) == []
    assert windows_of() == []


def test_windows_hold_what_lies_together_and_stay_in_the_frame():
    near = [[10, 10, 20, 20, 0.5], [10, 40, 20, 50, 0.5], [40, 10, 50, 20, 0.5]]
    far = [185, 285, 195, 295, 0.5]
    windows = windows_of(*near, far)
    assert windows == [(0, 0, 100, 100), (100, 200, 200, 300)]


def test_where_windows_do_not_pay_the_tiles_are_taken():
    scattered = [
        [y, x, y + 5, x + 5, 0.5]
        for y in range(0, 200, 49)
        for x in range(0, 300, 49)
    ]
    plan = make_plan(found(*scattered), (200, 300), TILING)
    tiles = views(200, 300, TILING)[:-1]
    assert plan == (tiles, None, 2.0)
    thousands = scattered * 100
    assert make_plan(found(*thousands), (200, 300), TILING) == plan


@pytest.mark.parametrize("size", [(1, 300), (300, 1), (20, 20), (33, 31)])
def test_frames_smaller_than_a_window_are_no_problem(size):
    tiling = Tiling(None, second_look=True).of_frame(*size)
    row = [0, 0, min(size[0], 5), min(size[1], 5), 0.5]
    for top, left, bottom, right in windows_of(row, size=size, tiling=tiling):
        assert 0 <= top < bottom <= size[0]
        assert 0 <= left < right <= size[1]


class Coarse:
    """Sees whole frames at half their size, and windows as they are.

    Scores of what it sees are the lower the smaller it is.
    """

    def __init__(self):
        self.shapes = []

    def __call__(self, images):
        self.shapes.append(images.shape)
        factor = 2 if images.shape[1:3] == (200, 300) else 1
        model = bright_model().function("super_resolved")
        return [
            Detections(
                number,
                item.boxes * factor,
                np.minimum(1, np.ptp(item.boxes, axis=1).max() / 40)
                * np.ones(len(item.scores)),
                np.ones(len(item.classes)),
            )
            for number, item in enumerate(model(images[:, ::factor, ::factor]))
        ]


def test_what_a_window_finds_joins_what_the_frame_shows():
    image = scene((11, 31, 21, 41), height=200, width=300)
    function = Coarse()
    (plain,) = detect(function, [image])
    (twice,) = detect(function, [image], 1, TILING)
    assert function.shapes[1:] == [(1, 200, 300, 3), (1, 100, 100, 3)]
    assert plain.boxes.tolist() == [[12, 32, 22, 42]]
    assert twice.boxes.tolist() == [[11, 31, 21, 41]]
    assert twice.scores > plain.scores
    # The frame is shown in half the pixels of a window.
    assert twice.windows.tolist() == [[0, 0, 100, 100, 2.0]]


def test_windows_of_all_frames_share_batches():
    images = [scene((11, 31, 21, 41), height=200, width=300)] * 3
    function = Coarse()
    detect(function, images, 4, TILING)
    assert function.shapes == [(3, 200, 300, 3), (3, 100, 100, 3)]


def test_nothing_in_doubt_costs_nothing():
    image = scene((11, 31, 91, 131), height=200, width=300)
    function = Coarse()
    (plain,) = detect(Coarse(), [image])
    (twice,) = detect(function, [image], 1, TILING)
    assert len(function.shapes) == 1
    np.testing.assert_array_equal(twice.boxes, plain.boxes)


def test_what_an_edge_cuts_and_what_is_large_is_left_to_the_frame():
    def function(images):
        is_frame = images.shape[1:3] == (200, 300)
        in_frame = found([95, 145, 105, 155, 0.5])
        in_window = found([0, 40, 10, 50, 0.9], [60, 40, 95, 75, 0.9])
        return [in_frame if is_frame else in_window]

    image = np.zeros([200, 300, 3], np.uint8)
    (twice,) = detect(function, [image], 1, TILING)
    assert twice.boxes.tolist() == [[95, 145, 105, 155]]


def test_many_small_objects_give_what_tiles_give():
    def function(images):
        _, height, width, _ = images.shape
        corners = [
            (y, x) for y in range(0, height, 49) for x in range(0, width, 49)
        ]
        return [found(*[[y, x, y + 5, x + 5, 0.5] for y, x in corners])]

    image = np.zeros([200, 300, 3], np.uint8)
    (twice,) = detect(function, [image], 1, TILING)
    (tiled,) = detect(function, [image], 1, Tiling(100))
    np.testing.assert_array_equal(twice.boxes, tiled.boxes)
    np.testing.assert_array_equal(twice.scores, tiled.scores)


@pytest.mark.parametrize("option", [{"overlap": 0}, {"whole_frame": False}])
def test_a_second_look_needs_the_frame_and_an_overlap(option):
    with pytest.raises(ConfigError, match="second_look: begins with the whole"):
        bright_model().predict(scene(), second_look=True, **option)
