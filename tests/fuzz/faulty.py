"""Readers with the faults that fuzzing is there to find."""

import os
import signal
import time

from tests.fuzz.fuzzing import Target
from tests.fuzz.mutation import mutate_bytes


def crash(content: bytes) -> None:
    """Dies as TensorFlow does where one of its checks fails."""
    os.kill(os.getpid(), signal.SIGABRT)


def hang(content: bytes) -> None:
    """Never comes back."""
    while True:
        time.sleep(1)


def devour(content: bytes) -> None:
    """Takes more memory than there is."""
    bytearray(2**40)


def stumble(content: bytes) -> None:
    """Raises what is not ours."""
    raise KeyError("a")


FAULTS = {function.__name__: function for function in (crash, hang, devour)}
FAULTS["stumble"] = stumble


def faulty_target(kind: str) -> Target:
    """The reader with that fault."""
    return Target(kind, [b"seed"], mutate_bytes, FAULTS[kind], (), 60.0)
