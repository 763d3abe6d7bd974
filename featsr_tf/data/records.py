"""Record files: where they are, and what their records contain."""

import collections
import dataclasses
import glob
import importlib.util
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.tfrecord_files import Offsets
from featsr_tf.data.tfrecord_files import read_frame
from featsr_tf.data.tfrecord_files import record_offsets
from featsr_tf.errors import DataError

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
        num_bad: how many corrupt or unsound records are left out.
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


@dataclasses.dataclass(frozen=True)
class RecordFiles:
    """Record files that were scanned, and which of their records are sound.

    Whatever reads records takes this object, so that all agree on what is
    left out.

    Attributes:
        paths: the TFRecord files.
        label_map: their classes; None = whatever the records name.
        summary: what the sound records contain.
    """

    paths: Sequence[str]
    label_map: LabelMap | None
    summary: RecordSummary

    @property
    def offsets(self) -> Offsets:
        """Where the sound records begin, of files with corrupt ones too."""
        return self.summary.offsets

    def places(self) -> Iterator[tuple[str, int, int]]:
        """Path, number in its file and offset in bytes of each record."""
        for path in self.paths:
            if path in self.offsets:
                numbered = self.offsets[path].items()
            else:
                numbered = enumerate(record_offsets(path))
            yield from ((path, *place) for place in numbered)

    def read(self) -> Iterator[bytes]:
        """Reads the sound records in their order, without TensorFlow.

        Raises:
            DataError: a record is damaged that was not left out.
        """
        for path, number, offset in self.places():
            record = read_frame(path, number, offset)
            if record.damage:
                raise DataError(f"{path}: record {number}: {record.damage}")
            yield record.payload


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
