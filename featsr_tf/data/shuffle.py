"""Endless shuffled records that can be entered at any place."""

import math
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from featsr_tf.data.frames import Offsets
from featsr_tf.data.good_records import file_reader

_MEGABYTE = 2**20
_FILES_READ_AT_ONCE = 4


def shuffled_records(
    paths: Sequence[str],
    num_records: int,
    seed: int,
    skip: int = 0,
    buffer_mb: float = 64,
    offsets: Offsets | None = None,
) -> tf.data.Dataset:
    """Serialized records, each epoch all of them in an order of its own.

    `Dataset.shuffle` is not used: its order depends on the global seed too,
    and to skip epochs it has to read them. Here stateless seeds permute
    the files and then blocks of records that follow each other.

    Args:
        paths: TFRecord files.
        num_records: number of records in all files; reading another number
            of them is a `FailedPreconditionError`.
        seed: seed of the order, 0 or more.
        skip: how many records to leave out at the beginning.
        buffer_mb: how much a block may hold, in megabytes.
        offsets: where the good records begin, of files that hold bad ones
            too. Default: all are good.

    Returns:
        An endless dataset of `[]` strings.
    """
    files = list(paths)

    def records(epoch_seed: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(files, epoch_seed)
        return tf.data.Dataset.from_tensor_slices(order).interleave(
            file_reader(files, offsets or {}),
            cycle_length=min(_FILES_READ_AT_ONCE, len(files)),
        )

    block_size = _block_size(files, num_records, buffer_mb)
    return shuffled_blocks(records, num_records, block_size, seed, skip)


def shuffled_blocks(
    records: Callable[[tf.Tensor], tf.data.Dataset],
    num_records: int,
    block_size: int,
    seed: int,
    skip: int = 0,
) -> tf.data.Dataset:
    """Endless epochs, in each of which blocks of records are permuted.

    Args:
        records: makes the records of an epoch, of any structure, from the
            epoch's own seed `[2]`.
        num_records: their number; another number of them is a
            `FailedPreconditionError`.
        block_size: how many records that follow each other are permuted.
        seed: seed of the order, 0 or more.
        skip: how many records to leave out at the beginning.

    Returns:
        An endless dataset of records.
    """

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        own_seed = tf.stack([tf.constant(seed, tf.int64), number])
        # A file cut between two records raises no error by itself.
        blocks = records(own_seed).apply(
            tf.data.experimental.assert_cardinality(num_records)
        )
        blocks = blocks.batch(block_size).enumerate()
        return blocks.map(
            lambda i, block: _permuted(block, own_seed, i)
        ).unbatch()

    first_epoch, skipped = divmod(skip, num_records)
    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    return epochs.flat_map(epoch).skip(skipped)


def _permuted(block: Any, seed: tf.Tensor, number: tf.Tensor) -> Any:
    own_seed = tf.random.experimental.stateless_fold_in(seed, number)
    size = tf.shape(tf.nest.flatten(block)[0])[0]
    order = tf.random.experimental.stateless_shuffle(tf.range(size), own_seed)
    return tf.nest.map_structure(lambda x: tf.gather(x, order), block)


def _block_size(
    paths: Sequence[str], num_records: int, buffer_mb: float
) -> int:
    """Records per block, so that about equal blocks fit into the buffer."""
    file_sizes = [tf.io.gfile.stat(path).length for path in paths]
    num_blocks = math.ceil(sum(file_sizes) / _MEGABYTE / buffer_mb)
    return math.ceil(num_records / max(num_blocks, 1))
