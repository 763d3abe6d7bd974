"""Networks compiled by XLA, where that is possible."""

from collections.abc import Callable

import tensorflow as tf


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
