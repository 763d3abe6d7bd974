"""Networks called fast: batch normalization folded, and compiled by XLA."""

from collections import defaultdict
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from featsr_tf.geometry.receptive_field import nodes_in_order
from featsr_tf.model.speed.winograd import WinogradConv2D
from featsr_tf.model.speed.winograd import add_bias

_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    WinogradConv2D,
)


class XlaCall:
    """Calls a network, compiled by XLA where all shapes are known.

    XLA makes a program for each shape, which takes seconds. The number of
    proposals changes from image to image: where it is known only when they are
    there, the network is called as it is.

    Args:
        jit_compile: False calls it as it is everywhere.
    """

    def __init__(self, network: Callable, jit_compile: bool):
        self._network = self._compiled = network
        if jit_compile:
            self._compiled = tf.function(
                lambda *inputs, **options: network(*inputs, **options),
                jit_compile=True,
            )

    def __call__(self, *inputs: tf.Tensor, **options):
        """Does what the network does."""
        if all(x.shape.is_fully_defined() for x in inputs):
            return self._compiled(*inputs, **options)
        return self._network(*inputs, **options)


class FoldedConvolution(keras.layers.Wrapper):
    """Calls a convolution and the batch normalization behind it as one.

    It has no weights but those of the two layers. While the normalization
    learns from batches both are called as they are.
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
        """Maps `[B, h, w, C]` to the layer's filters."""
        if training and self.normalization.trainable:
            return self.normalization(self.layer(inputs), training=True)
        kernel, bias = folded_weights(self.layer, self.normalization)
        kernel = ops.cast(kernel, self.compute_dtype)
        layer = self.layer
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            outputs = ops.depthwise_conv(
                inputs,
                kernel,
                strides=layer.strides,
                padding=layer.padding,
                dilation_rate=layer.dilation_rate,
            )
        else:
            outputs = layer.convolution_op(inputs, kernel)
        return add_bias(outputs, bias)


def folded_weights(
    layer: keras.Layer, normalization: keras.layers.BatchNormalization
) -> tuple[tf.Tensor, tf.Tensor]:
    """Makes the weights of one convolution that does what both layers do.

    Returns:
        Kernel, of the shape of the layer's, and bias `[filters]`, float32.
    """
    factor = ops.rsqrt(normalization.moving_variance + normalization.epsilon)
    if normalization.scale:
        factor *= normalization.gamma
    bias = -normalization.moving_mean
    if layer.use_bias:
        bias += ops.cast(layer.bias, bias.dtype)
    bias *= factor
    if normalization.center:
        bias += normalization.beta
    kernel = ops.cast(layer.kernel, factor.dtype)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        factor = ops.reshape(factor, kernel.shape[-2:])
    return kernel * factor, bias


class FoldedCall:
    """Calls a network whose frozen batch normalization is nearly free.

    It is no layer: the variables are the network's, and whoever holds both
    lists them once.
    """

    def __init__(self, network: keras.Model, jit_compile: bool = False):
        self._network = clone_folded(network, _call_folded)
        self._call = XlaCall(self._network, jit_compile)

    def __call__(self, inputs: tf.Tensor, training: bool = False):
        """Does what the network does."""
        return self._call(inputs, training=training)


def folded_copy(network: keras.Model) -> keras.Model:
    """Copies a network whose weights will not change any more.

    Where `FoldedCall` makes the weights of its convolutions in every call, the
    copy owns them and has no batch normalization.
    """
    pairs = foldable_pairs(network)

    def copy_layer(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if layer.name in pairs:
            config["use_bias"] = True
        return type(layer).from_config(config)

    copy = clone_folded(
        network,
        lambda layer, _, *args, **kwargs: layer(*args, **kwargs),
        copy_layer,
    )
    for layer in copy.layers:
        if not layer.weights:
            continue
        original = network.get_layer(layer.name)
        weights = original.get_weights()
        if layer.name in pairs:
            weights = folded_weights(original, pairs[layer.name])
        layer.set_weights(weights)
    return copy


def unfolded_weights(
    network: keras.Model, weights: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Gives weights of a folded copy the batch normalization back.

    It changes nothing: its scale and variance are 1, what the copy has as the
    bias of a convolution is its offset.

    Args:
        network: a network as it was before it was folded.
        weights: of `folded_copy`, by the paths of variables; others stay.
    """
    unfolded = dict(weights)
    for name, normalization in foldable_pairs(network).items():
        layer = network.get_layer(name)
        bias_path = f"{layer.kernel.path.rpartition('/')[0]}/bias"
        paths = {
            v.path.rpartition("/")[2]: v.path for v in normalization.weights
        }
        if bias_path not in weights:
            continue
        if not weights.keys().isdisjoint(paths.values()):
            continue
        bias = weights[bias_path]
        zeros, ones = np.zeros_like(bias), np.ones_like(bias)
        values = {
            "gamma": ones,
            "beta": bias,
            "moving_mean": zeros if normalization.center else -bias,
            "moving_variance": ones - normalization.epsilon,
        }
        unfolded |= {path: values[key] for key, path in paths.items()}
        if layer.use_bias:
            unfolded[bias_path] = zeros
    return unfolded


def clone_folded(
    network: keras.Model,
    call_layer: Callable,
    clone_layer: Callable = lambda layer: layer,
) -> keras.Model:
    """Clones a network but for the batch normalization that can be folded.

    Args:
        call_layer: called with a layer, the normalization to be folded into it
            or None, and the layer's arguments; gives its outputs.
        clone_layer: gives the layer of the clone; by default the very same.
    """
    pairs = foldable_pairs(network)
    left_out = {layer.name for layer in pairs.values()}

    def call(layer: keras.Layer, *args, **kwargs):
        if layer.name in left_out:
            return args[0]
        return call_layer(layer, pairs.get(layer.name), *args, **kwargs)

    return keras.models.clone_model(
        network, clone_function=clone_layer, call_function=call
    )


def _call_folded(layer: keras.Layer, normalization, *args, **kwargs):
    if normalization is None:
        return layer(*args, **kwargs)
    name = f"{layer.name}_folded"
    return FoldedConvolution(layer, normalization, name=name)(*args)


def foldable_pairs(
    network: keras.Model,
) -> dict[str, keras.layers.BatchNormalization]:
    """Finds the convolutions whose outputs only a normalization sees.

    Returns:
        The normalization behind each such convolution, by its name.
    """
    consumers = defaultdict(list)
    for node in nodes_in_order(network):
        for tensor in node.input_tensors:
            consumers[id(tensor)].append(node.operation)
    for tensor in network.outputs:
        consumers[id(tensor)].append(None)
    pairs = {}
    for node in nodes_in_order(network):
        behind = consumers[id(node.outputs[0])]
        if len(behind) == 1 and _folds(node.operation, behind[0]):
            pairs[node.operation.name] = behind[0]
    return pairs


def _folds(layer: keras.Layer, behind: keras.Layer) -> bool:
    return (
        type(layer) in _CONVOLUTIONS
        and layer.activation is keras.activations.linear
        and layer.data_format == "channels_last"
        and isinstance(behind, keras.layers.BatchNormalization)
        and behind.axis in (-1, 3)
    )
