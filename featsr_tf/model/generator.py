"""The super-resolution feature generator (section 4.2, Figure 5)."""

import keras
from keras import ops

from featsr_tf.model import speed


class _Block(keras.layers.Layer):
    """What the blocks have in common.

    Args:
        hidden_channels: channels inside the block; 0 = as many as the input
            has.
    """

    def __init__(
        self, hidden_channels: int = 0, kernel_size: int = 3, **kwargs
    ):
        super().__init__(**kwargs)
        self.hidden_channels = hidden_channels
        self.kernel_size = kernel_size

    def first_channels(self, inputs, count: int):
        """Refines features `[n, k, k, C]`, of which the first are wanted.

        Returns:
            `[n, k, k, count]`.
        """
        return self(inputs)[..., :count]

    def compute_output_shape(self, input_shape):
        """Infers the shape of the output."""
        return input_shape

    def get_config(self):
        """Gives the constructor's arguments, for saving."""
        return {
            **super().get_config(),
            "hidden_channels": self.hidden_channels,
            "kernel_size": self.kernel_size,
        }


@keras.saving.register_keras_serializable("featsr_tf")
class ResidualBlock(_Block):
    """Two convolutions added to their input (Figure 5).

    The second convolution starts at zero, so that a new block is the identity.

    Args:
        hidden_channels: channels between the two convolutions; 0 = as many as
            the input has, as in the paper.
    """

    def build(self, input_shape):
        """Makes the variables."""
        channels = input_shape[-1]
        hidden = self.hidden_channels or channels
        self.first = self._rectified("first", hidden, self.kernel_size)
        self.second = speed.WinogradConv2D(
            channels,
            self.kernel_size,
            padding="same",
            kernel_initializer="zeros",
            name="second",
        )
        self.first.build(input_shape)
        self.second.build((*input_shape[:-1], hidden))

    def _rectified(self, name: str, filters: int, kernel_size: int):
        return speed.WinogradConv2D(
            filters,
            kernel_size,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=name,
        )

    def call(self, inputs):
        """Refines features; `[n, k, k, C]` to the same shape."""
        return inputs + self.second(self._hidden(inputs))

    def _hidden(self, inputs):
        return self.first(inputs)

    def first_channels(self, inputs, count: int):
        """Leaves out the other filters; see `_Block.first_channels`."""
        found = self.second.first_filters(self._hidden(inputs), count)
        return inputs[..., :count] + found


@keras.saving.register_keras_serializable("featsr_tf")
class BottleneckBlock(ResidualBlock):
    """A residual block that mixes cells in few channels (He et al., 2016).

    Convolutions of kernel 1 lead to the hidden channels and back. With as many
    hidden channels it takes a fraction of the products of `ResidualBlock`.
    `kernel_size` is that of the convolution between the two of kernel 1.
    """

    def build(self, input_shape):
        """Makes the variables."""
        channels = input_shape[-1]
        hidden = self.hidden_channels or channels
        hidden_shape = (*input_shape[:-1], hidden)
        self.first = self._rectified("first", hidden, 1)
        self.middle = self._rectified("middle", hidden, self.kernel_size)
        self.second = speed.BiasedConv2D(
            channels, 1, kernel_initializer="zeros", name="second"
        )
        self.first.build(input_shape)
        self.middle.build(hidden_shape)
        self.second.build(hidden_shape)

    def _hidden(self, inputs):
        return self.middle(self.first(inputs))


@keras.saving.register_keras_serializable("featsr_tf")
class ChannelAttentionBlock(ResidualBlock):
    """A residual block whose channels are weighted (Zhang et al., RCAN, 2018).

    The weights, 0 to 1, are found from the means of the channels over all
    cells.

    Args:
        hidden_channels: see `ResidualBlock`.
        reduction: channels per unit of the layer between means and weights,
            16 in RCAN.
    """

    def __init__(
        self,
        hidden_channels: int = 0,
        kernel_size: int = 3,
        reduction: int = 16,
        **kwargs,
    ):
        super().__init__(hidden_channels, kernel_size, **kwargs)
        self.reduction = reduction

    def build(self, input_shape):
        """Makes the variables."""
        super().build(input_shape)
        channels = input_shape[-1]
        units = max(channels // self.reduction, 1)
        self.squeeze = keras.layers.Dense(
            units, activation="relu", name="squeeze"
        )
        self.excite = keras.layers.Dense(
            channels, activation="sigmoid", name="excite"
        )
        self.squeeze.build((input_shape[0], 1, 1, channels))
        self.excite.build((input_shape[0], 1, 1, units))

    def call(self, inputs):
        """Refines features; `[n, k, k, C]` to the same shape."""
        found = self.second(self.first(inputs))
        return inputs + found * self.excite(self.squeeze(_mean_cell(found)))

    # The weight of a channel depends on all of them.
    first_channels = _Block.first_channels

    def get_config(self):
        """Gives the constructor's arguments, for saving."""
        return {**super().get_config(), "reduction": self.reduction}


@keras.saving.register_keras_serializable("featsr_tf")
class NafBlock(_Block):
    """A block without activations (Chen et al., NAFNet, 2022).

    The first half mixes cells: layer normalization, convolutions of kernel 1
    and depthwise, a gate, weights of the channels, a convolution of kernel 1.
    The second half mixes channels: layer normalization and two convolutions of
    kernel 1 with a gate between. Each half is added to its input times a scale
    per channel that starts at zero.

    Args:
        hidden_channels: channels behind each gate, of twice as many before
            it; 0 = as many as the input has, as in NAFNet.
    """

    def build(self, input_shape):
        """Makes the variables."""
        *others, channels = input_shape
        hidden = self.hidden_channels or channels
        gated, ungated = (*others, hidden), (*others, 2 * hidden)

        def add(make, shape, name, *arguments, **options):
            layer = make(*arguments, name=name, **options)
            layer.build(shape)
            return layer

        layers = keras.layers
        norm = layers.LayerNormalization
        conv = speed.BiasedConv2D
        self.cell_norm = add(norm, input_shape, "cell_norm", epsilon=1e-6)
        self.cell_expand = add(conv, input_shape, "cell_expand", 2 * hidden, 1)
        self.depthwise = add(
            layers.DepthwiseConv2D,
            ungated,
            "depthwise",
            self.kernel_size,
            padding="same",
        )
        self.attention = add(layers.Dense, gated, "attention", hidden)
        self.cell_project = add(conv, gated, "cell_project", channels, 1)
        self.channel_norm = add(norm, input_shape, "channel_norm", epsilon=1e-6)
        self.channel_expand = add(
            conv, input_shape, "channel_expand", 2 * hidden, 1
        )
        self.channel_project = add(conv, gated, "channel_project", channels, 1)
        self.cell_scale = self.add_weight(
            shape=(channels,), initializer="zeros", name="cell_scale"
        )
        self.channel_scale = self.add_weight(
            shape=(channels,), initializer="zeros", name="channel_scale"
        )

    def call(self, inputs):
        """Refines features; `[n, k, k, C]` to the same shape."""
        features = inputs + self.cell_scale * self._mix_cells(inputs)
        return features + self.channel_scale * self._mix_channels(features)

    def _mix_cells(self, inputs):
        hidden = self.depthwise(self.cell_expand(self.cell_norm(inputs)))
        hidden = _gate(hidden)
        return self.cell_project(hidden * self.attention(_mean_cell(hidden)))

    def _mix_channels(self, inputs):
        hidden = self.channel_expand(self.channel_norm(inputs))
        return self.channel_project(_gate(hidden))


def _gate(features):
    """Multiplies one half of the channels by the other."""
    first, second = ops.split(features, 2, axis=-1)
    return first * second


def _mean_cell(features):
    """Averages over cells: `[n, k, k, C]` to `[n, 1, 1, C]`."""
    return ops.mean(features, axis=(1, 2), keepdims=True)


BLOCKS = {
    "RESIDUAL": ResidualBlock,
    "BOTTLENECK": BottleneckBlock,
    "CHANNEL_ATTENTION": ChannelAttentionBlock,
    "NAF": NafBlock,
}


@keras.saving.register_keras_serializable("featsr_tf")
class Generator(keras.layers.Layer):
    """Refines pooled features of small proposals (section 4.2, Figure 5).

    Base and sub features are concatenated, refined by B blocks, and the base
    part is sliced off at the end. A new generator returns its base input
    unchanged.

    Args:
        hidden_channels: see the blocks.
        block: a key of `BLOCKS`; the paper's is "RESIDUAL".

    Example:
        >>> base, sub = ops.ones([4, 7, 7, 64]), ops.ones([4, 7, 7, 32])
        >>> bool(ops.all(Generator()(base, sub) == base))
        True
    """

    def __init__(
        self,
        residual_blocks: int = 2,
        hidden_channels: int = 0,
        kernel_size: int = 3,
        block: str = "RESIDUAL",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.residual_blocks = residual_blocks
        self.hidden_channels = hidden_channels
        self.kernel_size = kernel_size
        self.block = block
        self.blocks = [
            BLOCKS[block](hidden_channels, kernel_size, name=f"block{i + 1}")
            for i in range(residual_blocks)
        ]
        for layer in self.blocks:
            # TensorFlow's checkpoints hold attributes, but nothing in a list.
            setattr(self, layer.name, layer)

    def build(self, base_shape, sub_shape):
        """Makes the variables."""
        channels = base_shape[-1] + sub_shape[-1]
        for block in self.blocks:
            block.build((*base_shape[:-1], channels))

    def call(self, base, sub):
        """Super-resolves features.

        Args:
            base: `[n, k, k, C]` pooled features of the base layer, F.
            sub: `[n, k, k, C_sub]` pooled features of the sub layer, F_sub.

        Returns:
            `[n, k, k, C]` super-resolved features S.
        """
        features = ops.concatenate([base, sub], axis=-1)
        *blocks, last = self.blocks
        for block in blocks:
            features = block(features)
        return last.first_channels(features, base.shape[-1])

    def start_from(self, extractor: keras.Model) -> None:
        """Starts as the identity, whatever the extractor is."""

    def for_inference(self) -> "Generator":
        """Gives the generator: it has no batch normalization to fold."""
        return self

    def compute_output_shape(self, base_shape, sub_shape):
        """Infers the shape of the output."""
        return base_shape

    def get_config(self):
        """Gives the constructor's arguments, for saving."""
        return {
            **super().get_config(),
            "residual_blocks": self.residual_blocks,
            "hidden_channels": self.hidden_channels,
            "kernel_size": self.kernel_size,
            "block": self.block,
        }
