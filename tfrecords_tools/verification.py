"""Checks record files as a whole: frames, examples, shards, source ids."""

import collections
import concurrent.futures
import dataclasses
import enum
import functools
import io
import itertools
import os
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import PIL.Image

from featsr_tf.data.examples import ExampleContent
from featsr_tf.data.examples import check_features
from featsr_tf.data.examples import feature_texts
from featsr_tf.data.examples import feature_values
from featsr_tf.data.examples import parse_example
from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.records import manifests_beside
from featsr_tf.data.tfrecord_files import RawRecord
from featsr_tf.data.tfrecord_files import walk_records
from featsr_tf.errors import DataError
from tfrecords_tools.manifest import check_files
from tfrecords_tools.manifest import load_manifest
from tfrecords_tools.record_files import data_set_of
from tfrecords_tools.record_files import missing_shards
from tfrecords_tools.statistics_report import text_table


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
    SHARED_ID = ("source ids in two data sets", False)
    TINY_BOX = ("images with boxes below 2 px", False)
    DUPLICATE_BOX = ("images with equal boxes of one class", False)
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
    """One thing that is wrong.

    Args:
        kind: what sort of thing.
        message: what exactly.
    """

    kind: Kind
    message: str

    def at(self, place: str) -> str:
        """The line to print.

        Args:
            place: file, record number and offset.

        Returns:
            Severity, place and message.
        """
        severity = "error" if self.kind.is_error else "warning"
        return f"{severity}: {place}: {self.message}"


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether one of the findings is more than a warning."""
    return any(finding.kind.is_error for finding in findings)


def count_lines(counts: collections.Counter[Kind]) -> list[str]:
    """Says how often each kind was found.

    Args:
        counts: number of findings of each kind.

    Returns:
        Errors first, one line each; one line when there are none.
    """
    lines = [
        f"{counts[kind]:8d}  {'error' if kind.is_error else 'warning':<7}"
        f"  {kind.title}"
        for kind in Kind
        if counts[kind]
    ]
    return lines or ["nothing to object to"]


# Boxes thinner than this are more often slips of the hand than objects.
TINY_SIDE = 2
_ORIENTATION = 0x0112
_UPRIGHT = 1


@dataclasses.dataclass(frozen=True)
class CheckedRecord:
    """What became of one record.

    Args:
        findings: what is wrong with it.
        source_id: `image/source_id`; empty where there is none.
        labels: class id and name of each object; empty where unsound.
    """

    findings: list[Finding]
    source_id: str = ""
    labels: tuple[tuple[int, str], ...] = ()


def check_record(payload: bytes, label_map: LabelMap | None) -> CheckedRecord:
    """Parses a record, decodes its image and looks at its boxes.

    Args:
        payload: a serialized TF Example.
        label_map: the classes that labels must belong to; None allows all
            from 1.

    Returns:
        The findings, and what a comparison with other records needs.
    """
    try:
        features = parse_example(payload)
        content = check_features(features, label_map, decode=True)
    except DataError as error:
        return CheckedRecord([Finding(Kind.UNSOUND_EXAMPLE, str(error))])
    findings = [
        *_tiny_boxes(content),
        *_duplicate_boxes(content),
        *_rotation(features),
    ]
    texts = feature_texts(features, Example.TEXT) or [""] * len(content.labels)
    labels = tuple(zip(content.labels.tolist(), texts, strict=True))
    ids = feature_texts(features, Example.SOURCE_ID)
    return CheckedRecord(findings, ids[0] if ids else "", labels)


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


# Records in memory at one time; threads decode their images.
_RECORDS_AT_ONCE = 32


@dataclasses.dataclass
class Tally:
    """What was read of a data set.

    Args:
        files: number of files.
        readable: records with right checksums.
        sound: records without errors.
        objects: objects of the sound records.
    """

    files: int = 0
    readable: int = 0
    sound: int = 0
    objects: int = 0


class Verifier:
    """Checks files one after the other and remembers what it has seen.

    Args:
        label_map: the classes, or None where nothing says.
        report: gets one line for each finding.

    Attributes:
        counts: number of findings of each kind.
        tallies: what was read, by the name of the data set.
        labels: number of objects by class id and name in the records.
    """

    def __init__(
        self, label_map: LabelMap | None, report: Callable[[str], None]
    ):
        self.counts: collections.Counter[Kind] = collections.Counter()
        self.tallies: dict[str, Tally] = collections.defaultdict(Tally)
        self.labels: collections.Counter[tuple[int, str]] = (
            collections.Counter()
        )
        self._label_map = label_map
        self._report = report
        # Where each source id was seen first, by data set.
        self._places: dict[str, dict[str, str]] = collections.defaultdict(dict)

    def check_shards(self, paths: Sequence[str]) -> None:
        """Compares files with their manifests, else with what names say.

        Args:
            paths: all record files.
        """
        for path in manifests_beside(paths):
            try:
                manifest = load_manifest(path)
                problems = check_files(manifest, os.path.dirname(path))
            except DataError as error:
                problems = [str(error).removeprefix(f"{path}: ")]
            self._note([Finding(Kind.MANIFEST, p) for p in problems], path)
        without = [path for path in paths if not manifests_beside([path])]
        for name, absent in missing_shards(without).items():
            names = ", ".join(map(os.path.basename, absent[:3]))
            more = ", ..." if len(absent) > 3 else ""
            message = f"lacks {len(absent)} of its shards: {names}{more}"
            self._note([Finding(Kind.MISSING_SHARD, message)], name)

    def check_file(self, path: str) -> Iterator[tuple[RawRecord, bool]]:
        """Checks all records of a file.

        Args:
            path: the record file.

        Yields:
            Each frame, and whether it is without errors.
        """
        tally = self.tallies[data_set_of(path)]
        tally.files += 1
        readable_before = tally.readable
        try:
            for frame, record in _checked_records(path, self._label_map):
                place = f"{path}: record {frame.number} (byte {frame.offset})"
                findings = [
                    *record.findings,
                    *self._repeated_id(record, data_set_of(path), place),
                ]
                self._note(findings, place)
                is_sound = not has_errors(findings)
                tally.readable += not frame.damage
                if is_sound:
                    tally.sound += 1
                    tally.objects += len(record.labels)
                    self.labels.update(record.labels)
                yield frame, is_sound
            if tally.readable == readable_before:
                raise DataError(f"{path}: not one readable record in it")
        except DataError as error:
            message = str(error).removeprefix(f"{path}: ")
            self._note([Finding(Kind.UNREADABLE_FILE, message)], path)

    def has_errors(self) -> bool:
        """Whether anything was found that is more than a warning."""
        return any(kind.is_error for kind in self.counts)

    def table(self) -> str:
        """Says what was read, a row for each data set."""
        rows = [["", "files", "readable records", "sound", "objects"]]
        rows += [
            [os.path.basename(name), *map(str, dataclasses.astuple(tally))]
            for name, tally in self.tallies.items()
        ]
        return text_table(rows)

    def _note(self, findings: Sequence[Finding], place: str) -> None:
        for finding in findings:
            self.counts[finding.kind] += 1
            self._report(finding.at(place))

    def _repeated_id(
        self, record: CheckedRecord, data_set: str, place: str
    ) -> list[Finding]:
        if not record.source_id:
            return []
        kind, first = Kind.DUPLICATE_ID, self._places[data_set]
        first_place = first.setdefault(record.source_id, place)
        if first_place == place:
            others = (
                places[record.source_id]
                for name, places in self._places.items()
                if name != data_set and record.source_id in places
            )
            kind, first_place = Kind.SHARED_ID, next(others, place)
        if first_place == place:
            return []
        message = f"its source id {record.source_id!r} is that of {first_place}"
        return [Finding(kind, message)]


def _checked_records(
    path: str, label_map: LabelMap | None
) -> Iterator[tuple[RawRecord, CheckedRecord]]:
    """Yields all frames in order, checked several at a time."""
    if os.path.getsize(path) == 0:
        raise DataError("the file is empty")
    frames = walk_records(path)
    check = functools.partial(_check_frame, label_map=label_map)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        while batch := list(itertools.islice(frames, _RECORDS_AT_ONCE)):
            yield from zip(batch, pool.map(check, batch), strict=True)


def _check_frame(frame: RawRecord, label_map: LabelMap | None) -> CheckedRecord:
    if frame.damage:
        message = f"damaged, {frame.damage} ({frame.size} bytes lost)"
        return CheckedRecord([Finding(Kind.DAMAGED_RECORD, message)])
    return check_record(frame.payload, label_map)
