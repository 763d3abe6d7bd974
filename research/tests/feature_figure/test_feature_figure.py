"""Figure 6 must show the numbers it is given: checked by color and by text."""

import math

import matplotlib
import numpy as np
import pytest

from research.feature_figure.figure import COLORS
from research.feature_figure.figure import Column
from research.feature_figure.figure import Group
from research.feature_figure.figure import Row
from research.feature_figure.figure import as_image
from research.feature_figure.figure import draw_features
from research.feature_figure.figure import relative_distance

COLUMNS = [
    Column("input", "low resolution"),
    Column("refined", "follows target"),
    Column("target", "the twin", is_target=True),
]
IMAGE = np.full([8, 8, 3], 90, np.uint8)


def features(*means):
    """Features [2, 2, 2] whose channels differ by 2 around the means."""
    values = np.reshape(np.array(means, np.float32), [2, 2, 1])
    return values + np.array([-1.0, 1.0], np.float32)


def color(share):
    """The color of a place in the scale, as pixels have it."""
    return np.array(matplotlib.colormaps[COLORS](share, bytes=True))[:3]


def texts(figure):
    return [text.get_text() for text in figure.texts]


def row(*maps, label="stop\n20 x 20 px"):
    return Row(IMAGE, label, maps)


@pytest.mark.parametrize(
    ("values", "target", "expected"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0.0),
        ([0.0, 0.0], [3.0, 4.0], 1.0),
        ([3.0, 8.0], [3.0, 4.0], 0.8),
        ([6.0, 8.0], [3.0, 4.0], 1.0),
    ],
)
def test_the_distance_is_relative_to_the_target(values, target, expected):
    shape = [1, 1, 2]
    distance = relative_distance(
        np.reshape(values, shape), np.reshape(target, shape)
    )
    assert distance == pytest.approx(expected)


def test_a_target_of_zeros_has_no_distance():
    assert math.isnan(relative_distance(np.ones([1, 1, 1]), np.zeros([1] * 3)))


def test_a_row_has_one_color_scale_of_channel_means():
    maps = [features(0, 1, 2, 3), features(0, 2, 4, 6), features(10, 0, 0, 0)]
    figure = draw_features([Group("medium", COLUMNS, [row(*maps)])])
    picture = as_image(figure)
    assert picture.shape[1] == 1000
    drawn = [axes for axes in figure.axes if axes.images][1:]
    assert len(drawn) == 3
    for axes, values in zip(drawn, maps, strict=True):
        assert axes.images[0].get_clim() == (0.0, 10.0)
        box = axes.get_window_extent()
        for cell, mean in enumerate(values.mean(axis=-1).ravel()):
            x = box.x0 + box.width * (0.25 + 0.5 * (cell % 2))
            y = box.y1 - box.height * (0.25 + 0.5 * (cell // 2))
            pixel = picture[round(picture.shape[0] - y), round(x)]
            assert np.abs(pixel - color(mean / 10).astype(int)).max() <= 1


def test_another_row_has_a_scale_of_its_own():
    rows = [row(*[features(0, 0, 0, high)] * 3) for high in (1, 5)]
    figure = draw_features([Group("medium", COLUMNS, rows)])
    limits = [a.images[0].get_clim() for a in figure.axes if a.images]
    assert limits[1:4] == [(0.0, 1.0)] * 3
    assert limits[5:8] == [(0.0, 5.0)] * 3


def test_distances_to_each_target_stand_below_the_maps():
    target = np.zeros([1, 1, 2])
    target[..., 0] = 5.0
    columns = [*COLUMNS, Column("other", "plain", is_target=True)]
    group = Group(
        "medium", columns, [row(0 * target, 0.5 * target, target, 2 * target)]
    )
    found = [
        text for text in texts(draw_features([group])) if text.startswith("to ")
    ]
    assert found == [
        "to target: 1.00",
        "to other: 1.00",
        "to target: 0.50",
        "to other: 0.75",
        "to other: 0.50",
        "to target: 1.00",
    ]


def test_groups_with_other_columns_stand_below_each_other():
    maps = [features(0, 1, 2, 3)] * 3
    first = Group("medium", COLUMNS, [row(*maps)])
    second = Group("small", COLUMNS[1:], [row(*maps[1:], label="give $way$")])
    one = as_image(draw_features([first], width=800))
    figure = draw_features([first, second], width=800)
    both = as_image(figure)
    assert both.shape[1] == one.shape[1] == 800
    assert both.shape[0] > 1.5 * one.shape[0]
    shown = texts(figure)
    assert shown.index("medium") < shown.index("small")
    assert "stop" in shown
