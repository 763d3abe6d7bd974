"""Networks that are laid out otherwise, with the same variables."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.geometry.receptive_field import receptive_field
from featsr_tf.model.network_graph import rewired

LAYERS = keras.layers


def network():
    """The layers of a ResNet that are laid out otherwise, by their names."""
    inputs = keras.Input((None, None, 3))
    outputs = LAYERS.ZeroPadding2D(1, name="pool1_pad")(inputs)
    outputs = LAYERS.MaxPooling2D(3, 2, name="pool1_pool")(outputs)
    for name, size, stride in (
        ("conv4_block1_1_conv", 1, 2),
        ("conv4_block1_2_conv", 3, 1),
        ("conv4_block2_2_conv", 3, 1),
    ):
        outputs = LAYERS.Conv2D(
            4, size, stride, padding="same", name=name
        )(outputs)  # fmt: skip
    return keras.Model(inputs, outputs)


def frames(height, width):
    generator = np.random.default_rng(0)
    return generator.uniform(size=(2, height, width, 3)).astype("float32")


@pytest.mark.parametrize("height, width", [(16, 24), (18, 26), (17, 23)])
def test_every_second_cell_of_a_dilated_network_is_one_of_the_strided(
    height, width
):
    strided = network()
    dilated = rewired(strided, is_dilated=True)
    images = frames(height, width)
    np.testing.assert_allclose(
        dilated(images)[:, ::2, ::2], strided(images), atol=1e-6
    )
    assert receptive_field(strided).stride == 4
    assert receptive_field(dilated).stride == 2
    assert [w.shape for w in dilated.weights] == [
        w.shape for w in strided.weights
    ]


@pytest.mark.parametrize("size, same_as", [(17, True), (16, False)])
def test_the_pool_pads_at_the_end_first(size, same_as):
    padded = network()
    moved = rewired(padded, pools_same=True)
    images = frames(size, size)
    pool = keras.Model(moved.input, moved.get_layer("pool1_pool").output)
    np.testing.assert_array_equal(
        pool(images), tf.nn.max_pool2d(images, 3, 2, "SAME")
    )
    is_same = np.allclose(moved(images), padded(images), atol=1e-6)
    assert is_same == same_as
