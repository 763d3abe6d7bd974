"""The tail: a copy of the extractor's last layers on a denser grid."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.model.backbone import build_backbone
from featsr_tf.model.tail_generator import TailGenerator
from featsr_tf.model.tail_generator import build_tail
from tests.model.small import small_detector
from tests.model.test_build import assert_equal_detectors
from tests.support import check_layer

TAIL = "model.feature_super_resolution.refiner=TAIL_GENERATOR"
BASE = (2, 3, 3, 12)
SUB = (2, 6, 6, 8)


@pytest.fixture(scope="module")
def extractor():
    return small_detector().extractor


def random(shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_a_tail_generator_keeps_the_promises_of_a_layer(extractor):
    check_layer(lambda: TailGenerator(build_tail(extractor)), [BASE, SUB], BASE)


def test_a_new_tail_generator_returns_exactly_its_base_features(extractor):
    base = random(BASE)
    refined = TailGenerator(build_tail(extractor))(base, random(SUB))
    np.testing.assert_array_equal(refined, base)


def test_the_tail_has_the_weights_behind_the_sub_layer_but_shares_none(
    extractor,
):
    tail = build_tail(extractor)
    behind = [
        variable
        for name in ("third_conv", "third_bn", "base_conv", "base_bn")
        for variable in extractor.get_layer(name).variables
    ]
    for copy, own in zip(tail.variables, behind, strict=True):
        np.testing.assert_array_equal(copy, own)
        assert copy is not own


def test_the_tail_keeps_the_last_stride_only(extractor):
    tail = build_tail(extractor)
    assert tail.get_layer("tail_third_conv").strides == (1, 1)
    assert tail.get_layer("tail_base_conv").strides == (2, 2)
    assert tail(random(SUB)).shape == BASE


def test_what_the_tail_finds_is_added_to_the_base(extractor):
    generator = TailGenerator(build_tail(extractor))
    base, sub = random(BASE), random(SUB)
    generator.build(BASE, SUB)
    kernel = np.zeros((1, 1, 24, 12), "float32")
    # Half of the base again, and twice what the tail finds.
    kernel[0, 0, :12] = 0.5 * np.eye(12)
    kernel[0, 0, 12:] = 2.0 * np.eye(12)
    generator.fusion.kernel.assign(kernel)
    np.testing.assert_allclose(
        generator(base, sub),
        1.5 * base + 2.0 * generator.tail(sub),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "name, sub_layer, side",
    [
        ("mobilenet_v1", "conv_pw_3_relu", 14),
        ("mobilenet_v1", "conv_pw_5_relu", 14),
        ("mobilenet_v1", "conv_pw_8_relu", 7),
        pytest.param(
            "resnet50", "conv2_block3_out", 14, marks=pytest.mark.slow
        ),
    ],
)
def test_a_real_backbone_has_a_tail_that_makes_seven_cells(
    name, sub_layer, side
):
    alpha = 0.25 if name == "mobilenet_v1" else 1.0
    features = build_backbone(name, alpha, sub_layer=sub_layer).features
    tail = build_tail(features)
    channels = features.output["sub"].shape[-1]
    found = tail(tf.zeros([1, side, side, channels]))
    assert found.shape == (1, 7, 7, features.output["base"].shape[-1])


def test_a_tail_with_all_its_strides_is_the_extractor_itself():
    """With a sub layer one stride below the base nothing is left out."""
    features = build_backbone("mobilenet_v1", 0.25).features
    images = random([1, 64, 64, 3])
    maps = features(images, training=False)
    found = build_tail(features)(maps["sub"], training=False)
    np.testing.assert_allclose(found, maps["base"], rtol=1e-4, atol=1e-6)


def test_a_detector_with_a_new_tail_gives_the_base_detections():
    detector = small_detector(TAIL)
    assert detector.refiner.pool_sub.crop_size == 6
    assert detector.refiner.pool_sub.cells.stride == 4
    assert_equal_detectors(detector, 64, 96)


def test_the_tail_starts_from_the_extractor_as_stage_1_has_left_it():
    detector = small_detector(TAIL)
    for variable in detector.extractor.variables:
        variable.assign_add(tf.ones_like(variable))
    detector.refiner.start_from(detector.extractor)
    tail = detector.refiner.generator.tail
    for name in ("third_conv", "base_bn"):
        pairs = zip(
            tail.get_layer(f"tail_{name}").get_weights(),
            detector.extractor.get_layer(name).get_weights(),
            strict=True,
        )
        for copy, own in pairs:
            np.testing.assert_array_equal(copy, own)


def test_another_generator_has_no_tail_to_start():
    detector = small_detector()
    before = detector.refiner.get_weights()
    detector.refiner.start_from(detector.extractor)
    for old, new in zip(before, detector.refiner.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert not isinstance(detector.refiner.generator, keras.Model)
