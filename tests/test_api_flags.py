"""Flags of the Object Detection API work, or a line says what does the same."""

import argparse
import pathlib

import pytest

from featsr_tf import evaluate
from featsr_tf import export
from featsr_tf import train
from featsr_tf.command_line.api_flags import EVALUATE_FLAGS
from featsr_tf.command_line.api_flags import EXPORT_FLAGS
from featsr_tf.command_line.api_flags import TRAIN_FLAGS
from featsr_tf.command_line.api_flags import add_api_flags
from featsr_tf.command_line.flags import add_set_flag
from tests.model.small import CONFIG

INTERVAL = "model.feature_super_resolution.checkpoint_interval"


def parse(flags, *given):
    parser = argparse.ArgumentParser()
    add_set_flag(parser)
    add_api_flags(parser, flags)
    return parser.parse_args(given).overrides


def test_numbers_of_a_training_are_fields():
    given = ["--num_train_steps=5", "--set", "a=1", "--checkpoint_every_n", "7"]
    expected = ["train_config.num_steps=5", "a=1", f"{INTERVAL}=7"]
    assert parse(TRAIN_FLAGS, *given) == expected
    assert parse(TRAIN_FLAGS) == []


@pytest.mark.parametrize(
    "given",
    [
        ["--alsologtostderr=false", "--use_tpu=False", "--num_workers=1"],
        ["--nouse_tpu", "--noalsologtostderr", "--record_summaries"],
        ["--sample_1_of_n_eval_examples", "1", "--run_once"],
    ],
)
def test_what_asks_for_nothing_is_taken_silently(given, capsys):
    parse(TRAIN_FLAGS, *given)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("flags", "given", "said"),
    [
        (TRAIN_FLAGS, "--alsologtostderr", "messages go to the terminal any"),
        (TRAIN_FLAGS, "--eval_timeout=3600", "nothing waits for checkpoints"),
        (EVALUATE_FLAGS, "--sample_1_of_n_eval_examples=10", "evaluate reads"),
        (TRAIN_FLAGS, "--norecord_summaries", "files for TensorBoard are al"),
        (EVALUATE_FLAGS, "--num_train_steps=5", "nothing is trained here"),
    ],
)
def test_what_has_no_effect_is_noted(flags, given, said, capsys):
    parse(flags, given)
    name = given.partition("=")[0]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note: {name} has no effect: {said}")


@pytest.mark.parametrize(
    ("command", "given", "said"),
    [
        (train, "--checkpoint_dir=x", "here that is featsr evaluate --model_"),
        (train, "--use_tpu", "there is no support of TPUs"),
        (train, "--num_workers=4", "start the command on each machine with TF"),
        (evaluate, "--eval_on_train_data", "give featsr evaluate --set eval_"),
        (export, "--config_override=model {}", "give --set FIELD=VALUE"),
        (export, "--input_shape=1,600,600,3", "images of any size are taken"),
        (export, "--trained_checkpoint_prefix=m/ckpt-1", "give --trained_che"),
    ],
)
def test_what_is_done_otherwise_is_said(command, given, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main([given])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {given.partition('=')[0]}: ")
    assert said in line


def test_a_checkpoint_folder_is_the_model_that_is_evaluated(tmp_path, capsys):
    flags = ["--model_dir=written", f"--checkpoint_dir={tmp_path}/model"]
    with pytest.raises(SystemExit):
        evaluate.main(flags)
    assert f"error: {tmp_path}/model: no model" in capsys.readouterr().err


def test_help_lists_none_of_them(capsys):
    for flags in (TRAIN_FLAGS, EVALUATE_FLAGS, EXPORT_FLAGS):
        with pytest.raises(SystemExit):
            parse(flags, "--help")
    assert "tpu" not in capsys.readouterr().out


def test_a_missing_file_says_where_paths_begin(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("configs").mkdir()
    pathlib.Path("configs/small.config").write_text(CONFIG)
    with pytest.raises(SystemExit) as stopped:
        train.main(["--pipeline_config_path=configs/small.config"])
    assert stopped.value.code == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "label_map.pbtxt: no readable label map: No such file or directory; "
        f"relative paths are looked up from {tmp_path}, then from "
        f"{tmp_path}/configs, where the config is"
    )
