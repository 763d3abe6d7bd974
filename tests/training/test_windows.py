"""Stages 2 and 3 of a second look: the windows that they learn from."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.model.postprocess import RawDetections
from featsr_tf.model.views import Views
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.stage import FOCUS_GRADIENT_NORM
from featsr_tf.training.windows import WindowSampler
from featsr_tf.training.windows import truth_in_views
from tests.model.small import small_detector
from tests.model.test_second_look import FIELDS as LOOK
from tests.training.batches import LARGE
from tests.training.batches import SMALL
from tests.training.batches import make_batch
from tests.training.steps import build
from tests.training.steps import changed
from tests.training.steps import paths
from tests.training.steps import step
from tests.training.steps import values_of

FIELDS = (*LOOK, "model.feature_super_resolution.small_area_threshold=4096")


def frames(*images, **options):
    """A batch whose originals are twice as large."""
    batch = make_batch(*images, **options)
    pixels = tf.cast(batch[Batch.IMAGES], tf.uint8)
    pixels = tf.repeat(tf.repeat(pixels, 2, axis=1), 2, axis=2)
    return {
        **batch,
        Batch.ORIGINALS: pixels,
        Batch.SCALES: tf.fill([len(images), 2], 0.5),
    }


@pytest.fixture(scope="module")
def detector():
    return small_detector(*FIELDS, "train_config.batch_size=2")


@pytest.fixture(scope="module")
def sampler(detector):
    stage = build(detector, SUPER_RESOLUTION, *FIELDS)
    return WindowSampler(detector, stage.sampler, count=3)


def test_truth_is_moved_into_windows():
    other = (2, (40.0, 40.0, 60.0, 60.0))
    batch = frames([SMALL, other], [other])
    views = Views(
        tf.constant([[0.0, 0.0], [30.0, 32.0]]),
        tf.constant([64, 64]),
        tf.constant([2.0, 2.0]),
        tf.constant([0, 0]),
    )
    truth = truth_in_views(batch, views)
    np.testing.assert_array_equal(truth[Batch.CLASSES], [[1, 0, 0], [0, 2, 0]])
    np.testing.assert_array_equal(truth[Batch.BOXES][0, 0], [8, 8, 48, 48])
    np.testing.assert_array_equal(truth[Batch.BOXES][1, 1], [20, 16, 60, 56])
    assert not np.any(truth[Batch.IGNORED])
    # Half of it lies beyond the edge: neither truth nor background.
    cut = truth_in_views(
        batch, views._replace(corners=tf.constant([[18.0, 0.0], [50.0, 40.0]]))
    )
    np.testing.assert_array_equal(cut[Batch.IGNORED], [[1, 0, 0], [0, 1, 0]])


def test_windows_show_small_objects_that_were_missed(sampler, monkeypatch):
    batch = frames([SMALL, LARGE], [LARGE])
    # No detection of the first pass reaches it: there are objects alone.
    unreachable = dataclasses.replace(
        sampler.second_look.settings, score_threshold=1.1
    )
    monkeypatch.setattr(sampler.second_look, "settings", unreachable)
    windows = sampler.cut(batch)
    assert windows[Batch.IMAGES].shape == (6, 64, 64, 3)
    is_there = windows[Batch.EXAMPLE_MASK].numpy().reshape(2, 3)
    assert is_there.tolist() == [[1, 0, 0], [0, 0, 0]]
    shows = np.any(windows[Batch.CLASSES].numpy() == SMALL[0], axis=1)
    assert shows[0]
    sides = windows[Batch.SCALES].numpy() / 0.5
    # Between the least magnification and the greatest, a quarter more or less.
    assert np.all((sides >= 2 / 1.25 - 1e-3) & (sides <= 4 * 1.25 + 1e-3))


def test_windows_depend_on_the_seeds_of_the_images_alone(sampler):
    batch = frames([SMALL, LARGE], [SMALL])
    first, again = sampler.cut(batch), sampler.cut(batch)
    other = sampler.cut({**batch, Batch.SEEDS: batch[Batch.SEEDS] + 1})
    for key, value in first.items():
        np.testing.assert_array_equal(value, again[key])
    assert np.any(first[Batch.SCALES] != other[Batch.SCALES])
    assert len(np.unique(first[Batch.SEEDS], axis=0)) == 6


def test_fewer_candidates_than_windows_are_enough(sampler):
    """The rest of the windows counts for nothing."""
    batch = frames([SMALL], room=1)
    few = RawDetections(
        tf.zeros([1, 1, 1, 4]), tf.zeros([1, 1, 3]), tf.zeros([1, 1], bool)
    )
    with mock.patch.object(
        sampler.detector, "look", lambda *_, **__: (few, None)
    ):
        windows = sampler.cut(batch)
    np.testing.assert_array_equal(windows[Batch.EXAMPLE_MASK], [1.0, 0.0, 0.0])


def test_an_image_without_anything_small_counts_for_nothing(sampler):
    batch = frames([LARGE], [LARGE])
    batch[Batch.CLASSES] = tf.zeros_like(batch[Batch.CLASSES])
    high = sampler.second_look.settings.__class__(score_threshold=1.1)
    sampler.second_look.settings, kept = high, sampler.second_look.settings
    try:
        windows = sampler.cut(batch)
    finally:
        sampler.second_look.settings = kept
    np.testing.assert_array_equal(windows[Batch.EXAMPLE_MASK], 0.0)


def test_proposals_are_those_that_the_second_look_judges(sampler):
    batch = frames([SMALL, LARGE], [SMALL])
    look = sampler.second_look
    kept = look.proposal_settings
    counts = {}
    for threshold in (0.0, 1.1):
        look.proposal_settings = dataclasses.replace(
            kept, score_threshold=threshold
        )
        try:
            sample, _ = sampler.sample(batch)
        finally:
            look.proposal_settings = kept
        counts[threshold] = np.sum(sample.weights)
    # Above all scores only objects and what lies around them are left.
    windows = sampler.cut(batch)
    objects = np.sum(windows[Batch.CLASSES] > 0, axis=1)
    objects = objects[windows[Batch.EXAMPLE_MASK].numpy() > 0]
    copies = sampler.sampler.jittered_boxes_per_object
    assert 0 < counts[1.1] <= np.sum(objects) * (copies + 1)
    assert counts[1.1] < counts[0.0]


@pytest.mark.parametrize("name", [SUPER_RESOLUTION, FINE_TUNE])
def test_only_predictors_and_focus_head_change(detector, name):
    stage = build(detector, name, *FIELDS)
    before = values_of(stage)
    losses = step(stage, frames([SMALL, LARGE], [LARGE, SMALL]))
    expected = paths(detector.small_predictor, detector.focus_head)
    if name == FINE_TUNE:
        expected = paths(detector.small_predictor, detector.large_predictor)
    found = changed(before, values_of(stage))
    assert found <= expected
    assert any("small_predictor" in path for path in found)
    learns_focus = any("focus_head" in path for path in found)
    assert learns_focus == (name == SUPER_RESOLUTION)
    # One that is not finite stops the training.
    assert (FOCUS_GRADIENT_NORM in losses) == learns_focus
    assert all(np.isfinite(value) for value in losses.values())
    assert stage.needs_originals


def test_windows_of_known_features_are_the_same(sampler):
    batch = frames([SMALL, LARGE], [SMALL])
    features = sampler.detector.extract(batch[Batch.IMAGES])
    for found, expected in zip(
        sampler.cut(batch, features).values(),
        sampler.cut(batch).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_stage_3_extracts_each_frame_once(detector):
    stage = build(detector, FINE_TUNE, *FIELDS)
    batch = frames([SMALL, LARGE], [LARGE, SMALL])
    with mock.patch.object(
        detector, "extract", wraps=detector.extract
    ) as extract:
        stage.compute_frozen(batch)
    of_frames = [
        call
        for call in extract.call_args_list
        if call.args[0] is batch[Batch.IMAGES]
    ]
    assert len(of_frames) == 1
    # The other call is that of the windows.
    assert extract.call_count == 2


def test_the_focus_head_sees_frames_in_many_sizes(detector):
    stage = build(detector, SUPER_RESOLUTION, *FIELDS)
    batch = frames([SMALL, LARGE], [LARGE])
    shown = stage.focus.show(batch)
    assert shown[Batch.IMAGES].shape == batch[Batch.IMAGES].shape
    sizes, scales = shown[Batch.IMAGE_SIZES], shown[Batch.SCALES] / 0.5
    assert np.all((scales > 2**-0.41) & (scales < 2**0.41))
    assert len(np.unique(scales)) == 2
    np.testing.assert_allclose(
        sizes, np.minimum(batch[Batch.IMAGE_SIZES] * scales, 64), rtol=1e-5
    )
    shape = tf.constant([16, 16])
    targets = stage.focus.targets(shown, shape)
    assert np.any(targets.labels[0] > 0)
    outside = stage.focus.targets(
        {**shown, Batch.IMAGE_SIZES: tf.fill([2, 2], 32.0)}, shape
    )
    assert not np.any(outside.weights[:, 8:])
