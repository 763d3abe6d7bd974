"""Errors that a user can act on: one line, no stack trace."""

import contextlib
import sys
from collections.abc import Iterator


class FeatsrError(Exception):
    """Bad input, described in one line: what, where, expected, found."""


class ConfigError(FeatsrError):
    """A pipeline config, an override or a model folder that cannot be used."""


class DataError(FeatsrError):
    """Records, label maps, images or weights that cannot be used."""


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Turns a `FeatsrError` into one line on stderr and exit code 2."""
    try:
        yield
    except FeatsrError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
