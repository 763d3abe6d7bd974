"""Convolutions of small maps must be those of TensorFlow, but for rounding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.model.speed import WinogradConv2D
from featsr_tf.model.speed.winograd import convolve_small_maps
from featsr_tf.model.speed.winograd import has_fewer_products
from tests.support import check_layer

# The sums of the channels are of this size; single precision has 6e-8 of it.
TOLERANCE = 5e-5


def normal(*shape, seed=1):
    return tf.random.stateless_normal(shape, seed=[seed, 2])


def gradients(convolve, maps, kernel, weights):
    with tf.GradientTape() as tape:
        tape.watch([maps, kernel])
        total = tf.reduce_sum(convolve(maps, kernel) * weights)
    return tape.gradient(total, [maps, kernel])


def plain(maps, kernel):
    return tf.nn.conv2d(maps, kernel, 1, "SAME")


@pytest.mark.parametrize("size", range(1, 10))
def test_the_result_is_that_of_the_definition(size):
    maps, kernel = normal(5, size, size, 16), normal(3, 3, 16, 8, seed=3) / 12
    found = convolve_small_maps(maps, kernel)
    np.testing.assert_allclose(found, plain(maps, kernel), atol=TOLERANCE)


@pytest.mark.parametrize("size", [3, 7])
def test_gradients_are_those_of_the_definition(size):
    maps, kernel = normal(5, size, size, 16), normal(3, 3, 16, 8, seed=3) / 12
    weights = normal(5, size, size, 8, seed=4)
    found = gradients(convolve_small_maps, maps, kernel, weights)
    expected = gradients(plain, maps, kernel, weights)
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(one / scale, other / scale, atol=TOLERANCE)


def test_a_kernel_of_zeros_gives_zeros():
    found = convolve_small_maps(normal(2, 7, 7, 4), tf.zeros([3, 3, 4, 4]))
    assert not found.numpy().any()


@pytest.mark.parametrize(
    "size, channels, filters, expected",
    [
        # 144 products with the kernel for 441, and 144 x 49 per channel.
        (7, 512, 512, True),
        (7, 384, 64, True),
        (7, 8, 8, False),
        # One tile of 36 for 36.
        (2, 512, 512, False),
        (14, 512, 512, False),
        (None, 512, 512, False),
    ],
)
def test_it_is_done_where_it_saves_products(size, channels, filters, expected):
    assert has_fewer_products(size, channels, filters) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": 1},
        {"kernel_size": 3, "strides": 2},
        {"kernel_size": 3, "dilation_rate": 2},
        {"kernel_size": 3, "groups": 2},
        {"kernel_size": 3, "dtype": "mixed_bfloat16"},
    ],
)
def test_the_layer_does_what_a_convolution_does(options):
    options = {"padding": "same", "activation": "relu"} | options
    layer = WinogradConv2D(128, **options)
    plain_layer = keras.layers.Conv2D(128, **options)
    maps = normal(2, 7, 7, 256)
    layer.build(maps.shape)
    plain_layer.build(maps.shape)
    plain_layer.set_weights(layer.get_weights())
    found, expected = layer(maps), plain_layer(maps)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_it_computes_with_fewer_products_where_the_size_is_known():
    layer = WinogradConv2D(128, 3, padding="same")
    layer.build((None, 7, 7, 256))

    def operations(shape):
        spec = tf.TensorSpec(shape, tf.float32)
        graph = tf.function(layer).get_concrete_function(spec).graph
        return {operation.type for operation in graph.get_operations()}

    assert "Conv2D" not in operations([None, 7, 7, 256])
    assert "Conv2D" in operations([None, None, None, 256])


def test_the_layer_keeps_its_promises():
    check_layer(
        lambda: WinogradConv2D(128, 3, padding="same"),
        [(2, 7, 7, 256)],
        (2, 7, 7, 128),
    )
