"""Batches by hand, for a small threshold of 32 x 32 px."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.data.resize import half_image

# Class and box of objects on an image of 64 x 64 px: 400 px^2, and 1936 px^2
# or 1.9 times the threshold, which also makes a pair.
SMALL = (1, (4.0, 4.0, 24.0, 24.0))
LARGE = (2, (10.0, 10.0, 54.0, 54.0))


def make_batch(
    *images: Sequence, room: int = 3, ignored: Sequence = ()
) -> dict[str, tf.Tensor]:
    """A batch of noise images of 64 x 64 px.

    Args:
        *images: the objects of each image.
        room: boxes per image with padding.
        ignored: those of the objects that are crowds.
    """
    shape = (len(images), room)
    boxes = np.zeros((*shape, 4), "float32")
    classes = np.zeros(shape, "int32")
    is_ignored = np.zeros(shape, bool)
    for row, objects in enumerate(images):
        for column, item in enumerate(objects):
            classes[row, column], boxes[row, column] = item
            is_ignored[row, column] = item in ignored
    generator = np.random.default_rng(3)
    pixels = tf.constant(
        generator.uniform(0, 255, (len(images), 64, 64, 3)), tf.float32
    )
    return {
        Batch.IMAGES: pixels,
        Batch.HALF_IMAGES: half_image(pixels),
        Batch.IMAGE_SIZES: tf.fill([len(images), 2], 64.0),
        Batch.SCALES: tf.ones([len(images), 2]),
        Batch.BOXES: tf.constant(boxes),
        Batch.CLASSES: tf.constant(classes),
        Batch.IGNORED: tf.constant(is_ignored),
        Batch.SEEDS: tf.constant([[7, row] for row in range(len(images))]),
    }
