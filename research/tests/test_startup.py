"""What is started is timed to its first step, and failures are told."""

import argparse
import time

import pytest

from featsr_tf.errors import FeatsrError
from research import startup

# Stands for a training: a step after a moment, then much else.
TRAINING = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index("--model_dir") + 1])
time.sleep(0.3)
(folder / "history.jsonl").write_text("{}")
time.sleep(600)
"""


def test_a_training_is_ended_after_its_first_step():
    begin = time.monotonic()
    startup.first_step("-c", TRAINING)
    assert 0.3 < time.monotonic() - begin < 60


@pytest.mark.parametrize("start", [startup.run, startup.first_step])
def test_a_command_that_fails_is_told_with_its_last_line(start):
    program = "import sys; print('first'); sys.exit('error: no such file')"
    with pytest.raises(FeatsrError, match="failed: error: no such file"):
        start("-c", program)


def test_every_feature_extractor_is_checked_and_makes_a_step():
    works = startup.make_works(
        argparse.Namespace(
            pipeline="toy.config",
            overrides=["train_config.batch_size=2"],
            types=["faster_rcnn_mobilenet_v1", "faster_rcnn_resnet101"],
        )
    )
    assert list(works)[:3] == ["python", "import tensorflow", "--help"]
    mobilenet, resnet = (
        works[f"first step, faster_rcnn_{name}"].args
        for name in ("mobilenet_v1", "resnet101")
    )
    assert "train_config.batch_size=2" in mobilenet
    alpha = "model.feature_super_resolution.backbone.alpha=1"
    assert alpha in resnet and alpha not in mobilenet
    assert works["--check, faster_rcnn_resnet101"].args[-1] == "--check"
