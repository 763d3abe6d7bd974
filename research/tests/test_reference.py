"""The comparison with torchvision, without torch."""

import importlib.util
import os
from unittest import mock

import numpy as np
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from research import other_processes
from research import reference


@pytest.mark.parametrize("library", reference.PACKAGES)
def test_without_a_library_it_says_how_to_get_it(library):
    packages = reference.PACKAGES[library]
    command = "pip install " + " ".join(packages.values())
    with mock.patch.object(importlib.util, "find_spec", return_value=None):
        with pytest.raises(DataError, match=command):
            other_processes.versions(packages)


class Counting:
    """Stands for a detector: judges as many proposals as pixels."""

    def __init__(self, factor):
        self.factor = factor
        self.num_judged = 0

    def inference(self, images):
        def detect():
            environment = int(os.environ.get("FACTOR", "0"))
            self.num_judged = (self.factor + environment) * images.size

        return detect


def test_a_detector_is_called_in_a_process_of_its_own():
    process = other_processes.DetectorProcess(
        Counting, 2, environment={"FACTOR": "1"}
    )
    call = process.prepare("inference", np.zeros([1, 4, 4, 3]))
    assert call() == 3 * 48
    assert "FACTOR" not in os.environ


def test_frames_are_padded_to_multiples_of_32():
    assert reference.sides("1360x800") == (1376, 800)


@pytest.mark.parametrize("frame", ["800", "800x", "ax800", "800x800x3"])
def test_frames_without_two_sides_are_refused(frame):
    with pytest.raises(ConfigError, match="--frames"):
        reference.sides(frame)


def test_objects_lie_within_the_frame():
    boxes, classes = reference.random_objects((1, 320, 640, 3), 20)
    assert boxes.min() >= 0
    assert (boxes[..., 2] <= 320).all() and (boxes[..., 3] <= 640).all()
    assert classes.min() >= 1 and classes.max() <= 20


def test_our_time_is_a_share_of_theirs_and_the_rate_of_a_product(capsys):
    seconds = {
        reference.OURS: [1.0],
        "torchvision": [4.0],
        reference.PRODUCT: [0.5],
    }
    seconds = {name: 5 * own for name, own in seconds.items()}
    figures = []
    reference.report("inference", seconds, figures, reference.SIDE**3)
    assert "ours: 0.25 (0.25 to 0.25) of torchvision" in capsys.readouterr().out
    assert figures[0]["of_product"] == pytest.approx(0.5)
