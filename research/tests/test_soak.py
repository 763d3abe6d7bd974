"""A soak sees what grows, and nothing where nothing does."""

import warnings

import pytest

from research import soak
from research.soak import Gauges


def test_work_that_keeps_nothing_has_no_problems():
    gauges = soak.soak(lambda: None, 0.2)
    assert gauges.rounds > soak.MINIMUM_ROUNDS
    assert gauges.problems() == []
    assert gauges.memory[0] > 1


@pytest.mark.parametrize(
    ("memory", "drift", "is_problem"),
    [
        ([100.0] * 20, 0.0, False),
        ([100.0] * 10 + [101.0] * 10, 0.01, False),
        ([100.0] * 10 + [103.0] * 10, 0.03, True),
        ([100.0] * 10 + [97.0] * 10, -0.03, True),
        # One high value among many is no drift.
        ([100.0] * 30 + [200.0], 0.0, False),
    ],
)
def test_drift_is_that_of_the_last_tenth(memory, drift, is_problem):
    gauges = Gauges(memory, [3] * len(memory), rounds=soak.MINIMUM_ROUNDS)
    assert gauges.drift == pytest.approx(drift)
    assert bool(gauges.problems()) == is_problem


def test_too_few_rounds_are_no_proof():
    gauges = soak.soak(lambda: None, 0.0)
    assert gauges.rounds == 1
    (problem,) = gauges.problems()
    assert problem.startswith("only 1 rounds after the warm-up")


def test_memory_that_is_kept_is_seen():
    kept = []
    gauges = soak.soak(lambda: kept.append(bytearray(2**20)), 0.5)
    assert gauges.drift > soak.MAXIMUM_DRIFT
    assert "resident memory drifts" in " ".join(gauges.problems())


def test_files_that_stay_open_are_seen():
    gauges = Gauges([1.0] * 20, [5] * 10 + [6] * 10, rounds=soak.MINIMUM_ROUNDS)
    assert gauges.problems() == ["1 more files are open than before"]


def test_open_files_are_counted(tmp_path):
    gauges = Gauges()
    gauges.read()
    with open(tmp_path / "a", "w"):
        gauges.read()
    assert gauges.files[1] == gauges.files[0] + 1


@pytest.mark.filterwarnings("ignore:odd")
def test_warnings_after_the_warm_up_are_counted():
    gauges = soak.soak(lambda: warnings.warn("odd", stacklevel=1), 0.2)
    assert len(gauges.warnings) == gauges.rounds
    assert gauges.problems()[-1].endswith("warnings, the first: odd")
