"""Which rows of every batch are whose, where several devices train.

A batch is made of examples with running numbers, of which every device has
equally many. Each worker decodes its own examples alone, so that no two do the
same work.
"""

import dataclasses
import math
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from featsr_tf.data.corrupt_records import file_reader
from featsr_tf.data.keys import Batch
from featsr_tf.data.tfrecord_files import Offsets

_PREFETCHED_BATCHES = 2


@dataclasses.dataclass(frozen=True)
class Share:
    """What a worker sees of every batch.

    Where the batch cannot be shared out evenly, the last devices get examples
    that stand in for missing ones and count for nothing.

    Args:
        batch_size: examples per batch, of all devices together.
        num_replicas: number of all devices. Default 1.
        num_workers: number of workers, of equally many devices. Default 1.
        worker: which of them, from 0. Default 0.
    """

    batch_size: int
    num_replicas: int = 1
    num_workers: int = 1
    worker: int = 0

    @property
    def size(self) -> int:
        """Examples of one device."""
        return -(-self.batch_size // self.num_replicas)

    @property
    def num_devices(self) -> int:
        """Number of the worker's devices."""
        return self.num_replicas // self.num_workers

    @property
    def places(self) -> range:
        """Places of the worker among those of all devices."""
        count = self.size * self.num_devices
        return range(self.worker * count, (self.worker + 1) * count)

    @property
    def rows(self) -> range:
        """Rows of the batch that the worker decodes, one at least."""
        last = self.batch_size - 1
        return range(
            min(self.places.start, last), min(self.places.stop, last + 1)
        )


def own_examples(numbered: tf.data.Dataset, share: Share) -> tf.data.Dataset:
    """Leaves out the examples of other workers.

    Args:
        numbered: endless pairs of a running number and an example; number 0
            is in row 0.
        share: what the worker sees.

    Returns:
        The pairs that it sees.
    """
    rows = share.rows
    if len(rows) == share.batch_size:
        return numbered

    def is_own(number: tf.Tensor, _: Any) -> tf.Tensor:
        row = number % share.batch_size
        return (row >= rows.start) & (row < rows.stop)

    return numbered.filter(is_own)


def batches_of_devices(
    examples: tf.data.Dataset, share: Share
) -> tf.data.Dataset:
    """Makes the batches of a worker's devices, ahead of time.

    Args:
        examples: dicts, those of `own_examples`.
        share: what the worker sees.

    Returns:
        Endless: of each batch the part of the first device, of the second and
        so on, with static shapes. Where there are examples that stand in,
        `Batch.COUNTED` tells which.
    """
    if share.places.stop <= share.batch_size:
        batches = examples.batch(share.size, drop_remainder=True)
    else:
        batches = examples.batch(len(share.rows), drop_remainder=True)
        batches = batches.map(lambda batch: _filled_up(batch, share))
        batches = batches.rebatch(share.size, drop_remainder=True)
    # So that no device asks the others at every step whether there is more.
    endless = tf.data.experimental.assert_cardinality(
        tf.data.INFINITE_CARDINALITY
    )
    return batches.apply(endless)


def made_ahead(
    batches: tf.data.Dataset, num_devices: int = 1
) -> tf.data.Dataset:
    """Prepares batches while the devices are busy with others.

    Args:
        batches: one for each device in turn.
        num_devices: number of devices. Default 1.

    Returns:
        The same batches.
    """
    return batches.prefetch(_PREFETCHED_BATCHES * num_devices)


def _filled_up(batch: dict[str, Any], share: Share) -> dict[str, Any]:
    rows = [min(place, share.rows.stop - 1) for place in share.places]
    own = tf.constant(rows) - share.rows.start
    filled = tf.nest.map_structure(lambda x: tf.gather(x, own), batch)
    counted = [float(place < share.batch_size) for place in share.places]
    return {**filled, Batch.COUNTED: tf.constant(counted)}


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
