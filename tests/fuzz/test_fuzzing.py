"""Mutated input: only our own errors come out, and what else is found."""

import random

import pytest

from tests.fuzz.__main__ import KINDS
from tests.fuzz.__main__ import run_kind
from tests.fuzz.child import make_target
from tests.fuzz.fuzzing import Target
from tests.fuzz.fuzzing import fuzz
from tests.fuzz.mutation import mutate_bytes

# How many inputs of each kind; many more with `python -m tests.fuzz`.
COUNTS = {
    "configs": 400,
    "label maps": 600,
    "records": 300,
    "record files": 40,
    "images": 120,
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_our_errors_come_out_and_some_inputs_are_read(kind):
    count = COUNTS[kind]
    report = fuzz(make_target(kind), count, seed=1)
    assert report.failures == []
    assert report.refused + report.accepted == report.tried == count
    assert 0.02 * count < report.accepted < 0.95 * count
    assert report.kept


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_in_a_process_of_its_own_with_little_memory(kind, tmp_path):
    outcome = run_kind(kind, KINDS[kind], 2, tmp_path)
    assert outcome.failures == []
    assert outcome.values["tried"] == KINDS[kind]


FAULTS = {
    "crash": "ends the process (-6)",
    "hang": "input 0 hangs",
    "devour": "MemoryError",
    "stumble": "KeyError: 'a'",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_reader_is_found(fault, tmp_path):
    # A busy machine may take long for anything but the hang.
    seconds = 2 if fault == "hang" else 600
    outcome = run_kind(fault, 1, 0, tmp_path, 64, seconds)
    (failure,) = outcome.failures
    assert FAULTS[fault] in failure


def climb(content):
    """A reader whose depths are reached step by step only."""
    if content[:1] == b"f":
        if content[1:2] == b"u":
            if content[2:3] == b"z":
                raise KeyError("found")


def change_a_letter(content, chance):
    place = chance.randrange(3)
    return (
        content[:place]
        + bytes([chance.choice(b"fuzabcdxyz")])
        + (content[place + 1 :])
    )


def test_inputs_that_reach_new_lines_lead_further():
    found = []
    for sources in (("test_fuzzing",), ("no such file",)):
        target = Target("steps", [b"..."], change_a_letter, climb, sources, 1.0)
        report = fuzz(target, 1500, seed=0)
        found.append(len(report.failures))
        assert bool(report.kept) == (sources == ("test_fuzzing",))
    assert found[0] > 0
    assert found[1] == 0


def test_a_slow_reader_is_found():
    def count(content):
        sum(range(400_000))

    target = Target("slow", [b"seed"], mutate_bytes, count, (), 1e-4)
    report = fuzz(target, 10, seed=0)
    assert "took" in report.failures[0][0]


def test_the_same_seed_gives_the_same_inputs():
    seen = []
    for _ in range(2):
        target = make_target("configs")
        chance = random.Random(3)
        seen.append([target.mutate(target.seeds[0], chance) for _ in range(50)])
    assert seen[0] == seen[1]
