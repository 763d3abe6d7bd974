"""A lock on a folder that several trainings write to."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(folder: str, ending: str) -> Iterator[None]:
    """Lets one process at a time write to a folder.

    The lock is on the folder itself, so that no file is left of it, and the
    system takes it from a process that is killed. Hidden files are such a
    process's unfinished ones then, and are removed.

    Args:
        folder: must exist.
        ending: of the names of its files.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder}: waits for another process to fill it", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        _remove_leftovers(folder, ending)
        yield
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: str, ending: str) -> None:
    leftovers = list(Path(folder).glob(f".*{ending}"))
    for path in leftovers:
        path.unlink()
    if leftovers:
        print(
            f"{folder}: removed {len(leftovers)} unfinished files of a process"
            " that was killed",
            flush=True,
        )
