"""One command, `featsr`, does what the modules do, and says so."""

import importlib
import os
import pathlib
import subprocess
import sys

import pytest

import featsr_tf
from featsr_tf import __main__ as featsr
from featsr_tf.command_line import parser
from tests.support import REPOSITORY
from tests.test_import_directions import DOORS


@pytest.fixture(autouse=True)
def names_of_this_test(monkeypatch):
    monkeypatch.setattr(parser, "_names", {})


def complete(line: str, answers: pathlib.Path) -> list[str]:
    """What a shell offers behind a line that the user is typing."""
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answers),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run(
        [sys.executable, "-m", "featsr_tf"],
        cwd=REPOSITORY,
        env=environment,
        timeout=60,
        check=True,
    )
    return [word.strip() for word in answers.read_text().split("\v")]


def test_every_command_of_the_package_has_a_name():
    modules = {*featsr.FORMATS.values(), *featsr._MODULES.values()} - {""}
    doors = {door.removesuffix(".__main__") for door in DOORS} - {"featsr_tf"}
    assert modules == doors


def test_without_a_command_it_lists_them_by_what_a_user_wants(capsys):
    with pytest.raises(SystemExit) as stop:
        featsr.main([])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for purpose, commands in featsr.COMMANDS.items():
        assert f"\n{purpose}:\n" in text
        for name in commands:
            assert f"\n  {name} " in text


def test_it_tells_its_version(capsys):
    with pytest.raises(SystemExit) as stop:
        featsr.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"featsr_tf {featsr_tf.__version__}\n"


@pytest.mark.parametrize(
    "words", [["train"], ["choose-threshold"], ["convert", "voc"], ["config"]]
)
def test_a_command_is_called_as_it_was_typed(words, capsys):
    with pytest.raises(SystemExit) as stop:
        featsr.main([*words, "--help"])
    assert stop.value.code == 0
    name = " ".join(words).replace("-", "_")
    assert capsys.readouterr().out.startswith(f"usage: featsr {name} [")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tarin"], "invalid choice: 'tarin'"),
        (["convert", "cocoa"], "invalid choice: 'cocoa'"),
    ],
)
def test_an_unknown_command_is_named(words, expected, capsys):
    with pytest.raises(SystemExit) as stop:
        featsr.main(words)
    assert stop.value.code == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "expected", "other"),
    [
        ("featsr tr", "train", "predict"),
        ("featsr convert ", "tt100k", "train"),
        ("featsr train --pip", "--pipeline", "--model_dir"),
        ("featsr convert coco --val_i", "--val_image_dir", "--num_shards"),
    ],
)
def test_a_shell_completes_commands_and_flags(line, expected, other, tmp_path):
    offered = complete(line, tmp_path / "answers")
    assert expected in offered
    assert other not in offered


@pytest.mark.parametrize("name", featsr.FORMATS)
def test_the_help_of_a_converter_shows_a_command_that_works(
    name, capsys, monkeypatch
):
    with pytest.raises(SystemExit):
        featsr.main(["convert", name, "--help"])
    _, _, example = capsys.readouterr().out.partition("For example:\n\n")
    command, _, _ = example.replace("\\\n", " ").partition("\n\n")
    module = importlib.import_module(featsr.FORMATS[name])
    called = []
    for create in {"create", "_create"} & vars(module).keys():
        monkeypatch.setattr(
            module, create, lambda **values: called.append(values) or ""
        )
    words = command.split()
    if words[0] == "featsr":
        featsr.main(words[1:])
    else:
        assert words[:3] == ["python", "-m", module.__name__]
        module.main(words[3:])
    assert called[0]["output_path"].startswith("output/")
