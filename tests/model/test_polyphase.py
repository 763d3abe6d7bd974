"""The twin by phases must be the twin, but for rounding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.model.speed import PolyphaseCall
from featsr_tf.model.speed.polyphase import join
from featsr_tf.model.speed.polyphase import split
from featsr_tf.model.target_extractor import POOLINGS
from featsr_tf.model.target_extractor import build_target_extractor
from tests.model.test_target_extractor import random_features
from tests.model.test_target_extractor import random_twin
from tests.model.test_target_extractor import randomize
from tests.model.test_target_extractor import small_network

LAYERS = keras.layers
BACKBONES = [
    "mobilenet_v1",
    pytest.param("resnet50", marks=pytest.mark.slow),
]


def images(*shape):
    return tf.random.stateless_normal(shape, seed=[1, 2])


def assert_close(found, expected):
    for name, values in expected.items():
        scale = np.abs(values).max()
        assert scale > 0.1
        np.testing.assert_allclose(
            found[name] / scale, values / scale, atol=1e-5
        )


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_features_are_those_of_the_twin(name, pooling):
    twin = random_twin(name, pooling)
    inputs = images(2, 64, 96, 3)
    assert_close(PolyphaseCall(twin)(inputs), twin(inputs, training=False))


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [LAYERS.Conv2D(4, 3, padding="same", activation="relu")],
        lambda: [LAYERS.Conv2D(4, 4, padding="same")],
        lambda: [LAYERS.Conv2D(4, 5, 2, padding="same")],
        lambda: [LAYERS.DepthwiseConv2D(3, padding="same", use_bias=False)],
        lambda: [LAYERS.Conv2D(4, 1, 2), LAYERS.BatchNormalization()],
        lambda: [LAYERS.Conv2D(4, 3, padding="same"), LAYERS.MaxPooling2D(2)],
        lambda: [LAYERS.ZeroPadding2D(1), LAYERS.Conv2D(4, 3)],
        lambda: [LAYERS.ZeroPadding2D(1), LAYERS.MaxPooling2D(3, 2)],
    ],
)
@pytest.mark.parametrize("pooling", ["PAPER", "AVERAGE", "STRIDE"])
def test_so_are_those_of_other_networks(layers, pooling):
    features = small_network(*layers(), LAYERS.Conv2D(2, 3, padding="same"))
    randomize(features)
    twin = build_target_extractor(features, pooling)
    inputs = images(2, 32, 40, 3)
    assert_close(PolyphaseCall(twin)(inputs), twin(inputs))


def test_the_extractor_gets_the_gradients_of_the_twin():
    features = random_features("mobilenet_v1")
    twin = random_twin("mobilenet_v1", "PAPER")
    inputs = images(1, 64, 64, 3)

    def gradients(extractor):
        with tf.GradientTape() as tape:
            maps = extractor(inputs, training=False)["base"]
            total = tf.reduce_sum(maps * images(*maps.shape))
        variables = [v.value for v in features.trainable_variables]
        return tape.gradient(total, variables, unconnected_gradients="zero")

    for one, other in zip(
        gradients(PolyphaseCall(twin)), gradients(twin), strict=True
    ):
        scale = np.abs(other).max()
        np.testing.assert_allclose(one / scale, other / scale, atol=1e-4)


def test_no_variable_is_made():
    twin = random_twin("mobilenet_v1", "PAPER")
    own = {id(variable) for variable in twin.variables}
    assert {
        id(variable) for variable in PolyphaseCall(twin)._network.variables
    } == own


def test_phases_are_every_second_row_and_column():
    maps = images(2, 6, 8, 3)
    phases = split(maps)
    assert phases.shape == (8, 3, 4, 3)
    np.testing.assert_array_equal(phases[2:4], maps[:, ::2, 1::2])
    np.testing.assert_array_equal(join(phases), maps)
