"""Pictures must show what they claim: checked by color, place and size."""

import numpy as np
import pytest
from PIL import ImageColor

from featsr_tf.drawing.boxes import FOUND
from featsr_tf.drawing.boxes import IGNORED
from featsr_tf.drawing.boxes import MISSED
from featsr_tf.drawing.boxes import WRONG
from featsr_tf.drawing.boxes import Mark
from featsr_tf.drawing.boxes import draw_detections
from featsr_tf.drawing.boxes import draw_marks
from featsr_tf.drawing.boxes import outcome_marks
from featsr_tf.drawing.boxes import side_by_side
from tests.metrics.scenes import found
from tests.metrics.scenes import square
from tests.metrics.scenes import truth

GREY = np.full([200, 300, 3], 128, np.uint8)


def has_color(picture, color):
    return (picture == ImageColor.getrgb(color)).all(axis=-1).any()


def test_a_box_is_framed_and_its_inside_left_alone():
    picture = draw_detections(
        GREY, np.array([[80, 100, 120, 160]]), [1], color="#ff0000"
    )
    assert picture.shape == GREY.shape
    assert picture.dtype == np.uint8
    assert (picture[80:120, 100:160] == 128).all()
    assert has_color(picture[80:120, 96:100], "#ff0000")
    assert has_color(picture[120:124, 100:160], "#ff0000")


def test_a_dashed_frame_has_gaps_and_all_four_corners():
    mark = Mark((80, 100, 120, 160), "#ff0000", dashed=True)
    picture = draw_marks(GREY, [mark])
    red = (picture == ImageColor.getrgb("#ff0000")).all(axis=-1)
    top = red[78, 98:162]
    assert 0.3 < top.mean() < 0.8
    assert top[0] and top[-1] and red[121, 98] and red[121, 161]
    assert (picture[80:120, 100:160] == 128).all()
    solid = draw_marks(GREY, [Mark(mark.box, mark.color)])
    assert (
        (solid == ImageColor.getrgb("#ff0000")).all(axis=-1)[78, 98:162].all()
    )


def test_a_dashed_frame_around_a_tiny_box_is_drawn():
    mark = Mark((80, 100, 80.5, 100.5), "#ff0000", dashed=True)
    assert has_color(draw_marks(GREY, [mark]), "#ff0000")


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 40, 3)])
def test_a_window_of_a_tiny_image_is_drawn(shape):
    image = np.zeros(shape, np.uint8)
    mark = Mark((0, 0, *shape[:2]), "#ff0000", thin=True)
    assert draw_marks(image, [mark]).shape == shape


def test_the_given_image_is_not_changed():
    image = GREY.copy()
    draw_detections(image, np.array([[80, 100, 120, 160]]), [1])
    assert (image == 128).all()


def test_no_boxes_give_the_same_image():
    picture = draw_detections(GREY, np.zeros([0, 4]), [], [])
    np.testing.assert_array_equal(picture, GREY)


@pytest.mark.parametrize("shape", [(24, 24), (64, 200), (3000, 400)])
def test_any_image_size_is_kept(shape):
    image = np.zeros([*shape, 3], np.uint8)
    box = np.array([[2, 2, shape[0] - 2, shape[1] - 2]])
    picture = draw_detections(image, box, [3], [0.5], {3: "a long name"})
    assert picture.shape == image.shape
    assert (picture != image).any()


def test_boxes_beyond_the_border_are_drawn_as_far_as_they_go():
    boxes = np.array([[-50, -50, 20, 20], [190, 290, 260, 400], [9, 9, 9, 9]])
    picture = draw_detections(GREY, boxes, [1, 2, 3], [0.1, 0.2, 0.3])
    assert picture.shape == GREY.shape


def test_labels_of_neighbours_do_not_cover_each_other():
    box = (80, 100, 110, 130)
    both = draw_marks(
        GREY, [Mark(box, "#ff0000", "first"), Mark(box, "#00ff00", "second")]
    )
    alone = draw_marks(GREY, [Mark(box, "#ff0000", "first")])
    red = (alone == (255, 0, 0)).all(-1)
    # The frame is drawn over, so only what lies outside of it is compared.
    red[74:116, 94:136] = False
    assert red.any()
    assert ((both == (255, 0, 0)).all(-1) | ~red).all()


def test_outcomes_are_told_by_color():
    objects = truth([square(20, 20, 30), square(100, 20, 30)])
    shown = found([square(20, 20, 30), square(100, 200, 30)])
    picture = draw_marks(GREY, outcome_marks(objects, shown))
    assert has_color(picture[:80, :150], FOUND)
    assert has_color(picture[80:, :150], MISSED)
    assert has_color(picture[80:, 150:], WRONG)
    assert not has_color(picture[:80], WRONG)


def test_outcomes_leave_low_scores_out_and_wrong_classes_in():
    objects = truth([square(20, 20, 30)], [1])
    weak = outcome_marks(objects, found([square(20, 20, 30)], [0.4]))
    assert [mark.color for mark in weak] == [MISSED]
    other = outcome_marks(objects, found([square(20, 20, 30)], None, [2]))
    assert [mark.color for mark in other] == [MISSED, WRONG]


def test_detections_of_ignored_objects_are_neither_right_nor_wrong():
    objects = truth([square(20, 20, 30)], [1], [True])
    marks = outcome_marks(objects, found([square(20, 20, 30)]))
    assert [mark.color for mark in marks] == [IGNORED]


def test_labels_name_class_and_score():
    marks = outcome_marks(
        truth([square(0, 0, 30)]),
        found([square(0, 0, 30)], [0.87]),
        {1: "stop"},
    )
    assert [mark.label for mark in marks] == ["stop 87%"]


def test_two_pictures_stand_beside_each_other_under_titles():
    left, right = GREY, np.full([150, 300, 3], 200, np.uint8)
    picture = side_by_side([left, right], ["base", "a title " * 30])
    assert picture.shape[1] > 600
    assert picture.shape[0] > 200
    assert (picture[-200:, :300] == 128).all()
    assert (picture[-200:-50, -300:] == 200).all()


def test_letters_of_all_of_europe_are_drawn():
    """A letter that a font does not have is drawn as every other such one."""

    def drawn(label):
        image = np.zeros((60, 200, 3), np.uint8)
        return draw_marks(image, [Mark((30, 10, 50, 40), "#ffffff", label)], 20)

    letters = [drawn(letter) for letter in "\u00df\u00e9\u0416\u03a9\u20ac"]
    for index, one in enumerate(letters):
        for other in letters[index + 1 :]:
            assert np.any(one != other)
