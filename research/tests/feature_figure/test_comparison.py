"""Figure 7 must tell found, wrong and missed: known frames and colors."""

import numpy as np
from PIL import ImageColor

from featsr_tf.drawing.boxes import FOUND
from featsr_tf.drawing.boxes import MISSED
from featsr_tf.drawing.boxes import WRONG
from research.feature_figure.comparison import ComparedFrame
from research.feature_figure.comparison import draw_comparison
from tests.metrics.scenes import found
from tests.metrics.scenes import square
from tests.metrics.scenes import truth

# Drawn at half its width: 1000 px hold two frames of 1000 px.
IMAGE = np.full([600, 1000, 3], 128, np.uint8)
OBJECTS = [square(100, 100, 20), square(400, 600, 150)]
ELSEWHERE = square(100, 700, 150)


def draw(base, super_resolved, count=1, width=1000):
    frame = ComparedFrame(IMAGE, truth(OBJECTS), base, super_resolved)
    return draw_comparison([frame] * count, {1: "stop"}, "a note", width)


def has_color(picture, color):
    return (picture == ImageColor.getrgb(color)).all(axis=-1).any()


def halves(picture):
    """Both frames with their enlarged views, without legend and titles."""
    below = picture[110:]
    return below[:, : below.shape[1] // 2], below[:, below.shape[1] // 2 :]


def test_each_side_tells_what_its_detector_found_and_missed():
    left, right = halves(
        draw(found([OBJECTS[1]]), found([*OBJECTS, ELSEWHERE]))
    )
    assert has_color(left, FOUND) and has_color(left, MISSED)
    assert not has_color(left, WRONG)
    assert has_color(right, FOUND) and has_color(right, WRONG)
    assert not has_color(right, MISSED)


def test_a_small_object_is_framed_in_the_frame_and_enlarged_below():
    left, right = halves(draw(found([OBJECTS[1]]), found(OBJECTS)))
    for side, color in ((left, MISSED), (right, FOUND)):
        frame, enlarged = side[: -247 - 4], side[-247:]
        # The object of 20 px is drawn 10 px wide in the upper left quarter.
        assert has_color(frame[:100, :150], color)
        rows, columns = np.nonzero(
            (enlarged == ImageColor.getrgb(color)).all(axis=-1)
        )
        assert np.ptp(rows) > 80 and np.ptp(columns) > 80
    assert not has_color(left, WRONG) and not has_color(right, WRONG)


def test_the_picture_has_the_width_asked_for_and_a_part_for_each_frame():
    for width in (701, 1000, 2200):
        one = draw(found(OBJECTS), found(OBJECTS), width=width)
        two = draw(found(OBJECTS), found(OBJECTS), count=2, width=width)
        assert one.shape[1] == two.shape[1] == width
        legend = 2 * len(one) - len(two)
        assert 20 < legend < 100
        np.testing.assert_array_equal(one, two[: len(one)])
        np.testing.assert_array_equal(one[legend:], two[len(one) :])


def test_all_colors_are_in_the_legend():
    legend = draw(found(), found())[:30]
    assert all(has_color(legend, color) for color in (FOUND, WRONG, MISSED))
