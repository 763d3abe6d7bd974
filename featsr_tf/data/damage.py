"""Which record is it that TensorFlow stumbles over?"""

import contextlib
import re
from collections.abc import Iterator
from collections.abc import Sequence

import tensorflow as tf

from featsr_tf.data.decode import decode_details
from featsr_tf.data.decode import decode_example
from featsr_tf.data.frames import Offsets
from featsr_tf.data.frames import record_offsets
from featsr_tf.data.good_records import record_dataset
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
