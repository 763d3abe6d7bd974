"""Images that other processes decode are the same, each once, in order."""

import socket
import threading

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf import data_service
from featsr_tf.data.sharding import Shard
from featsr_tf.data.sharding import check_services
from featsr_tf.data.sharding import map_by_services
from featsr_tf.data.sharding import shard_examples
from featsr_tf.data.sharding import watch_services
from featsr_tf.errors import ConfigError
from featsr_tf.errors import WorkerError

SERVICE = tf.data.experimental.service


@pytest.fixture(scope="module")
def services():
    """Addresses of two servers in this process."""
    servers = []
    for _ in range(2):
        dispatcher = SERVICE.DispatchServer()
        address = dispatcher.target.removeprefix("grpc://")
        worker = SERVICE.WorkerServer(SERVICE.WorkerConfig(address))
        servers.append((dispatcher, worker))
    yield [dispatcher.target for dispatcher, _ in servers]


def numbered(count=7, first=0):
    """Running numbers over endless epochs of `count` records."""
    records = tf.data.Dataset.range(count).repeat().skip(first)
    return records.enumerate(start=first)


def square(number, record):
    return {"number": number, "square": record * record}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("first", [0, 8])
def test_every_example_comes_once_and_in_order(services, count, first):
    found = map_by_services(
        numbered(first=first), square, Shard(4), first, services[:count]
    ).take(21)
    expected = numbered(first=first).map(square).take(21)
    assert list(found.as_numpy_iterator()) == list(expected.as_numpy_iterator())


def test_a_worker_of_several_gets_its_own_rows(services):
    shard = Shard(4, 2, 2, 1)
    dataset = map_by_services(
        shard_examples(numbered(), shard), square, shard, 0, services
    )
    found = [item["number"] for item in dataset.take(6).as_numpy_iterator()]
    assert found == [2, 3, 6, 7, 10, 11]


def test_two_workers_at_one_dispatcher_are_noticed(services):
    """Both would send the whole data set."""
    dispatcher = SERVICE.DispatchServer()
    address = dispatcher.target.removeprefix("grpc://")
    workers = [
        SERVICE.WorkerServer(SERVICE.WorkerConfig(address)) for _ in range(2)
    ]
    dataset = map_by_services(
        numbered(), square, Shard(4), 0, [dispatcher.target]
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="sent them twice"):
        # The second worker may come late.
        for _ in dataset.take(100_000):
            pass
    del workers


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("localhost:1", "expected grpc://host:port"),
        ("grpc://localhost", "expected grpc://host:port"),
        ("grpc://localhost:1", "nothing answers there"),
        ("grpc://localhost:99999", "nothing answers there"),
    ],
)
def test_an_address_at_which_nothing_answers_is_refused(address, message):
    with pytest.raises(ConfigError, match=message) as error:
        check_services([address])
    assert address in str(error.value)


def test_a_server_that_is_gone_ends_the_training():
    port = free_ports()
    gone = threading.Event()
    ended = []

    def end(address):
        ended.append(address)
        gone.set()

    with socket.create_server(("localhost", port)):
        address = f"grpc://localhost:{port}"
        with watch_services([address], seconds=0.01, end=end):
            assert not gone.wait(0.2)
    with watch_services([address], seconds=0.01, end=end):
        assert gone.wait(60)
    assert ended == [address]


def test_a_server_started_anew_asks_for_a_new_start():
    with pytest.raises(WorkerError, match="start it again, then the same"):
        with watch_services(["grpc://localhost:1"]):
            raise tf.errors.NotFoundError(None, None, "no such task")
    with pytest.raises(tf.errors.NotFoundError):
        with watch_services([]):
            raise tf.errors.NotFoundError(None, None, "no such file")


def test_the_command_starts_a_server_and_names_a_port_in_use():
    port = free_ports()
    servers = data_service.start("localhost", port)
    address = f"grpc://localhost:{port}"
    check_services([address])
    dataset = map_by_services(numbered(), square, Shard(1), 0, [address])
    squares = [item["square"] for item in dataset.take(3).as_numpy_iterator()]
    np.testing.assert_array_equal(squares, [0, 1, 4])
    with pytest.raises(ConfigError, match=f"port {port} is not to be had"):
        data_service.start("localhost", port)
    del servers


def free_ports():
    """The first of two ports that nobody has."""
    for port in range(20000, 30000, 7):
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("", port))
                other.bind(("", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")
