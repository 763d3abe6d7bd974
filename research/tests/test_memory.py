"""What was taken is seen, and what stays is told from what is given back."""

import mmap

import pytest

from research.memory import drift
from research.memory import resident_megabytes

MEGABYTES = 64


def test_what_was_taken_is_seen():
    before = resident_megabytes()
    with mmap.mmap(-1, MEGABYTES * 2**20) as block:
        block.write(b"1" * len(block))
        assert resident_megabytes() > before + MEGABYTES / 2


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ([100.0] * 20, 0.0),
        ([100.0] * 10 + [101.0] * 10, 0.01),
        ([100.0] * 10 + [97.0] * 10, -0.03),
        # One high value among many is no drift.
        ([100.0] * 30 + [200.0], 0.0),
    ],
)
def test_drift_is_that_of_the_last_tenth(memory, expected):
    assert drift(memory) == pytest.approx(expected)
