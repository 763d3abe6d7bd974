"""A cache gives the stages what they would see, and computes it once."""

import os
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.build import load_records
from featsr_tf.data.build import training_batches
from featsr_tf.data.keys import Batch
from featsr_tf.data.sharding import Shard
from featsr_tf.errors import FeatsrError
from featsr_tf.training import feature_cache
from featsr_tf.training import feature_files
from featsr_tf.training.build import build_stage
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.stage import StageInputs
from featsr_tf.training.stage import mask_padding_examples
from featsr_tf.training.trainer import train
from tests.model.small import small_backbone
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.batches import write_noise
from tests.training.steps import step
from tests.training.steps import values_of
from tests.training.steps import variables_of

EXTENSION = "model.feature_super_resolution"


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def detector():
    return small_detector()


class Cache:
    """A stage of the small detector and its cache in a folder."""

    def __init__(
        self, folder, records, detector, *fields, name=SUPER_RESOLUTION
    ):
        self.pipeline = small_pipeline(
            *records,
            f"{EXTENSION}.feature_cache.folder='{folder}'",
            *(f"{EXTENSION}.{field}" for field in fields),
        )
        self.folder = folder
        self.source = load_records(self.pipeline.train_input_reader, 2)
        self.stage = build_stage(self.pipeline, name, detector)

    def batches(self, count, skip_steps=0, shard=None, base="base"):
        make = feature_cache.cached_batches(
            self.pipeline,
            self.source,
            self.stage,
            "",
            tf.distribute.get_strategy(),
            base,
        )
        return list(make(shard or Shard(2), skip_steps).take(count))

    def uncached(self, count):
        return training_batches(
            self.pipeline,
            self.source,
            with_half_images=self.stage.needs_half_images,
            with_originals=self.stage.needs_originals,
            seed_offset=1,
        ).take(count)

    @property
    def files(self):
        """Names of the files by part."""
        return {
            path.name.partition("-")[0]: path.name
            for path in self.folder.glob("*.tfrecord")
        }


@pytest.fixture
def open_cache(tmp_path, records, detector):
    def make(*fields, **options):
        return Cache(tmp_path / "cache", records, detector, *fields, **options)

    return make


@pytest.mark.parametrize(
    "name, field",
    [
        (SUPER_RESOLUTION, "supervision=ATROUS"),
        pytest.param(
            SUPER_RESOLUTION, "supervision=MAGNIFIED", marks=pytest.mark.slow
        ),
        pytest.param(
            SUPER_RESOLUTION, "supervision=NONE", marks=pytest.mark.slow
        ),
        (FINE_TUNE, "refiner=GENERATOR"),
    ],
)
def test_losses_are_those_without_a_cache(open_cache, name, field):
    cache = open_cache(field, "feature_cache.num_images=2", name=name)
    (batch,), (cached,) = cache.uncached(1), cache.batches(1)
    variables = variables_of(cache.stage)
    before = values_of(cache.stage)
    expected = step(cache.stage, batch)
    for path, value in before.items():
        variables[path].assign(value)
    found = step(cache.stage, cached)
    for path, value in before.items():
        variables[path].assign(value)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(
            found[key], value, rtol=1e-3, atol=1e-6, err_msg=key
        )


def test_a_pass_holds_every_image_once(open_cache):
    cache = open_cache("feature_cache.num_images=6")
    compute = tf.function(cache.stage.compute_frozen)
    expected = [compute(batch) for batch in cache.uncached(3)]
    rows = rows_by_boxes(expected)
    assert len(rows) == 6
    first, second = cache.batches(6)[:3], cache.batches(6)[3:]
    for found in (rows_by_boxes(first), rows_by_boxes(second)):
        assert found.keys() == rows.keys()
        for key, tensors in rows.items():
            for ours, theirs in zip(found[key], tensors, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
        numbers = [batch[StageInputs.NUMBERS].numpy() for batch in first]
        assert sorted(np.concatenate(numbers)) == list(range(6))
    orders = [list(rows_by_boxes(batches)) for batches in (first, second)]
    assert orders[0] != orders[1]


def rows_by_boxes(batches):
    """The inputs of each image, by the boxes of its proposals."""
    return {
        np.asarray(batch[StageInputs.SMALL].boxes)[row].tobytes(): [
            np.asarray(x)[row]
            for part, tensors in sorted(batch.items())
            if part != StageInputs.NUMBERS
            for x in tf.nest.flatten(tensors)
        ]
        for batch in batches
        for row in range(2)
    }


@pytest.mark.slow
def test_a_run_goes_on_at_any_step(open_cache):
    cache = open_cache("feature_cache.num_images=6")
    whole = cache.batches(7)
    rest = cache.batches(3, skip_steps=4)
    for ours, theirs in zip(rest, whole[4:], strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.slow
def test_windows_of_originals_can_be_kept(records, tmp_path):
    field = "refiner=SECOND_LOOK"
    detector = small_detector(f"{EXTENSION}.{field}")
    cache = Cache(
        tmp_path / "cache",
        records,
        detector,
        field,
        "feature_cache.num_images=2",
    )
    (batch,), (cached,) = cache.uncached(1), cache.batches(1)
    expected = rows_by_boxes([tf.function(cache.stage.compute_frozen)(batch)])
    found = rows_by_boxes([cached])
    assert found.keys() == expected.keys()
    for key, tensors in expected.items():
        for ours, theirs in zip(found[key], tensors, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", [SUPER_RESOLUTION, FINE_TUNE])
def test_what_stands_in_for_a_missing_image_counts_for_nothing(
    open_cache, name
):
    cache = open_cache("feature_cache.num_images=6", name=name)
    whole = cache.batches(2)
    # Of two images on one of three devices there is none for the third.
    first, second, third = cache.batches(3, shard=Shard(2, num_replicas=3))
    for row, part in enumerate((first, second)):
        expected = whole[0][StageInputs.SMALL].weights[row : row + 1]
        np.testing.assert_array_equal(part[StageInputs.SMALL].weights, expected)
    assert third[Batch.EXAMPLE_MASK].numpy().tolist() == [0.0]
    assert not np.any(third[StageInputs.SMALL].weights)
    weights = third.get(StageInputs.PAIR_WEIGHTS)
    if weights is None:
        weights = third[StageInputs.LARGE].weights
    assert not np.any(weights)


@pytest.mark.parametrize("shape", [(2, 5), (2, 2, 4), (2, 3, 4)])
def test_masks_are_those_of_images_whatever_is_weighted(shape):
    batch = {Batch.EXAMPLE_MASK: tf.constant([0.0, 1.0])}
    masked = mask_padding_examples(batch, tf.ones(shape))
    assert masked.shape == shape
    assert not np.any(masked[0]) and np.all(masked[1])


def test_whole_frames_have_files_of_their_own(records, tmp_path):
    """Those of a second look, in windows around what reaches a score."""
    names = []
    for score, base in ((0.05, "one"), (0.1, "one"), (0.05, "another")):
        fields = ("refiner=SECOND_LOOK", f"gate_score_threshold={score}")
        again = small_detector(*(f"{EXTENSION}.{field}" for field in fields))
        cache = Cache(
            tmp_path / "cache",
            records,
            again,
            *fields,
            "feature_cache.num_images=2",
        )
        names.append(set(missing_files(cache, base=base).values()))
    assert not names[0] & names[1] and not names[0] & names[2]


@pytest.fixture(scope="module")
def filled_folder(tmp_path_factory, records, detector):
    """The cache of two images, as the tests of what it is kept by find it."""
    folder = tmp_path_factory.mktemp("filled") / "cache"
    cache = Cache(folder, records, detector, "feature_cache.num_images=2")
    cache.batches(1)
    return folder


@pytest.fixture
def filled_cache(open_cache, tmp_path, filled_folder):
    shutil.copytree(filled_folder, tmp_path / "cache")
    return open_cache("feature_cache.num_images=2")


class _NotThereError(Exception):
    """What has to be computed is known; nobody waits for it."""


def missing_files(cache, **options) -> dict[str, str]:
    """Names of the files that a cache would write, by part."""

    def stop(stage, images, num_batches, files):
        raise _NotThereError(files)

    with (
        mock.patch.object(feature_files, "_write", stop),
        pytest.raises(_NotThereError) as caught,
    ):
        cache.batches(1, **options)
    [files] = caught.value.args
    return {part: os.path.basename(path) for part, path in files.items()}


def assert_all_are_new(missing: dict[str, str], cache) -> None:
    assert missing.keys() == cache.files.keys()
    assert not set(missing.values()) & set(cache.files.values())


def test_what_is_there_is_not_computed_again(filled_cache, open_cache):
    with mock.patch.object(feature_files, "_write") as write:
        filled_cache.batches(1)
        open_cache(
            "feature_cache.num_images=2", "losses.content_weight=2"
        ).batches(1)
    write.assert_not_called()
    other = open_cache("feature_cache.num_images=2", "supervision=NAIVE")
    added = {StageInputs.TARGETS, StageInputs.PAIR_WEIGHTS}
    assert missing_files(other).keys() == added


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(("feature_cache.num_images=4",), marks=pytest.mark.slow),
        ("feature_cache.num_images=2", "seed=1"),
        ("feature_cache.num_images=2", "rois_per_image=4"),
    ],
)
def test_other_images_or_samples_have_files_of_their_own(
    filled_cache, open_cache, fields
):
    assert_all_are_new(missing_files(open_cache(*fields)), filled_cache)


def test_records_written_anew_have_files_of_their_own(filled_cache):
    path = filled_cache.source.paths[0]
    stat = os.stat(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    missing = missing_files(filled_cache)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert_all_are_new(missing, filled_cache)


def test_other_weights_have_files_of_their_own(filled_cache, detector):
    weights = detector.get_weights()
    variable = detector.proposal_network.trainable_variables[0]
    variable.assign(variable + 0.01)
    missing = missing_files(filled_cache)
    detector.set_weights(weights)
    assert_all_are_new(missing, filled_cache)


def test_too_large_a_cache_is_refused_before_it_begins(open_cache):
    cache = open_cache(
        "feature_cache.num_images=1000", "feature_cache.maximum_gigabytes=.001"
    )
    with pytest.raises(FeatsrError, match="no more than 0.001 GB"):
        cache.batches(1)
    assert not cache.folder.exists()


def test_a_full_disk_is_noticed_before_it_is_full(open_cache):
    cache = open_cache("feature_cache.num_images=1000")
    usage = mock.Mock(free=10**6)
    with mock.patch.object(
        feature_files.shutil, "disk_usage", return_value=usage
    ):
        with pytest.raises(FeatsrError, match="0.001 GB are free"):
            cache.batches(1)
    assert not list(cache.folder.glob("*.tfrecord"))


@pytest.mark.slow
def test_a_training_clears_its_own_cache_away(tmp_path, records):
    pipeline = small_pipeline(
        *records,
        "train_config.num_steps=1",
        f"{EXTENSION}.supervision=NONE",
        f"{EXTENSION}.super_resolution_stage.num_steps=2",
        f"{EXTENSION}.fine_tune_stage.num_steps=2",
        f"{EXTENSION}.feature_cache.num_images=2",
    )
    seen = []
    original = feature_cache.cached_batches

    def spy(pipeline, source, stage, model_dir, *others):
        dataset = original(pipeline, source, stage, model_dir, *others)
        folder = Path(feature_cache.cache_folder(pipeline, model_dir))
        seen.append(
            {path.name.partition("-")[0] for path in folder.glob("*.tfrecord")}
        )
        return dataset

    with (
        small_backbone(),
        mock.patch.object(feature_cache, "cached_batches", spy),
    ):
        train(pipeline, str(tmp_path), tf.distribute.get_strategy())
    assert seen[1] - seen[0] == {StageInputs.LARGE, StageInputs.LARGE_FEATURES}
    assert not Path(
        feature_cache.cache_folder(pipeline, str(tmp_path))
    ).exists()
