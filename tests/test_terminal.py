"""On the terminal a command says what it has to say, and TensorFlow nothing."""

import os
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from tests.support import REPOSITORY


def run_clean(*command: str, **variables: str) -> str:
    """Runs a command as a newcomer does, and returns what it says of itself."""
    finished = subprocess.run(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stderr


# A graph that TensorFlow's optimizer cannot estimate the cost of: it complains
# in absl's log, in lines of thousands of characters.
GRAPH = """
from featsr_tf.errors import exit_on_error
with exit_on_error():
    import tensorflow as tf

    @tf.function
    def crop(image, boxes):
        return tf.image.crop_and_resize(image, boxes, [0, 0, 0, 0], [7, 7])

    crop(tf.random.uniform([1, 64, 64, 3]), tf.random.uniform([4, 4]))
"""


@pytest.mark.slow
def test_tensorflow_says_nothing():
    # The level that people set to have just this, and that our own processes
    # hand on to those that they start.
    assert run_clean("-c", GRAPH, TF_CPP_MIN_LOG_LEVEL="3") == ""


def test_a_command_that_detects_says_nothing_of_tensorflow(tmp_path):
    image = tmp_path / "image.png"
    PIL.Image.fromarray(np.full((80, 96, 3), 90, np.uint8)).save(image)
    said = run_clean(
        *("-m", "featsr_tf.predict", "--output", str(tmp_path / "out")),
        *("--model", "saved_models/gtsdb_mobilenet/2", "--images", str(image)),
    )
    lines = said.replace("\r", "\n").split("\n")
    assert not [line for line in lines if line and "detecting:" not in line]


def test_a_script_of_the_first_page_says_nothing_of_tensorflow():
    said = run_clean(
        "-c",
        "import featsr_tf, numpy\n"
        "detector = featsr_tf.load('saved_models/gtsdb_mobilenet')\n"
        "detector.predict(numpy.zeros((80, 96, 3), 'uint8'))",
    )
    assert said == ""


@pytest.mark.slow
def test_who_asks_for_tensorflows_lines_sees_them():
    said = run_clean("-c", GRAPH, TF_CPP_MIN_LOG_LEVEL="0")
    assert "oneDNN" in said or "cpu_feature_guard" in said


def test_letters_that_a_pipe_cannot_take_are_escaped(tmp_path):
    """As on Windows, where output that is sent to a file is in cp1252."""
    config = (REPOSITORY / "pipelines/toy.config").read_text("utf-8")
    path = tmp_path / "toy.config"
    path.write_text(config.replace("label_map.pbtxt", "\u7981.pbtxt"), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "featsr_tf.config", str(path)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "records/\\u7981.pbtxt" in done.stdout
