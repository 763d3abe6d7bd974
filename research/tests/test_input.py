"""The input pipeline's benchmark: shares, waiting, memory."""

import time

import pytest

from research import input as benchmark


def test_shares_are_those_of_the_parts_alone():
    rows = list(
        benchmark.shares({"take": 0.001, "decode": 0.004, "crop": 0.005})
    )
    assert rows == [
        ("", "ms", "share"),
        ("decode", "3", "75%"),
        ("crop", "1", "25%"),
        ("sum", "4", "100%"),
    ]


def slow_batches():
    while True:
        time.sleep(0.002)
        yield "batch"


def test_waiting_for_data_is_seen_and_told_from_computing():
    seen = []
    watched = benchmark.watch(seen.append, slow_batches(), 10, 5)
    assert len(watched.waited) == len(watched.fed) == len(watched.held) == 5
    assert all(waited >= 0.002 for waited in watched.waited)
    assert len(watched.memory) == 10
    assert len(seen) == 10 + 5 * benchmark._HELD_STEPS_PER_ROUND


def test_the_summary_has_waiting_what_data_cost_and_memory():
    watched = benchmark.Watched(
        waited=[0.001, 0.002, 0.003, 0.002, 0.002],
        fed=[0.050] * 5,
        held=[0.040] * 5,
        memory=[100.0] * 10 + [101.0] * 10,
    )
    waiting, _, held, fed, memory = watched.summary().splitlines()
    assert waiting == "waits for data 4.0% of the time (2.0% to 6.0%)"
    assert held.split()[:2] == ["held", "40"]
    assert "1.25" in fed.split()
    assert memory.endswith("100 to 101 MB, first to last tenth +1.00%")


def test_too_few_rounds_are_refused_at_once(capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--pipeline", "pipelines/toy.config", "--rounds", "2"])
    assert "expected 5 or more, found 2" in capsys.readouterr().err
