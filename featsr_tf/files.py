"""Reading the texts of others, and writing files whole or not at all."""

import codecs
import contextlib
import errno
import glob
import io
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from featsr_tf.errors import DataError
from featsr_tf.errors import disk_problem

if TYPE_CHECKING:
    import PIL.Image

_JPEG_QUALITY = 90
# Of file systems of a network without a service for locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
# A backslash too, where it does not part folders.
_WILDCARDS = set("*?[\\") - {os.sep}

# Names of files may hold bytes that are no text.
TEXT = {"encoding": "utf-8", "errors": "backslashreplace"}
_LONGEST_SUFFIX = 16
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_GZIP = b"\x1f\x8b"
# How pictures of phones begin, behind four bytes.
_HEIC = (b"ftyphei", b"ftyphev", b"ftypmif", b"ftypmsf")
_SHOWS_WHAT_IT_IS = 64
# What stands in the place of a file, by how it begins.
_STAND_INS = {
    b"version https://git-lfs": (
        "a Git LFS pointer in the place of the file: run git lfs pull"
    ),
    b"<!doctype html": "a web page in the place of the file: download it again",
    b"<html": "a web page in the place of the file: download it again",
}


def stand_in(content: bytes) -> str | None:
    """Says what is there in the place of a file, and what to do about it.

    Args:
        content: the file, or its beginning.

    Returns:
        None where it may be the file itself.
    """
    if content[4:11] in _HEIC:
        return "a HEIC picture, which is not read: save it as JPEG or PNG"
    beginning = (
        content[:_SHOWS_WHAT_IT_IS].lstrip(codecs.BOM_UTF8).lstrip().lower()
    )
    found = (_STAND_INS[key] for key in _STAND_INS if beginning.startswith(key))
    return next(found, None)


def stand_in_at(path: str | os.PathLike) -> str | None:
    """Reads the beginning of a file and says what `stand_in` does."""
    with open(path, "rb") as file:
        return stand_in(file.read(_SHOWS_WHAT_IT_IS))


def decode_text(content: bytes) -> str:
    """Decodes UTF-8, or UTF-16 where a byte order mark says so.

    Raises:
        UnicodeDecodeError: it is neither.
    """
    is_wide = content.startswith(_UTF_16)
    return content.decode("utf-16" if is_wide else "utf-8-sig")


def read_text(path: str | os.PathLike) -> str:
    """Reads a text file of any origin.

    Raises:
        DataError: it cannot be read, is no text, or another file is in its
            place.
    """
    try:
        content = Path(path).read_bytes()
        text = decode_text(content)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        reason = f"not a text file: {error}"
        if content.startswith(_GZIP):
            reason = "compressed with gzip; decompress it first"
        elif b"\0" not in content:
            reason += "; if it is one, save it as UTF-8"
        raise DataError(f"{path}: {reason}") from None
    if found := stand_in(content):
        raise DataError(f"{path}: {found}")
    # As Python's own reading of texts does.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def text_sections(path: Path) -> dict[str, str]:
    """Reads a file of this package whose lines `[name]` begin its sections."""
    pattern = r"^\[(\w+)\]\n(.*?)(?=^\[\w+\]$|\Z)"
    found = re.findall(
        pattern, path.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return {name: text.strip("\n") for name, text in found}


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file atomically, making its folder when needed."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, **TEXT)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Writes a file atomically, making its folder when needed."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def write_picture(path: str | Path, picture: "PIL.Image.Image") -> None:
    """Writes a picture as `write_bytes` does, in the format of the ending.

    Raises:
        DataError: there is no such ending, or the picture is too large for it.
    """
    import PIL.Image

    kinds = PIL.Image.registered_extensions()
    stream = io.BytesIO()
    try:
        # Pillow itself does not notice where a full disk cuts a file.
        kind = kinds[Path(path).suffix.lower()]
        picture.save(stream, kind, quality=_JPEG_QUALITY)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: no picture of {picture.width} x {picture.height} px can "
            f"be written here ({error}); expected an ending such as .jpg or "
            ".png"
        ) from None
    write_bytes(path, stream.getvalue())


def find_paths(pattern: str) -> list[str]:
    """Finds what a path names, in which `*`, `?` and `[...]` are wildcards.

    What is there under the very name is taken by it: the whole path, or the
    folders that it begins with, such as `run [1]/*.png`.

    Returns:
        Paths in order; none where nothing is there.
    """
    if os.path.exists(pattern):
        return [pattern]
    folder, rest = pattern, ""
    while folder and not os.path.isdir(folder):
        shorter, name = os.path.split(folder)
        if shorter == folder:
            break
        folder, rest = shorter, os.path.join(name, rest) if rest else name
    literal = os.path.join(glob.escape(folder), "") if folder else ""
    found = glob.glob(literal + rest, recursive=True)
    return sorted(filter(os.path.exists, found))


@contextlib.contextmanager
def without_wildcards(folder: str) -> Iterator[str]:
    """Names a folder so that TensorFlow does not take it for a pattern.

    Yields:
        The folder, or where its path has wildcards a link to it that lasts as
        long as the block.
    """
    if not _WILDCARDS.intersection(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as place:
        link = os.path.join(place, "linked")
        try:
            os.symlink(os.path.abspath(folder), link, target_is_directory=True)
        except OSError:
            # On Windows not everyone may make links.
            shutil.copytree(folder, link)
        yield link


@contextlib.contextmanager
def hold_lock(
    path: str | Path, when_held: Callable[[], None]
) -> Iterator[None]:
    """Holds a lock, which goes with the process, however that ends.

    Where the file system has no locks, the block runs without one, and a
    warning says so.

    Args:
        path: the lock file; its folder exists.
        when_held: called where another process holds the lock; it raises, or
            returns to wait.
    """
    import filelock

    lock = filelock.FileLock(path)
    try:
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            when_held()
            lock.acquire()
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        warnings.warn(
            f"{path}: the file system has no locks ({error.strerror}); let no"
            " other process write to this folder meanwhile",
            stacklevel=3,
        )
    try:
        yield
    finally:
        lock.release()


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
    killed process never leaves half a file under the final name. A link stays
    one; what is no file, such as /dev/stdout, is written to as it is.

    Yields:
        The temporary file, which exists, is empty and has the same ending, if
        that is a usual one.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # No longer than the name itself, which may be as long as can be.
    suffix = path.suffix if len(path.suffix) < _LONGEST_SUFFIX else ""
    try:
        descriptor, temporary = tempfile.mkstemp(suffix, ".", path.parent)
    except OSError as error:
        error.filename = str(path)
        raise
    os.close(descriptor)
    try:
        yield Path(temporary)
        # mkstemp makes private files; a report is to be read by others.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        # Nobody knows the temporary file, and an open one tells no name.
        if isinstance(error, OSError) and (
            disk_problem(error) or error.filename == temporary
        ):
            error.filename, error.filename2 = str(path), None
        raise
