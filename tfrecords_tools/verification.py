"""Checks record files as a whole: frames, examples, shards, source ids."""

import collections
import concurrent.futures
import dataclasses
import functools
import itertools
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from featsr_tf.data.frames import Frame
from featsr_tf.data.frames import walk_frames
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.manifests import manifests_beside
from featsr_tf.errors import DataError
from tfrecords_tools.findings import Finding
from tfrecords_tools.findings import Kind
from tfrecords_tools.findings import has_errors
from tfrecords_tools.manifest import check_files
from tfrecords_tools.manifest import load_manifest
from tfrecords_tools.record_checks import CheckedRecord
from tfrecords_tools.record_checks import check_record
from tfrecords_tools.record_files import data_set_of
from tfrecords_tools.record_files import missing_shards
from tfrecords_tools.text_table import text_table

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

    def check_file(self, path: str) -> Iterator[tuple[Frame, bool]]:
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
) -> Iterator[tuple[Frame, CheckedRecord]]:
    """Yields all frames in order, checked several at a time."""
    if os.path.getsize(path) == 0:
        raise DataError("the file is empty")
    frames = walk_frames(path)
    check = functools.partial(_check_frame, label_map=label_map)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        while batch := list(itertools.islice(frames, _RECORDS_AT_ONCE)):
            yield from zip(batch, pool.map(check, batch), strict=True)


def _check_frame(frame: Frame, label_map: LabelMap | None) -> CheckedRecord:
    if frame.damage:
        message = f"damaged, {frame.damage} ({frame.size} bytes lost)"
        return CheckedRecord([Finding(Kind.DAMAGED_RECORD, message)])
    return check_record(frame.payload, label_map)
