"""Biases of convolutions that compute in 16 bits.

On CPUs TensorFlow sums the gradient of a bias in the numbers of the maps: of
8 maps of 24 x 24 cells in bfloat16 it is a third off, of larger ones little is
left of it.
"""

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("featsr_tf")
class BiasedConvolution(keras.layers.Conv2D):
    """A `Conv2D` whose bias learns as it does in 32 bits."""

    def call(self, inputs):
        """Maps `[batch, height, width, channels]` to the layer's filters."""
        if self.compute_dtype == "float32":
            return super().call(inputs)
        outputs = self.convolution_op(inputs, self.kernel)
        if self.use_bias:
            outputs = add_bias(outputs, ops.cast(self.bias, "float32"))
        return self.activation(outputs)


def add_bias(maps: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Adds a bias to maps of 16 or 32 bits.

    Args:
        maps: `[batch, height, width, filters]`.
        bias: `[filters]` float32.

    Returns:
        The maps with the bias.
    """

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
