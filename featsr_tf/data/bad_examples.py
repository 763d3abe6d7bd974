"""Leaves bad examples out of a data set: counted, named and up to a limit.

Whatever training could stumble over is found beforehand, so that a run sees
the same examples in each epoch and can be continued bit by bit.
"""

import concurrent.futures
import functools
import itertools
import os
import warnings
from collections.abc import Callable
from collections.abc import Mapping

from featsr_tf.data.examples import ExampleContent
from featsr_tf.data.examples import read_example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.tfrecord_files import Frame
from featsr_tf.data.tfrecord_files import walk_frames
from featsr_tf.errors import DataError

# Records in memory at one time; threads decode their images.
_RECORDS_AT_ONCE = 32


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

    from featsr_tf.data.corrupt_records import reason_of
    from featsr_tf.data.decode import decode_details
    from featsr_tf.data.decode import decode_example

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
