"""The records of a data set: checked, counted, and the bad ones left out."""

import collections
import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tqdm

from featsr_tf.data.examples import CorruptRecordScan
from featsr_tf.data.examples import ExampleContent
from featsr_tf.data.examples import read_example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.tfrecord_files import read_raw_record
from featsr_tf.data.tfrecord_files import record_offsets
from featsr_tf.errors import DataError
from featsr_tf.files import read_text

# `tfrecords_tools` writes `NAME.manifest.json` when all files of a split are
# whole; here only the number of records in each file is asked for.
FORMAT = 1
_ENDING = ".manifest.json"
_SHARD_NAME = re.compile(r"(.+)\.record-\d{5}-of-\d{5}")
_EXAMPLES_WITHOUT_PROGRESS_BAR = 2000


@dataclasses.dataclass(frozen=True)
class RecordSummary:
    """What the records of a data set contain.

    Args:
        image_sizes: `[num_examples, 2]` int, height and width in px.
        object_sizes: `[num_objects, 2]` float32, height and width in px of
            the original images.
        object_labels: `[num_objects]` int, class ids.
        boxes_per_image: `[num_examples]` int.
    """

    image_sizes: np.ndarray
    object_sizes: np.ndarray
    object_labels: np.ndarray
    boxes_per_image: np.ndarray
    num_bad: int = 0

    @property
    def num_examples(self) -> int:
        """Number of images."""
        return len(self.image_sizes)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All that is known of the good records."""
        return (
            self.image_sizes,
            self.object_sizes,
            self.object_labels,
            self.boxes_per_image,
        )

    @property
    def num_objects(self) -> int:
        """Number of boxes in all images."""
        return len(self.object_labels)

    @property
    def max_boxes(self) -> int:
        """The largest number of boxes of an image."""
        return int(self.boxes_per_image.max())

    @property
    def max_height(self) -> int:
        """Height in px of the tallest image."""
        return int(self.image_sizes[:, 0].max())

    @property
    def max_width(self) -> int:
        """Width in px of the widest image."""
        return int(self.image_sizes[:, 1].max())

    @property
    def object_areas(self) -> np.ndarray:
        """`[num_objects]` float32, areas in px^2 of the original images."""
        return self.object_sizes.prod(axis=1)

    @property
    def class_counts(self) -> dict[int, int]:
        """Number of objects of each class id that occurs."""
        counts = collections.Counter(self.object_labels.tolist())
        return dict(sorted(counts.items()))

    def repeat_factors(self, threshold: float) -> np.ndarray:
        """`[num_examples]`: how often images are seen to balance classes.

        Repeat factor sampling (Gupta et al., LVIS, CVPR 2019): an image counts
        as its rarest class does, max(1, sqrt(threshold / f)) where a share f
        of the images holds the class; one without objects counts once.
        """
        images = np.repeat(np.arange(self.num_examples), self.boxes_per_image)
        pairs = np.unique(np.stack([images, self.object_labels]), axis=1)
        images, labels = pairs
        _, classes, counts = np.unique(
            labels, return_inverse=True, return_counts=True
        )
        shares = counts / self.num_examples
        factors = np.ones(self.num_examples)
        np.maximum.at(factors, images, np.sqrt(threshold / shares)[classes])
        return factors

    def resized_object_sizes(
        self, resized: Callable[[int, int], tuple[int, int]]
    ) -> np.ndarray:
        """`[num_objects, 2]` px: sizes of objects in images that are `resized`.

        It tells the new height and width of an image.
        """
        new_sizes = [resized(*size) for size in self.image_sizes.tolist()]
        scales = np.array(new_sizes) / self.image_sizes
        return self.object_sizes * np.repeat(
            scales, self.boxes_per_image, axis=0
        )


@dataclasses.dataclass(frozen=True)
class RecordFiles:
    """Checked record files, and where their good records are.

    Everything that reads, counts or names records takes this object, so that
    all of them leave out the same ones.

    Args:
        label_map: their classes; None where nothing says.
        offsets: by path: where each good record begins, in bytes, by its
            number from 0. Only of files that hold bad records too.
    """

    paths: list[str]
    label_map: LabelMap | None
    summary: RecordSummary
    offsets: Mapping[str, Mapping[int, int]] = dataclasses.field(
        default_factory=dict
    )

    def places(self) -> Iterator[tuple[str, int, int]]:
        """Yields path, number in its file and offset of each good record.

        Raises:
            DataError: a file from which none is left out has been damaged.
        """
        for path in self.paths:
            good = self.offsets.get(path) or enumerate(record_offsets(path))
            for number, offset in dict(good).items():
                yield path, number, offset

    def read(self) -> Iterator[bytes]:
        """Yields all good records in their order.

        Raises:
            DataError: a record is damaged that was not left out.
        """
        for path, number, offset in self.places():
            record = read_raw_record(path, number, offset)
            if record.damage:
                raise DataError(f"{path}: record {number}: {record.damage}")
            yield record.payload


def manifest_name(split_name: str) -> str:
    """The file name of a split's manifest."""
    return f"{split_name}{_ENDING}"


def is_manifest(name: str) -> bool:
    """Whether a file name is that of a manifest."""
    return name.endswith(_ENDING)


def manifests_beside(record_paths: Iterable[str]) -> list[str]:
    """Finds the manifests of record files, each once, in their order."""
    paths: dict[str, None] = {}
    for record_path in record_paths:
        folder, name = os.path.split(record_path)
        match = _SHARD_NAME.fullmatch(name)
        if match:
            paths[os.path.join(folder, manifest_name(match[1]))] = None
    return [path for path in paths if os.path.isfile(path)]


def read_manifest(path: str) -> dict[str, Any]:
    """Reads the values of a manifest, without its format.

    Raises:
        DataError: the file cannot be read, or is no manifest of this format.
    """
    try:
        values = json.loads(read_text(path))
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
    """Tells how many records there have to be, by path.

    Nothing is said of files without a manifest.

    Raises:
        DataError: a manifest cannot be used, or a file that it names is not
            there, or empty although it should hold records.
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
            if count and os.path.getsize(path) == 0:
                raise DataError(
                    f"{path}: the record file is empty, but {manifest} names"
                    f" {count} records of it; write or copy it again"
                )
            counts[path] = count
    return {path: counts[path] for path in record_paths if path in counts}


def check_counts(found: Mapping[str, int], expected: Mapping[str, int]) -> None:
    """Compares the numbers of records by path with the manifests'.

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


def scan_records(
    paths: Sequence[str],
    label_map: LabelMap | None,
    decode: bool = False,
    progress_bar: bool = True,
    max_bad_examples: int = 0,
) -> RecordFiles:
    """Reads and checks all records.

    Args:
        label_map: the classes that labels must belong to; None allows all
            from 1.
        decode: whether to decode all images, which finds every damage.
        progress_bar: whether to show one when there are many records.
        max_bad_examples: how many may be left out, each with a warning. Above
            0 all images are decoded.

    Raises:
        DataError: names the file and the record (counted from 0), for
            damaged files, incomplete examples, unsound boxes, labels outside
            the label map, another number of records than in the manifest,
            and when there is no example at all.
    """
    expected = expected_counts(paths)
    if max_bad_examples:
        scan = CorruptRecordScan(label_map, max_bad_examples, expected)
        with tqdm.tqdm(
            total=sum(map(os.path.getsize, paths)),
            desc="checking records",
            unit="B",
            unit_scale=True,
            disable=not progress_bar,
        ) as bar:
            for path in paths:
                scan.read(path, bar.update)
        summary = _summary(scan.contents, scan.num_bad)
        return RecordFiles(list(paths), label_map, summary, scan.offsets)
    counts = {path: len(record_offsets(path)) for path in paths}
    check_counts(counts, expected)
    total = sum(counts.values())
    if not total:
        raise DataError(f"{', '.join(paths)}: no examples in these files")
    contents = tqdm.tqdm(
        _read_all(counts, label_map, decode),
        total=total,
        desc="checking records",
        unit="image",
        disable=not progress_bar or total <= _EXAMPLES_WITHOUT_PROGRESS_BAR,
    )
    return RecordFiles(list(paths), label_map, _summary(list(contents)))


def _summary(
    contents: Sequence[ExampleContent], num_bad: int = 0
) -> RecordSummary:
    return RecordSummary(
        image_sizes=np.array([(item.height, item.width) for item in contents]),
        object_sizes=np.concatenate([item.object_sizes for item in contents]),
        object_labels=np.concatenate([item.labels for item in contents]),
        boxes_per_image=np.array([len(item.labels) for item in contents]),
        num_bad=num_bad,
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
