"""Flags that commands share, and what is said before anything is read."""

import argparse
import importlib
import re
import subprocess
import sys

import pytest

from featsr_tf import train
from featsr_tf.command_line.flags import add_model_dir_flag
from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import model_dir_of
from tests.support import REPOSITORY


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], "output/models/tt100k"),
        (["--model_dir", "mine"], "mine"),
    ],
)
def test_a_model_folder_is_named_after_its_config(flags, expected):
    parser = argparse.ArgumentParser()
    add_pipeline_flags(parser)
    add_model_dir_flag(parser, "checkpoints")
    arguments = parser.parse_args(
        ["--pipeline", "pipelines/tt100k.config", *flags]
    )
    assert model_dir_of(arguments) == expected


@pytest.mark.parametrize(
    ("pipeline", "converter"),
    [
        ("tt100k", "tt100k_tf_record --output_path output/tt100k --data_dir"),
        (
            "voc",
            "voc_tf_record --output_path output/voc --data_dir VOCdevkit"
            " --year merged --set trainval",
        ),
        (
            "coco",
            "coco_tf_record --output_path output/coco --train_image_dir"
            " COCO/train2017 --train_annotations_file"
            " COCO/annotations/instances_train2017.json",
        ),
        ("toy", "toy_tf_record --output_path output/demo/records"),
    ],
)
def test_missing_records_name_the_command_that_makes_them(
    pipeline, converter, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tfrecords_tools").symlink_to(REPOSITORY / "tfrecords_tools")
    (tmp_path / "output/demo/records").mkdir(parents=True)
    (tmp_path / "output/demo/records/label_map.pbtxt").write_text(
        "item { id: 1 name: 'stop' }"
    )
    path = str(REPOSITORY / "pipelines" / f"{pipeline}.config")
    with pytest.raises(SystemExit) as stop:
        train.main(["--pipeline", path])
    assert stop.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "no such record file" in error
    assert f"make it: python -m tfrecords_tools.create_{converter} " in error


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("train", ["--pipeline FILE", "--set", "--model_dir DIR, --model"]),
        ("evaluate", ["--set", "--model_dir DIR, --model", "--output FILE"]),
        ("evaluate", ["--min_score SCORE_OR_FILE, --score_threshold"]),
        ("choose_threshold", ["--set", "--model_dir DIR", "--output FILE"]),
        ("predict", ["--set", "--model DIR, --model_dir DIR", "--output DIR"]),
        ("predict", ["--min_score SCORE_OR_FILE", "--base_only, --base"]),
        ("export", ["--set", "--output DIR, --output_directory DIR"]),
        ("export", ["--min_score SCORE_OR_FILE", "--base_only, --base"]),
        ("export", ["--model_dir DIR, --model DIR, --trained_checkpoint_dir"]),
    ],
)
def test_what_means_the_same_has_the_same_name(command, flags, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(f"featsr_tf.{command}").main(["--help"])
    help_text = " ".join(capsys.readouterr().out.split())
    for flag in flags:
        assert flag in help_text


@pytest.mark.parametrize("command", ["evaluate", "choose_threshold", "export"])
def test_a_trained_model_is_named_by_its_folder_or_its_config(
    command, capsys, tmp_path
):
    module = importlib.import_module(f"featsr_tf.{command}")
    output = f"--output={tmp_path}/out"
    for flags, message in (
        ([], "--model_dir or --pipeline; found"),
        ([f"--model_dir={tmp_path}"], "no model here (pipeline.config is"),
    ):
        with pytest.raises(SystemExit) as stop:
            module.main([output, *flags])
        assert stop.value.code == 2
        assert message in capsys.readouterr().err


def test_files_of_nobody_s_making_are_simply_missing(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    text = (REPOSITORY / "pipelines/toy.config").read_text()
    text = text.replace("toy_train", "a.b c_train")
    (tmp_path / "my.config").write_text(text)
    (tmp_path / "output/demo/records").mkdir(parents=True)
    (tmp_path / "output/demo/records/label_map.pbtxt").write_text(
        "item { id: 1 name: 'stop' }"
    )
    with pytest.raises(SystemExit):
        train.main(["--pipeline", "my.config"])
    error = capsys.readouterr().err
    assert "no such record file" in error
    assert "make it" not in error


@pytest.mark.parametrize(
    ("door", "flags"),
    [
        (
            "train",
            [
                "--pipeline=pipelines/tt100k.config",
                "--set=train_input_reader.tf_record_input_reader.input_path="
                "'nothing'",
            ],
        ),
        (
            "export",
            [
                "--pipeline=pipelines/tt100k.config",
                "--model_dir=nothing",
                "--output_directory=nothing",
            ],
        ),
    ],
)
def test_what_is_missing_is_noticed_before_tensorflow_is_imported(door, flags):
    program = (
        f"import sys; from featsr_tf import {door}\n"
        f"try: {door}.main({flags})\n"
        "except SystemExit as stop: code = stop.code\n"
        "print(code, 'tensorflow' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert finished.stdout.split() == ["2", "False"], finished.stderr


@pytest.mark.parametrize(
    "module",
    [
        f"{folder}.{path.stem}"
        for folder in ("featsr_tf", "tfrecords_tools")
        for path in sorted((REPOSITORY / folder).glob("*.py"))
        if "\ndef main(" in path.read_text() and path.stem != "__main__"
    ],
)
def test_help_names_the_command_as_it_is_typed(module, capsys):
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(module).main(["--help"])
    assert stop.value.code == 0
    help_text = capsys.readouterr().out
    assert help_text.startswith(f"usage: python -m {module} ")
    for example in re.findall(r"^ +(python -m .*)", help_text, re.MULTILINE):
        assert example.startswith(f"python -m {module} ")
        assert len(example) <= 80, "a line is not continued by a backslash"
