"""Small objects must be seen: which windows are enlarged and what they hold."""

import dataclasses

import numpy as np
import pytest
from PIL import ImageColor

from featsr_tf.drawing.boxes import Mark
from featsr_tf.drawing.comparison import LOOK_COLOR
from featsr_tf.drawing.comparison import compare
from featsr_tf.drawing.comparison import look_marks
from featsr_tf.drawing.comparison import with_zooms
from featsr_tf.drawing.comparison import zoom
from featsr_tf.drawing.comparison import zoom_windows
from tests.metrics.scenes import found
from tests.metrics.scenes import square
from tests.metrics.scenes import truth

IMAGE = np.random.default_rng(0).integers(0, 255, [300, 400, 3], np.uint8)


def test_only_small_boxes_get_a_window():
    boxes = np.array([square(50, 50, 16), square(100, 200, 120)])
    ((top, left, bottom, right),) = zoom_windows(boxes, IMAGE.shape)
    assert (top, left) < (50, 50)
    assert (bottom, right) > (66, 66)
    assert bottom - top == right - left


def test_neighbours_share_a_window_that_holds_them_whole():
    boxes = np.array([square(50, 50, 16), square(70, 52, 20)])
    ((top, left, bottom, right),) = zoom_windows(boxes, IMAGE.shape)
    assert top < 50 and left < 50 and bottom > 90 and right > 72


@pytest.mark.parametrize("corner", [(0, 0), (284, 384), (290, 0)])
def test_windows_stay_inside_the_image(corner):
    boxes = np.array([square(*corner, 16)])
    for shape in ((300, 400), (30, 400), (10, 8)):
        for top, left, bottom, right in zoom_windows(boxes, shape):
            assert 0 <= top < bottom <= shape[0]
            assert 0 <= left < right <= shape[1]


def test_no_boxes_give_no_window_and_no_row():
    assert zoom_windows(np.zeros([0, 4]), IMAGE.shape) == []
    assert with_zooms(IMAGE, [], []).shape == IMAGE.shape


def test_a_smaller_picture_keeps_its_enlarged_views_sharp():
    image = np.zeros([200, 400, 3], np.uint8)
    # One white column of pixels is lost where it is not enlarged.
    image[:, 20] = 255
    mark = Mark((100, 200, 140, 240), "#ff0000")
    picture = with_zooms(image, [mark], [(0, 0, 48, 48)], width=100)
    assert picture.shape[1] == 100
    frame, row = picture[:50], picture[50:]
    rows, columns = np.nonzero((frame == (255, 0, 0)).all(-1))
    assert abs(rows.min() - 25) < 4 and abs(rows.max() - 35) < 4
    assert abs(columns.min() - 50) < 4 and abs(columns.max() - 60) < 4
    assert frame[30:, :20].max() < 100
    assert row[8:, :22].max() > 100


def test_an_enlarged_view_shows_its_marks_at_the_right_place():
    image = np.zeros([100, 100, 3], np.uint8)
    mark = Mark((20, 20, 30, 30), "#ff0000")
    outside = Mark((80, 80, 90, 90), "#00ff00")
    picture = zoom(image, [mark, outside], (10, 10, 50, 50), 400)
    assert picture.shape == (400, 400, 3)
    rows, columns = np.nonzero((picture == (255, 0, 0)).all(-1))
    assert abs(rows.min() - 100) < 8 and abs(rows.max() - 200) < 8
    assert abs(columns.min() - 100) < 8 and abs(columns.max() - 200) < 8
    assert not (picture == (0, 255, 0)).all(-1).any()


def test_a_comparison_works_with_and_without_ground_truth():
    boxes = [square(50, 50, 16), square(100, 200, 120)]
    arguments = (IMAGE, {"one": found(boxes[:1]), "both": found(boxes)})
    with_truth = compare(*arguments, truth(boxes), {1: "danger"})
    without = compare(*arguments)
    assert with_truth.shape == without.shape
    assert without.shape[0] > 300 + 90
    assert without.shape[1] > 800


def test_a_comparison_of_nothing_is_just_the_image_twice():
    picture = compare(IMAGE, {"one": found(), "other": found()}, truth())
    np.testing.assert_array_equal(picture[-300:, :400], IMAGE)
    np.testing.assert_array_equal(picture[-300:, -400:], IMAGE)


def test_windows_of_a_second_look_are_thin_lines_on_its_side():
    looked = dataclasses.replace(found(), windows=[[40, 50, 80, 120, 3.0]])
    picture = compare(IMAGE, {"one": found(), "other": looked})
    color = ImageColor.getrgb(LOOK_COLOR)
    is_line = (picture[-300:, -400:] == color).all(axis=2)
    # 1 px wide, within a dark rim that lies along the edge of the window.
    assert is_line[41, 51:119].mean() > 0.6
    assert is_line[78, 51:119].mean() > 0.6
    assert is_line[41:79, 51].mean() > 0.6
    assert is_line[41:79, 118].mean() > 0.6
    assert not is_line[42:78, 52:118].any()
    assert not (picture[-300:, :400] == color).all(axis=2).any()


def test_enlarged_views_do_not_show_windows():
    small = found([square(100, 100, 16)])
    looked = dataclasses.replace(small, windows=[[90, 90, 130, 130, 3.0]])
    color = ImageColor.getrgb(LOOK_COLOR)
    picture = compare(IMAGE, {"one": small, "other": looked})
    below = (picture == color).all(axis=2)[-90:]
    assert (picture == color).all(axis=2).any() and not below.any()


def test_marks_of_windows_tell_their_magnification():
    marks = look_marks(np.array([[1, 2, 30, 40, 3.0], [0, 0, 9, 9, 2.5]]))
    assert [mark.label for mark in marks] == ["3x", "2.5x"]
    assert marks[0].box == (1, 2, 30, 40) and marks[0].thin
    assert look_marks(found().windows) == []


@pytest.mark.parametrize("shape", [(1, 1), (10, 1), (10, 4), (300, 3)])
def test_a_picture_too_narrow_for_windows_has_none(shape):
    image = np.zeros([*shape, 3], np.uint8)
    box = np.array([[0, 0, 1, 1]])
    windows = zoom_windows(box, image.shape)
    assert windows
    assert with_zooms(image, [], windows).shape == image.shape
