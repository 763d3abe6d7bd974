"""The super-resolution feature generator (section 4.2, Figure 5)."""

import keras
from keras import ops

from featsr_tf.model.generator_blocks import BottleneckBlock
from featsr_tf.model.generator_blocks import ChannelAttentionBlock
from featsr_tf.model.generator_blocks import NafBlock
from featsr_tf.model.generator_blocks import ResidualBlock

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
        residual_blocks: B, number of blocks. Default 2.
        hidden_channels: see the blocks. Default 0.
        kernel_size: see the blocks. Default 3.
        block: a key of `BLOCKS`. Default "RESIDUAL", that of the paper.

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
