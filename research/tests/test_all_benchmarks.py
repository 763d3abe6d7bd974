"""All benchmarks are run, and what they print is kept."""

import argparse
import importlib

import pytest

from featsr_tf.errors import FeatsrError
from research import __main__ as benchmarks


def test_what_is_printed_is_shown_and_kept_with_its_command(tmp_path, capsys):
    program = "print('fast'); import sys; print('warning', file=sys.stderr)"
    benchmarks.run_all({"speed": ["-c", program]}, tmp_path)
    kept = (tmp_path / "speed.txt").read_text()
    assert kept == f"$ python -c {program}\nfast\n"
    assert capsys.readouterr().out == f"\n{kept}"


def test_one_that_fails_leaves_its_old_results_and_the_others_run(tmp_path):
    (tmp_path / "bad.txt").write_text("old")
    commands = {"bad": ["-c", "1 / 0"], "good": ["-c", "print(1)"]}
    with pytest.raises(FeatsrError, match="have failed: bad$"):
        benchmarks.run_all(commands, tmp_path)
    assert (tmp_path / "bad.txt").read_text() == "old"
    assert (tmp_path / "good.txt").read_text().endswith("1\n")


def test_commands_have_the_pipeline_and_its_overrides():
    commands = benchmarks.make_commands(
        argparse.Namespace(
            pipeline="toy.config",
            overrides=["a=1"],
            only=["input", "protocols"],
        )
    )
    assert list(commands) == ["input", "protocols"]
    expected = "-m research.input --pipeline toy.config --set a=1 --steps 200"
    assert commands["input"] == expected.split()
    assert "--pipeline" not in commands["protocols"]


@pytest.mark.parametrize(
    "name", [*benchmarks.OF_A_PIPELINE, *benchmarks.OTHERS]
)
def test_every_benchmark_is_a_command(name):
    try:
        module = importlib.import_module(f"research.{name}.__main__")
    except ModuleNotFoundError:
        module = importlib.import_module(f"research.{name}")
    assert callable(module.main)
