"""Reads all records once, before anything is built from them.

TensorFlow reads an empty record file, one that is cut inside a frame's header
and one that lacks its last records without any error: hence the records are
counted here, and compared with the manifests that `tfrecords_tools` writes.

Where corrupt records may be left out, whatever training could stumble over is
found here, so that a run sees the same examples in each epoch and can be
continued bit by bit.
"""

import concurrent.futures
import functools
import itertools
import json
import os
import re
import warnings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import tqdm

from featsr_tf.data.examples import ExampleContent
from featsr_tf.data.examples import read_example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.records import RecordSummary
from featsr_tf.data.tfrecord_files import Frame
from featsr_tf.data.tfrecord_files import Offsets
from featsr_tf.data.tfrecord_files import count_records
from featsr_tf.data.tfrecord_files import walk_frames
from featsr_tf.errors import DataError

_EXAMPLES_WITHOUT_PROGRESS_BAR = 2000
# Records in memory at one time; threads decode their images.
_RECORDS_AT_ONCE = 32
FORMAT = 1
_ENDING = ".manifest.json"
_SHARD_NAME = re.compile(r"(.+)\.record-\d{5}-of-\d{5}")


def scan_records(
    paths: Sequence[str],
    label_map: LabelMap | None,
    decode: bool = False,
    progress_bar: bool = True,
    max_bad_examples: int = 0,
) -> RecordSummary:
    """Reads and checks all records.

    Args:
        paths: TFRecord files of TF Examples.
        label_map: the classes that labels must belong to; None allows all
            from 1.
        decode: whether to decode all images, which finds every damage.
        progress_bar: whether to show one when there are many records.
        max_bad_examples: how many may be left out, each with a warning. Above
            0 all images are decoded. Default 0.

    Returns:
        The summary of all files.

    Raises:
        DataError: names the file and the record (counted from 0), for
            damaged files, incomplete examples, unsound boxes, labels outside
            the label map, another number of records than in the manifest,
            and when there is no example at all.
    """
    expected = expected_counts(paths)
    if max_bad_examples:
        scan = LenientScan(label_map, max_bad_examples, expected)
        with tqdm.tqdm(
            total=sum(map(os.path.getsize, paths)),
            desc="checking records",
            unit="B",
            unit_scale=True,
            disable=not progress_bar,
        ) as bar:
            for path in paths:
                scan.read(path, bar.update)
        return _summary(scan.contents, scan.num_bad, scan.offsets)
    counts = {path: count_records(path) for path in paths}
    check_counts(counts, expected)
    total = sum(counts.values())
    if not total:
        raise DataError(f"{', '.join(paths)}: no examples in these files")
    contents = [
        content
        for content in tqdm.tqdm(
            _read_all(counts, label_map, decode),
            total=total,
            desc="checking records",
            unit="image",
            disable=not progress_bar or total <= _EXAMPLES_WITHOUT_PROGRESS_BAR,
        )
    ]
    return _summary(contents)


def _summary(
    contents: Sequence[ExampleContent],
    num_bad: int = 0,
    offsets: Offsets | None = None,
) -> RecordSummary:
    return RecordSummary(
        np.array([(item.height, item.width) for item in contents]),
        np.concatenate([item.object_sizes for item in contents]),
        np.concatenate([item.labels for item in contents]),
        np.array([len(item.labels) for item in contents]),
        num_bad,
        offsets or {},
    )


def _read_all(
    counts: dict[str, int], label_map: LabelMap | None, decode: bool
) -> Iterator[ExampleContent]:
    for path, count in counts.items():
        records = _read_file(path)
        for index in range(count):
            try:
                yield read_example(next(records), label_map, decode)
            except DataError as error:
                raise DataError(f"{path}: record {index}: {error}") from None


def _read_file(path: str) -> Iterator[bytes]:
    """Yields the records of a file, their checksums verified."""
    import tensorflow as tf

    try:
        yield from tf.data.TFRecordDataset(path).as_numpy_iterator()
    except tf.errors.DataLossError:
        raise DataError(
            "damaged, its checksum is wrong; write or copy the file again"
        ) from None


class LenientScan:
    """Reads all records and sorts the bad ones out.

    Args:
        label_map: the classes that labels must belong to; None allows all
            from 1.
        maximum: the most bad examples, of all files.
        expected: number of records by path, from manifests.

    Attributes:
        contents: of the good examples.
        offsets: where the good records begin, of files with bad ones.
        num_bad: how many examples were left out.
    """

    def __init__(
        self,
        label_map: LabelMap | None,
        maximum: int,
        expected: Mapping[str, int],
    ):
        self.contents: list[ExampleContent] = []
        self.offsets: dict[str, dict[int, int]] = {}
        self.num_bad = 0
        self._check = functools.partial(_check_frame, label_map)
        self._maximum = maximum
        self._expected = expected

    def read(self, path: str, progress: Callable[[int], object]) -> None:
        """Reads a file.

        Args:
            path: TFRecord file.
            progress: is told the size of each record in bytes.

        Raises:
            DataError: the file holds no good example, or there are more bad
                ones than allowed.
        """
        offsets = {}
        bad_before = self.num_bad
        frames = walk_frames(path)
        number = -1
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            while batch := list(itertools.islice(frames, _RECORDS_AT_ONCE)):
                found = pool.map(self._check, batch)
                for frame, outcome in zip(batch, found, strict=True):
                    number = frame.number
                    progress(frame.size)
                    if isinstance(outcome, DataError):
                        self._leave_out(f"{path}: record {number}: {outcome}")
                    else:
                        offsets[number] = frame.offset
                        self.contents.append(outcome)
        # One stretch of damage may have swallowed several records.
        for lost in range(number + 1, self._expected.get(path, 0)):
            self._leave_out(f"{path}: record {lost}: is missing")
        if not offsets:
            raise DataError(f"{path}: not one sound record in it")
        if self.num_bad > bad_before:
            self.offsets[path] = offsets

    def _leave_out(self, line: str) -> None:
        self.num_bad += 1
        if self.num_bad > self._maximum:
            raise DataError(
                f"{line}; this is bad example {self.num_bad}, and"
                f" max_bad_examples allows {self._maximum}"
            )
        warnings.warn(
            f"{line}; left out (bad example {self.num_bad} of at most"
            f" {self._maximum})",
            stacklevel=2,
        )


def _check_frame(
    label_map: LabelMap | None, frame: Frame
) -> ExampleContent | DataError:
    import tensorflow as tf

    from featsr_tf.data.decode import decode_details
    from featsr_tf.data.decode import decode_example
    from featsr_tf.data.record_datasets import reason_of

    if frame.damage:
        return DataError(f"damaged, {frame.damage}")
    try:
        content = read_example(frame.payload, label_map)
        # Training and evaluation decode in this way, and must not fail later.
        decode_example(tf.constant(frame.payload))
        decode_details(tf.constant(frame.payload))
    except DataError as error:
        return error
    except tf.errors.OpError as error:
        return DataError(reason_of(error))
    return content


def manifest_name(split_name: str) -> str:
    """The file name of a split's manifest."""
    return f"{split_name}{_ENDING}"


def is_manifest(name: str) -> bool:
    """Whether a file name is that of a manifest."""
    return name.endswith(_ENDING)


def manifests_beside(record_paths: Iterable[str]) -> list[str]:
    """Finds the manifests of record files.

    Args:
        record_paths: such as `data/voc_train.record-00000-of-00010`.

    Returns:
        Paths of the manifests that exist in the folders of the files, each
        once, in the order of the files.
    """
    paths: dict[str, None] = {}
    for record_path in record_paths:
        folder, name = os.path.split(record_path)
        match = _SHARD_NAME.fullmatch(name)
        if match:
            paths[os.path.join(folder, manifest_name(match[1]))] = None
    return [path for path in paths if os.path.isfile(path)]


def read_manifest(path: str) -> dict[str, Any]:
    """Reads a manifest as it is.

    Args:
        path: a file `NAME.manifest.json`.

    Returns:
        Its values without the format.

    Raises:
        DataError: the file cannot be read, or is no manifest of this format.
    """
    try:
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    # Lists may be nested too deeply for the parser.
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a JSON file: {error}") from None
    found = values.pop("format", None) if isinstance(values, dict) else None
    if found != FORMAT:
        raise DataError(
            f"{path}: expected a manifest of format {FORMAT}, found {found!r}"
        )
    return values


def expected_counts(record_paths: Iterable[str]) -> dict[str, int]:
    """Tells how many records there have to be in files that have a manifest.

    Args:
        record_paths: the record files that are to be read.

    Returns:
        The number of records by path; nothing of files without a manifest.

    Raises:
        DataError: a manifest cannot be used, or a file that it names is not
            there.
    """
    record_paths = list(record_paths)
    counts = {}
    for manifest in manifests_beside(record_paths):
        folder = os.path.dirname(manifest)
        for name, count in _shard_counts(manifest).items():
            path = os.path.join(folder, name)
            if not os.path.exists(path):
                raise DataError(
                    f"{path}: no such record file, but {manifest} names it;"
                    " copy it again, or remove the manifest to do without"
                )
            counts[path] = count
    return {path: counts[path] for path in record_paths if path in counts}


def check_counts(found: Mapping[str, int], expected: Mapping[str, int]) -> None:
    """Compares the records that files hold with those of their manifests.

    Args:
        found: number of records by path.
        expected: from `expected_counts`.

    Raises:
        DataError: which record is missing, or is one too many.
    """
    for path, count in expected.items():
        if found[path] != count:
            kind = "is missing" if found[path] < count else "is one too many"
            raise DataError(
                f"{path}: record {min(found[path], count)} {kind}: the"
                f" manifest says {count} records, the file holds"
                f" {found[path]}; write or copy the file again"
            )


def _shard_counts(manifest: str) -> dict[str, int]:
    try:
        counts = {
            os.path.basename(shard["file"]): shard["num_examples"]
            for shard in read_manifest(manifest)["shards"]
        }
    except (KeyError, TypeError) as error:
        raise DataError(f"{manifest}: not a whole manifest: {error}") from None
    for name, count in counts.items():
        if not isinstance(count, int):
            raise DataError(
                f"{manifest}: num_examples of {name} is {count!r:.80};"
                " expected a number"
            )
    return counts
