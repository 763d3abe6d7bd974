"""Shares of small proposals are what was asked for."""

import argparse

import pytest

from benchmarks import overhead
from featsr_tf.config import load_pipeline


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.5, 2), (1, 4)])
def test_just_the_share_lies_below_the_threshold(share, count):
    ratios = [0.5, 1.0, 2.0, 8.0]
    threshold = overhead.threshold_of_share(ratios, share)
    assert sum(ratio < threshold for ratio in ratios) == count


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
