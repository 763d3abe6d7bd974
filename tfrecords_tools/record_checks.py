"""What may be wrong with records, and the checks of a single one."""

import dataclasses
import enum
import hashlib
import io
from collections.abc import Iterable, Mapping

import numpy as np
import PIL.Image

from featsr_tf.data.examples import ExampleContent
from featsr_tf.data.examples import feature_texts
from featsr_tf.data.examples import feature_values
from featsr_tf.data.examples import parse_example
from featsr_tf.data.examples import read_example
from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.tfrecord_files import RawRecord
from featsr_tf.errors import DataError

# Boxes thinner than this are more often slips of the hand than objects.
TINY_SIDE = 2
# How far to the top, left, bottom and right boxes reach, in 0..1 of an image.
Reach = tuple[float, float, float, float]
# Fewer boxes or images than these say nothing about all.
_FEW_TO_JUDGE = 10
_ORIENTATION = 0x0112
_UPRIGHT = 1


class Kind(enum.Enum):
    """Kinds of findings; a warning leaves the records usable.

    Each value is a title for the table and whether the kind is an error.
    """

    UNREADABLE_FILE = ("files that cannot be read", True)
    MISSING_SHARD = ("missing shards", True)
    MANIFEST = ("differences from the manifest", True)
    DAMAGED_RECORD = ("damaged records", True)
    UNSOUND_EXAMPLE = ("unsound examples", True)
    DUPLICATE_ID = ("source ids that occur twice", True)
    TWO_NAMES = ("classes with two names", True)
    SHARED_ID = ("source ids in two data sets", False)
    SAME_PICTURE = ("images that are there more than once", False)
    ONE_PART = ("data sets whose boxes lie in one part of their images", False)
    TINY_BOX = ("images with boxes below 2 px", False)
    DUPLICATE_BOX = ("images with equal boxes of one class", False)
    EMPTY_SHARD = ("empty shards", False)
    ROTATED_IMAGE = ("images with an EXIF orientation", False)

    @property
    def title(self) -> str:
        """What the table calls it."""
        return self.value[0]

    @property
    def is_error(self) -> bool:
        """Whether records with it should not be used."""
        return self.value[1]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    message: str

    def at(self, place: str) -> str:
        """The line to print: severity, place and message."""
        severity = "error" if self.kind.is_error else "warning"
        return f"{severity}: {place}: {self.message}"


@dataclasses.dataclass(frozen=True)
class CheckedRecord:
    """What became of one record.

    Args:
        labels: class id and name of each object; empty where unsound.
        picture: checksum of the image file; empty where unsound.
        reach: of all boxes together; None where there are none.
    """

    findings: list[Finding]
    source_id: str = ""
    labels: tuple[tuple[int, str], ...] = ()
    picture: str = ""
    reach: Reach | None = None


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether one of the findings is more than a warning."""
    return any(finding.kind.is_error for finding in findings)


def question_reach(
    reach: Reach | None, num_objects: int, num_images: int
) -> str | None:
    """What is odd about where all boxes of a data set lie, if anything.

    Boxes of images that were enlarged later on reach the upper and the left
    border, and leave the lower and the right part of every image empty.

    Args:
        num_images: that have objects.
    """
    if reach is None or min(num_objects, num_images) < _FEW_TO_JUDGE:
        return None
    top, left, bottom, right = reach
    is_small = max(bottom, right) < 0.5
    is_shrunk = max(top, left) < 0.1 and max(bottom, right) < 0.75
    if not is_small and not is_shrunk:
        return None
    return (
        f"all {num_objects} boxes lie in the upper {bottom:.0%} and the left"
        f" {right:.0%} of their images: perhaps they were annotated at a"
        " smaller scale; look at the records with tfrecords_tools.show"
    )


def joined_reach(parts: Iterable[Reach | None]) -> Reach | None:
    """The reach of several parts of a data set together."""
    known = np.array([part for part in parts if part]).reshape(-1, 4)
    if not len(known):
        return None
    return (*known[:, :2].min(axis=0), *known[:, 2:].max(axis=0))


def check_frame(frame: RawRecord, label_map: LabelMap | None) -> CheckedRecord:
    """Checks a record as it was found in its file, perhaps damaged."""
    if frame.damage:
        message = f"damaged, {frame.damage} ({frame.size} bytes lost)"
        return CheckedRecord([Finding(Kind.DAMAGED_RECORD, message)])
    return check_record(frame.payload, label_map)


def check_record(payload: bytes, label_map: LabelMap | None) -> CheckedRecord:
    """Parses a record, decodes its image and looks at its boxes.

    Args:
        label_map: the classes that labels must belong to; None allows all
            from 1.
    """
    try:
        content = read_example(payload, label_map, decode=True)
    except DataError as error:
        return CheckedRecord([Finding(Kind.UNSOUND_EXAMPLE, str(error))])
    features = parse_example(payload)
    findings = [
        *_tiny_boxes(content),
        *_duplicate_boxes(content),
        *_rotation(features),
    ]
    texts = feature_texts(features, Example.TEXT) or [""] * len(content.labels)
    labels = tuple(zip(content.labels.tolist(), texts, strict=True))
    ids = feature_texts(features, Example.SOURCE_ID)
    (encoded,) = feature_values(features, Example.ENCODED)
    picture = hashlib.sha256(encoded).hexdigest()
    return CheckedRecord(
        findings,
        ids[0] if ids else "",
        labels,
        picture,
        joined_reach(map(tuple, content.normalized_boxes.tolist())),
    )


def _tiny_boxes(content: ExampleContent) -> list[Finding]:
    sides = content.object_sizes
    (tiny,) = np.nonzero((sides < TINY_SIDE).any(axis=1))
    if not len(tiny):
        return []
    height, width = sides[tiny[0]]
    message = (
        f"{len(tiny)} of {len(sides)} boxes have a side below {TINY_SIDE} px,"
        f" first box {tiny[0] + 1}: {width:g} x {height:g} px (width x height)"
    )
    return [Finding(Kind.TINY_BOX, message)]


def _duplicate_boxes(content: ExampleContent) -> list[Finding]:
    first_seen: dict[tuple, int] = {}
    for number, (label, box) in enumerate(
        zip(content.labels, content.normalized_boxes, strict=True), start=1
    ):
        first = first_seen.setdefault((label, *box.tolist()), number)
        if first != number:
            message = (
                f"boxes {first} and {number} are the same, both of class"
                f" {label}"
            )
            return [Finding(Kind.DUPLICATE_BOX, message)]
    return []


def _rotation(features: Mapping) -> list[Finding]:
    """Viewers turn such an image; training and these boxes do not."""
    encoded = feature_values(features, Example.ENCODED)[0]
    orientation = _orientation(encoded)
    if orientation == _UPRIGHT:
        return []
    message = (
        f"the image has EXIF orientation {orientation}, which is not applied:"
        " boxes must belong to the pixels as they are stored"
    )
    return [Finding(Kind.ROTATED_IMAGE, message)]


def _orientation(encoded: bytes) -> int:
    with PIL.Image.open(io.BytesIO(encoded)) as image:
        # Pillow decodes a whole PNG in search of a tag that it may not have.
        if "exif" not in image.info:
            return _UPRIGHT
        try:
            return image.getexif().get(_ORIENTATION, _UPRIGHT)
        except (SyntaxError, ValueError):
            return _UPRIGHT
