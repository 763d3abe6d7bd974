"""Records as `tf.data`, and which of them TensorFlow stumbles over."""

import contextlib
import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping

import tensorflow as tf

from featsr_tf.data.decode import decode_details
from featsr_tf.data.decode import decode_example
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.tfrecord_files import record_offsets
from featsr_tf.errors import DataError

_PARALLEL_CALLS = 2
_ALL = -1


@contextlib.contextmanager
def translate_data_errors(*files: RecordFiles) -> Iterator[None]:
    """Turns TensorFlow's errors about damaged records into a `DataError`.

    Put around everything that iterates over a dataset of `files`. An error
    that no record explains passes unchanged.

    Args:
        *files: all record files that are read.

    Raises:
        DataError: a record cannot be read, parsed or decoded, or the files
            have changed since they were scanned.
    """
    try:
        yield
    except tf.errors.OpError as error:
        found = next(filter(None, map(find_damaged_record, files)), None)
        if found is None and "cardinality" in str(error.message):
            paths = [path for item in files for path in item.paths]
            found = DataError(
                f"{', '.join(paths)}: another number of records is read than"
                " when the files were checked; they were written meanwhile:"
                " start again"
            )
        if found is None:
            raise
        raise found from error


def find_damaged_record(files: RecordFiles) -> DataError | None:
    """Reads and decodes all records until one fails.

    The graph's own errors name no record, because shuffling and parallel
    decoding have mixed them: so the files are read a second time.

    Args:
        files: the record files.

    Returns:
        A `DataError` about the first damaged record (counted from 0 in its
        file, those left out too), or None when all are whole.
    """
    for path in files.paths:
        good = files.offsets.get(path)
        position = 0
        try:
            for _ in _decoded_sizes(path, good):
                position += 1
            # TensorFlow says nothing of a file cut inside a frame's header.
            if good is None:
                record_offsets(path)
        except DataError as error:
            return error
        except tf.errors.OpError as error:
            number = position if good is None else list(good)[position]
            return DataError(
                f"{path}: record {number}: {reason_of(error)}; write the file"
                " again without the damage"
            )
    return None


def reason_of(error: tf.errors.OpError) -> str:
    """Says in our words why a record could not be read.

    Args:
        error: what TensorFlow raised.

    Returns:
        One line, without file and record.
    """
    if isinstance(error, tf.errors.NotFoundError):
        return "the file does not exist"
    if isinstance(error, tf.errors.DataLossError):
        return "the record is damaged (wrong checksum or cut short)"
    if "Decode" in str(error):
        return "the image cannot be decoded (truncated, or no JPEG or PNG)"
    first_line = str(error.message).split("\n")[0]
    return re.sub(r".*::ParallelMapV2: |\.$", "", first_line)


def _decoded_sizes(
    path: str, good: Mapping[int, int] | None
) -> tf.data.Dataset:
    read = _file_reader({path: good})
    return read(tf.constant(path)).map(
        lambda serialized: (
            decode_example(serialized).original_size,
            decode_details(serialized).areas,
        ),
        num_parallel_calls=_PARALLEL_CALLS,
    )


def record_dataset(files: RecordFiles) -> tf.data.Dataset:
    """All sound records of files, in their order.

    Args:
        files: the record files.

    Returns:
        Dataset of `[]` strings.
    """
    if not files.offsets:
        return tf.data.TFRecordDataset(list(files.paths))
    paths = tf.data.Dataset.from_tensor_slices(list(files.paths))
    return paths.flat_map(file_reader(files))


def file_reader(files: RecordFiles) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Makes a function that reads one of several files.

    Args:
        files: the record files.

    Returns:
        A function from a path `[]` to a dataset of its sound records, `[]`
        strings in their order.
    """
    if not files.offsets:
        return tf.data.TFRecordDataset
    return _file_reader({path: files.offsets.get(path) for path in files.paths})


def _file_reader(
    offsets: Mapping[str, Mapping[int, int] | None],
) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """A reader of the records at these offsets; None stands for all."""
    runs = [(path, *run) for path in offsets for run in _runs(offsets[path])]
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
