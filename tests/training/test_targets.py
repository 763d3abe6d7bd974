"""Targets are features of I^1.0, pooled where their extractor looks."""

import numpy as np
import tensorflow as tf

from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.model.build import build_target_features
from featsr_tf.model.rois import RoiPooling
from featsr_tf.training.targets import AtrousTargets
from featsr_tf.training.targets import NaiveTargets
from tests.model.small import small_detector
from tests.model.small import small_pipeline

BOXES = tf.constant([[8.0, 8.0, 24.0, 24.0]])
FIRST = tf.constant([0])


def ramp(first, stride):
    x = first + stride * tf.range(8.0)
    return tf.tile(x[None, None, :, None], [1, 8, 1, 1])


class FakeDetector:
    pool_base = RoiPooling(ReceptiveField(7, 4, 1.5), crop_size=4)


def test_naive_targets_are_the_plain_features_of_the_boxes():
    features = {"base": ramp(2.0, 4.0)}
    targets = NaiveTargets(FakeDetector())(None, features, BOXES, FIRST)
    np.testing.assert_allclose(targets[0, 0, :, 0], [10, 14, 18, 22], rtol=1e-6)


def test_atrous_targets_are_pooled_at_the_centres_of_the_twin():
    def twin(images, training):
        assert not training
        return {"base": ramp(6.0, 4.0) + images}

    pool_target = RoiPooling(ReceptiveField(14, 4, 5.5), crop_size=4)
    targets = AtrousTargets(twin, pool_target)(100.0, None, BOXES, FIRST)
    np.testing.assert_allclose(
        targets[0, 0, :, 0], [110, 114, 118, 122], rtol=1e-6
    )


def test_on_a_flat_image_both_are_what_the_detector_itself_sees():
    detector = small_detector()
    pipeline = small_pipeline()
    atrous = AtrousTargets(*build_target_features(pipeline, detector))
    images = tf.fill([1, 256, 256, 3], 0.5)
    features = detector.extractor(images, training=False)
    # Far from the border, where only the padding differs.
    boxes = tf.constant([[120.0, 120.0, 136.0, 136.0]])
    expected = detector.pool_base(features["base"], boxes, FIRST)
    for targets in (NaiveTargets(detector), atrous):
        found = targets(images, features, boxes, FIRST)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
