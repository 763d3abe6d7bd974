"""The threshold follows the stated rule, on numbers worked out by hand."""

import numpy as np
import pytest

from tfrecords_tools.proposals import describe_threshold
from tfrecords_tools.proposals import propose_threshold


def areas(*sides: float) -> np.ndarray:
    return np.array(sides, np.float64) ** 2


def test_small_means_below_and_pairs_up_to_four_times_the_area():
    found = describe_threshold(areas(31, 32, 63, 64, 65), 32**2)
    assert found.share_small == pytest.approx(1 / 5)
    assert found.share_for_pairs == pytest.approx(2 / 5)


def test_the_ratio_of_pairs_is_that_of_the_config():
    found = describe_threshold(areas(31, 32, 63, 64, 65), 32**2, 4.1)
    assert found.share_for_pairs == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        # One of five below 32 px.
        ((20, 40, 50, 60, 70), 32),
        # Four of five below 32 px and below 96 px: too many to learn from.
        # A third of the way from 10 to 200 px in this list is 13.3 px.
        ((10, 12, 16, 20, 200), 12),
        # None below 32 px, two of five below 96 px.
        ((40, 90, 100, 200, 300), 96),
        # None below 96 px.
        ((100, 200, 301, 400), 200),
        # Smaller than the smallest multiple of four.
        ((1, 1, 1, 1), 4),
    ],
)
def test_the_rule(sides, expected):
    assert propose_threshold(areas(*sides)).area == expected**2
