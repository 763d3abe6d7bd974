"""Batch normalization with frozen statistics, folded into convolutions."""

import keras
import tensorflow as tf
from keras import ops

from featsr_tf.geometry.receptive_field import nodes_in_order

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


class FoldedConvolution(keras.layers.Wrapper):
    """Calls a convolution and the batch normalization behind it as one.

    It has no weights but those of the two layers. While the normalization
    learns from batches both are called as they are.

    Args:
        layer: a `Conv2D` or `DepthwiseConv2D` without activation.
        normalization: the `BatchNormalization` of its channels.
    """

    def __init__(
        self,
        layer: keras.Layer,
        normalization: keras.layers.BatchNormalization,
        **kwargs,
    ):
        super().__init__(layer, **kwargs)
        self.normalization = normalization

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps `[batch, height, width, channels]` to the layer's filters."""
        if training and self.normalization.trainable:
            return self.normalization(self.layer(inputs), training=True)
        kernel, bias = self._folded_weights()
        layer = self.layer
        arguments = layer.strides, layer.padding, None, layer.dilation_rate
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            outputs = ops.depthwise_conv(inputs, kernel, *arguments)
        else:
            outputs = ops.conv(inputs, kernel, *arguments)
        return tf.nn.bias_add(outputs, tf.cast(bias, outputs.dtype))

    def _folded_weights(self) -> tuple[tf.Tensor, tf.Tensor]:
        kernel = ops.convert_to_tensor(self.layer.kernel)
        normalization = self.normalization
        factor = ops.rsqrt(
            normalization.moving_variance + normalization.epsilon
        )
        if normalization.scale:
            factor *= normalization.gamma
        bias = -normalization.moving_mean
        if self.layer.use_bias:
            bias += self.layer.bias
        bias *= factor
        if normalization.center:
            bias += normalization.beta
        if isinstance(self.layer, keras.layers.DepthwiseConv2D):
            factor = ops.reshape(factor, kernel.shape[-2:])
        return kernel * ops.cast(factor, kernel.dtype), bias


class Folded:
    """A network whose frozen batch normalization costs nothing.

    The numbers differ from the network's by rounding alone. It is no layer:
    the variables are the network's, and a layer that holds both lists them
    once.

    Args:
        network: functional model.
    """

    def __init__(self, network: keras.Model):
        self._network = keras.models.clone_model(
            network,
            clone_function=lambda layer: layer,
            call_function=_FoldingRules(network),
        )

    def __call__(self, inputs: tf.Tensor, training: bool = False):
        """Does what the network does."""
        return self._network(inputs, training=training)


class _FoldingRules:
    """Calls each layer of a network, pairs that fold as one.

    Args:
        network: functional model.
    """

    def __init__(self, network: keras.Model):
        consumers = {}
        for node in nodes_in_order(network):
            for tensor in node.input_tensors:
                consumers.setdefault(id(tensor), []).append(node.operation)
        outputs = {id(tensor) for tensor in network.outputs}
        self._behind = {}
        for node in nodes_in_order(network):
            (tensor, *others) = node.outputs
            behind = consumers.get(id(tensor), [])
            if others or len(behind) != 1 or id(tensor) in outputs:
                continue
            if _folds(node.operation, behind[0]):
                self._behind[node.operation.name] = behind[0]
        self._folded = {layer.name for layer in self._behind.values()}

    def __call__(self, layer: keras.Layer, *args, **kwargs):
        """Calls one layer on the tensors of the folded network."""
        if layer.name in self._folded:
            return args[0]
        if layer.name not in self._behind:
            return layer(*args, **kwargs)
        return FoldedConvolution(
            layer, self._behind[layer.name], name=f"{layer.name}_folded"
        )(*args)


def _folds(layer: keras.Layer, behind: keras.Layer) -> bool:
    return (
        type(layer) in _CONVOLUTIONS
        and layer.activation is keras.activations.linear
        and layer.data_format == "channels_last"
        and isinstance(behind, keras.layers.BatchNormalization)
        and behind.axis in (-1, 3)
    )
