"""Serves an exported detector, with a page to try it.

    python -m featsr_tf.serve --model saved_models/NAME --port 8501

Speaks the REST API of TensorFlow Serving; open http://127.0.0.1:8501/ for the
page. For production give the exported folder to TensorFlow Serving itself,
see docs/serving.md.
"""

import argparse
import dataclasses
import gc
import math
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.exporting.versions import find_version
from featsr_tf.server.limits import ServerOptions

_LARGEST_PORT = 65535
_HELP = {
    "max_batch_size": "images that are detected on at once",
    "batch_timeout_ms": "how long an image waits for others to be joined "
    "with, in ms",
    "max_body_mb": "largest body of a request, in MB",
    "max_image_pixels": "most pixels of all images of a request together",
    "timeout_s": "seconds for reading a request, and again for answering it",
    "queue_size": "requests that may wait; more are told to try again",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = CommandParser(
        "featsr_tf.serve",
        description="Serves an exported detector over HTTP.",
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="DIR",
        help="folder that featsr_tf.export wrote, whose newest version is "
        "served, or the folder of one version",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; default %(default)s, this machine only",
    )
    parser.add_argument(
        "--port", type=int, default=8501, help="default %(default)s"
    )
    parser.add_argument(
        "--example",
        metavar="FILE",
        help="photo that the page offers to be tried",
    )
    for field in dataclasses.fields(ServerOptions):
        parser.add_argument(
            f"--{field.name}",
            type=type(field.default),
            default=field.default,
            metavar="N",
            help=f"{_HELP[field.name]}; default %(default)s",
        )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Loads the model and answers requests until it is stopped."""
    options = _read_options(arguments)
    found = find_version(arguments.model)
    example = Path(arguments.example) if arguments.example else None
    if example is not None and not example.is_file():
        raise DataError(f"{example}: no such file; --example takes a photo")
    with _listen(arguments.host, arguments.port) as listener:
        print(f"loading {found.folder}", flush=True)
        # TensorFlow tells of itself at length, before anything is wrong.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        try:
            from featsr_tf.server.app import create_app
            from featsr_tf.server.app import serve
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{error.name} is missing; the server needs more packages: "
                "pip install 'featsr_tf[serve]'"
            ) from None
        from featsr_tf.exporting.exported_model import ServedModel

        app = create_app(ServedModel(found), options, example)
        # The model stays to the end: nothing in it has to be collected.
        gc.freeze()
        # From now on clients need not come again.
        listener.listen()
        address = _address(listener)
        print(f"{found.name}, version {found.version}: {address}", flush=True)
        serve(app, listener)


def _read_options(arguments: argparse.Namespace) -> ServerOptions:
    options = {
        field.name: getattr(arguments, field.name)
        for field in dataclasses.fields(ServerOptions)
    }
    for name, value in options.items():
        # Not to wait for others is the only thing that may be zero.
        is_allowed = value > 0 or name == "batch_timeout_ms" and value == 0
        if not (is_allowed and math.isfinite(value)):
            raise ConfigError(f"--{name}: expected more than 0, found {value}")
    return ServerOptions(**options)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if listener.family == socket.AF_INET6:
        host = f"[{host}]"
    return f"http://{host}:{port}/"


def _listen(host: str, port: int) -> socket.socket:
    """Takes the port at once: loading the model takes seconds."""
    if not 0 <= port <= _LARGEST_PORT:
        raise ConfigError(
            f"--port: expected 0 to {_LARGEST_PORT}, found {port}; 0 takes any "
            "that is free"
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            f"--host {host} --port {port}: {reason}; give another"
        ) from None
    return listener


if __name__ == "__main__":
    main()
