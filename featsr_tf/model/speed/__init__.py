"""What only makes the model fast; results stay the same but for rounding.

The rest of the package knows this room by the names below alone:

- `FoldedCall` calls a network with its frozen batch normalization folded into
  the convolutions, `folded_copy` copies it so, `unfolded_weights` leads back
  from such a copy, `XlaCall` compiles it;
- `PolyphaseCall` computes the atrous twin without dilation;
- `BiasedConv2D` and `WinogradConv2D` are convolutions for 16 bits and for the
  small maps of pooled features;
- `dtype_policy_scope` chooses the numbers that layers compute with.
"""

import contextlib
from collections.abc import Iterator

import keras

from featsr_tf.model.speed.folding import FoldedCall
from featsr_tf.model.speed.folding import XlaCall
from featsr_tf.model.speed.folding import folded_copy
from featsr_tf.model.speed.folding import unfolded_weights
from featsr_tf.model.speed.polyphase import PolyphaseCall
from featsr_tf.model.speed.winograd import BiasedConv2D
from featsr_tf.model.speed.winograd import WinogradConv2D


@contextlib.contextmanager
def dtype_policy_scope(precision: str) -> Iterator[None]:
    """Lets the layers that are made in a block compute with these numbers.

    Their variables are 32-bit floats, whatever they compute with. A layer that
    gives logits or coordinates, or is called with them, says `dtype="float32"`
    for itself.

    Args:
        precision: a dtype policy of Keras: "float32", "mixed_bfloat16" or
            "mixed_float16".
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
