"""Tiles cover the frame, and no object is lost or doubled at their borders."""

import dataclasses

import numpy as np
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.metrics.detections import Detections
from featsr_tf.prediction.tiling import Tiling
from featsr_tf.prediction.tiling import detect
from featsr_tf.prediction.tiling import merge
from featsr_tf.prediction.tiling import views
from tests.prediction.bright import find_bright
from tests.prediction.bright import scene

LEFT, RIGHT, WHOLE = (0, 0, 100, 100), (0, 80, 100, 180), (0, 0, 100, 180)


def found(*rows):
    """Detections from rows of ymin, xmin, ymax, xmax, score, class."""
    table = np.reshape(rows, [-1, 6])
    return Detections(0, table[:, :4], table[:, 4], table[:, 5])


def rows_of(detections):
    columns = (detections.scores[:, None], detections.classes[:, None])
    return np.concatenate([detections.boxes, *columns], axis=1).tolist()


def test_tiles_share_a_frame_evenly():
    assert views(100, 260, Tiling(100, 0.2, whole_frame=False)) == [
        (0, 0, 100, 100),
        (0, 80, 100, 180),
        (0, 160, 100, 260),
    ]


def test_the_whole_frame_is_one_more_view():
    assert views(100, 180, Tiling(100)) == [LEFT, RIGHT, WHOLE]


@pytest.mark.parametrize("size", [(100, 100), (40, 100), (99, 7)])
def test_a_frame_that_fits_into_a_tile_has_one_view(size):
    assert views(*size, Tiling(100)) == [(0, 0, *size)]
    assert views(*size, None) == [(0, 0, *size)]


@pytest.mark.parametrize("size", [(101, 50), (333, 1000), (1080, 1920)])
@pytest.mark.parametrize("overlap", [0, 0.2, 0.5])
def test_tiles_cover_everything_and_overlap_as_asked(size, overlap):
    tiles = np.array(views(*size, Tiling(100, overlap, False)))
    covered = np.zeros(size, bool)
    for top, left, bottom, right in tiles:
        covered[top:bottom, left:right] = True
    assert covered.all()
    assert tiles.min() == 0
    assert np.all(tiles[:, 2:] - tiles[:, :2] == np.minimum(size, 100))
    for axis in (0, 1):
        starts = np.unique(tiles[:, axis])
        assert np.all(np.diff(starts) <= 100 * (1 - overlap))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 31}, "tile: expected 32 px or more, found 31"),
        ({"side": 99, "overlap": 1.0}, "overlap: expected 0 to 0.9"),
        ({"side": 99, "overlap": -0.1}, "overlap: expected 0 to 0.9"),
    ],
)
def test_tiles_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Tiling(**options)


def test_one_view_is_left_as_it_is():
    only = found([1, 2, 3, 4, 0.5, 1], [1, 2, 3, 4, 0.5, 1])
    assert merge([only], [LEFT]) is only


def test_boxes_move_to_their_place_in_the_frame():
    merged = merge(
        [found([10, 10, 30, 30, 0.6, 1]), found([40, 50, 60, 70, 0.9, 2])],
        [LEFT, RIGHT],
    )
    assert rows_of(merged) == [
        [40, 130, 60, 150, 0.9, 2],
        [10, 10, 30, 30, 0.6, 1],
    ]


def test_windows_of_a_second_look_move_along():
    one = dataclasses.replace(found(), windows=[[1, 2, 11, 12, 3.0]])
    other = dataclasses.replace(found(), windows=[[0, 0, 5, 5, 2.0]])
    merged = merge([one, other], [(0, 0, 50, 50), (0, 40, 50, 90)])
    assert merged.windows.tolist() == [[1, 2, 11, 12, 3], [0, 40, 5, 45, 2]]


def test_an_object_in_the_overlap_is_found_once_by_its_better_view():
    merged = merge(
        [found([40, 85, 50, 95, 0.6, 1]), found([40, 6, 50, 15, 0.9, 1])],
        [LEFT, RIGHT],
    )
    assert rows_of(merged) == [[40, 86, 50, 95, 0.9, 1]]


def test_objects_of_two_classes_are_both_kept():
    merged = merge(
        [found([40, 85, 50, 95, 0.6, 1]), found([40, 5, 50, 15, 0.9, 2])],
        [LEFT, RIGHT],
    )
    assert len(merged.boxes) == 2


def test_one_view_keeps_what_its_own_suppression_kept():
    pair = found([40, 10, 60, 30, 0.9, 1], [40, 14, 60, 34, 0.8, 1])
    assert len(merge([pair, found()], [LEFT, RIGHT]).boxes) == 2


def test_parts_yield_to_the_whole_object():
    merged = merge(
        [
            found([40, 70, 60, 100, 0.9, 1]),
            found([40, 0, 60, 32, 0.8, 1]),
            found([40, 70, 60, 112, 0.6, 1]),
        ],
        [LEFT, RIGHT, WHOLE],
    )
    assert rows_of(merged) == [[40, 70, 60, 112, 0.9, 1]]


def test_a_doubtful_whole_object_does_not_replace_a_sure_part():
    merged = merge(
        [
            found([40, 70, 60, 100, 0.9, 1]),
            found(),
            found([40, 70, 60, 112, 0.1, 1]),
        ],
        [LEFT, RIGHT, WHOLE],
    )
    assert rows_of(merged) == [[40, 70, 60, 100, 0.9, 1]]


def test_parts_of_a_wide_object_are_joined():
    windows = [LEFT, RIGHT, (0, 160, 100, 260)]
    merged = merge(
        [
            found([40, 50, 60, 100, 0.7, 1]),
            found([40, 0, 60, 100, 0.5, 1]),
            found([40, 0, 60, 30, 0.8, 1]),
        ],
        windows,
    )
    assert rows_of(merged) == [[40, 50, 60, 190, 0.8, 1]]


def test_neighbours_that_end_at_the_same_border_stay_apart():
    merged = merge(
        [found([10, 70, 30, 100, 0.7, 1]), found([60, 0, 80, 40, 0.8, 1])],
        [LEFT, RIGHT],
    )
    assert len(merged.boxes) == 2


def test_the_border_of_the_frame_cuts_nothing():
    at_border = found([0, 0, 20, 40, 0.7, 1])
    sure = found([0, 0, 20, 42, 0.6, 1])
    merged = merge([at_border, found(), sure], [LEFT, RIGHT, WHOLE])
    assert rows_of(merged) == [[0, 0, 20, 40, 0.7, 1]]


@pytest.mark.parametrize("whole_frame", [True, False])
@pytest.mark.parametrize("overlap", [0.1, 0.2, 0.5])
def test_tiles_find_what_the_whole_frame_shows(whole_frame, overlap):
    source = np.random.default_rng(0)
    cells = [(y, x) for y in range(0, 500, 125) for x in range(0, 900, 150)]
    rectangles = []
    for y, x in cells:
        height, width = source.integers(6, 100, 2)
        rectangles.append((y + 10, x + 10, y + 10 + height, x + 10 + width))
    image = scene(*rectangles, height=517, width=903)
    tiling = Tiling(200, overlap, whole_frame)
    (tiled,) = detect(find_bright_as_one_class, [image], 4, tiling)
    assert sorted(tiled.boxes.round(2).tolist()) == sorted(
        list(map(float, rectangle)) for rectangle in rectangles
    )


def find_bright_as_one_class(images):
    return [
        dataclasses.replace(found, classes=np.ones_like(found.classes))
        for found in find_bright(images)
    ]


def test_many_boxes_need_no_table_of_all_pairs():
    source = np.random.default_rng(0)
    corners = source.uniform(0, 90, (2, 2000, 2))
    views_found = [
        Detections(
            0,
            np.concatenate([low, low + 2], axis=1),
            source.uniform(0, 1, 2000),
            source.integers(1, 200, 2000),
        )
        for low in corners
    ]
    merged = merge(views_found, [LEFT, RIGHT])
    assert 3000 < len(merged.boxes) <= 4000
    assert np.all(np.diff(merged.scores) <= 0)
