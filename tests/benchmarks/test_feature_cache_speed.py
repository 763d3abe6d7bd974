"""The benchmark of the feature cache: same stage, same data, every part."""

import numpy as np
import pytest

from benchmarks import feature_cache
from featsr_tf.data.build import open_source
from featsr_tf.data.keys import Batch
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.parts import Part
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.batches import write_noise

CACHE = "model.feature_super_resolution.feature_cache"


@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
def test_steps_and_parts_run_with_a_cache_and_without(tmp_path, eager):
    pipeline = small_pipeline(
        *write_noise(tmp_path),
        f"{CACHE}.num_images=4",
        f"{CACHE}.folder='{tmp_path / 'cache'}'",
    )
    source = open_source(pipeline.train_input_reader, 2)
    works = feature_cache.make_works(
        pipeline, source, small_detector(), FINE_TUNE
    )
    found = {title: work() for title, work in works.items()}
    steps = (feature_cache.UNCACHED, feature_cache.CACHED, "part: learning")
    for title in steps:
        assert np.isfinite(found[title]["loss"])
    assert Batch.IMAGES in found["part: images"]
    for title in ("part: looking", "part: cache"):
        assert Part.SMALL_INPUTS in found[title]
