"""Serves an exported detector, with a page to try it.

    python -m featsr_tf.serve --model saved_models/NAME --port 8501

Speaks the REST API of TensorFlow Serving; open http://127.0.0.1:8501/ for the
page. For production give the exported folder to TensorFlow Serving itself,
see docs/serving.md.
"""

import argparse
import dataclasses
import gc
import socket
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.errors import printable
from featsr_tf.exporting.versions import find_version
from featsr_tf.server import ServerOptions

# Of limits: what is beyond it is a slip, and no time or size for Python.
_LARGEST = 1e9
_LIMITS = dataclasses.fields(ServerOptions)
# What 'featsr_tf[serve]' installs.
_EXTRA = ("prometheus_client", "python_multipart", "starlette", "uvicorn")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
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
        help="photo that the page offers to be tried; default drawn traffic "
        "signs",
    )
    for field in _LIMITS:
        parser.add_argument(
            f"--{field.name}",
            type=type(field.default),
            default=field.default,
            metavar="N",
            help=f"{field.metadata['help']}; default %(default)s",
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
        try:
            from featsr_tf.server.app import create_app
            from featsr_tf.server.app import serve
        except ModuleNotFoundError as error:
            if error.name not in _EXTRA:
                raise
            raise ConfigError(
                f"{error.name} is missing; the server needs more packages: "
                "pip install 'featsr_tf[serve]'"
            ) from None
        from featsr_tf.exporting.exported_model import ExportedModel

        model = ExportedModel(found)
        model.warm_up()
        app = create_app(model, options, example)
        # The model stays to the end: nothing in it has to be collected.
        gc.freeze()
        host = arguments.host
        # An address of IPv6 has colons itself.
        host = f"[{host}]" if ":" in host else host
        address = f"http://{host}:{listener.getsockname()[1]}/"
        print(f"{found.name}, version {found.version}: {address}", flush=True)
        serve(app, listener)


def _read_options(arguments: argparse.Namespace) -> ServerOptions:
    options = {field.name: getattr(arguments, field.name) for field in _LIMITS}
    for name, value in options.items():
        if not 0 < value <= _LARGEST:
            raise ConfigError(
                f"--{name}: expected more than 0 and at most {_LARGEST:g}, "
                f"found {printable(str(value), 20)}"
            )
    return ServerOptions(**options)


def _listen(host: str, port: int) -> socket.socket:
    """Takes the port at once: loading the model takes seconds."""
    if not 0 <= port <= 65535:
        raise ConfigError(
            f"--port: expected 0 to 65535, found {port}; 0 takes any that is "
            "free"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, TypeError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"--host {host} --port {port}: {reason}; give another"
        ) from None


if __name__ == "__main__":
    main()
