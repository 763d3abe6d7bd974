"""Bad configs, flags and other files are refused in one line."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from featsr_tf import evaluate
from featsr_tf import predict
from featsr_tf import report
from featsr_tf.config import __main__ as config
from tests.bad_input.doors import DOORS
from tests.bad_input.doors import TRAIN
from tests.bad_input.doors import run_module
from tests.data.example_files import encode
from tests.data.example_files import noise_image
from tests.support import REPOSITORY
from tfrecords_tools import create_gtsdb_tf_record
from tfrecords_tools import create_toy_tf_record

FIGURES = {size: {"f1": 0.5} for size in ("small", "medium", "large", "all")}


@pytest.mark.parametrize(
    ("metrics", "arguments", "message"),
    [
        (None, [], "metrics.json: cannot be read: No such file"),
        ("{", [], "metrics.json: not a JSON file"),
        ("{}", [], "metrics.json: expected 'base', 'super_resolved' or"),
        ({"base": {}}, [], "metrics.json: 'base' has no figures for 'small'"),
        ({"base": FIGURES}, ["--history", "no"], "no: cannot be read"),
        (
            {"base": FIGURES},
            ["--history", "small.config"],
            "small.config, line 2: expected an object with 'stage'",
        ),
        ({"base": FIGURES}, ["--pictures", "no"], "no: no such folder"),
        ({"base": FIGURES}, ["--pictures", "photos"], "photos/a.jpg: no re"),
        ({"base": FIGURES}, ["--output", "photos"], "photos"),
        (
            {"base": FIGURES},
            ["--output", "label_map.pbtxt/x.html"],
            "label_map",
        ),
    ],
)
def test_a_report_of_bad_files_is_refused(
    metrics, arguments, message, photos, refuse
):
    if metrics is not None:
        text = metrics if isinstance(metrics, str) else json.dumps(metrics)
        pathlib.Path("metrics.json").write_text(text)
    places = ("--metrics", "metrics.json", "--output", "new.html")
    assert message in refuse(report.main, *places, *arguments)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, "gtsdb: no gt.txt in this folder"),
        ("00000.jpg;1;2;30;40", "gt.txt:1: expected image;left;top;right"),
        ("00000.jpg;1;2;30;40;43", "gt.txt:1: unknown class 43"),
        ("00009.jpg;1;2;30;40;3", "gt.txt:1: no frame 00009"),
    ],
)
def test_bad_annotations_are_named_by_file_and_line(
    lines, message, folder, refuse
):
    pathlib.Path("gtsdb").mkdir()
    image = encode(noise_image(64, 64), "JPEG")
    for number in range(8):
        pathlib.Path(f"gtsdb/0000{number}.jpg").write_bytes(image)
    if lines is not None:
        pathlib.Path("gtsdb/gt.txt").write_text(lines)
    arguments = ("--data_dir", "gtsdb", "--output_path", "new")
    assert message in refuse(create_gtsdb_tf_record.main, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "-1"], "--seed is -1; expected 0 or more"),
        (["--image_width", "100"], "expected at least 200 px each way"),
        (["--num_val", "0"], "no images for the split toy_val"),
        (["--num_shards", "0"], "--num_shards is 0; expected 1 or more"),
        (["--output_path", "small.config"], "small.config: is a file"),
    ],
)
def test_impossible_toy_data_are_refused(arguments, message, folder, refuse):
    few = ("--output_path", "new", "--num_train", "1", "--num_val", "1")
    error = refuse(create_toy_tf_record.main, *few, *arguments)
    assert message in error


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pipeline", "nowhere"], "nowhere: cannot read the pipeline config"),
        (["--set", "train_config.batch_sise=4"], "known name: batch_size"),
        (["--set", "train_config.batch_size=four"], "batch_size=four"),
        (["--set", "train_config.batch_size"], "--set train_config.batch_size"),
    ],
)
def test_bad_configs_are_refused(door, arguments, message, folder, refuse):
    main, others = DOORS[door]
    assert message in refuse(main, *others, *arguments)


def test_the_config_door_refuses_bad_configs(folder, refuse):
    pathlib.Path("bad.config").write_text("model { fast_rcnn {} }")
    assert "nearest known name: faster_rcnn" in refuse(
        config.main, "bad.config"
    )


@pytest.mark.parametrize("value", ["7", "-0.1", "nan"])
def test_scores_are_between_0_and_1(value, folder, refuse):
    score = ("--model_dir", "trained", "--min_score", value)
    for main, arguments in (
        (evaluate.main, TRAIN),
        (predict.main, ("--images", "photos", "--output", "new")),
    ):
        error = refuse(main, *arguments, *score)
        assert "--min_score: expected 0 to 1, found" in error


def test_a_process_ends_with_one_line_and_code_2(folder):
    pathlib.Path("train.record").unlink()
    main, arguments = DOORS["train"]
    done = run_module("featsr_tf.train", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: train.record: no such record file")


def test_a_reader_that_leaves_gets_no_complaint():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "featsr_tf.config", "--reference"],
        cwd=REPOSITORY,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 141
