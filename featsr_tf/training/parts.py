"""What a stage has seen in a batch: rows of images, or of proposals."""

from typing import Any

import tensorflow as tf

from featsr_tf.data.keys import Batch


class Part:
    """Names of what `Stage.look` sees.

    Attributes:
        SMALL: `SampledProposals` for the small predictor.
        SMALL_INPUTS: what the refiner sees of them, F first.
        PAIR_WEIGHTS: `[B, K]`, 0 where fewer pairs could be had.
        PAIR_INPUTS: what the refiner sees of the pairs, F^0.5 first. Not
            there where the pairs are the small proposals themselves.
        TARGETS: `[B, K, k, k, C]` targets of the pairs, T^1.0.
        LARGE: `SampledProposals` for the large predictor.
        LARGE_FEATURES: `[B, K, k, k, C]` their features, F.
        NUMBERS: `[B]` int64, running number of the example that a row is of,
            where it comes from a cache.
    """

    SMALL = "small"
    SMALL_INPUTS = "small_inputs"
    PAIR_WEIGHTS = "pair_weights"
    PAIR_INPUTS = "pair_inputs"
    TARGETS = "targets"
    LARGE = "large"
    LARGE_FEATURES = "large_features"
    NUMBERS = "numbers"


def counted(batch: dict[str, tf.Tensor], weights: tf.Tensor) -> tf.Tensor:
    """Takes the weights from images that stand in for missing ones.

    Args:
        batch: see `Batch`.
        weights: `[B, K]`.

    Returns:
        `[B, K]`, 0 for images that do not count.
    """
    if Batch.COUNTED not in batch:
        return weights
    return weights * batch[Batch.COUNTED][:, None]


def per_image(parts: Any, batch_size: int) -> Any:
    """Gives the rows of a batch a dimension for the image.

    Args:
        parts: tensors `[B * K, ...]`, in any structure.
        batch_size: B.

    Returns:
        The same with `[B, K, ...]`.
    """
    return tf.nest.map_structure(
        lambda x: tf.reshape(x, [batch_size, -1, *x.shape[1:]]), parts
    )


def of_batch(parts: Any) -> Any:
    """Lists the rows of all images one after the other.

    Args:
        parts: tensors `[B, K, ...]`, in any structure.

    Returns:
        The same with `[B * K, ...]`.
    """
    return tf.nest.map_structure(
        lambda x: tf.reshape(x, [-1, *x.shape[2:]]), parts
    )
