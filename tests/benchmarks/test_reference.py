"""The comparison with torchvision, without torch."""

import importlib.util
from unittest import mock

import pytest

from benchmarks import reference
from benchmarks import torchvision_detector
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError


def test_without_torchvision_it_says_how_to_get_it():
    with mock.patch.object(importlib.util, "find_spec", return_value=None):
        with pytest.raises(DataError, match="pip install torch torchvision"):
            torchvision_detector.describe_torch()


@pytest.mark.parametrize("frame", ["800", "800x", "801x800", "800x800x3"])
def test_frames_that_would_be_padded_are_refused(frame):
    with pytest.raises(ConfigError, match="--frames"):
        reference.sides(frame)


def test_objects_lie_within_the_frame():
    boxes, classes = reference.random_objects((1, 320, 640, 3), 20)
    assert boxes.min() >= 0
    assert (boxes[..., 2] <= 320).all() and (boxes[..., 3] <= 640).all()
    assert classes.min() >= 1 and classes.max() <= 20


def test_the_faster_layout_counts_and_the_rate_is_a_share(capsys):
    seconds = {
        reference.OURS: [1.0],
        "torchvision": [4.0],
        "torchvision channels last": [2.0],
        reference.PRODUCT: [0.5],
    }
    seconds = {name: 5 * own for name, own in seconds.items()}
    figures = []
    reference.report("inference", seconds, figures, reference.SIDE**3)
    ours, *_ = (
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith(reference.OURS)
    )
    assert "0.50" in ours.split()
    assert figures[0]["of_product"] == pytest.approx(0.5)
