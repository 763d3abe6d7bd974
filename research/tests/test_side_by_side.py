"""Works take turns; medians, quartiles and ratios are those of the rounds."""

import shlex
import statistics
import sys

import pytest

from featsr_tf.errors import ConfigError
from research import side_by_side


def test_works_take_turns_and_warm_up_rounds_are_not_timed():
    calls = []
    times = side_by_side.in_turns(
        {name: lambda name=name: calls.append(name) for name in "ab"},
        rounds=5,
        warm_up=1,
    )
    assert calls == ["a", "b"] * 6
    assert {name: len(seconds) for name, seconds in times.items()} == {
        "a": 5,
        "b": 5,
    }


def test_a_longer_work_has_longer_times():
    times = side_by_side.in_turns(
        {"long": lambda: sum(range(100000)), "short": lambda: None}, rounds=5
    )
    assert statistics.median(times["long"]) > statistics.median(times["short"])


def test_a_pause_is_not_part_of_the_time():
    times = side_by_side.in_turns(
        {"idle": lambda: None}, rounds=5, warm_up=0, pause=0.05
    )
    assert statistics.median(times["idle"]) < 0.05


def test_medians_of_few_rounds_are_refused():
    with pytest.raises(ConfigError, match="expected 5 or more, found 4"):
        side_by_side.in_turns({}, rounds=4)


def test_a_ratio_is_that_of_medians_its_quartiles_are_those_of_rounds():
    # Ratios of the rounds: 2, 1, 1.5, 3, 1.
    seconds = [2.0, 2.0, 3.0, 3.0, 4.0]
    base = [1.0, 2.0, 2.0, 1.0, 4.0]
    assert side_by_side.ratio(seconds, base) == (1.5, 1.0, 2.0)


def test_the_table_has_times_and_ratios():
    heading, fast, slow = side_by_side.comparison(
        {
            "fast": [0.010, 0.011, 0.012, 0.013, 0.014],
            "slow": [0.200, 0.220, 0.240, 0.260, 0.280],
        },
        "fast",
    ).splitlines()
    assert heading.split()[-3:] == ["x", "fast", "quartiles"]
    assert fast.split() == "fast 12 11 to 13 1.00 1.00 to 1.00".split()
    assert slow.split() == "slow 240 220 to 260 20.00 20.00 to 20.00".split()


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.0001234, "0.123"),
        (0.01234, "12.3"),
        (0.1234, "123"),
        (12.34, "12340"),
    ],
)
def test_times_have_three_digits_or_more(seconds, text):
    assert side_by_side.milliseconds(seconds) == text


def test_a_round_is_the_mean_over_frames_of_unlike_cost():
    now = 0.0

    def work(seconds):
        def run():
            nonlocal now
            now += seconds

        return run

    frames = [{"base": work(1.0), "look": work(look)} for look in (1.0, 5.0)]
    times = side_by_side.time_per_frame(frames, 5, clock=lambda: now)
    assert times == {"base": [1.0] * 5, "look": [3.0] * 5}


def test_the_command_is_written_as_a_shell_takes_it(monkeypatch):
    words = ["-m", "research.x", "--base", 'weights={name: "a b"}']
    monkeypatch.setattr(sys, "orig_argv", ["/usr/bin/python3", *words])
    assert shlex.split(side_by_side.command_line()) == ["python", *words]
