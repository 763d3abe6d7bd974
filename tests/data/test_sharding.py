"""Devices see every example of a batch once, whatever their number is."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.data.sharding import Shard
from featsr_tf.data.sharding import batch_for_devices
from featsr_tf.data.sharding import shard_examples

SHAPES = [
    (4, 1, 1),
    (4, 2, 1),
    (4, 4, 2),
    (5, 2, 2),
    (5, 4, 2),
    (2, 4, 4),
    (2, 8, 2),
    (1, 3, 3),
]


def parts_of(shard, num_batches, first=0):
    """Numbers of the examples on each device of a worker, batch by batch."""
    devices = shard.num_replicas // shard.num_workers
    numbered = tf.data.Dataset.counter(first).map(lambda n: (n, {"n": n}))
    examples = shard_examples(numbered, shard).map(lambda _, example: example)
    batches = batch_for_devices(examples, shard)
    assert batches.element_spec["n"].shape == [shard.size]
    found = list(batches.take(num_batches * devices).as_numpy_iterator())
    return [
        found[number * devices : (number + 1) * devices]
        for number in range(num_batches)
    ]


def counted_numbers(part):
    """Numbers of those examples of a device that count."""
    counted = part.get(Batch.EXAMPLE_MASK, np.ones(len(part["n"])))
    assert set(counted) <= {0.0, 1.0}
    return part["n"][counted > 0].tolist()


@pytest.mark.parametrize(("batch_size", "replicas", "workers"), SHAPES)
def test_all_devices_together_see_every_example_once(
    batch_size, replicas, workers
):
    seen = []
    for worker in range(workers):
        shard = Shard(batch_size, replicas, workers, worker)
        seen.append(parts_of(shard, num_batches=3))
    for number in range(3):
        parts = [part for found in seen for part in found[number]]
        assert len(parts) == replicas
        numbers = [n for part in parts for n in counted_numbers(part)]
        first = number * batch_size
        # No overlap, nothing left out, in the order of the batch.
        assert numbers == list(range(first, first + batch_size))


def test_by_hand_five_examples_on_four_devices_of_two_workers():
    first = parts_of(Shard(5, 4, 2, 0), 2)
    assert [[part["n"].tolist() for part in batch] for batch in first] == [
        [[0, 1], [2, 3]],
        [[5, 6], [7, 8]],
    ]
    second = parts_of(Shard(5, 4, 2, 1), 2)
    # Copies of the last example pad the batch.
    assert [[part["n"].tolist() for part in batch] for batch in second] == [
        [[4, 4], [4, 4]],
        [[9, 9], [9, 9]],
    ]
    counted = [part[Batch.EXAMPLE_MASK].tolist() for part in second[0]]
    assert counted == [[1.0, 0.0], [0.0, 0.0]]


def test_a_worker_decodes_none_but_its_own_rows():
    shard = Shard(6, 3, 3, 1)
    numbered = tf.data.Dataset.range(18).map(lambda n: (n, n))
    own = shard_examples(numbered, shard).map(lambda number, _: number)
    assert list(own.as_numpy_iterator()) == [2, 3, 8, 9, 14, 15]


def test_a_shard_continues_at_any_batch():
    shard = Shard(5, 4, 2, 1)
    whole = parts_of(shard, 3)
    rest = parts_of(shard, 2, first=5)
    for ours, theirs in zip(rest, whole[1:], strict=True):
        for mine, yours in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine["n"], yours["n"])
