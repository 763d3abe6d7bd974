"""The super-resolution feature generator (section 4.2, Figure 5)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("featsr_tf")
class ResidualBlock(keras.layers.Layer):
    """Two convolutions added to their input (Figure 5).

    The second convolution starts at zero, so that a new block is the identity.

    Args:
        hidden_channels: channels between the two convolutions; 0 = as many as
            the input has, as in the paper. Default 0.
        kernel_size: side of both convolutions. Default 3.
    """

    def __init__(
        self, hidden_channels: int = 0, kernel_size: int = 3, **kwargs
    ):
        super().__init__(**kwargs)
        self.hidden_channels = hidden_channels
        self.kernel_size = kernel_size

    def build(self, input_shape):
        """Makes the variables."""
        channels = input_shape[-1]
        hidden = self.hidden_channels or channels
        self.first = keras.layers.Conv2D(
            hidden,
            self.kernel_size,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name="first",
        )
        self.second = keras.layers.Conv2D(
            channels,
            self.kernel_size,
            padding="same",
            kernel_initializer="zeros",
            name="second",
        )
        self.first.build(input_shape)
        self.second.build((*input_shape[:-1], hidden))

    def call(self, inputs):
        """Refines features; `[n, k, k, C]` to the same shape."""
        return inputs + self.second(self.first(inputs))

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
class Generator(keras.layers.Layer):
    """Refines pooled features of small proposals (section 4.2, Figure 5).

    Base and sub features are concatenated, refined by B residual blocks, and
    the base part is sliced off at the end. A new generator returns its base
    input unchanged.

    Args:
        residual_blocks: B, number of residual blocks. Default 2.
        hidden_channels: see `ResidualBlock`. Default 0.
        kernel_size: side of the convolutions. Default 3.

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
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.residual_blocks = residual_blocks
        self.hidden_channels = hidden_channels
        self.kernel_size = kernel_size
        self.blocks = [
            ResidualBlock(hidden_channels, kernel_size, name=f"block{i + 1}")
            for i in range(residual_blocks)
        ]
        for block in self.blocks:
            # TensorFlow's checkpoints hold attributes, but nothing in a list.
            setattr(self, block.name, block)

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
        for block in self.blocks:
            features = block(features)
        return features[..., : base.shape[-1]]

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
        }
