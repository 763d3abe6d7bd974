"""Data sets as they are downloaded: folders, or zip files with one inside."""

import contextlib
import os
import shutil
import stat
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tqdm

from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from featsr_tf.errors import printable
from featsr_tf.files import is_inside

# Pictures hardly shrink in a zip, annotations by about ten times. Beyond this
# something else was packed, whose size is meant to fill a disk.
_MOST_GROWTH = 100
_MOST_SMALL_BYTES = 1 << 28
_MOST_FILES = 5_000_000
_OTHER_ARCHIVES = (".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_IS_ENCRYPTED = 0x1
_IS_UTF8 = 0x800
_UNIX_MODE_SHIFT = 16


# Temporary folders, and the zip files that are unpacked there.
_UNPACKED: dict[str, str] = {}


@contextlib.contextmanager
def unpacked(path: str | os.PathLike) -> Iterator[Path]:
    """Opens a folder or file as it is, a zip file in a temporary folder.

    Errors and warnings of the block speak of the zip file, not of that folder.

    Yields:
        Where the files are.

    Raises:
        DataError: nothing is there, or a zip that is damaged, encrypted,
            leads out of its folder or grows out of all proportion.
    """
    place = Path(path)
    if not place.exists():
        raise DataError(f"{place}: no such file or folder")
    if place.is_file() and place.suffix.lower() in _OTHER_ARCHIVES:
        raise DataError(
            f"{place}: expected a folder or a zip file; unpack it and give"
            " the folder"
        )
    if place.is_dir() or place.suffix.lower() != ".zip":
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="featsr-") as folder:
        with _named(folder, str(place)):
            _extract(place, Path(folder))
            _UNPACKED[folder] = str(place)
            try:
                yield Path(folder)
            finally:
                del _UNPACKED[folder]


def lasting_name(text: str) -> str:
    """Calls temporary folders in a text by the zip files unpacked there."""
    for folder, name in _UNPACKED.items():
        text = text.replace(folder, name)
    return text


def origin_of(path: str) -> str:
    """The zip file that a file was unpacked from, or else the file itself."""
    zips = (name for folder, name in _UNPACKED.items() if folder in path)
    return next(zips, path)


@contextlib.contextmanager
def _named(folder: str, name: str) -> Iterator[None]:
    """Lets errors and warnings call a folder by another name."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_named(message: Warning | str, *others: Any, **more: Any):
            text = str(message).replace(folder, name)
            show(UserWarning(text), *others, **more)

        warnings.showwarning = show_named
        try:
            yield
        except FeatsrError as error:
            raise type(error)(str(error).replace(folder, name)) from None


def _extract(path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked_members(path, archive)
            for member, name in tqdm.tqdm(
                members, desc=f"unpacking {path.name}", unit="file"
            ):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(target, "xb") as file:
                    shutil.copyfileobj(source, file)
    # A damaged file makes zlib, struct and the decoders of names complain.
    except (DataError, MemoryError):
        raise
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise DataError(f"{path}: damaged zip file: {error}") from None
        raise
    except Exception as error:
        raise DataError(
            f"{path}: damaged or no zip file: {printable(str(error))}; get it"
            " again"
        ) from None


def _checked_members(
    path: Path, archive: zipfile.ZipFile
) -> list[tuple[zipfile.ZipInfo, str]]:
    """The files of an archive and where they belong, all of them harmless."""
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    most = _MOST_GROWTH * path.stat().st_size + _MOST_SMALL_BYTES
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if total > most or len(members) > _MOST_FILES:
        raise DataError(
            f"{path}: {len(members)} files of {total} bytes in"
            f" {path.stat().st_size} bytes; expected at most {most} bytes:"
            " unpack it yourself if you trust it, and give the folder"
        )
    if total > free:
        raise DataError(
            f"{path}: needs {total} bytes, {tempfile.gettempdir()} has {free};"
            " set TMPDIR to a larger place"
        )
    seen: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        name = _name_of(member)
        shown = printable(name)
        if member.is_dir() or name.endswith("/") or _is_rubbish(name):
            continue
        if stat.S_ISLNK(member.external_attr >> _UNIX_MODE_SHIFT):
            raise DataError(f"{path}: {shown} is a link; expected files")
        if not is_inside(name) or ":" in name.split("/")[0]:
            raise DataError(f"{path}: {shown} leads out of the folder")
        if member.flag_bits & _IS_ENCRYPTED:
            raise DataError(
                f"{path}: is encrypted; unpack it with its password and give"
                " the folder"
            )
        if name in seen:
            raise DataError(f"{path}: holds {shown} twice")
        seen[name] = member
    return [(member, name) for name, member in seen.items()]


def _name_of(member: zipfile.ZipInfo) -> str:
    name = member.filename
    if not member.flag_bits & _IS_UTF8:
        # Many programs write it without saying so.
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode()
    # Some programs for Windows part folders by back slashes.
    return name.replace("\\", "/")


def _is_rubbish(name: str) -> bool:
    """What file managers add, such as ._a.jpg beside a.jpg."""
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1].startswith("._")
