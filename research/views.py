"""What training sees of records, but always the same, each record once."""

import dataclasses

import tensorflow as tf

from featsr_tf.config import Pipeline
from featsr_tf.data.build import training_options
from featsr_tf.data.input_pipeline import training_dataset
from featsr_tf.data.records import RecordFiles


def count_batches(pipeline: Pipeline, source: RecordFiles) -> int:
    """Tells how many full batches of views there are, at least one."""
    batch_size = pipeline.train_config.batch_size
    return max(source.summary.num_examples // batch_size, 1)


def fixed_views(
    pipeline: Pipeline, source: RecordFiles, with_half_images: bool = True
) -> tf.data.Dataset:
    """Makes one pass over records, cropped and augmented as for training.

    Order, crops and augmentation depend neither on the seed of the config
    nor on the machine, so that detectors can be compared view by view.

    Args:
        pipeline: The config.
        source: The records, such as those that judge.
        with_half_images: Whether I^0.5 is wanted. Default True.

    Returns:
        `count_batches` batches; see `Batch`.
    """
    options = training_options(
        pipeline, source, with_half_images=with_half_images
    )
    options = dataclasses.replace(options, seed=0)
    dataset = training_dataset(source, options)
    return dataset.take(count_batches(pipeline, source))
