"""What manifests say of the record files beside them.

`tfrecords_tools` writes `NAME.manifest.json` when all files of a split are
whole; here only the number of records in each file is asked for.
"""

import collections
import dataclasses
import glob
import importlib.util
import json
import os
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import tqdm

from featsr_tf.data.bad_examples import LenientScan
from featsr_tf.data.examples import ExampleContent
from featsr_tf.data.examples import read_example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.tfrecord_files import Offsets
from featsr_tf.data.tfrecord_files import count_records
from featsr_tf.errors import DataError

FORMAT = 1
_ENDING = ".manifest.json"
_SHARD_NAME = re.compile(r"(.+)\.record-\d{5}-of-\d{5}")


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


_EXAMPLES_WITHOUT_PROGRESS_BAR = 2000
# What converters need beside --output_path to write the split of a file.
_FLAGS_OF_CONVERTERS = {
    "coco": (
        " --{split}_image_dir COCO/{split}2017 --{split}_annotations_file"
        " COCO/annotations/instances_{split}2017.json"
    ),
    "gtsdb": " --data_dir GTSDB",
    "tt100k": " --data_dir TT100K",
    "voc": " --data_dir VOCdevkit --year {year} --set {split}",
}


@dataclasses.dataclass(frozen=True)
class RecordSummary:
    """What the records of a data set contain.

    Args:
        image_sizes: `[num_examples, 2]` int, height and width in px.
        object_sizes: `[num_objects, 2]` float32, height and width in px of
            the original images.
        object_labels: `[num_objects]` int, class ids.
        boxes_per_image: `[num_examples]` int.
        num_bad: how many bad examples are left out.
        offsets: where the good records begin, of files that hold bad ones.
    """

    image_sizes: np.ndarray
    object_sizes: np.ndarray
    object_labels: np.ndarray
    boxes_per_image: np.ndarray
    num_bad: int = 0
    offsets: Offsets = dataclasses.field(default_factory=dict)

    @property
    def num_examples(self) -> int:
        """Number of images."""
        return len(self.image_sizes)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All that is known."""
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

    def resized_object_sizes(
        self, resized: Callable[[int, int], tuple[int, int]]
    ) -> np.ndarray:
        """Sizes of the objects in resized images.

        Args:
            resized: tells the new height and width of an image.

        Returns:
            `[num_objects, 2]`, height and width in px.
        """
        new_sizes = [resized(*size) for size in self.image_sizes.tolist()]
        scales = np.array(new_sizes) / self.image_sizes
        return self.object_sizes * np.repeat(
            scales, self.boxes_per_image, axis=0
        )

    @property
    def class_counts(self) -> dict[int, int]:
        """Number of objects of each class id that occurs."""
        counts = collections.Counter(self.object_labels.tolist())
        return dict(sorted(counts.items()))


def expand_patterns(patterns: Sequence[str]) -> list[str]:
    """Finds the record files of a list of paths and globs, none of them empty.

    Args:
        patterns: paths, in which `*`, `?` and `[...]` are wildcards.

    Returns:
        The paths, sorted within each pattern, each once.

    Raises:
        DataError: no pattern at all, one that matches nothing, a folder or
            an empty file.
    """
    paths = match_patterns(patterns)
    for path in paths:
        if os.path.getsize(path) == 0:
            raise DataError(f"{path}: the record file is empty")
    return paths


def match_patterns(patterns: Sequence[str]) -> list[str]:
    """Finds the record files of a list of paths and globs, as they are.

    Args:
        patterns: as for `expand_patterns`.

    Returns:
        The paths, sorted within each pattern, each once.

    Raises:
        DataError: no pattern at all, one that matches nothing, or a folder.
    """
    if not patterns:
        raise DataError(
            "no record files: set tf_record_input_reader { input_path: ... }"
        )
    paths: dict[str, None] = {}
    for pattern in patterns:
        found = [pattern] if os.path.exists(pattern) else glob.glob(pattern)
        if not found:
            raise DataError(
                f"{pattern}: no such record file (looked in"
                f" {os.path.abspath(os.path.dirname(pattern))})"
                f"{_how_to_make(pattern)}"
            )
        paths.update(dict.fromkeys(sorted(found)))
    for path in paths:
        if not os.path.isfile(path):
            raise DataError(f"{path}: is a folder; give {path}/*.record*")
    return list(paths)


def _how_to_make(pattern: str) -> str:
    """Names the converter that writes files of this name, if there is one."""
    folder, name = os.path.split(pattern)
    data_set, _, split = name.partition(".")[0].partition("_")
    converter = f"tfrecords_tools.create_{data_set}_tf_record"
    if not data_set.isidentifier() or not importlib.util.find_spec(converter):
        return ""
    flags = _FLAGS_OF_CONVERTERS.get(data_set, "").format(
        split=split, year="VOC2007" if split == "test" else "merged"
    )
    return (
        f"; make it: python -m {converter} --output_path {folder or '.'}"
        f"{flags} (--help lists its other flags)"
    )


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
