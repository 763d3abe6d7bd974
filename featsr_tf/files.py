"""Writing files whole or not at all."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from pathlib import PurePosixPath

# Names of files may hold bytes that are no text.
TEXT = {"encoding": "utf-8", "errors": "backslashreplace"}
_LONGEST_SUFFIX = 16


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file atomically, making its folder when needed."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, **TEXT)


def is_inside(name: str) -> bool:
    """Whether a path that a file of others gives stays below its folder.

    Args:
        name: such as "train/123.jpg".

    Returns:
        False for absolute paths, those with ".." and those without a name.
    """
    path = PurePosixPath(name)
    return bool(path.name) and not path.is_absolute() and ".." not in path.parts


def safe_stem(name: str) -> str:
    """Takes folders, ending and odd characters from a name, for a file name."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return re.sub(r"[^\w. -]+", "_", stem)[:50] or "image"


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Lets a block write a file atomically, making its folder when needed.

    The content goes to a temporary neighbour that is renamed at the end, so a
    killed process never leaves half a file under the final name.

    Yields:
        The temporary file, which exists, is empty and has the same ending, if
        that is a usual one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # No longer than the name itself, which may be as long as can be.
    suffix = path.suffix if len(path.suffix) < _LONGEST_SUFFIX else ""
    descriptor, temporary = tempfile.mkstemp(suffix, ".", path.parent)
    os.close(descriptor)
    try:
        yield Path(temporary)
        # mkstemp makes private files; a report is to be read by others.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
