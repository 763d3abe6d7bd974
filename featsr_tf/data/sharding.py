"""Who decodes which examples of every batch: workers, devices, data services.

A batch is made of examples with running numbers, of which every device has
equally many. Each worker decodes only its own shard of them.

Every server of `python -m featsr_tf.data_service` is a dispatcher with its own
worker. The k-th server decodes each k-th example, and the results are taken in
turn: the same images in the same order as without any server.
"""

import contextlib
import dataclasses
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.errors import ConfigError
from featsr_tf.errors import WorkerError

_PREFETCHED_BATCHES = 2
_PROTOCOL = "grpc://"
_SECONDS_TO_ANSWER = 5
_SECONDS_BETWEEN_QUESTIONS = 10.0
# That often a server may leave a question open.
_PATIENCE = 3
_GO_ON = (
    "start it again, then the same command: it continues after the last "
    "checkpoint"
)
_PARALLEL_CALLS = tf.data.AUTOTUNE


@dataclasses.dataclass(frozen=True)
class Shard:
    """What a worker sees of every batch.

    Where the batch cannot be split evenly, the last devices get padding
    examples, which the example mask takes out of every loss.

    Args:
        worker: which of them, from 0.
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


def shard_examples(numbered: tf.data.Dataset, shard: Shard) -> tf.data.Dataset:
    """Leaves out the examples of other workers.

    `numbered` are endless pairs of a running number and an example; number 0
    is in row 0.
    """
    rows = shard.rows
    if len(rows) == shard.batch_size:
        return numbered

    def is_own(number: tf.Tensor, _: Any) -> tf.Tensor:
        row = number % shard.batch_size
        return (row >= rows.start) & (row < rows.stop)

    return numbered.filter(is_own)


def batch_for_devices(
    examples: tf.data.Dataset, shard: Shard
) -> tf.data.Dataset:
    """Makes the batches of a worker's devices from its examples, dicts.

    Returns:
        Endless: of each batch the part of the first device, of the second and
        so on, with static shapes. Where there are padding examples,
        `Batch.EXAMPLE_MASK` tells which.
    """
    if shard.places.stop <= shard.batch_size:
        batches = examples.batch(shard.size, drop_remainder=True)
    else:
        batches = examples.batch(len(shard.rows), drop_remainder=True)
        batches = batches.map(lambda batch: _pad_examples(batch, shard))
        batches = batches.rebatch(shard.size, drop_remainder=True)
    # So that no device asks the others at every step whether there is more.
    endless = tf.data.experimental.assert_cardinality(
        tf.data.INFINITE_CARDINALITY
    )
    return batches.apply(endless)


def prefetch(batches: tf.data.Dataset, num_devices: int = 1) -> tf.data.Dataset:
    """Prepares batches, one for each device in turn, while devices are busy."""
    return batches.prefetch(_PREFETCHED_BATCHES * num_devices)


def _pad_examples(batch: dict[str, Any], shard: Shard) -> dict[str, Any]:
    rows = [min(place, shard.rows.stop - 1) for place in shard.places]
    own = tf.constant(rows) - shard.rows.start
    padded = tf.nest.map_structure(lambda x: tf.gather(x, own), batch)
    mask = [float(place < shard.batch_size) for place in shard.places]
    return {**padded, Batch.EXAMPLE_MASK: tf.constant(mask)}


def map_by_services(
    numbered: tf.data.Dataset,
    function: Callable[[tf.Tensor, tf.Tensor], Any],
    shard: Shard,
    first: int,
    services: Sequence[str],
) -> tf.data.Dataset:
    """Lets servers compute a function of every example.

    Args:
        numbered: of `shard_examples`; what it reads must have the same paths
            where the servers run.

    Returns:
        What the function gives, in the order of the examples. One that is
        missing, or there twice, is an `InvalidArgumentError`.
    """

    def part(position: int, address: str) -> tf.data.Dataset:
        return (
            numbered.shard(len(services), position)
            .map(
                lambda number, example: (number, function(number, example)),
                num_parallel_calls=_PARALLEL_CALLS,
            )
            .apply(
                tf.data.experimental.service.distribute(
                    tf.data.experimental.service.ShardingPolicy.OFF, address
                )
            )
        )

    parts = [part(*pair) for pair in enumerate(services)]
    turns = tf.data.Dataset.range(len(parts)).repeat()
    dataset = tf.data.Dataset.choose_from_datasets(parts, turns).enumerate()
    rows = shard.rows

    def checked(position: tf.Tensor, answer: tuple[tf.Tensor, Any]) -> Any:
        batch, row = position // len(rows), position % len(rows)
        expected = first + batch * shard.batch_size + rows.start + row
        number, example = answer
        with tf.control_dependencies(
            [
                tf.debugging.assert_equal(
                    number,
                    expected,
                    "a data service left examples out or sent them twice",
                )
            ]
        ):
            return tf.nest.map_structure(tf.identity, example)

    return dataset.map(checked)


def check_services(services: Sequence[str]) -> None:
    """Refuses addresses, `grpc://host:port`, at which nothing answers.

    Raises:
        ConfigError: which one, and why.
    """
    for address in services:
        _, colon, port = address.removeprefix(_PROTOCOL).rpartition(":")
        has_port = colon and port.isdecimal()
        if not address.startswith(_PROTOCOL) or not has_port:
            raise ConfigError(
                f"--data_service {address}: expected {_PROTOCOL}host:port"
            )
        try:
            _ask(address)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"--data_service {address}: nothing answers there ({error}); "
                "start `python -m featsr_tf.data_service` on that machine first"
            ) from None


def _ask(address: str) -> None:
    host, _, port = address.removeprefix(_PROTOCOL).rpartition(":")
    socket.create_connection((host, int(port)), _SECONDS_TO_ANSWER).close()


@contextlib.contextmanager
def watch_services(
    services: Sequence[str],
    seconds: float = _SECONDS_BETWEEN_QUESTIONS,
    end: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Ends a training whose servers are gone, for which it would wait.

    Args:
        seconds: time between two questions whether they are there.
        end: called with an address where nothing answers any more; the
            default ends the process with one line.

    Raises:
        WorkerError: a server is there, but started anew.
    """
    done = threading.Event()

    def watch() -> None:
        open_questions = dict.fromkeys(services, 0)
        while not done.wait(seconds):
            for address in services:
                try:
                    _ask(address)
                    open_questions[address] = 0
                except OSError:
                    open_questions[address] += 1
                if open_questions[address] == _PATIENCE:
                    (end or _end)(address)
                    return

    if services:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except tf.errors.NotFoundError as error:
        if not services:
            raise
        raise WorkerError(
            f"a data service ({', '.join(services)}) has stopped; {_GO_ON}"
        ) from error
    finally:
        done.set()


def _end(address: str) -> None:
    """Ends the process: what waits in TensorFlow cannot be interrupted."""
    print(
        f"\nerror: --data_service {address}: nothing answers there any more; "
        f"{_GO_ON}",
        file=sys.stderr,
        flush=True,
    )
    os._exit(WorkerError.exit_code)
