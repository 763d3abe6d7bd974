"""Targets are features of I^1.0, pooled where their extractor looks."""

import numpy as np
import tensorflow as tf

from featsr_tf.data.resize import enlarged_image
from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.geometry.roi_align import RoiPooling
from featsr_tf.model.build import build_target_features
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.zoom import ZoomRefiner
from featsr_tf.training.targets import AtrousTargets
from featsr_tf.training.targets import MagnifiedTargets
from featsr_tf.training.targets import NaiveTargets
from featsr_tf.training.targets import PlaceboTargets
from tests.model.small import small_detector
from tests.model.small import small_pipeline

BOXES = tf.constant([[8.0, 8.0, 24.0, 24.0]])
FIRST = tf.constant([0])


def ramp(first, stride):
    x = first + stride * tf.range(8.0)
    return tf.tile(x[None, None, :, None], [1, 8, 1, 1])


def proposals(base=None, images=None, boxes=BOXES):
    return ChosenProposals(boxes, FIRST, base, {}, images)


class FakeBackbone:
    """Gives x and the brightest of its input, at stride 4."""

    def preprocess(self, images):
        return images / 2.0

    def extract(self, images):
        return {"base": ramp(2.0, 4.0) + tf.reduce_max(images)}


class FakeDetector:
    """A detector of which only the backbone is asked."""

    backbone = FakeBackbone()
    pool_base = RoiPooling(ReceptiveField(7, 4, 1.5), crop_size=4)


def magnified(detector, window_size=1024):
    zoom = ZoomRefiner(detector.backbone, detector.pool_base, window_size, 0)
    return MagnifiedTargets(zoom)


def test_naive_targets_are_the_plain_features_at_full_scale():
    inputs, full = proposals(tf.zeros([1, 4])), proposals(tf.ones([1, 4]))
    assert NaiveTargets()(inputs, full) is full.base


def test_a_placebo_is_the_input_itself():
    inputs, full = proposals(tf.zeros([1, 4])), proposals(tf.ones([1, 4]))
    assert PlaceboTargets()(inputs, full) is inputs.base


def test_atrous_targets_are_pooled_at_the_centres_of_the_twin():
    def twin(images, training):
        assert not training
        return {"base": ramp(6.0, 4.0) + images}

    pool_target = RoiPooling(ReceptiveField(14, 4, 5.5), crop_size=4)
    targets = AtrousTargets(FakeDetector(), twin, pool_target)
    found = targets(proposals(), proposals(images=200.0))
    np.testing.assert_allclose(
        found[0, 0, :, 0], [110, 114, 118, 122], rtol=1e-6
    )


def test_magnified_targets_are_pooled_from_the_enlarged_image():
    # Bins of 2 px at 9, 11, .. px, which are 18, 22, .. px there.
    boxes = tf.constant([[4.0, 4.0, 12.0, 12.0]])
    full = proposals(
        tf.zeros([1, 4, 4, 1]), tf.fill([1, 16, 16, 3], 100.0), boxes
    )
    found = magnified(FakeDetector())(full, full)
    np.testing.assert_allclose(
        found[0, 0, :, 0], [110, 114, 118, 122], rtol=1e-6
    )


def test_magnified_targets_are_what_a_detector_sees_of_a_larger_image():
    detector = small_detector()
    generator = np.random.default_rng(0)
    images = tf.constant(generator.uniform(0, 255, [1, 96, 64, 3]), tf.float32)
    enlarged = detector.extract(enlarged_image(images))
    expected = detector.pool_base(enlarged["base"], BOXES * 2.0, FIRST)
    full = proposals(tf.zeros_like(expected), images)
    found = magnified(detector)(full, full)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_windows_wide_enough_give_the_targets_of_the_whole_image():
    detector = small_detector()
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, [1, 256, 256, 3])
    boxes = tf.constant([[120.0, 120.0, 136.0, 136.0]])
    base = detector.pool_base(tf.zeros([1, 16, 16, 12]), boxes, FIRST)
    full = proposals(base, tf.constant(images, tf.float32), boxes)
    expected = magnified(detector)(full, full)
    assert np.std(expected) > 0.1
    found = magnified(detector, window_size=160)(full, full)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_on_a_flat_image_all_are_what_the_detector_itself_sees():
    detector = small_detector()
    pipeline = small_pipeline()
    atrous = AtrousTargets(detector, *build_target_features(pipeline, detector))
    images = tf.fill([1, 256, 256, 3], 190.0)
    features = detector.extract(images)
    # Far from the border, where only the padding differs.
    boxes = tf.constant([[120.0, 120.0, 136.0, 136.0]])
    expected = detector.pool_base(features["base"], boxes, FIRST)
    full = proposals(expected, images, boxes)
    for targets in (NaiveTargets(), atrous, magnified(detector)):
        found = targets(full, full)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
