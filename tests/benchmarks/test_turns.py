"""Calls take turns, and their times are compared round by round."""

import time

import pytest

from benchmarks import turns


def test_calls_take_turns_and_the_first_rounds_are_not_timed():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    seconds = turns.take_turns(calls, rounds=3, warm_up=2)
    assert "".join(order) == 5 * "ab"
    assert {name: len(own) for name, own in seconds.items()} == {"a": 3, "b": 3}


def test_a_call_that_waits_takes_its_time_but_the_pause_does_not_count():
    calls = {"waits": lambda: time.sleep(0.2), "idle": lambda: None}
    seconds = turns.take_turns(calls, rounds=1, warm_up=0, pause=0.1)
    assert seconds["waits"][0] >= 0.2
    assert seconds["idle"][0] < 0.1


def test_ratios_are_those_of_the_same_round():
    ratio, least, most = turns.ratios([2.0, 3.0, 9.0], [1.0, 2.0, 3.0])
    assert (ratio, least, most) == (1.5, 1.5, 3.0)


def test_the_table_names_all_and_compares_with_the_reference():
    lines = list(turns.table({"one": [0.001], "other": [0.003]}, "one"))
    assert lines[0].startswith("one")
    assert lines[1].endswith("3.00 x one (3.00 to 3.00)")
    assert "3.0 ms" in lines[1]


def test_nothing_can_be_compared_with_a_different_number_of_rounds():
    with pytest.raises(ValueError):
        turns.ratios([1.0, 2.0], [1.0])
