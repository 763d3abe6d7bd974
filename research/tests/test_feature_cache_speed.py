"""The benchmark of the feature cache: same stage, same data, every part."""

import argparse
import itertools

import numpy as np
import pytest

from featsr_tf.data.build import load_records
from featsr_tf.data.keys import Batch
from featsr_tf.errors import ConfigError
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.stage import StageInputs
from research import feature_cache
from tests.model.small import CONFIG
from tests.model.small import small_backbone
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.batches import write_noise

CACHE = "model.feature_super_resolution.feature_cache"
CROP = "model.feature_super_resolution.training_crop"


@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
def test_steps_and_parts_run_with_a_cache_and_without(tmp_path, eager):
    pipeline = small_pipeline(
        *write_noise(tmp_path),
        f"{CACHE}.num_images=4",
        f"{CACHE}.folder='{tmp_path / 'cache'}'",
    )
    source = load_records(pipeline.train_input_reader, 2)
    works = feature_cache.make_works(
        pipeline, source, small_detector(), FINE_TUNE
    )
    found = {title: work() for title, work in works.items()}
    steps = (feature_cache.UNCACHED, feature_cache.CACHED, "part: learning")
    for title in steps:
        assert np.isfinite(found[title]["loss"])
    assert Batch.IMAGES in found["part: images"]
    for title in ("part: looking", "part: cache"):
        assert StageInputs.SMALL_INPUTS in found[title]


@pytest.fixture
def config(tmp_path):
    """A file with the small config."""
    path = tmp_path / "small.config"
    path.write_text(CONFIG)
    return path


def read_sides(config, *sides, overrides=()):
    return feature_cache.pipelines_of_sides(
        argparse.Namespace(
            pipeline=str(config), overrides=list(overrides), sides=sides
        )
    )


def test_crops_have_the_sides_and_frames_fill_them(config):
    overrides = [f"{CROP}.minimum_scale=0.5", f"{CROP}.maximum_scale=1.0"]
    pipelines = read_sides(config, 192, 64, 96, 64, overrides=overrides)
    assert list(pipelines) == [64, 96, 192]
    found = []
    for pipeline in pipelines.values():
        feature_cache.fill_crops(pipeline, 120)
        crop = pipeline.model.feature_super_resolution.training_crop
        assert crop.height == crop.width
        found.append((crop.width, crop.minimum_scale, crop.maximum_scale))
    # Of frames of 120 px, those of 64 px would be full at .53.
    assert found[0] == (64, pytest.approx(64 / 120), 1.0)
    assert found[1:] == [(96, 0.8, 1.0), (192, 1.6, 1.6)]


def test_sides_that_no_crop_can_have_are_refused(config):
    with pytest.raises(ConfigError, match="training_crop"):
        read_sides(config, 100)


def test_the_table_says_from_which_side_on_the_gain_is_large():
    times = {
        side: {
            feature_cache.UNCACHED: [seconds] * 5,
            feature_cache.CACHED: [0.05] * 5,
        }
        for side, seconds in ((64, 0.1), (96, 0.25), (128, 0.3))
    }
    lines = feature_cache.table_of_sides(times).splitlines()
    assert lines[1].split() == "64 100 50 2.00 2.00 to 2.00".split()
    assert lines[-1] == "a gain of 5: from 96 px on"
    del times[96], times[128]
    assert feature_cache.table_of_sides(times).endswith(
        "at none of these sides"
    )


def test_both_stages_are_measured_as_they_are_and_at_all_sides(
    tmp_path, config, monkeypatch, capsys
):
    asked = []

    def make_works(pipeline, source, detector, name):
        crop = pipeline.model.feature_super_resolution.training_crop
        asked.append((name, crop and (crop.width, crop.minimum_scale)))
        return dict.fromkeys(
            (feature_cache.UNCACHED, feature_cache.CACHED), int
        )

    monkeypatch.setattr(feature_cache, "make_works", make_works)
    overrides = write_noise(tmp_path)
    pipelines = read_sides(config, 96, 64, overrides=overrides)
    clock = itertools.count().__next__
    with small_backbone():
        feature_cache.run(small_pipeline(*overrides), pipelines, 5, clock)
    # The frames have 64 px.
    crops = [None, (64, 1.0), (96, 1.5)]
    stages = (SUPER_RESOLUTION, FINE_TUNE)
    assert asked == [(name, crop) for name in stages for crop in crops]
    printed = capsys.readouterr().out
    tables = [table.splitlines() for table in printed.split("\n\n")[1:]]
    assert [table[0] for table in tables[::2]] == [
        f"{stage}, batches of 2:" for stage in stages
    ]
    for table in tables[1::2]:
        assert [line.split()[0] for line in table[1:3]] == ["64", "96"]
