"""One training at a time writes to a model folder, and a full disk is named."""

import errno
import io
import os
import signal
import subprocess
import sys
from unittest import mock

import pytest
import tensorflow as tf

from featsr_tf.config import parse_pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.errors import FeatsrError
from featsr_tf.training import model_folder
from featsr_tf.training.checkpoints import translate_write_errors
from featsr_tf.training.model_folder import History
from tests.config.sample import SAMPLE
from tests.support import REPOSITORY

HOLDER = """
import sys, time
from featsr_tf.training import model_folder
with model_folder.locked(sys.argv[1]):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_a_second_training_in_a_folder_is_refused(tmp_path):
    folder = str(tmp_path / "model")
    with model_folder.locked(folder):
        with pytest.raises(ConfigError) as refused:
            with model_folder.locked(folder):
                pass
    assert str(refused.value) == (
        f"{folder}: process {os.getpid()} trains in this folder; wait until "
        "it ends, or give another --model_dir"
    )
    with model_folder.locked(folder):
        pass


def test_a_killed_training_leaves_no_lock(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "locked\n"
    with pytest.raises(ConfigError, match=f"process {process.pid} trains in"):
        with model_folder.locked(str(tmp_path)):
            pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    with model_folder.locked(str(tmp_path)):
        pass


@pytest.mark.parametrize(
    "error",
    [
        # Writing to an open file tells no name.
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EROFS, os.strerror(errno.EROFS), "somewhere"),
        tf.errors.ResourceExhaustedError(
            None, None, "model/x.index; No space left on device"
        ),
        tf.errors.UnknownError(None, None, "x; Read-only file system"),
    ],
)
def test_a_disk_that_takes_no_more_is_told_in_one_line(error):
    with pytest.raises(FeatsrError) as told, translate_write_errors("model"):
        raise error
    message = str(told.value)
    assert message.startswith("model: cannot be written to: ")
    assert "its checkpoints are whole" in message
    assert "\n" not in message


def test_other_errors_pass_as_they_are():
    for error in (
        OSError(errno.ENOENT, "no"),
        tf.errors.AbortedError(None, None, "no"),
    ):
        with (
            pytest.raises(type(error)) as passed,
            translate_write_errors("model"),
        ):
            raise error
        assert passed.value is error


def test_a_line_that_a_full_disk_has_cut_is_no_record(tmp_path):
    history = History(str(tmp_path), "base")
    history.append(1, losses={"loss": 1.0})
    whole = (tmp_path / "history.jsonl").read_text()

    class FullFile(io.TextIOWrapper):
        def write(self, text):
            super().write(text[:9])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "history.jsonl"
    full = FullFile(open(path, "ab"))
    with mock.patch("builtins.open", return_value=full):
        with pytest.raises(OSError):
            history.append(2, losses={"loss": 1.0})
    assert path.read_text() == whole + '{"stage":'
    history.truncate_after(1)
    assert path.read_text() == whole


EXTENSION = "model.feature_super_resolution"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    pipeline = parse_pipeline(SAMPLE.encode(), "sample")
    model_folder.write_config(str(folder), pipeline)
    return str(folder)


@pytest.mark.parametrize(
    "override",
    [
        f"{EXTENSION}.gate_objectness_threshold=0.25",
        f"{EXTENSION}.gate_score_threshold=0.25",
        f"{EXTENSION}.gate_maximum=4",
        f"{EXTENSION}.zoom.window_size=96",
        f"{EXTENSION}.zoom.margin=4",
        f"{EXTENSION}.precision=MIXED_BFLOAT16",
        "model.faster_rcnn.first_stage_max_proposals=8",
        "model.faster_rcnn.first_stage_nms_iou_threshold=0.25",
        "model.faster_rcnn.second_stage_post_processing"
        ".batch_non_max_suppression.score_threshold=0.25",
        "eval_config.min_score_threshold=0.25",
        "eval_input_reader.0.label_map_path=other.pbtxt",
        "train_input_reader.tf_record_input_reader.input_path=other.record",
        # The value that the folder has is no change.
        "model.faster_rcnn.num_classes=3",
    ],
)
def test_inference_of_a_trained_model_can_be_changed(trained, override):
    pipeline = model_folder.load(trained, [override])
    value = pipeline
    path, _, expected = override.partition("=")
    for name in path.split("."):
        value = value[int(name)] if name.isdigit() else getattr(value, name)
    assert expected in str(value)
    model_folder.check_trained(trained, pipeline)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model.faster_rcnn.num_classes=4",
            "--set model.faster_rcnn.num_classes: is 4, but the model in {} "
            "was trained with 3; expected a field that affects inference, see "
            "docs/config_reference.md",
        ),
        (f"{EXTENSION}.refiner=ZOOM", "refiner: is ZOOM, but the model in "),
        (f"{EXTENSION}.seed=1", "was trained with 0; expected a field that"),
        ("train_config.num_steps=9", "was trained with 10; expected a field"),
        (f"{EXTENSION}.training_crop={{height: 64 width: 64}}", "with not set"),
        (f"{EXTENSION}.gate_maxmum=9", "nearest known name: gate_maximum"),
        (f"{EXTENSION}.zoom.margin=40", "less than half of window_size, 64"),
    ],
)
def test_what_a_model_was_trained_with_is_refused(trained, override, message):
    with pytest.raises(ConfigError) as refused:
        model_folder.load(trained, [override])
    assert message.format(trained) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_training_goes_on_only_with_the_gate_that_it_began_with(trained):
    gate = [f"{EXTENSION}.gate_maximum=9"]
    changed = parse_pipeline(SAMPLE.encode(), "sample", gate)
    model_folder.check_trained(trained, changed)
    with pytest.raises(ConfigError, match=r"differ: .*gate_maximum: 0 and 9;"):
        model_folder.check(trained, changed)


def test_a_model_of_another_config_is_of_no_use(trained, tmp_path):
    four = ["model.faster_rcnn.num_classes=4"]
    other = parse_pipeline(SAMPLE.encode(), "sample", four)
    for check in (model_folder.check, model_folder.check_trained):
        with pytest.raises(ConfigError, match="num_classes: 3 and 4; give an"):
            check(trained, other)
    with pytest.raises(ConfigError, match="no model here"):
        model_folder.check_trained(str(tmp_path), other)
    model_folder.check(str(tmp_path), other)
