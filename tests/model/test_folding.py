"""A folded network must be the network itself, but for rounding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.model.speed import FoldedCall
from featsr_tf.model.speed import folded_copy
from featsr_tf.model.speed.folding import FoldedConvolution
from tests.model.small import small_detector
from tests.model.test_target_extractor import random_features

LAYERS = keras.layers
BACKBONES = [
    "mobilenet_v1",
    pytest.param("resnet50", marks=pytest.mark.slow),
]


def images(*shape):
    return tf.random.stateless_normal(shape, seed=[1, 2])


def folded_layers(folded):
    return [
        layer
        for layer in folded._network.layers
        if isinstance(layer, FoldedConvolution)
    ]


def network_of(*layers, channels=3):
    inputs = outputs = keras.Input((8, 8, channels))
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def normalization(**options):
    """One whose every value does something."""
    return LAYERS.BatchNormalization(
        beta_initializer=keras.initializers.RandomNormal(seed=1),
        gamma_initializer=keras.initializers.RandomUniform(0.5, 2.0, seed=2),
        moving_mean_initializer=keras.initializers.RandomNormal(seed=3),
        moving_variance_initializer=keras.initializers.RandomUniform(
            0.5, 2.0, seed=4
        ),
        **options,
    )


@pytest.mark.parametrize("name", BACKBONES)
def test_features_are_those_of_the_plain_extractor(name):
    features = random_features(name)
    inputs = images(2, 96, 128, 3)
    expected = features(inputs, training=False)
    found = FoldedCall(features)(inputs)
    for key in expected:
        scale = np.abs(expected[key]).max()
        np.testing.assert_allclose(found[key], expected[key], atol=1e-5 * scale)


def test_every_normalization_of_an_extractor_is_folded():
    folded = FoldedCall(random_features("mobilenet_v1"))
    kinds = [type(layer) for layer in folded._network.layers]
    assert LAYERS.BatchNormalization not in kinds
    assert len(folded_layers(folded)) == 23


@pytest.mark.parametrize(
    "options", [{}, {"scale": False}, {"center": False}, {"epsilon": 0.1}]
)
@pytest.mark.parametrize(
    "convolution",
    [
        lambda: LAYERS.Conv2D(4, 3, strides=2, bias_initializer="ones"),
        lambda: LAYERS.Conv2D(4, 3, dilation_rate=2, use_bias=False),
        lambda: LAYERS.DepthwiseConv2D(3, padding="same", use_bias=False),
        lambda: LAYERS.DepthwiseConv2D(3, depth_multiplier=2),
    ],
)
def test_all_kinds_of_pairs_give_equal_numbers(convolution, options):
    network = network_of(convolution(), normalization(**options))
    folded = FoldedCall(network)
    assert len(folded_layers(folded)) == 1
    inputs = images(2, 8, 8, 3)
    expected = network(inputs, training=False)
    np.testing.assert_allclose(folded(inputs), expected, atol=2e-6)
    np.testing.assert_allclose(
        folded_copy(network)(inputs), expected, atol=2e-6
    )


def test_gradients_are_those_of_the_plain_network():
    network = network_of(LAYERS.Conv2D(4, 3), normalization())
    network.layers[-1].trainable = False
    inputs = images(2, 8, 8, 3)

    def gradients(run):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(run(inputs, training=True) ** 2)
        variables = [each.value for each in network.trainable_variables]
        assert len(variables) == 2
        return tape.gradient(loss, variables)

    for found, expected in zip(
        gradients(FoldedCall(network)), gradients(network), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_normalization_that_learns_uses_the_batch():
    network = network_of(LAYERS.Conv2D(4, 3), normalization())
    inputs = images(2, 8, 8, 3)
    before = np.array(network.layers[-1].moving_mean)
    found = FoldedCall(network)(inputs, training=True)
    assert not np.array_equal(network.layers[-1].moving_mean, before)
    np.testing.assert_allclose(found, network(inputs, training=True), atol=1e-5)


def test_what_feeds_two_layers_or_is_activated_is_left_alone():
    convolution = LAYERS.Conv2D(3, 1)
    inputs = keras.Input((8, 8, 3))
    branch = convolution(inputs)
    forked = keras.Model(
        inputs, LAYERS.Add()([branch, normalization()(branch)])
    )
    activated = network_of(
        LAYERS.Conv2D(3, 1, activation="relu"), normalization()
    )
    also_output = keras.Model(inputs, [branch, normalization()(branch)])
    for network in (forked, activated, also_output):
        assert not folded_layers(FoldedCall(network))


def test_nothing_is_owned():
    class Holder(keras.Model):
        def __init__(self, network):
            super().__init__()
            self.network = network
            self.folded = FoldedCall(network)

    network = network_of(LAYERS.Conv2D(4, 3), normalization())
    assert len(Holder(network).variables) == len(network.variables) == 6


def test_a_copy_has_variables_of_its_own_and_no_normalization():
    network = network_of(LAYERS.Conv2D(4, 3), normalization())
    inputs = images(2, 8, 8, 3)
    copy = folded_copy(network)
    assert [tuple(each.shape) for each in copy.variables] == [
        (3, 3, 3, 4),
        (4,),
    ]
    before = copy(inputs)
    network.set_weights([weight + 1 for weight in network.get_weights()])
    np.testing.assert_array_equal(copy(inputs), before)


@pytest.mark.parametrize(
    "refiner", ["GENERATOR", "TAIL_GENERATOR", "ZOOM", "SECOND_LOOK", "NONE"]
)
@pytest.mark.parametrize("super_resolve", [False, True])
def test_a_detector_for_inference_finds_the_same(refiner, super_resolve):
    detector = small_detector(
        f"model.feature_super_resolution.refiner={refiner}",
        "model.feature_super_resolution.gate_score_threshold=0.1",
    )
    # A new refiner leaves features as they are, its predictor is the other's.
    generator = np.random.default_rng(0)
    for part in (detector.refiner, detector.small_predictor):
        for variable in part.variables:
            noise = generator.normal(0, 0.05, variable.shape)
            variable.assign_add(np.abs(noise))
    inputs = (
        255 * tf.random.stateless_uniform([2, 96, 128, 3], seed=[3, 4]),
        tf.constant([[96.0, 128.0]] * 2),
        tf.ones([2, 2]),
    )
    expected = detector(*inputs, super_resolve=super_resolve)
    if super_resolve and refiner != "NONE":
        plain = detector(*inputs, super_resolve=False)
        assert np.any(np.abs(plain.scores - expected.scores) > 1e-3)
    copy = detector.for_inference()
    kinds = {type(layer) for layer in copy._flatten_layers()}
    assert LAYERS.BatchNormalization not in kinds
    assert np.all(expected.count > 0)
    found_by_copy = copy(*inputs, super_resolve=super_resolve)
    for found, wanted in zip(found_by_copy[:4], expected[:4], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
