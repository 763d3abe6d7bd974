"""Networks compute in 16 bits, everything around them does not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import ConfigError
from featsr_tf.model.build import build_discriminator
from featsr_tf.model.build import build_target_features
from featsr_tf.model.speed import BiasedConv2D
from featsr_tf.model.speed import FoldedCall
from featsr_tf.model.speed import dtype_policy_scope
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import StageCheckpoints
from featsr_tf.training.checkpoints import restore_detector
from tests.model.small import randomize
from tests.model.small import small_backbone
from tests.model.small import small_detector
from tests.model.small import small_pipeline

EXTENSION = "model.feature_super_resolution"
# Share of a float's value that its last bit stands for.
STEPS = {"MIXED_BFLOAT16": 2**-8, "MIXED_FLOAT16": 2**-11}
SIZES, SCALES = tf.constant([[64.0, 96.0]] * 2), tf.ones([2, 2])


def of(precision):
    return f"{EXTENSION}.precision={precision}"


def images():
    generator = np.random.default_rng(0)
    return tf.constant(generator.uniform(0, 255, (2, 64, 96, 3)), tf.float32)


def retrain_generator(detector):
    for variable in detector.refiner.trainable_variables:
        values = np.random.default_rng(2).normal(0.0, 0.1, variable.shape)
        variable.assign(values)


@pytest.fixture(scope="module")
def detectors():
    """Detectors of the same weights by precision."""
    return {name: small_detector(of(name)) for name in ("FLOAT32", *STEPS)}


@pytest.mark.parametrize("precision", STEPS)
def test_layers_compute_in_16_bits_and_results_in_32(detectors, precision):
    detector = detectors[precision]
    kind = precision.removeprefix("MIXED_").lower()
    for network in (
        detector.extractor,
        detector.large_predictor.second_stage,
        detector.for_inference().extractor,
    ):
        kinds = {layer.compute_dtype for layer in network.layers[1:]}
        assert kinds == {kind}
    assert detector.extractor(images())["base"].dtype == kind
    assert detector.refiner.generator.compute_dtype == kind
    assert detector.proposal_network.convolution.compute_dtype == kind
    for layer in (
        detector.proposal_network.objectness,
        detector.proposal_network.deltas,
        detector.large_predictor.classes,
        detector.large_predictor.deltas,
        detector.refiner,
        detector,
    ):
        assert layer.compute_dtype == "float32", layer.name
    features = detector.extract(images())
    assert {maps.dtype for maps in features.values()} == {tf.float32}


@pytest.mark.parametrize("precision", STEPS)
def test_every_variable_is_a_32_bit_float(detectors, precision):
    pipeline = small_pipeline(
        of(precision), f"{EXTENSION}.discriminator.spectral_normalization=true"
    )
    discriminator = build_discriminator(pipeline, detectors[precision])
    for part in (detectors[precision], discriminator):
        assert {variable.dtype for variable in part.variables} == {"float32"}


@pytest.mark.parametrize("precision", STEPS)
def test_features_are_those_of_32_bits_but_for_rounding(detectors, precision):
    expected = detectors["FLOAT32"].extract(images())
    found = detectors[precision].extract(images())
    for name, maps in expected.items():
        scale = np.abs(maps).max()
        error = np.abs(found[name] - maps).max() / scale
        # A layer rounds inputs, weights and outputs; there are four of them.
        assert 0 < error < 12 * STEPS[precision]


@pytest.mark.parametrize(
    ("refiner", "precision"),
    [
        ("refiner=GENERATOR", "MIXED_FLOAT16"),
        ("refiner=TAIL_GENERATOR", "MIXED_BFLOAT16"),
        *(
            pytest.param(refiner, precision, marks=pytest.mark.slow)
            for precision in STEPS
            for refiner in (
                "refiner=ZOOM",
                "generator.block=NAF",
                "generator.block=CHANNEL_ATTENTION",
            )
        ),
    ],
)
def test_detections_are_near_those_of_32_bits(refiner, precision):
    found = []
    for name in ("FLOAT32", precision):
        detector = small_detector(of(name), f"{EXTENSION}.{refiner}")
        retrain_generator(detector)
        for each in (detector, detector.for_inference()):
            found.append(each(images(), SIZES, SCALES))
            assert found[-1].boxes.dtype == tf.float32
            assert found[-1].scores.dtype == tf.float32
    expected, _, *others = (values.scores.numpy() for values in found)
    assert expected.max() > 0.4
    for scores in others:
        np.testing.assert_allclose(scores, expected, atol=0.02)


@pytest.mark.parametrize("precision", STEPS)
def test_targets_of_the_twin_are_near_those_of_32_bits(detectors, precision):
    maps = []
    for name in ("FLOAT32", precision):
        twin, _ = build_target_features(
            small_pipeline(of(name)), detectors[name]
        )
        maps.append(twin(images() / 127.5 - 1.0)["base"])
        assert maps[-1].dtype == tf.float32
    error = np.abs(maps[1] - maps[0]).max() / np.abs(maps[0]).max()
    assert 0 < error < 12 * STEPS[precision]


@pytest.mark.parametrize(
    ("trained", "used"),
    [("FLOAT32", "MIXED_BFLOAT16"), ("MIXED_FLOAT16", "FLOAT32")],
)
def test_a_checkpoint_serves_every_precision(
    detectors, tmp_path, trained, used
):
    saved = detectors[trained]
    StageCheckpoints(str(tmp_path), BASE, {"detector": saved}).save(1)
    restored = small_detector(of(used))
    for variable in restored.variables:
        variable.assign(tf.zeros_like(variable))
    restore_detector(restored, str(tmp_path), BASE)
    for found, expected in zip(
        restored.variables, saved.variables, strict=True
    ):
        np.testing.assert_array_equal(found, expected, err_msg=found.path)


def test_what_is_built_later_is_not_changed():
    before = keras.config.dtype_policy()
    small_detector(of("MIXED_FLOAT16"))
    with small_backbone(), pytest.raises(ConfigError):
        small_detector(
            of("MIXED_FLOAT16"), f"{EXTENSION}.backbone.sub_layer='none'"
        )
    assert keras.config.dtype_policy() == before
    assert keras.layers.Dense(1).compute_dtype == "float32"


@pytest.mark.parametrize("precision", STEPS)
def test_the_gradient_of_a_bias_is_summed_in_32_bits(precision):
    gradients = []
    for policy in ("float32", precision.lower()):
        keras.utils.set_random_seed(0)
        with dtype_policy_scope(policy):
            # As in ResNet: a bias, and statistics that are frozen.
            inputs = keras.Input((48, 48, 3))
            hidden = keras.layers.Conv2D(4, 3, name="convolution")(inputs)
            layer = keras.layers.BatchNormalization(trainable=False)
            network = keras.Model(inputs, layer(hidden))
            folded = FoldedCall(network)
        values = tf.random.stateless_normal([8, 48, 48, 3], [1, 2])
        bias = network.get_layer("convolution").bias.value
        with tf.GradientTape() as tape:
            found = tf.cast(folded(values, training=True), tf.float32)
            loss = tf.reduce_sum(found * (1.0 + values[:, 1:-1, 1:-1, :1]))
        gradients.append(tape.gradient(loss, bias))
    np.testing.assert_allclose(*gradients, rtol=2 * STEPS[precision])


@pytest.mark.parametrize("precision", STEPS)
def test_the_bias_of_a_convolution_learns_as_in_32_bits(precision):
    gradients = []
    maps = tf.random.stateless_normal([8, 24, 24, 3], [1, 2])
    for policy in ("float32", precision.lower()):
        layer = BiasedConv2D(
            4, 1, kernel_initializer="ones", activation="relu", dtype=policy
        )
        layer.build(maps.shape)
        with tf.GradientTape() as tape:
            found = tf.cast(layer(maps), tf.float32)
            loss = tf.reduce_sum(found * (1.0 + maps[..., :1]))
        gradients.append(tape.gradient(loss, layer.bias.value))
    np.testing.assert_allclose(*gradients, rtol=2 * STEPS[precision])


def test_large_coordinates_keep_their_digits(detectors):
    # Of numbers above 2048 half precision knows the even ones alone.
    detector = detectors["MIXED_FLOAT16"]
    randomize(detector)
    sizes = tf.constant([[64.0, 2049.0]])
    frame = tf.random.stateless_uniform([1, 64, 2080, 3], [1, 2], 0, 255)
    found = detector(frame, sizes, tf.ones([1, 2]))
    proposals = detector.propose(detector.extract(frame), sizes)
    right_edges = proposals.boxes[..., 3].numpy()
    assert right_edges.max() == 2049.0
    assert np.any(found.boxes.numpy() % 1.0)
