"""Decodes training images for other machines.

    python -m featsr_tf.data_service --host node7 --port 5050

Trainings that name it by `--data_service grpc://node7:5050` have their images
read, decoded and augmented here. Records must have the same paths on both.
"""

import socket
import threading
from collections.abc import Sequence

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error

_LAST_PORT = 2**16 - 1


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = CommandParser(
        "featsr_tf.data_service",
        description="Decodes training images for trainings on other machines.",
    )
    parser.add_argument(
        "--host",
        default=socket.gethostname(),
        help="name under which the others reach this machine; default: its "
        "own, %(default)s",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=5050,
        help="port that trainings name; the next one is used too; "
        "default: %(default)s",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        servers = start(arguments.host, arguments.port)
        print(
            f"decodes for --data_service grpc://{arguments.host}:"
            f"{arguments.port} until it is stopped",
            flush=True,
        )
        threading.Event().wait()
        del servers


def start(host: str, port: int) -> tuple:
    """Starts a dispatcher and its worker.

    Raises:
        ConfigError: a port is not to be had.
    """
    for number in (port, port + 1):
        _check_port(number)
    import tensorflow as tf

    service = tf.data.experimental.service
    dispatcher = service.DispatchServer(service.DispatcherConfig(port=port))
    worker = service.WorkerServer(
        service.WorkerConfig(
            dispatcher_address=f"localhost:{port}",
            worker_address=f"{host}:{port + 1}",
            port=port + 1,
        )
    )
    return dispatcher, worker


def _check_port(port: int) -> None:
    if not 0 < port <= _LAST_PORT:
        raise ConfigError(
            f"--port: port {port}: expected 1 to {_LAST_PORT - 1}"
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise ConfigError(
                f"--port: port {port} is not to be had ({error.strerror}); "
                "give another"
            ) from None


if __name__ == "__main__":
    main()
