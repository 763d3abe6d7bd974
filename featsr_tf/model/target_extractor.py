"""The super-resolution target extractor of section 4.1: the atrous twin."""

from collections import defaultdict

import keras
import tensorflow as tf
from keras import ops

from featsr_tf.errors import ConfigError
from featsr_tf.geometry.receptive_field import is_pointwise
from featsr_tf.geometry.receptive_field import nodes_in_order
from featsr_tf.geometry.receptive_field import same_value

POOLINGS = ("PAPER", "AVERAGE", "STRIDE", "ROOT_MAX")
_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
_POOLS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)


@keras.saving.register_keras_serializable(package="featsr_tf")
class AtrousConvolution(keras.layers.Wrapper):
    """Calls a convolution at dilation 2 and stride 1 (Figure 4c).

    It has no weights but those of the convolution itself.

    Args:
        layer: a `Conv2D` or `DepthwiseConv2D`, of any stride.

    Example:
        convolution = keras.layers.Conv2D(8, 3, strides=2)
        atrous = AtrousConvolution(convolution, "same")
        atrous(images)  # as high and as wide as the images
    """

    strides = (1, 1)
    dilation_rate = (2, 2)

    def __init__(self, layer: keras.Layer, padding: str, **kwargs):
        super().__init__(layer, **kwargs)
        self.padding = padding

    @property
    def kernel_size(self) -> tuple[int, int]:
        """Taps of the kernel along both axes."""
        return self.layer.kernel_size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[B, h, w, C]` to the layer's filters."""
        kernel = ops.convert_to_tensor(self.layer.kernel)
        padding = self.padding.upper()
        if isinstance(self.layer, keras.layers.DepthwiseConv2D):
            outputs = _depthwise(inputs, kernel, padding)
        elif getattr(self.layer, "groups", 1) > 1:
            outputs = ops.conv(inputs, kernel, 1, self.padding, None, 2)
        else:
            outputs = tf.nn.conv2d(inputs, kernel, 1, padding, dilations=2)
        if self.layer.use_bias:
            outputs += ops.convert_to_tensor(self.layer.bias)
        return self.layer.activation(outputs)

    def get_config(self) -> dict:
        """Gives the constructor's arguments."""
        return {**super().get_config(), "padding": self.padding}


@keras.saving.register_keras_serializable(package="featsr_tf")
class AtrousGlobalPooling(keras.layers.GlobalAveragePooling2D):
    """Averages over a frame at dilation 2, for squeeze-and-excite.

    The mean of each phase, of every second row and column, is what the
    extractor finds in an image of half the size: `[B, 2, 2, C]`.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[B, h, w, C]` with even sides to `[B, 2, 2, C]`."""
        batch, height, width, channels = tf.unstack(tf.shape(inputs))
        groups = tf.reshape(
            inputs, [batch, height // 2, 2, width // 2, 2, channels]
        )
        means = tf.reduce_mean(groups, [1, 3])
        return tf.ensure_shape(means, self.compute_output_shape(inputs.shape))

    def compute_output_shape(self, input_shape):
        """Infers the shape of the output."""
        return (input_shape[0], 2, 2, input_shape[-1])


@keras.saving.register_keras_serializable(package="featsr_tf")
class AtrousMultiply(keras.layers.Multiply):
    """Multiplies maps by the weights that each of their phases has."""

    def build(self, input_shape):
        """Has no variables."""
        super().build([self.compute_output_shape(input_shape)] * 2)

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Maps `[B, h, w, C]` and `[B, 2, 2, C]`, in any order."""
        weights, maps = sorted(inputs, key=_is_pooled, reverse=True)
        sides = tf.shape(maps)[1:3] // 2
        return maps * tf.tile(weights, tf.concat([[1], sides, [1]], 0))

    def compute_output_shape(self, input_shape):
        """Infers the shape of the output."""
        return next(shape for shape in input_shape if shape[1:3] != (2, 2))


def _is_pooled(maps) -> bool:
    return tuple(maps.shape[1:3]) == (2, 2)


def build_target_extractor(
    features: keras.Model, pooling: str = "PAPER"
) -> keras.Model:
    """Builds the atrous twin of a feature extractor.

    The twin calls the extractor's own layers, with doubled reach: at I^1.0
    its cells see what the extractor's cells see at I^0.5. All its variables
    are the extractor's, so setting `trainable` on it would freeze both.

    Args:
        features: functional model of an extractor whose image sides are
            multiples of twice its stride.
        pooling: what brings the stride back after each convolution of kernel
            size > 1 and stride 2 or 4, before its batch normalization: "PAPER"
            max-pool of 2x2 or 4x4, "AVERAGE" average pool, "STRIDE" plain
            subsampling, "ROOT_MAX" max-pool after the first of them and
            average pool after the others.

    Returns:
        Functional model with the same inputs and the same keys of outputs.

    Raises:
        ConfigError: unknown pooling, or a layer without a rule.
    """
    if pooling not in POOLINGS:
        raise ConfigError(
            f"twin_pooling {pooling!r}: expected one of {', '.join(POOLINGS)}"
        )
    twin = keras.models.clone_model(
        features,
        clone_function=lambda layer: layer,
        call_function=_AtrousRules(features, pooling),
    )
    return keras.Model(twin.input, twin.output, name="target_extractor")


class _AtrousRules:
    """Calls each layer of an extractor as its twin needs it."""

    def __init__(self, features: keras.Model, pooling: str):
        self._pooling = pooling
        self._reduced_before = False
        self._consumers = defaultdict(list)
        self._padded = set()
        for node in nodes_in_order(features):
            for tensor in node.input_tensors:
                producer = tensor._keras_history.operation
                if isinstance(producer, keras.layers.ZeroPadding2D):
                    self._consumers[producer.name].append(node.operation)
                    self._padded.add(node.operation.name)

    def __call__(self, layer: keras.Layer, *args, **kwargs):
        """Calls one layer on the twin's tensors."""
        if isinstance(args[0], list) and len(set(map(_is_pooled, args[0]))) > 1:
            return self._weigh(layer, *args)
        if isinstance(layer, keras.layers.GlobalAveragePooling2D):
            return AtrousGlobalPooling(name=f"{layer.name}_atrous")(*args)
        if isinstance(layer, keras.layers.Reshape) and _is_pooled(args[0]):
            # The weights of all phases have their place already.
            return args[0]
        if is_pointwise(layer):
            return layer(*args, **kwargs)
        if isinstance(layer, keras.layers.ZeroPadding2D):
            return self._pad(layer, *args)
        if type(layer) not in _CONVOLUTIONS + _POOLS:
            raise _no_rule(layer, "this kind of layer")
        if _window(layer)[0] == 1:
            return layer(*args, **kwargs)
        if isinstance(layer, _POOLS):
            return self._pool(layer, *args)
        return self._convolve(layer, *args)

    def _weigh(self, layer: keras.Layer, inputs):
        if type(layer) is not keras.layers.Multiply or len(inputs) != 2:
            raise _no_rule(layer, "what is pooled over the frame")
        return AtrousMultiply(name=f"{layer.name}_atrous")(inputs)

    def _pad(self, layer: keras.Layer, inputs):
        begin, end = (
            same_value(axes, layer) for axes in zip(*layer.padding, strict=True)
        )
        ends = {
            _twin_end(consumer, begin, end)
            for consumer in self._consumers[layer.name]
        }
        if len(ends) > 1:
            raise _no_rule(layer, "padding for layers of different windows")
        return _padding(layer, 2 * begin, ends.pop())(inputs)

    def _pool(self, layer: keras.Layer, inputs):
        size, stride = _window(layer)
        padded = layer.name in self._padded
        pads_itself = layer.padding == "same" and isinstance(layer, _POOLS[0])
        if stride != 2 or not (padded or size == 2 or pads_itself):
            raise _no_rule(
                layer, "a pool but 2x2/2 or zero-padded with stride 2"
            )
        if not padded and size > 2:
            inputs = _same_padding(layer, size, stride)(inputs)
            padded = True
        padding = "valid" if padded else "same"
        name = f"{layer.name}_atrous"
        if self._pooling == "STRIDE":
            # Subsampling commutes with a dilated pool, and is cheaper first.
            return type(layer)(size, 1, padding, name=name)(
                _subsampling(layer, stride)(inputs)
            )
        return type(layer)(2 * size - 1, 2, padding, name=name)(inputs)

    def _convolve(self, layer: keras.Layer, inputs):
        size, stride = _window(layer)
        padding = layer.padding
        if size <= stride:
            padding = "same"  # Windows that do not overlap need no padding.
        if padding == "same" and (stride > 1 or size % 2 == 0):
            inputs = _same_padding(layer, size, stride)(inputs)
            padding = "valid"
        elif stride > 1 and layer.name not in self._padded:
            raise _no_rule(layer, f"stride {stride} without padding")
        outputs = AtrousConvolution(
            layer, padding, name=f"{layer.name}_atrous"
        )(inputs)
        return self._reduce(layer, outputs, stride) if stride > 1 else outputs

    def _reduce(self, layer: keras.Layer, inputs, stride: int):
        """Lowers the resolution as the stride of the convolution did."""
        is_root, self._reduced_before = not self._reduced_before, True
        if self._pooling == "STRIDE":
            return _subsampling(layer, stride)(inputs)
        takes_maximum = self._pooling == "PAPER" or (
            self._pooling == "ROOT_MAX" and is_root
        )
        pool = _POOLS[0] if takes_maximum else _POOLS[1]
        return pool(stride, name=f"{layer.name}_reduction")(inputs)


def _depthwise(inputs: tf.Tensor, kernel: tf.Tensor, padding: str) -> tf.Tensor:
    """Convolves maps with even sides depthwise, at dilation 2."""
    # TensorFlow dilates by this split too, but pads for odd sides as well; on
    # small maps working out how takes longer than the convolution itself.
    unpadded = [[0, 0], [0, 0]]
    phases = tf.space_to_batch(inputs, [2, 2], unpadded)
    outputs = tf.nn.depthwise_conv2d(phases, kernel, [1, 1, 1, 1], padding)
    return tf.batch_to_space(outputs, [2, 2], unpadded)


def _window(layer: keras.Layer) -> tuple[int, int]:
    """Kernel size and stride of a convolution or pool that has a rule."""
    sizes = getattr(layer, "kernel_size", getattr(layer, "pool_size", None))
    size, stride = same_value(sizes, layer), same_value(layer.strides, layer)
    if same_value(getattr(layer, "dilation_rate", (1, 1)), layer) != 1:
        raise _no_rule(layer, "dilation already")
    if stride not in (1, 2, 4):
        raise _no_rule(layer, f"stride {stride}")
    return size, stride


def _twin_end(consumer: keras.Layer, begin: int, end: int) -> int:
    """Cells that the twin pads at the end, for the layer behind a padding."""
    size, stride = 1, 1
    if type(consumer) in _CONVOLUTIONS + _POOLS:
        size, stride = _window(consumer)
    if stride == 1:
        return 2 * end
    if (
        consumer.padding != "valid"
        or not size - stride <= begin + end <= size - 1
    ):
        raise _no_rule(
            consumer, f"stride {stride} that does not divide the sides"
        )
    # Further than doubled where the size asks for it, so that every window of
    # the extractor is a complete 2x2 group of windows here.
    return 2 * (size - 1 - begin)


def _padding(layer: keras.Layer, begin: int, end: int) -> keras.Layer:
    return keras.layers.ZeroPadding2D(
        ((begin, end), (begin, end)), name=f"{layer.name}_padding"
    )


def _same_padding(layer: keras.Layer, size: int, stride: int) -> keras.Layer:
    """Pads maps with even sides twice as wide as "same" does."""
    begin = max(size - stride, 0) // 2
    return _padding(layer, 2 * begin, 2 * (size - 1 - begin))


def _subsampling(layer: keras.Layer, stride: int) -> keras.Layer:
    """Keeps every second or fourth row and column."""
    return keras.layers.MaxPooling2D(1, stride, name=f"{layer.name}_reduction")


def _no_rule(layer: keras.Layer, found: str) -> ConfigError:
    return ConfigError(
        f"no target extractor can be made of layer {layer.name} "
        f"({type(layer).__name__}): there is no rule for {found}"
    )
