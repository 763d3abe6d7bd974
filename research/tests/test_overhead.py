"""Super-resolution is timed for each share of small proposals."""

import argparse

import pytest

from featsr_tf.config import load_pipeline
from research import overhead


@pytest.mark.slow
def test_of_each_share_there_is_a_row(capsys):
    pipeline = load_pipeline(
        "pipelines/toy.config",
        [
            "model.feature_super_resolution.backbone.alpha=0.25",
            "model.feature_super_resolution.backbone.weights=",
            "model.faster_rcnn.first_stage_max_proposals=16",
        ],
    )
    overhead.run(
        pipeline,
        argparse.Namespace(frame="64x64", shares=[0.0, 1.0], rounds=5),
    )
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert rows[-3:] == ["16", "0", "16"]
