"""The atrous twin by polyphase decomposition, without dilation.

Dilation 2 joins only those cells whose rows and columns lie an even number
apart. A map may therefore be split into four phases, of every second row and
column each: a batch of four times as many maps, which meet the plain
convolutions. What brings the stride back behind a strided convolution is the
maximum or the average over the four phases.
"""

import keras
import tensorflow as tf
from keras import ops

from featsr_tf.model.speed.folding import FoldedConvolution
from featsr_tf.model.speed.folding import XlaCall
from featsr_tf.model.speed.folding import clone_folded
from featsr_tf.model.speed.folding import folded_weights
from featsr_tf.model.speed.winograd import add_bias
from featsr_tf.model.target_extractor import AtrousConvolution
from featsr_tf.model.target_extractor import AtrousGlobalPooling
from featsr_tf.model.target_extractor import AtrousMultiply

_REDUCTIONS = {
    keras.layers.MaxPooling2D: tf.maximum,
    keras.layers.AveragePooling2D: lambda one, other: (one + other) / 2,
}


class PolyphaseCall:
    """Calls an atrous twin by phases, its batch normalization folded.

    It is no layer: the variables are the twin's.
    """

    def __init__(self, twin: keras.Model, jit_compile: bool = False):
        self._network = clone_folded(twin, _call_layer)
        self._call = XlaCall(self._network, jit_compile)

    def __call__(
        self, images: tf.Tensor, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Makes the twin's feature maps, float32.

        Args:
            images: `[B, H, W, 3]`, preprocessed; sides are multiples of twice
                the stride.
            training: False, as batch normalization is frozen.
        """
        features = self._call(split(images), training=training)
        return {
            name: tf.cast(join(maps), tf.float32)
            for name, maps in features.items()
        }


class PolyphaseConvolution(keras.layers.Wrapper):
    """Calls an atrous convolution on phases, where it is a plain one.

    Frozen batch normalization behind it is folded into it.
    """

    def __init__(
        self,
        layer: AtrousConvolution,
        normalization: keras.layers.BatchNormalization | None = None,
        **kwargs,
    ):
        super().__init__(layer, **kwargs)
        self.normalization = normalization

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps phases `[4 batch, height, width, C]` to the filters."""
        layer = self.layer.layer
        kernel, bias = layer.kernel, layer.bias
        if self.normalization is not None:
            kernel, bias = folded_weights(layer, self.normalization)
        kernel = ops.cast(kernel, self.compute_dtype)
        convolve = ops.conv
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            convolve = ops.depthwise_conv
        outputs = convolve(inputs, kernel, 1, self.layer.padding)
        if bias is not None:
            outputs = add_bias(outputs, ops.cast(bias, tf.float32))
        return layer.activation(outputs)


def split(maps: tf.Tensor) -> tf.Tensor:
    """Splits maps `[B, h, w, C]` into phases `[4 B, h / 2, w / 2, C]`."""
    return tf.space_to_batch(maps, [2, 2], [[0, 0], [0, 0]])


def join(phases: tf.Tensor) -> tf.Tensor:
    """Puts phases `[4 B, h, w, C]` together to maps `[B, 2 h, 2 w, C]`."""
    return tf.batch_to_space(phases, [2, 2], [[0, 0], [0, 0]])


def _call_layer(layer: keras.Layer, normalization, *args, **kwargs):
    """Calls one layer of the twin on phases."""
    name = f"{layer.name}_phases"
    if isinstance(layer, AtrousConvolution):
        return PolyphaseConvolution(layer, normalization, name=name)(*args)
    if isinstance(layer, keras.layers.ZeroPadding2D):
        halves = [(begin // 2, end // 2) for begin, end in layer.padding]
        return keras.layers.ZeroPadding2D(halves, name=name)(*args)
    if isinstance(layer, AtrousGlobalPooling):
        pool = keras.layers.GlobalAveragePooling2D(keepdims=True, name=name)
        return pool(*args)
    if isinstance(layer, AtrousMultiply):
        return keras.layers.Multiply(name=name)(*args)
    reduce = _REDUCTIONS.get(type(layer))
    if reduce and layer.pool_size == layer.strides == (2, 2):
        return keras.layers.Lambda(
            lambda phases: split(_over_phases(phases, reduce)), name=name
        )(*args)
    joins_phases = max(getattr(layer, "strides", (1, 1))) > 1
    # A pool that is not dilated sees neighbours, which lie in other phases.
    joins_phases |= max(getattr(layer, "pool_size", (1, 1))) > 1
    if normalization is not None:
        layer = FoldedConvolution(layer, normalization, name=name)
    if joins_phases:
        return keras.layers.Lambda(
            lambda phases: split(layer(join(phases))), name=f"{name}_joined"
        )(*args)
    return layer(*args, **kwargs)


def _over_phases(phases: tf.Tensor, reduce) -> tf.Tensor:
    """Reduces each group of 2 x 2 cells, `[4 B, ...]` to `[B, ...]`."""
    first, second, third, fourth = tf.split(phases, 4)
    return reduce(reduce(first, second), reduce(third, fourth))
