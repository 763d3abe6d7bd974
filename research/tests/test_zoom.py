"""The zoom's gain and cost: which settings, which ratios, which lines."""

import argparse

import pytest

from featsr_tf.errors import ConfigError
from research import zoom
from tests.metrics.scenes import found
from tests.metrics.scenes import square
from tests.metrics.scenes import truth


def flags(**changes):
    values = {
        "images": 1,
        "rounds": 1,
        "windows": [64, 96],
        "margins": [8],
        "gates": [0.1, 0.3],
        "maxima": [0],
        "objectness": [0.0],
    }
    return argparse.Namespace(**{**values, **changes})


def test_settings_are_all_combinations():
    settings = zoom.make_settings(flags(maxima=[0, 5]))
    assert len(set(settings)) == 8
    assert settings[0] == zoom.Setting(64, 8, 0.1, 0, 0.0)
    assert str(settings[-1]) == "window 96, margin 8, gate 0.3, best 5"
    assert str(settings[0]) == "window 64, margin 8, gate 0.1"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"rounds": 0}, "--rounds: expected 1 or more, found 0"),
        (
            {"windows": [64, 72]},
            "expected a multiple of 16, 32 or more, found 72",
        ),
        ({"windows": [0]}, "expected a multiple of 16, 32 or more, found 0"),
        ({"margins": [32]}, "less than half of the least window, 64, found 32"),
        ({"margins": [-1]}, "less than half of the least window, 64, found -1"),
    ],
)
def test_numbers_out_of_range_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        zoom.make_settings(flags(**changes))


def test_ratios_are_of_the_times_per_frame_and_of_each_round():
    # Medians of the frames 2 and 5, of the base 2 and 3.
    seconds = [[2, 5], [8, 4], [2, 7]]
    base_seconds = [[2, 2], [2, 3], [1, 4]]
    ratio, least, most = zoom.ratios(seconds, base_seconds)
    assert ratio == pytest.approx(7 / 5)
    assert least == pytest.approx(7 / 4)
    assert most == pytest.approx(12 / 5)


def measured(boxes, num_windows, seconds):
    result = zoom.Measured(None)
    result.detections = [found(boxes)]
    result.num_windows = num_windows
    result.seconds = [[seconds]]
    return result


def test_the_table_has_accuracy_windows_and_time_of_each():
    small, medium = square(0, 0, 20), square(200, 0, 50)
    heading, base, other = zoom.table(
        {
            "base": measured([medium], 0, 0.040),
            "zoom": measured([small, medium], 3, 0.050),
        },
        [truth([small, medium])],
        [1],
    )
    assert heading.split()[:4] == ["small", "medium", "large", "all"]
    assert "0.0 /   0.0  100.0 / 100.0      - /     -" in base
    assert base.split()[-5:] == ["40.0", "1.00", "(1.00", "to", "1.00)"]
    assert "100.0 / 100.0  100.0 / 100.0      - /     -" in other
    assert other.split()[-6:] == [
        "3.00",
        "50.0",
        "1.25",
        "(1.25",
        "to",
        "1.25)",
    ]
