"""What parsers of annotations say, and how they read files."""

import collections
import dataclasses
import enum
import hashlib
import json
import math
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from featsr_tf.errors import DataError
from featsr_tf.files import is_inside

Box = tuple[float, float, float, float]

_KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
}
_SHOWN = 60
# Control characters, and halves of characters that no file can be named by.
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Outcome(enum.StrEnum):
    """One thing that was done, by its name in manifests."""

    TURNED_UPRIGHT = "turned_upright"
    ORIENTATION_REMOVED = "orientation_removed"
    MADE_RGB = "made_rgb"
    GREYSCALE = "greyscale"
    BAD_IMAGE = "bad_image_left_out"
    BOX_CLIPPED = "box_clipped"
    BOX_OUTSIDE = "box_outside_left_out"
    BOX_WITHOUT_AREA = "box_without_area_left_out"
    OTHER_CLASS = "other_class_left_out"
    OUTLINE_BOXED = "outline_boxed"
    ROTATION_BOXED = "rotation_boxed"
    PARTS_JOINED = "parts_joined"
    OTHER_SHAPE = "other_shape_left_out"
    KEYPOINTS = "keypoints_left_out"
    WITHOUT_LABEL_FILE = "image_without_label_file"
    LABELS_WITHOUT_IMAGE = "labels_without_image_left_out"
    NOT_ANNOTATED = "image_not_annotated_left_out"
    IN_NO_SPLIT = "image_in_no_split_left_out"

    @property
    def description(self) -> str:
        """The outcome in words, to follow a number and a colon."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Outcome.TURNED_UPRIGHT: "images turned upright as their EXIF tag says",
    Outcome.ORIENTATION_REMOVED: (
        "images annotated as they are stored: EXIF tag removed"
    ),
    Outcome.MADE_RGB: "images made JPEG or PNG with 8-bit RGB pixels",
    Outcome.GREYSCALE: "greyscale images, stored as they are",
    Outcome.BAD_IMAGE: "bad images left out",
    Outcome.BOX_CLIPPED: "boxes clipped to their image",
    Outcome.BOX_OUTSIDE: "objects outside their image left out",
    Outcome.BOX_WITHOUT_AREA: "objects without area left out",
    Outcome.OTHER_CLASS: "objects of other classes left out",
    Outcome.OUTLINE_BOXED: "outlines taken as the boxes around them",
    Outcome.ROTATION_BOXED: "rotated shapes taken as upright boxes around them",
    Outcome.PARTS_JOINED: "parts of one object joined",
    Outcome.OTHER_SHAPE: "shapes without a box, such as points, left out",
    Outcome.KEYPOINTS: "objects whose keypoints are left out",
    Outcome.WITHOUT_LABEL_FILE: "images without a label file: no objects",
    Outcome.LABELS_WITHOUT_IMAGE: "label files without an image left out",
    Outcome.NOT_ANNOTATED: "images without an annotation left out",
    Outcome.IN_NO_SPLIT: "images that are in no split left out",
}


@dataclasses.dataclass(frozen=True)
class AnnotatedObject:
    """One object of an image, as its annotation has it.

    Args:
        box: px, ymin, xmin, ymax, xmax, continuous: a box of one pixel at the
            origin is 0, 0, 1, 1.
        area: of the object's segment in px^2; None where there is only a box.
    """

    box: Box
    name: str
    where: str
    difficult: bool = False
    truncated: bool = False
    crowd: bool = False
    area: float | None = None


@dataclasses.dataclass(frozen=True)
class AnnotatedImage:
    """One image and its objects, which may be none.

    Args:
        data: the bytes of the image file.
        size: height and width in px as the annotation declares them; None or
            zeros where it does not.
        outcomes: what its reader did.
    """

    source_id: str
    filename: str
    objects: tuple[AnnotatedObject, ...]
    where: str
    path: str | None = None
    data: bytes | None = None
    size: tuple[int, int] | None = None
    outcomes: tuple[Outcome, ...] = ()


class LazyImages(Sequence):
    """Images that are made when they are asked for.

    A subclass is a dataclass, so that slices are copies with other `indices`,
    a `repr` tells an interrupted conversion whether it is the same one, and
    worker processes can get it.

    Attributes:
        indices: of the images in the data set.
    """

    indices: range

    def make(self, index: int) -> AnnotatedImage:
        """Makes the image of an index of the data set."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Number of images."""
        return len(self.indices)

    def __getitem__(self, index):
        """Makes the image at a place, or chooses those of a slice."""
        if isinstance(index, slice):
            return dataclasses.replace(self, indices=self.indices[index])
        return self.make(self.indices[index])


@dataclasses.dataclass(frozen=True)
class Split:
    """Images that share record files, such as those for training.

    Args:
        outcomes: what happened to files that are none of these images.
    """

    name: str
    images: Sequence[AnnotatedImage]
    outcomes: tuple[Outcome, ...] = ()


def shipped_label_map(name: str) -> str:
    """The path of a label map that comes with the converters."""
    return str(Path(__file__).parent / "label_maps" / f"{name}_label_map.pbtxt")


def is_for_validation(name: str, validation_fraction: float) -> bool:
    """Whether an image belongs to the validation split.

    A hash of the name decides, so that an image stays on its side whatever
    other images there are, and whatever format it is stored in.
    """
    # Roboflow names the altered copies of a picture NAME.rf.NUMBER.jpg.
    stem = Path(name).stem.partition(".rf.")[0]
    digest = hashlib.sha256(stem.encode()).digest()
    return int.from_bytes(digest[:8], "big") < validation_fraction * 2**64


def part_validation(
    images: Iterable[AnnotatedImage], validation_fraction: float
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    """Divides images into those for training and for validation."""
    parts: tuple[list, list] = ([], [])
    for image in images:
        number = is_for_validation(image.source_id, validation_fraction)
        parts[number].append(image)
    return parts


def read_text(path: str | os.PathLike) -> str:
    """Reads a text file in UTF-8.

    Raises:
        DataError: it cannot be read, or is no text.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file: {error}") from None


def load_json(
    path: str | os.PathLike, leave_out: Collection[str] = ()
) -> dict[str, Any]:
    """Reads a JSON file that holds one object.

    Args:
        leave_out: keys that are dropped while the file is read, wherever they
            occur: the outlines of COCO take most of its memory.

    Raises:
        DataError: unreadable, not JSON, not an object, or a key twice in one
            object, of which only the last would count.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            counts = collections.Counter(key for key, _ in pairs)
            twice, _ = counts.most_common(1)[0]
            raise DataError(f"{path}: the key {shown(twice)} occurs twice")
        for key in leave_out:
            members.pop(key, None)
        return members

    text = read_text(path)
    try:
        content = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a JSON file: {error}") from None
    return check_kind(content, dict, str(path))


def member(record: dict, key: str, kind: type, where: str) -> Any:
    """Looks a key of a JSON object up; `kind` and `where` as in `check_kind`.

    Raises:
        DataError: no such key, or a value of another kind.
    """
    if key not in record:
        raise DataError(f"{where}: has no {key!r}; expected {_KINDS[kind]}")
    return check_kind(record[key], kind, f"{where}: {key!r}")


def check_kind(value: Any, kind: type, where: str) -> Any:
    """Checks what a value of a JSON file is.

    Raises:
        DataError: it is of another kind.
    """
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or isinstance(value, bool):
        raise DataError(
            f"{where}: expected {_KINDS[kind]}, found {shown(value)}"
        )
    if kind is str and _UNUSABLE.search(str(value)):
        raise DataError(f"{where}: expected text, found {shown(value)}")
    return finite(value, where) if kind is float else value


def finite(value: Any, where: str) -> float:
    """Reads a finite number from a number or its text.

    Raises:
        DataError: not a number, NaN or infinite.
    """
    try:
        result = float(value)
    except (ValueError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        raise DataError(
            f"{where}: expected a finite number, found {shown(value)}"
        )
    return result


def shown(value: Any) -> str:
    """A value as messages show it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def read_names(path: str | os.PathLike) -> Iterator[tuple[str, str]]:
    """Reads the first word of each line, such as the ids of a split.

    Raises:
        DataError: the file cannot be read, has no names, or one twice.
    """
    seen: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        name = line.split()[0]
        where = f"{path}:{number}"
        if name in seen:
            raise DataError(
                f"{where}: {shown(name)} stands in line {seen[name]} already"
            )
        seen[name] = number
        yield name, where
    if not seen:
        raise DataError(f"{path}: no names in this file; expected one a line")


def path_inside(folder: str | os.PathLike, name: str, where: str) -> str:
    """Joins a path such as "train/123.jpg" of an annotation to its folder.

    Raises:
        DataError: the path leads out of the folder, or is none.
    """
    if not is_inside(name):
        raise DataError(f"{where}: {shown(name)} is not a path inside {folder}")
    if _UNUSABLE.search(name):
        raise DataError(f"{where}: {shown(name)} is not the name of a file")
    return os.path.join(folder, name)
