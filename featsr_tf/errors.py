"""Errors that a user can act on: one line, no stack trace."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from featsr_tf.command_line.parser import quiet_tensorflow

# "Try again", as in sysexits.h.
_TRY_AGAIN = 75
# What shells report of a program whose reader left (128 + SIGPIPE).
_READER_LEFT = 141
_INTERRUPTED = 130


class FeatsrError(Exception):
    """Bad input, described in one line: what, where, expected, found.

    Attributes:
        exit_code: what a command ends with.
    """

    exit_code = 2


class ConfigError(FeatsrError):
    """A pipeline config, an override or a model folder that cannot be used."""


class DataError(FeatsrError):
    """Records, label maps, images or weights that cannot be used."""


class WorkerError(FeatsrError):
    """Another machine is gone; the same command continues where it was."""

    exit_code = _TRY_AGAIN


def printable(text: str, length: int = 200) -> str:
    """Escapes what cannot be printed in one line, and cuts what is too long.

    Args:
        length: Most characters of the result. Default 200.
    """
    escaped = "".join(
        letter if letter.isprintable() else repr(letter)[1:-1]
        for letter in text[:length]
    )
    return escaped[:length]


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Turns what a user can act on into one line on stderr and an exit code.

    Bad input and files that cannot be read or written give 2, a machine that
    is gone gives 75, Ctrl-C gives 130. Warnings become one line each. Errors of
    the program itself pass. TensorFlow's own lines are kept off the terminal.
    """
    quiet_tensorflow()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
        # Only this shows that a reader such as `head` has left.
        sys.stdout.flush()
    except FeatsrError as error:
        _stop(str(error), error.exit_code)
    except BrokenPipeError:
        # Python flushes once more at its end and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_READER_LEFT) from None
    except OSError as error:
        if error.filename is None:
            raise
        _stop(f"{error.filename}: {error.strerror}", 2)
    except KeyboardInterrupt:
        _stop("interrupted", _INTERRUPTED)


def _stop(message: str, code: int) -> None:
    print(f"error: {_in_one_line(message)}", file=sys.stderr)
    raise SystemExit(code) from None


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {_in_one_line(message)}", file=sys.stderr)


def _in_one_line(message: object) -> str:
    return " ".join(str(message).splitlines())
