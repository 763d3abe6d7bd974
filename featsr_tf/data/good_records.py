"""Reads records, without those that a scan has left out as bad.

TensorFlow cannot go on after a damaged record, but it can begin anywhere: a
file is read in runs of good records that follow each other.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import tensorflow as tf

from featsr_tf.data.frames import Offsets

_ALL = -1


def record_dataset(paths: Sequence[str], offsets: Offsets) -> tf.data.Dataset:
    """All good records of files, in their order.

    Args:
        paths: TFRecord files.
        offsets: where the good records begin, of the files that hold bad
            ones too; nothing else is read of these.

    Returns:
        Dataset of `[]` strings.
    """
    if not offsets:
        return tf.data.TFRecordDataset(list(paths))
    files = tf.data.Dataset.from_tensor_slices(list(paths))
    return files.flat_map(file_reader(paths, offsets))


def file_reader(
    paths: Sequence[str], offsets: Offsets
) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Makes a function that reads one of several files.

    Args:
        paths: as for `record_dataset`.
        offsets: as for `record_dataset`.

    Returns:
        A function from a path `[]` to a dataset of its good records, `[]`
        strings in their order.
    """
    if not offsets:
        return tf.data.TFRecordDataset
    runs = [(path, *run) for path in paths for run in _runs(offsets.get(path))]
    names, starts, counts = (list(column) for column in zip(*runs, strict=True))

    def read(path: tf.Tensor) -> tf.data.Dataset:
        of_file = tf.constant(names) == path
        own = [
            tf.boolean_mask(tf.constant(values, tf.int64), of_file)
            for values in (starts, counts)
        ]
        return tf.data.Dataset.from_tensor_slices(tuple(own)).flat_map(
            lambda start, count: _from(path, start).take(count)
        )

    return read


def _runs(places: Mapping[int, int] | None) -> Iterator[tuple[int, int]]:
    """Offset and length of each run of records without a gap."""
    if places is None:
        yield 0, _ALL
        return
    start, length = 0, 0
    for number, offset in places.items():
        if number - 1 not in places:
            if length:
                yield start, length
            start, length = offset, 0
        length += 1
    yield start, length


def _from(path: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
    """The records of a file from an offset in bytes onwards."""
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=path[None],
        compression_type="",
        buffer_size=tf.constant(256 * 1024, tf.int64),
        byte_offsets=start[None],
    )
    return tf.data.experimental.from_variant(
        variant, tf.TensorSpec([], tf.string)
    )
