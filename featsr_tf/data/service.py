"""Examples decoded by other processes, through TensorFlow's data service.

Every server of `python -m featsr_tf.data_service` is a dispatcher with one
worker of its own. The k-th server decodes each k-th example, and the results
are taken in turn: the same images in the same order as without any server.
"""

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from featsr_tf.data.batching import Share
from featsr_tf.errors import ConfigError
from featsr_tf.errors import WorkerError

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


def mapped_by_services(
    numbered: tf.data.Dataset,
    function: Callable[[tf.Tensor, tf.Tensor], Any],
    share: Share,
    first: int,
    services: Sequence[str],
) -> tf.data.Dataset:
    """Lets servers compute a function of every example.

    Args:
        numbered: of `own_examples`; what it reads must have the same paths
            where the servers run.
        function: of a running number and an example.
        share: what this worker sees.
        first: running number of the first example of all.
        services: addresses, `grpc://host:port`.

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
    rows = share.rows

    def checked(position: tf.Tensor, answer: tuple[tf.Tensor, Any]) -> Any:
        batch, row = position // len(rows), position % len(rows)
        expected = first + batch * share.batch_size + rows.start + row
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
    """Refuses addresses at which nothing answers.

    Args:
        services: addresses, `grpc://host:port`.

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
def watched_services(
    services: Sequence[str],
    seconds: float = _SECONDS_BETWEEN_QUESTIONS,
    end: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Ends a training whose servers are gone, for which it would wait.

    Args:
        services: addresses, `grpc://host:port`.
        seconds: time between two questions whether they are there.
            Default 10.
        end: is called with an address where nothing answers any more;
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
