"""Which rows of every batch are whose, where several devices train.

A batch is made of examples with running numbers, of which every device has
equally many. Each worker decodes its own examples alone, so that no two do the
same work.
"""

import dataclasses
from typing import Any

import tensorflow as tf

from featsr_tf.data.keys import Batch

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
