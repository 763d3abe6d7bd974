"""What readers of foreign layouts share: files, places, splits, boxes."""

import argparse
import os
import re
import warnings
import xml.etree.ElementTree
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import Element

import PIL.Image

from featsr_tf.data.annotation_values import Box
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.pictures import SIDEWAYS
from featsr_tf.data.pictures import exif_turn
from featsr_tf.errors import DataError
from featsr_tf.errors import printable
from featsr_tf.files import stand_in
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import Split
from tfrecords_tools.annotations import place_by_name

Item = TypeVar("Item")

VALIDATION_FRACTION = 0.2
IMAGE_ENDINGS = frozenset(
    ".avif .bmp .dng .gif .heic .heif .jfif .jp2 .jpe .jpeg .jpg .mpo .pbm .pgm"
    " .png .pnm .ppm .tif .tiff .webp".split()
)
# The words that folders, files and attributes use, and our names of splits.
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
_DECLARATION = re.compile(
    rb"""\s*<\?xml[^>]*?\bencoding\s*=\s*["']([\w.-]+)["'][^>]*\?>"""
)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_TAG = re.compile(rb"<([A-Za-z_][\w.-]*)")
# Longer than any comment in front of the first element.
_BEGINNING = 1 << 16


def add_data_flags(parser: argparse.ArgumentParser, content: str) -> None:
    """Adds the flags of converters that take a folder or a zip.

    Args:
        content: what the folder holds, in words.
    """
    # Either is enough; the one that is not given must not undo the other.
    parser.add_argument(
        "data_dir",
        nargs="?",
        default=argparse.SUPPRESS,
        metavar="FOLDER_OR_ZIP",
        help=content,
    )
    parser.add_argument(
        "--data_dir",
        dest="data_dir",
        default=argparse.SUPPRESS,
        metavar="FOLDER_OR_ZIP",
        help="the same as a flag",
    )
    parser.add_argument(
        "--validation_fraction",
        type=float,
        default=VALIDATION_FRACTION,
        help="share of the images for validation, chosen by a hash of their"
        " names, where the data have no splits; 0 for none"
        " (default %(default)s)",
    )


def list_images(folder: Path) -> list[Path]:
    """The image files of a folder and of those inside it, in order."""
    return [
        path
        for path in list_files(folder)
        if path.suffix.lower() in IMAGE_ENDINGS
    ]


def list_files(folder: Path, ending: str = "") -> list[Path]:
    """The files of a folder and of those inside it that are not hidden."""
    found = []
    seen = set()
    for parent, folders, names in os.walk(
        folder, onerror=refuse_unreadable, followlinks=True
    ):
        real = os.path.realpath(parent)
        is_known = real in seen
        seen.add(real)
        # A link may lead to a folder above it.
        folders[:] = [
            f for f in folders if not f.startswith(".") and not is_known
        ]
        found += [
            Path(parent, name)
            for name in names
            if name.lower().endswith(ending)
            and not name.startswith(".")
            and not is_known
        ]
    for path in found:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{printable(str(path))}: the name of this file is not in"
                " UTF-8; rename it"
            ) from None
    return sorted(found)


def refuse_unreadable(error: OSError) -> None:
    """Names a folder that `os.walk` would leave out without a word.

    Raises:
        DataError: unless there is no such folder, or it is the system's own.
    """
    is_absent = isinstance(error, FileNotFoundError | NotADirectoryError)
    # At the top of each disk, and nobody else's.
    is_own = os.path.basename(error.filename) == "lost+found"
    if not is_absent and not is_own:
        raise DataError(
            f"{error.filename}: cannot be read: {error.strerror}; allow it, or"
            " move this folder elsewhere"
        )


def find_file(name: str, folders: Iterable[Path]) -> Path | None:
    """Finds what an annotation calls a file, wherever that was written.

    Folders that exist only on another machine are dropped from the front, as
    in `C:\\work\\images\\a.jpg` or `../train/a.jpg`. Never leads out of
    the folders.

    Args:
        folders: where it may be, best first.

    Returns:
        The place with the longest end of the name; None where there is none.
    """
    parts = [
        part
        for part in re.split(r"[\\/]+", name.strip())
        if part not in ("", ".", "..")
    ]
    folders = list(dict.fromkeys(folders))
    for start in range(len(parts)):
        for folder in folders:
            path = folder.joinpath(*parts[start:])
            try:
                if path.exists():
                    return path
            # No name of a file: a NUL in it, or too long.
            except (OSError, ValueError):
                return None
    return None


def upright_size(path: Path) -> tuple[int, int] | None:
    """Height and width in px of an image as records show it; None of none."""
    try:
        with PIL.Image.open(path) as image:
            size = (image.height, image.width)
            return size[::-1] if exif_turn(image) in SIDEWAYS else size
    # Pillow's readers raise errors of many types on damaged files.
    except Exception:
        return None


def relative_name(path: Path, root: Path) -> str:
    """The path below a folder, which names an image in its data set."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.as_posix()


def split_of(folders: str) -> str:
    """The split that folders such as images/train2017 speak of, or ""."""
    for name in re.split(r"[\\/]+", folders.lower()):
        word = re.sub(r"[\d_ -]+$", "", name)
        if word in SPLITS:
            return SPLITS[word]
    return ""


def split_of_file(name: str) -> str:
    """The split that a path such as val/labels_v2.json speaks of, or ""."""
    folders, _, file = name.replace("\\", "/").rpartition("/")
    words = re.split(r"[\W\d_]+", file.lower())
    own = [SPLITS[word] for word in words if word in SPLITS]
    return own[0] if own else split_of(folders)


def make_splits(
    data_set: str,
    parts: dict[str, Sequence[Item]],
    name_of: Callable[[Item], str],
    validation_fraction: float,
    outcomes: Sequence[Outcome] = (),
    choose: Callable[[list[Item]], Sequence[AnnotatedImage]] = list,
) -> list[Split]:
    """Names the splits of a data set, and makes them where there are none.

    Args:
        data_set: what the names of the record files begin with.
        parts: items by the split that they belong to. One alone, or one
            without a name, is divided by a hash.
        name_of: gives the file name of an item.
        outcomes: of files that are no image.
        choose: makes images of items.

    Raises:
        DataError: no images at all, or a fraction that is none.
    """
    if not 0 <= validation_fraction < 1:
        raise DataError(
            f"--validation_fraction is {validation_fraction}; expected a"
            " number from 0 to below 1"
        )
    parts = {split: items for split, items in parts.items() if items}
    if not parts:
        raise DataError(f"{data_set}: no images to convert")
    if len(parts) > 1 and (others := parts.pop("", None)):
        warn_of([name_of(item) for item in others], "in no split: left out")
        outcomes = [*outcomes, *[Outcome.IN_NO_SPLIT] * len(others)]
    if parts.keys() <= {"", "train"} and validation_fraction:
        parts = _divide(*parts.values(), name_of, validation_fraction)
    named = [(parts[s], s) for s in sorted(parts, key=_order)]
    return [
        Split(
            f"{data_set}_{split or 'train'}",
            choose(list(items)),
            # They belong to no split: the first tells of them.
            tuple(outcomes) if number == 0 else (),
        )
        for number, (items, split) in enumerate(named)
    ]


def _divide(
    items: Sequence[Item], name_of: Callable[[Item], str], fraction: float
) -> dict[str, Sequence[Item]]:
    places = [place_by_name(name_of(item)) for item in items]
    known = sorted(set(places))
    # Where there are two images, both parts have one.
    limit = min(max(fraction, known[1]), known[-1]) if len(known) > 1 else 0.0
    parts: dict[str, list] = {"train": [], "val": []}
    for item, place in zip(items, places, strict=True):
        parts["val" if place < limit else "train"].append(item)
    print(
        f"no splits: by a hash of their names {len(parts['train'])} images are"
        f" for training, {len(parts['val'])} for validation"
    )
    return {split: part for split, part in parts.items() if part}


def _order(split: str) -> tuple[int, str]:
    known = list(dict.fromkeys(SPLITS.values()))
    return (known.index(split) if split in known else len(known), split)


def numbered(names: Iterable[str], path: str) -> LabelMap:
    """A label map of names in their order.

    Args:
        path: what names the classes, for messages.

    Raises:
        DataError: there are none.
    """
    result = dict(enumerate(names, start=1))
    if not result:
        raise DataError(f"{path}: no objects in these annotations")
    return LabelMap(result, path=path)


def warn_of(paths: Sequence[Path | str], what: str) -> None:
    """Names what is left out: the number, and the first of them."""
    if paths:
        others = f" and {len(paths) - 1} others" if len(paths) > 1 else ""
        warnings.warn(f"{paths[0]}{others}: {what}", stacklevel=2)


def hull(points: Iterable[tuple[float, float]]) -> Box:
    """The box around points (x, y)."""
    xs, ys = zip(*points, strict=True)
    return (min(ys), min(xs), max(ys), max(xs))


def load_xml(path: str | os.PathLike) -> Element:
    """Reads an XML file.

    Raises:
        DataError: it cannot be read or is no XML.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return _parse(content)
    except (xml.etree.ElementTree.ParseError, ValueError, LookupError) as error:
        reason = stand_in(content) or f"not an XML file: {error}"
        if not content.strip():
            reason += "; the file is empty: export or copy it again"
        elif "invalid token" in reason and not _is_utf8(content):
            reason += "; save it as UTF-8, or name its encoding in line 1"
        raise DataError(f"{path}: {reason}") from None


def root_tag(path: str | os.PathLike) -> str:
    """How an XML file begins; "" where it is none."""
    try:
        with open(path, "rb") as file:
            beginning = file.read(_BEGINNING)
    except OSError:
        return ""
    found = _TAG.search(_COMMENT.sub(b"", without_wide_letters(beginning)))
    return found[1].decode() if found else ""


def without_wide_letters(content: bytes) -> bytes:
    """Makes plain letters of UTF-16 one byte each."""
    return content.replace(b"\0", b"")


def _parse(content: bytes) -> Element:
    # Expat stops entities that grow out of proportion and opens no others.
    declared = _DECLARATION.match(content)
    try:
        return xml.etree.ElementTree.fromstring(content)
    except ValueError:
        # Expat reads no letters of several bytes but Unicode's.
        if not declared:
            raise
    text = content[declared.end() :].decode(declared[1].decode())
    return xml.etree.ElementTree.fromstring(text)


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
