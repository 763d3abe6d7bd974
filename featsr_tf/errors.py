"""Errors that a user can act on: one line, no stack trace."""

import contextlib
import errno
import os
import re
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


# When a disk takes no more, or a file may not become so large.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


def disk_problem(error: Exception) -> str | None:
    """Tells why a disk takes no more.

    Args:
        error: one of the system, or of a library, which has only its text.

    Returns:
        The reason in words of the system; None where it is another error.
    """
    if isinstance(error, OSError) and error.errno:
        known = error.errno in _DISK_ERRORS
        return os.strerror(error.errno) if known else None
    if not isinstance(error, OSError) and not _is_of_tensorflow(error):
        return None
    reasons = map(os.strerror, _DISK_ERRORS)
    return next((reason for reason in reasons if reason in str(error)), None)


_NO_MEMORY = re.compile(r"\bOOM\b|out of memory|allocate memory", re.IGNORECASE)
_DEVICE = re.compile(r"device:([CGT]PU:\d+)")


def memory_problem(error: Exception) -> str | None:
    """Tells that the memory is too small, and what to lower.

    Args:
        error: of Python, NumPy or TensorFlow.

    Returns:
        One line, with the device where it is known; None where it is another
        error.
    """
    text = str(error)
    if not isinstance(error, MemoryError) and not (
        _is_of_tensorflow(error) and _NO_MEMORY.search(text)
    ):
        return None
    # The first device is the one of the operation, the last of its memory.
    device = [f" on {name}" for name in _DEVICE.findall(text)[-1:]]
    return (
        f"not enough memory{''.join(device)}; lower what is held at a time and "
        "run the same command again: train_config.batch_size, training_crop or "
        "image_resizer in training, eval_config.batch_size in evaluation, "
        "--batch_size in prediction"
    )


def _is_of_tensorflow(error: Exception) -> bool:
    """Whether TensorFlow has raised it, which is not imported for that."""
    return type(error).__module__.startswith("tensorflow.")


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Turns what a user can act on into one line on stderr and an exit code.

    Bad input, files that cannot be read or written, a full disk and too little
    memory give 2, a machine that is gone gives 75, Ctrl-C gives 130. Warnings
    become one line each. Errors of the program itself pass. TensorFlow's own
    lines are kept off the terminal.
    """
    quiet_tensorflow()
    if getattr(sys.stdout, "errors", "") == "strict":
        # Not every terminal and pipe takes every letter of a name.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
        # Only this shows that a reader such as `head` has left.
        sys.stdout.flush()
    except FeatsrError as error:
        _stop(str(error), error.exit_code)
    except BrokenPipeError:
        _drop_output()
        raise SystemExit(_READER_LEFT) from None
    except KeyboardInterrupt:
        _stop("interrupted", _INTERRUPTED)
    except Exception as error:
        if (reason := disk_problem(error)) is not None:
            _drop_output()
            _stop(
                f"{_written_file(error, reason)}: cannot be written: {reason}; "
                "make room or choose another place, and run the same command "
                "again",
                2,
            )
        if (reason := memory_problem(error)) is not None:
            _stop(reason, 2)
        if not isinstance(error, OSError) or error.filename is None:
            raise
        _stop(f"{error.filename}: {error.strerror}", 2)


def _written_file(error: Exception, reason: str) -> str:
    if name := getattr(error, "filename", None):
        return name
    # As TensorFlow tells it: "FILE; REASON".
    name = str(error).partition(f"; {reason}")[0].rpartition(": ")[2]
    return name if os.path.isabs(name) else "the output"


def _drop_output() -> None:
    """Leaves what cannot be printed, of which Python would complain again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(message: str, code: int) -> None:
    print(f"error: {_in_one_line(message)}", file=sys.stderr)
    raise SystemExit(code) from None


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {_in_one_line(message)}", file=sys.stderr)


def _in_one_line(message: object) -> str:
    return " ".join(str(message).splitlines())
