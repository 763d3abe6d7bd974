"""Convolutions over small maps by Winograd's algorithm, and in 16 bits."""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import ops


# Saved layers keep the name that the class had when they were written.
@keras.saving.register_keras_serializable("featsr_tf", "BiasedConvolution")
class BiasedConv2D(keras.layers.Conv2D):
    """A `Conv2D` whose bias learns in 16 bits as it does in 32."""

    def call(self, inputs):
        """Maps `[B, h, w, C]` to the layer's filters."""
        if self.compute_dtype == "float32":
            return super().call(inputs)
        outputs = self.convolution_op(inputs, self.kernel)
        if self.use_bias:
            outputs = add_bias(outputs, ops.cast(self.bias, "float32"))
        return self.activation(outputs)

    def first_filters(self, inputs, count: int):
        """Computes the first filters alone, of a layer without activation."""
        outputs = self.convolution_op(inputs, self.kernel[..., :count])
        return add_bias(outputs, ops.cast(self.bias[:count], "float32"))


def add_bias(maps: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Adds a bias `[filters]` of 32 bits to maps of 16 or 32 bits."""

    # The bias's gradient is a sum over all cells, too long for 16 bits.
    @tf.custom_gradient
    def add(maps, bias):
        def gradient(upstream):
            return upstream, tf.reduce_sum(
                ops.cast(upstream, bias.dtype), [0, 1, 2]
            )

        return tf.nn.bias_add(maps, ops.cast(bias, maps.dtype)), gradient

    if maps.dtype == bias.dtype:
        return tf.nn.bias_add(maps, bias)
    return add(maps, bias)


# Outputs along the side of a tile, and products along the side.
_TILE = 4
_PRODUCTS = 6
# Of six inputs in a row, of the three taps and of the products, F(4, 3).
_OF_INPUTS = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_OF_TAPS = np.array(
    [
        [6, 0, 0],
        [-4, -4, -4],
        [-4, 4, -4],
        [1, 2, 4],
        [1, -2, 4],
        [0, 0, 24],
    ]
)
_OF_PRODUCTS = [
    [1, 1, 1, 1, 1, 0],
    [0, 1, -1, 2, -2, 0],
    [0, 1, 1, 4, 4, 0],
    [0, 1, -1, 8, -8, 1],
]
# Larger maps are not worth it: every tile would be made of the whole map.
_LARGEST_MAP = 8
# Share of the products below which the smaller number is worth its overhead.
_WORTHWHILE = 2 / 3


@keras.saving.register_keras_serializable("featsr_tf", "SmallMapConvolution")
class WinogradConv2D(BiasedConv2D):
    """A `Conv2D` that needs fewer products on small maps of known size.

    It computes by Winograd's F(4 x 4, 3 x 3), whose rounding is about four
    times that of `Conv2D`. In every other case it is a plain `Conv2D`: large
    maps, other kernels and strides, few channels, 16-bit numbers, GPUs.
    """

    def convolution_op(self, inputs, kernel):
        """Convolves, without bias and activation."""
        size = inputs.shape[1]
        if (
            self.padding == "same"
            and tuple(self.strides) == tuple(self.dilation_rate) == (1, 1)
            and tuple(kernel.shape[:2]) == (3, 3)
            and kernel.shape[2] == inputs.shape[-1]
            and size == inputs.shape[2]
            and inputs.dtype == "float32"
            # Libraries of GPUs choose such algorithms by themselves.
            and not tf.config.list_physical_devices("GPU")
            and has_fewer_products(size, *kernel.shape[2:])
        ):
            return convolve_small_maps(inputs, tf.convert_to_tensor(kernel))
        return super().convolution_op(inputs, kernel)


def has_fewer_products(size: int | None, channels: int, filters: int) -> bool:
    """Tells whether `convolve_small_maps` is worth it.

    `size`, the cells along the side of the maps, is None where not known.
    """
    if size is None or size > _LARGEST_MAP:
        return False
    products = (_PRODUCTS * -(-size // _TILE)) ** 2
    count = products * (channels * filters + size**2 * (channels + filters))
    return count < _WORTHWHILE * 9 * size**2 * channels * filters


def convolve_small_maps(maps: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolves as `tf.nn.conv2d` with stride 1 and padding "SAME" does.

    Args:
        maps: `[n, k, k, C]` float32.
        kernel: `[3, 3, C, K]`.

    Returns:
        `[n, k, k, K]`.
    """
    size, channels, filters = maps.shape[1], maps.shape[3], kernel.shape[3]
    count, cells = tf.shape(maps)[0], size**2
    of_inputs, of_taps, of_products = _matrices(size)
    rows = tf.transpose(tf.reshape(maps, [count, cells, channels]), [1, 0, 2])
    inputs = tf.matmul(of_inputs, tf.reshape(rows, [cells, count * channels]))
    taps = tf.matmul(of_taps, tf.reshape(kernel, [9, channels * filters]))
    products = tf.matmul(
        # All tiles of all maps share the taps.
        tf.reshape(
            inputs,
            [_PRODUCTS**2, len(of_inputs) // _PRODUCTS**2 * count, channels],
        ),
        tf.reshape(taps, [_PRODUCTS**2, channels, filters]),
    )
    outputs = tf.matmul(
        of_products, tf.reshape(products, [len(of_inputs), count * filters])
    )
    outputs = tf.reshape(outputs, [cells, count, filters])
    return tf.reshape(
        tf.transpose(outputs, [1, 0, 2]), [count, size, size, filters]
    )


@functools.cache
def _matrices(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrices of maps with k cells along their side.

    They lead from the `k * k` cells to the inputs of the products, `[36 T,
    k * k]` with T tiles; from the 9 taps to 36; from products to cells.
    """
    tiles = -(-size // _TILE)
    # Along one axis: products, tiles, cells. What lies outside is zero.
    of_inputs = np.zeros((_PRODUCTS, tiles, tiles * _TILE + 2))
    of_products = np.zeros((tiles * _TILE, _PRODUCTS, tiles))
    for tile in range(tiles):
        begin = tile * _TILE
        of_inputs[:, tile, begin : begin + _PRODUCTS] = _OF_INPUTS
        of_products[begin : begin + _TILE, :, tile] = _OF_PRODUCTS
    of_inputs = of_inputs[:, :, 1 : size + 1]
    of_products = of_products[:size]
    of_taps = _OF_TAPS / 24
    both_axes = (
        np.einsum("atr,bus->abturs", of_inputs, of_inputs),
        np.einsum("ai,bj->abij", of_taps, of_taps),
        np.einsum("rat,sbu->rsabtu", of_products, of_products),
    )
    shapes = ((-1, size**2), (_PRODUCTS**2, 9), (size**2, -1))
    return tuple(
        matrix.reshape(shape).astype("float32")
        for matrix, shape in zip(both_axes, shapes, strict=True)
    )
