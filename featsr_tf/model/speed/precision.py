"""The numbers that layers compute with, and networks compiled by XLA."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator

import keras
import tensorflow as tf


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


class Compiled:
    """Calls a network, compiled by XLA where all shapes are known.

    XLA makes a program for each shape, which takes seconds. Where the number
    of proposals is known only when they are there, the network is called as
    it is: that number changes from image to image.

    Args:
        network: maps tensors to tensors by operations that XLA knows.
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
