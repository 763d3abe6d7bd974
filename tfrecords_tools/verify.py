"""Checks record files to the last byte, and repairs damaged ones.

For example:

    python -m tfrecords_tools.verify output/gtsdb/*.record-*

Exit code 0: sound, perhaps with warnings; 1: errors were found; 2: nothing
could be read.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tqdm

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.records import manifests_beside
from featsr_tf.data.tfrecord_files import RawRecord
from featsr_tf.data.tfrecord_files import match_patterns
from featsr_tf.data.tfrecord_files import walk_records
from featsr_tf.data.tfrecord_files import without_empty_shards
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from tfrecords_tools import storage
from tfrecords_tools.manifest import Manifest
from tfrecords_tools.manifest import check_files
from tfrecords_tools.manifest import check_output
from tfrecords_tools.manifest import load_manifest
from tfrecords_tools.record_checks import CheckedRecord
from tfrecords_tools.record_checks import Finding
from tfrecords_tools.record_checks import Kind
from tfrecords_tools.record_checks import Reach
from tfrecords_tools.record_checks import check_frame
from tfrecords_tools.record_checks import has_errors
from tfrecords_tools.record_checks import joined_reach
from tfrecords_tools.record_checks import question_reach
from tfrecords_tools.record_files import LABEL_MAP_NAME
from tfrecords_tools.record_files import class_names
from tfrecords_tools.record_files import data_set_of
from tfrecords_tools.record_files import find_label_map
from tfrecords_tools.record_files import missing_shards
from tfrecords_tools.record_files import record_tool_parser
from tfrecords_tools.shards import scan_shard
from tfrecords_tools.tables import text_table

if TYPE_CHECKING:
    import tensorflow as tf

# Records in memory at one time; threads decode their images.
_RECORDS_AT_ONCE = 32


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and verifies."""
    parser = record_tool_parser("tfrecords_tools.verify", __doc__)
    parser.add_argument(
        "--repair",
        metavar="DIR",
        help="folder to write the good records to, under the same names, with"
        " label map and manifest",
    )
    with exit_on_error():
        if not verify(**vars(parser.parse_args(argv))):
            sys.exit(1)


def verify(
    files: Sequence[str],
    label_map: str | None = None,
    repair: str | None = None,
) -> bool:
    """Checks record files and prints what is wrong with them.

    Args:
        label_map: a label map; default is `label_map.pbtxt` beside the files.
        repair: folder to write the good records to, or None.

    Raises:
        DataError: no record at all could be read.
    """
    paths, empty = without_empty_shards(match_patterns(files))
    classes = find_label_map(paths, label_map)
    verifier = Verifier(classes, tqdm.tqdm.write)
    verifier.check_shards(paths, empty)
    _check_files(verifier, paths, classes, repair)
    verifier.check_data_sets()
    if not any(tally.readable for tally in verifier.tallies.values()):
        raise DataError(f"no readable record in {', '.join(files)}")
    print(verifier.table())
    if classes is None:
        print(_label_lines(verifier))
    print("\n".join(_count_lines(verifier.counts)))
    return not verifier.has_errors()


def _check_files(verifier: "Verifier", paths, classes, repair) -> None:
    with contextlib.ExitStack() as stack:
        repaired = None
        if repair:
            repaired = stack.enter_context(repaired_files(repair, paths))
        progress = stack.enter_context(
            tqdm.tqdm(
                total=sum(map(os.path.getsize, paths)),
                desc="verifying",
                unit="B",
                unit_scale=True,
            )
        )
        for path in paths:
            for frame, is_sound in verifier.check_file(path):
                progress.update(frame.size)
                if repaired and is_sound:
                    repaired.add(path, frame.payload)
        if repaired:
            repaired.finish(classes or LabelMap(class_names(verifier.labels)))


def _label_lines(verifier: "Verifier") -> str:
    lines = ["no label map (--label_map); the labels of the records:"]
    lines += [
        f"{count:8d}  {label} {text}".rstrip()
        for (label, text), count in sorted(verifier.labels.items())
    ]
    return "\n".join(lines)


def _count_lines(counts: collections.Counter[Kind]) -> list[str]:
    """Says how often each kind was found, errors first."""
    lines = [
        f"{counts[kind]:8d}  {'error' if kind.is_error else 'warning':<7}"
        f"  {kind.title}"
        for kind in Kind
        if counts[kind]
    ]
    return lines or ["nothing to object to"]


@dataclasses.dataclass
class Tally:
    """What was read of a data set."""

    files: int = 0
    readable: int = 0
    sound: int = 0
    objects: int = 0


class Verifier:
    """Checks files one after the other and remembers what it has seen.

    Args:
        label_map: the classes, or None where nothing says.

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
        # Where each picture was seen first.
        self._pictures: dict[str, str] = {}
        # Of the images with objects, by data set.
        self._reaches: dict[str, list[Reach]] = collections.defaultdict(list)

    def check_shards(
        self, paths: Sequence[str], empty: Sequence[str] = ()
    ) -> None:
        """Compares files with their manifests, else with what names say.

        Args:
            empty: shards without a byte, which training leaves out.
        """
        message = "is empty; left out, as other shards of its name hold records"
        for path in empty:
            self._note([Finding(Kind.EMPTY_SHARD, message)], path)
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
                    *self._repeated_picture(record, place),
                ]
                self._note(findings, place)
                is_sound = not has_errors(findings)
                tally.readable += not frame.damage
                if is_sound:
                    tally.sound += 1
                    tally.objects += len(record.labels)
                    self.labels.update(record.labels)
                    if record.reach:
                        self._reaches[data_set_of(path)].append(record.reach)
                yield frame, is_sound
            if tally.readable == readable_before:
                raise DataError(f"{path}: not one readable record in it")
        except DataError as error:
            message = str(error).removeprefix(f"{path}: ")
            self._note([Finding(Kind.UNREADABLE_FILE, message)], path)

    def check_data_sets(self) -> None:
        """Asks what no record alone can answer, when all files are checked."""
        for name, reaches in self._reaches.items():
            message = question_reach(
                joined_reach(reaches), self.tallies[name].objects, len(reaches)
            )
            if message:
                self._note([Finding(Kind.ONE_PART, message)], name)
        if self._label_map is None:
            try:
                class_names(self.labels)
            except DataError as error:
                name = ", ".join(self.tallies)
                self._note([Finding(Kind.TWO_NAMES, str(error))], name)

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

    def _repeated_picture(
        self, record: CheckedRecord, place: str
    ) -> list[Finding]:
        first_place = self._pictures.setdefault(record.picture, place)
        if not record.picture or first_place == place:
            return []
        message = (
            f"its image is that of {first_place}: the objects of one are"
            " background in the other"
        )
        return [Finding(Kind.SAME_PICTURE, message)]


def _checked_records(
    path: str, label_map: LabelMap | None
) -> Iterator[tuple[RawRecord, CheckedRecord]]:
    """Yields all frames in order, checked several at a time."""
    if os.path.getsize(path) == 0:
        raise DataError("the file is empty")
    frames = walk_records(path)
    check = functools.partial(check_frame, label_map=label_map)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        while batch := list(itertools.islice(frames, _RECORDS_AT_ONCE)):
            yield from zip(batch, pool.map(check, batch), strict=True)


class RepairedFiles:
    """Takes records and writes them under the names of their old files.

    Args:
        folder: inside of the output folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._writers: dict[str, tf.io.TFRecordWriter] = {}

    def add(self, source: str, record: bytes) -> None:
        """Writes a record that comes from a file `source`."""
        import tensorflow as tf

        name = os.path.basename(source)
        if name not in self._writers:
            path = str(self.folder / name)
            self._writers[name] = tf.io.TFRecordWriter(path)
        self._writers[name].write(record)

    def finish(self, label_map: LabelMap) -> None:
        """Closes the files and writes label map and manifests beside them.

        Raises:
            DataError: there was no record to write, or the output folder
                holds other records with another label map.
        """
        if not self._writers:
            raise DataError("not one good record: nothing is written")
        for writer in self._writers.values():
            writer.close()
        splits: dict[str, list[str]] = {}
        for name in self._writers:
            split = data_set_of(name).removesuffix(".record")
            splits.setdefault(split, []).append(name)
        check_output(str(self.folder.parent), list(splits), label_map)
        path = str(self.folder / LABEL_MAP_NAME)
        storage.write_text(path, label_map.to_text())
        for split, files in splits.items():
            shards = [
                scan_shard(str(self.folder / f), label_map) for f in files
            ]
            manifest = Manifest.of_shards(split, shards, label_map)
            manifest.write(str(self.folder))


@contextlib.contextmanager
def repaired_files(
    folder: str, sources: Sequence[str]
) -> Iterator[RepairedFiles]:
    """Lets repaired files appear all at once, when the block has ended.

    Args:
        folder: where to write, made when needed. Files of the same names
            are replaced.

    Raises:
        DataError: two sources of one name, a folder that holds one of the
            sources, or one that cannot be written to.
    """
    output = Path(folder).resolve()
    _check_names(output, sources)
    try:
        output.mkdir(parents=True, exist_ok=True)
        staging = tempfile.TemporaryDirectory(prefix=".repair-", dir=output)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot write there: {error.strerror}"
        ) from None
    with staging as name:
        yield RepairedFiles(Path(name))
        for path in sorted(Path(name).iterdir()):
            os.replace(path, output / path.name)


def _check_names(output: Path, sources: Sequence[str]) -> None:
    names: dict[str, str] = {}
    for source in sources:
        first = names.setdefault(os.path.basename(source), source)
        if first != source:
            raise DataError(
                f"{source}: has the same name as {first}; repair them one"
                " after the other, into two folders"
            )
        if Path(source).resolve().parent == output:
            raise DataError(
                f"{output}: holds {os.path.basename(source)} itself, and"
                " nothing is repaired in place; give --repair another folder"
            )


if __name__ == "__main__":
    main()
