"""Which record is it that TensorFlow stumbles over?"""

import contextlib
import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import tensorflow as tf

from featsr_tf.data.decode import decode_details
from featsr_tf.data.decode import decode_example
from featsr_tf.data.tfrecord_files import Offsets
from featsr_tf.data.tfrecord_files import record_offsets
from featsr_tf.errors import DataError

_PARALLEL_CALLS = 2
_NONE_LEFT_OUT: Offsets = {}


@contextlib.contextmanager
def named_data_errors(
    paths: Sequence[str],
    offsets: Offsets = _NONE_LEFT_OUT,
) -> Iterator[None]:
    """Turns TensorFlow's errors about damaged records into a `DataError`.

    Put around everything that iterates over a dataset of `paths`. An error
    that no record explains passes unchanged.

    Args:
        paths: the TFRecord files that are read.
        offsets: where the good records begin, of files that hold bad ones
            too. Default: there are none.

    Raises:
        DataError: a record cannot be read, parsed or decoded, or the files
            have changed since they were checked.
    """
    try:
        yield
    except tf.errors.OpError as error:
        found = find_damaged_record(paths, offsets)
        if found is None and "cardinality" in str(error.message):
            found = DataError(
                f"{', '.join(paths)}: another number of records is read than"
                " when the files were checked; they were written meanwhile:"
                " start again"
            )
        if found is None:
            raise
        raise found from error


def find_damaged_record(
    paths: Sequence[str],
    offsets: Offsets = _NONE_LEFT_OUT,
) -> DataError | None:
    """Reads and decodes all records until one fails.

    The graph's own errors name no record, because shuffling and parallel
    decoding have mixed them: so the files are read a second time.

    Args:
        paths: TFRecord files.
        offsets: as for `named_data_errors`.

    Returns:
        A `DataError` about the first damaged record (counted from 0 in its
        file, those left out too), or None when all are whole.
    """
    for path in paths:
        good = {path: offsets[path]} if path in offsets else {}
        position = 0
        try:
            for _ in _decoded_sizes(path, good):
                position += 1
            # TensorFlow says nothing of a file cut inside a frame's header.
            if not good:
                record_offsets(path)
        except DataError as error:
            return error
        except tf.errors.OpError as error:
            number = list(good[path])[position] if good else position
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


def _decoded_sizes(path: str, offsets: Offsets) -> tf.data.Dataset:
    return record_dataset([path], offsets).map(
        lambda serialized: (
            decode_example(serialized).original_size,
            decode_details(serialized).areas,
        ),
        num_parallel_calls=_PARALLEL_CALLS,
    )


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
