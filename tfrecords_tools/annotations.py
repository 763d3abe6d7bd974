"""What parsers of annotations say, and how they read files."""

import collections
import dataclasses
import enum
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from featsr_tf.data.annotation_values import KINDS
from featsr_tf.data.annotation_values import UNUSABLE
from featsr_tf.data.annotation_values import Box
from featsr_tf.data.annotation_values import check_kind
from featsr_tf.data.annotation_values import flag
from featsr_tf.data.annotation_values import shown
from featsr_tf.errors import DataError
from featsr_tf.files import is_inside
from featsr_tf.files import read_text

_LABEL_MAPS = Path(__file__).parent / "label_maps"


class Outcome(enum.StrEnum):
    """One thing that was done, by its name in manifests."""

    TURNED_UPRIGHT = "turned_upright"
    ORIENTATION_REMOVED = "orientation_removed"
    MADE_RGB = "made_rgb"
    GREYSCALE = "greyscale"
    SIXTEEN_BITS = "sixteen_bits"
    DARK = "dark_sixteen_bits"
    OTHER_NAME = "image_of_other_name"
    BAD_IMAGE = "bad_image_left_out"
    BOX_ROTATED = "box_rotated"
    BOX_OF_OUTLINE = "box_of_outline"
    BOX_CLIPPED = "box_clipped"
    BOX_OUTSIDE = "box_outside_left_out"
    BOX_WITHOUT_AREA = "box_without_area_left_out"
    BOX_OF_FRACTIONS = "box_of_fractions_left_out"
    UNCLEAR_FLAG = "unclear_flag"
    OTHER_CLASS = "other_class_left_out"
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
    Outcome.SIXTEEN_BITS: "images of 16 bits, of which the upper 8 are kept",
    Outcome.DARK: "  of these, images that use fewer bits and are dark now",
    Outcome.OTHER_NAME: "images found under another path than the annotation's",
    Outcome.BOX_ROTATED: "rotated boxes replaced by their upright hull",
    Outcome.BOX_OF_OUTLINE: "objects without a box: that of their outline",
    Outcome.BOX_CLIPPED: "boxes clipped to their image",
    Outcome.BOX_OUTSIDE: "objects outside their image left out",
    Outcome.BOX_WITHOUT_AREA: "objects without area left out",
    Outcome.BOX_OF_FRACTIONS: (
        "objects within one pixel, perhaps fractions, left out"
    ),
    Outcome.UNCLEAR_FLAG: "flags other than 0 and 1, taken as one of them",
    Outcome.OTHER_CLASS: "objects of other classes left out",
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
        outcomes: what was done while the annotation was read.
    """

    box: Box
    name: str
    where: str
    difficult: bool = False
    truncated: bool = False
    crowd: bool = False
    area: float | None = None
    outcomes: tuple[Outcome, ...] = ()


@dataclasses.dataclass(frozen=True)
class AnnotatedImage:
    """One image and its objects, which may be none.

    Args:
        data: the bytes of the image file.
        size: height and width in px as the annotation declares them; None or
            zeros where it does not.
        as_stored: whether the pixels were annotated as they are stored, not
            as EXIF turns them; None where the size has to say so.
        outcomes: what was done while the annotation was read.
    """

    source_id: str
    filename: str
    objects: tuple[AnnotatedObject, ...]
    where: str
    path: str | None = None
    data: bytes | None = None
    size: tuple[int, int] | None = None
    as_stored: bool | None = None
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

    def __iter__(self):
        """Makes the images; an IndexError within is not taken for the end."""
        return map(self.make, self.indices)

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
    return str(_LABEL_MAPS / f"{name}_label_map.pbtxt")


def is_shipped(label_map_path: str) -> bool:
    """Whether a label map comes with the converters."""
    return Path(label_map_path).parent == _LABEL_MAPS


def is_for_validation(name: str, validation_fraction: float) -> bool:
    """Whether an image belongs to the validation split.

    A hash of the name decides, so that an image stays on its side whatever
    other images there are, and whatever format it is stored in.
    """
    return place_by_name(name) < validation_fraction


def place_by_name(name: str) -> float:
    """A number from 0 to 1 that depends on an image's name alone."""
    # Roboflow names the altered copies of a picture NAME.rf.NUMBER.jpg.
    stem = Path(name).stem.partition(".rf.")[0]
    digest = hashlib.sha256(stem.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def part_validation(
    images: Iterable[AnnotatedImage], validation_fraction: float
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    """Divides images into those for training and for validation."""
    parts: tuple[list, list] = ([], [])
    for image in images:
        number = is_for_validation(image.source_id, validation_fraction)
        parts[number].append(image)
    return parts


def load_json(
    path: str | os.PathLike,
    leave_out: Collection[str] = (),
    is_needed: Callable[[dict], bool] = lambda _: False,
) -> dict[str, Any]:
    """Reads a JSON file that holds one object.

    Args:
        leave_out: keys that are dropped while the file is read, wherever they
            occur: the outlines of COCO take most of its memory.
        is_needed: tells of which objects these keys are kept.

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
        if not is_needed(members):
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
        raise DataError(f"{where}: has no {key!r}; expected {KINDS[kind]}")
    return check_kind(record[key], kind, f"{where}: {key!r}")


def read_flag(value: Any) -> tuple[bool, tuple[Outcome, ...]]:
    """Reads a flag as other tools write it: 1, "yes", "Unspecified", 0.35.

    Returns:
        Whether it is set, which what cannot be understood is not; and the
        outcome to be counted if it was neither 0 nor 1.
    """
    is_set, is_clear = flag(value)
    return is_set, () if is_clear else (Outcome.UNCLEAR_FLAG,)


def read_names(path: str | os.PathLike) -> Iterator[tuple[str, str]]:
    """Reads the lines of a file, such as the ids of a split.

    Raises:
        DataError: the file cannot be read, has no names, or one twice.
    """
    seen: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        name = line.strip()
        if not name:
            continue
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
    if UNUSABLE.search(name):
        raise DataError(f"{where}: {shown(name)} is not the name of a file")
    return os.path.join(folder, name)
