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

from featsr_tf.errors import ConfigError
from featsr_tf.errors import FeatsrError
from featsr_tf.training import model_folder
from featsr_tf.training.checkpoints import translate_write_errors
from featsr_tf.training.history import History
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
