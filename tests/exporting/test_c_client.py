"""The example in C finds what Python finds."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.exporting.saved_model import export
from featsr_tf.training.checkpoints import BASE
from tests.model.small import small_backbone
from tests.server.models import random_images
from tests.server.models import write_model
from tests.support import REPOSITORY

HEADER = os.path.join(tf.sysconfig.get_include(), "tensorflow/c/c_api.h")
pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("cc") and shutil.which("make")),
        reason="there is no C compiler or no make",
    ),
    pytest.mark.skipif(
        not os.path.exists(HEADER), reason=f"there is no {HEADER}"
    ),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """The built program."""
    folder = tmp_path_factory.mktemp("c_client")
    for name in ("detect.c", "Makefile"):
        shutil.copy(REPOSITORY / "examples/c_client" / name, folder)
    command = ["make", f"PYTHON={sys.executable}", "CFLAGS=-Werror"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return folder / "detect"


def run(client, *arguments, content=b""):
    command = [client, *map(str, arguments)]
    return subprocess.run(command, input=content, capture_output=True)


@pytest.mark.slow
def test_it_prints_what_python_finds(client, tmp_path):
    pipeline = write_model(tmp_path / "model", [BASE])
    with small_backbone():
        path = export(
            pipeline, str(tmp_path / "model"), str(tmp_path / "signs")
        )
    images = random_images(1)
    result = run(client, path, 50, 70, content=images.tobytes())
    assert result.returncode == 0, result.stderr
    printed = np.loadtxt(result.stdout.decode().splitlines(), ndmin=2)
    signatures = tf.saved_model.load(str(path)).signatures
    found = signatures["serving_default"](input_tensor=tf.constant(images))
    count = int(found["num_detections"][0])
    assert printed.shape == (count, 6)
    assert count > 0
    np.testing.assert_array_equal(
        printed[:, 0], found["detection_classes"][0, :count]
    )
    np.testing.assert_allclose(
        printed[:, 1], found["detection_scores"][0, :count], atol=1e-5
    )
    np.testing.assert_allclose(
        printed[:, 2:], found["detection_boxes"][0, :count], atol=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "usage: detect"),
        (("none", 1, 2), "HEIGHT * WIDTH * 3 bytes"),
        (("none", 0, 1), "expected a height and a width"),
        (("none", 1, 1), "none"),
    ],
)
def test_mistakes_are_told_in_one_line(client, arguments, message):
    result = run(client, *arguments, content=b"abc")
    assert result.returncode == 2
    assert result.stdout == b""
    lines = result.stderr.decode().splitlines()
    told = [line for line in lines if line.startswith("error: ")]
    assert len(told) == 1
    assert message in told[0]
