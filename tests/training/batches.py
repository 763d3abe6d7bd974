"""Batches and records by hand, for a small threshold of 32 x 32 px."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from featsr_tf.config import Pipeline
from featsr_tf.data.keys import Batch
from featsr_tf.data.resize import half_image
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.model.small import small_pipeline

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


def pipeline_of_steps(
    readers: Sequence[str], *fields: str, steps: tuple[int, int, int]
) -> Pipeline:
    """The small config with a checkpoint at each of a few steps.

    Args:
        readers: overrides that name the records.
        steps: of each stage.
    """
    base, second, third = steps
    extension = "model.feature_super_resolution"
    return small_pipeline(
        *readers,
        f"train_config.num_steps={base}",
        f"{extension}.super_resolution_stage.num_steps={second}",
        f"{extension}.fine_tune_stage.num_steps={third}",
        f"{extension}.checkpoint_interval=1",
        *fields,
    )


def write_noise(folder: Path, num_images: int = 4) -> tuple[str, str]:
    """Writes records of noise images, each with a small and a large object.

    Args:
        folder: for the records and their label map.
        num_images: how many.

    Returns:
        Overrides of a config that name them.
    """
    boxes = np.array([box for _, box in (SMALL, LARGE)]) / 64.0
    path = write_records(
        folder / "train.record",
        [
            example(encode(noise_image(64, 64, number)), boxes, [1, 2])
            for number in range(num_images)
        ],
    )
    label_map = folder / "label_map.pbtxt"
    label_map.write_text(
        'item { id: 1 name: "round" }\nitem { id: 2 name: "square" }\n'
    )
    return (
        f"train_input_reader.label_map_path='{label_map}'",
        f"train_input_reader.tf_record_input_reader.input_path=['{path}']",
    )
