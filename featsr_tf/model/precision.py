"""The numbers that layers compute with."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def computing_in(precision: str) -> Iterator[None]:
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
