"""The files of a feature cache: written once, whole, and by one training."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tqdm

from featsr_tf.data.input_pipeline import shuffled_blocks
from featsr_tf.data.keys import Batch
from featsr_tf.data.sharding import Shard
from featsr_tf.data.sharding import batch_for_devices
from featsr_tf.data.sharding import prefetch
from featsr_tf.data.sharding import shard_examples
from featsr_tf.data.tfrecord_files import FOOTER_BYTES
from featsr_tf.data.tfrecord_files import HEADER_BYTES
from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from featsr_tf.files import atomic_write
from featsr_tf.files import hold_lock
from featsr_tf.training.stage import Stage
from featsr_tf.training.stage import StageInputs
from featsr_tf.training.stage import mask_padding_examples

ENDING = ".tfrecord"
_LOCK_FILE = ".lock"
_GIGABYTE = 1e9
_BLOCK_BYTES = 256e6
# Kept in half precision.
_FEATURES = (
    StageInputs.SMALL_INPUTS,
    StageInputs.PAIR_INPUTS,
    StageInputs.TARGETS,
    StageInputs.LARGE_FEATURES,
    StageInputs.FOCUS_FEATURES,
)
_LARGEST_HALF = float(np.finfo(np.float16).max)


class FeatureFiles:
    """One TFRecord file for each part of a stage's inputs, in one folder.

    Args:
        specs: shapes and types by part, `[B, ...]`.
    """

    def __init__(
        self,
        paths: Mapping[str, str],
        specs: Mapping[str, Any],
        num_batches: int,
    ):
        self.paths = paths
        self.specs = specs
        self.num_batches = num_batches
        self.batch_size = tf.nest.flatten(dict(specs))[0].shape[0]

    def complete(
        self, stage: Stage, images: tf.data.Dataset, maximum_gigabytes: float
    ) -> None:
        """Computes the files that are missing or cut short.

        Another training that fills the same folder is waited for; what it has
        computed is there then.

        Raises:
            FeatsrError: the files would be larger than allowed, or than the
                room on the disk, or features are too large for half precision.
        """
        missing = self._missing()
        if not missing:
            return
        folder = os.path.dirname(next(iter(self.paths.values())))
        needed = self._num_bytes(missing) / _GIGABYTE
        if needed > maximum_gigabytes:
            raise FeatsrError(
                f"feature cache: {', '.join(missing)} take {needed:.2g} GB in "
                f"{folder}; expected no more than {maximum_gigabytes:g} GB; "
                "raise feature_cache.maximum_gigabytes or lower num_images"
            )
        os.makedirs(folder, exist_ok=True)
        with _locked(folder):
            missing = self._missing()
            if not missing:
                return
            for part in missing:
                if os.path.exists(self.paths[part]):
                    print(
                        f"feature cache: {self.paths[part]}: is damaged (of "
                        "another size than its content); computed anew",
                        flush=True,
                    )
            self._check_room(missing, folder)
            _write(
                stage,
                images,
                self.num_batches,
                {part: self.paths[part] for part in missing},
            )

    def read(self, shard: Shard, seed: int, skip: int) -> tf.data.Dataset:
        """Reads all parts, in each pass in another order.

        Returns:
            Endless dataset of a stage's inputs, with `StageInputs.NUMBERS`.
        """

        def decode(_, records: dict[str, tf.Tensor]) -> dict[str, Any]:
            numbers = records.pop(StageInputs.NUMBERS)
            parts = {
                part: _decode(part, record, self.specs[part])
                for part, record in records.items()
            }
            return {**parts, StageInputs.NUMBERS: numbers}

        num_images = self.num_batches * self.batch_size
        size = shard.batch_size
        batch_bytes = sum(
            _bytes_of_batch(part, spec) for part, spec in self.specs.items()
        )
        dataset = shuffled_blocks(
            lambda _: tf.data.Dataset.zip(
                {
                    part: tf.data.TFRecordDataset(path)
                    for part, path in self.paths.items()
                }
                | {StageInputs.NUMBERS: tf.data.Dataset.range(num_images)}
            ),
            num_images,
            max(int(_BLOCK_BYTES * size // batch_bytes), size),
            seed,
            skip,
        )
        dataset = shard_examples(dataset.enumerate(start=skip), shard)
        dataset = dataset.map(decode, num_parallel_calls=2)
        batches = batch_for_devices(dataset, shard)
        if Batch.EXAMPLE_MASK in batches.element_spec:
            batches = batches.map(_mask_padding_examples)
        return prefetch(batches, shard.num_devices)

    def _missing(self) -> list[str]:
        """The parts whose file is not there, or of the wrong size."""
        return [
            part
            for part, path in self.paths.items()
            if not os.path.exists(path)
            or os.path.getsize(path) != self._num_bytes([part])
        ]

    def _num_bytes(self, parts: Sequence[str]) -> int:
        """Size of files, with the lengths and checksums of their records."""
        frames = self.batch_size * (HEADER_BYTES + FOOTER_BYTES)
        return sum(
            self.num_batches
            * (_bytes_of_batch(part, self.specs[part]) + frames)
            for part in parts
        )

    def _check_room(self, missing: Sequence[str], folder: str) -> None:
        needed = self._num_bytes(missing) / _GIGABYTE
        line = (
            f"feature cache: {', '.join(missing)} take {needed:.2g} GB in "
            f"{folder}"
        )
        free = shutil.disk_usage(folder).free / _GIGABYTE
        if needed > free:
            raise FeatsrError(
                f"{line}, where {free:.2g} GB are free; make room, set "
                "feature_cache.folder or lower num_images"
            )
        print(line, flush=True)


def _bytes_of_batch(part: str, spec: Any) -> int:
    return sum(
        item.shape.num_elements() * _stored_type(part, item.dtype).size
        for item in tf.nest.flatten(spec)
    )


def _stored_type(part: str, dtype: tf.DType) -> tf.DType:
    return tf.float16 if part in _FEATURES else dtype


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Lets one process at a time write to a folder.

    The system takes the lock from a process that is killed. Hidden files are
    such a process's unfinished ones then, and are removed.
    """

    def wait() -> None:
        print(f"{folder}: waits for another process to fill it", flush=True)

    with hold_lock(os.path.join(folder, _LOCK_FILE), wait):
        _remove_leftovers(folder)
        yield


def _remove_leftovers(folder: str) -> None:
    leftovers = list(Path(folder).glob(f".*{ENDING}"))
    for path in leftovers:
        path.unlink()
    if leftovers:
        print(
            f"{folder}: removed {len(leftovers)} unfinished files of a process"
            " that was killed",
            flush=True,
        )


@contextlib.contextmanager
def translate_cache_errors(folder: str) -> Iterator[None]:
    """Turns TensorFlow's error about a damaged file into a `DataError`.

    Raises:
        DataError: which file is damaged. An error that no file explains
            passes unchanged.
    """
    try:
        yield
    except tf.errors.DataLossError as error:
        for path in sorted(Path(folder).glob(f"*{ENDING}")):
            number = _first_damaged_record(str(path))
            if number is not None:
                raise DataError(
                    f"{path}: record {number}: this file of the feature cache"
                    " is damaged; delete it and start again: it is computed"
                    " anew"
                ) from error
        raise


def _first_damaged_record(path: str) -> int | None:
    number = 0
    try:
        for _ in tf.data.TFRecordDataset(path):
            number += 1
    except tf.errors.DataLossError:
        return number
    return None


def _write(
    stage: Stage,
    images: tf.data.Dataset,
    num_batches: int,
    files: Mapping[str, str],
) -> None:
    @tf.function
    def compute(batch):
        inputs = stage.compute_frozen(batch)
        # What is not asked for drops out of the graph.
        tensors = {part: tf.nest.flatten(inputs[part]) for part in files}
        stored = {
            part: [tf.cast(x, _stored_type(part, x.dtype)) for x in values]
            for part, values in tensors.items()
        }
        largest = {
            part: tf.reduce_max([tf.reduce_max(tf.abs(x)) for x in values])
            for part, values in tensors.items()
            if part in _FEATURES
        }
        return stored, largest

    with _writers(files) as writers:
        for batch in tqdm.tqdm(
            images,
            total=num_batches,
            desc="feature cache",
            unit="batch",
            dynamic_ncols=True,
        ):
            stored, largest = compute(batch)
            _check_largest(largest)
            for part, tensors in stored.items():
                for rows in zip(*(x.numpy() for x in tensors), strict=True):
                    record = b"".join(row.tobytes() for row in rows)
                    writers[part].write(record)


def _check_largest(largest: Mapping[str, tf.Tensor]) -> None:
    for part, value in largest.items():
        # Written so that it is true of NaN too.
        if not float(value) <= _LARGEST_HALF:
            raise FeatsrError(
                f"feature cache: {part} reaches {float(value):g}; expected at"
                f" most {_LARGEST_HALF:g}, the largest number in half"
                " precision; train without feature_cache, and see whether the"
                " base detector has diverged"
            )


@contextlib.contextmanager
def _writers(
    files: Mapping[str, str],
) -> Iterator[dict[str, tf.io.TFRecordWriter]]:
    """Opens all files; they appear under their names at the end."""
    with contextlib.ExitStack() as replaced:
        paths = {
            part: str(replaced.enter_context(atomic_write(path)))
            for part, path in files.items()
        }
        with contextlib.ExitStack() as opened:
            yield {
                part: opened.enter_context(tf.io.TFRecordWriter(path))
                for part, path in paths.items()
            }


def _mask_padding_examples(inputs: dict[str, Any]) -> dict[str, Any]:
    for part in (StageInputs.SMALL, StageInputs.LARGE):
        if part in inputs:
            weights = mask_padding_examples(inputs, inputs[part].weights)
            inputs[part] = inputs[part]._replace(weights=weights)
    if StageInputs.PAIR_WEIGHTS in inputs:
        inputs[StageInputs.PAIR_WEIGHTS] = mask_padding_examples(
            inputs, inputs[StageInputs.PAIR_WEIGHTS]
        )
    if StageInputs.FOCUS_TARGETS in inputs:
        targets = inputs[StageInputs.FOCUS_TARGETS]
        weights = mask_padding_examples(inputs, targets.weights)
        inputs[StageInputs.FOCUS_TARGETS] = targets._replace(weights=weights)
    return inputs


def _decode(part: str, record: tf.Tensor, spec: Any) -> Any:
    """Takes the tensors of one image out of a record."""
    begin, tensors = 0, []
    for item in tf.nest.flatten(spec):
        shape, stored = item.shape[1:], _stored_type(part, item.dtype)
        size = shape.num_elements() * stored.size
        values = tf.io.decode_raw(
            tf.strings.substr(record, begin, size), stored
        )
        tensors.append(tf.cast(tf.reshape(values, shape), item.dtype))
        begin += size
    return tf.nest.pack_sequence_as(spec, tensors)
