"""The files of a feature cache: written once, whole, and by one training."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
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
from featsr_tf.files import replaced_at_the_end
from featsr_tf.training.stage import Part
from featsr_tf.training.stage import Stage
from featsr_tf.training.stage import counted


@contextlib.contextmanager
def locked(folder: str, ending: str) -> Iterator[None]:
    """Lets one process at a time write to a folder.

    The lock is on the folder itself, so that no file is left of it, and the
    system takes it from a process that is killed. Hidden files are such a
    process's unfinished ones then, and are removed.

    Args:
        folder: must exist.
        ending: of the names of its files.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder}: waits for another process to fill it", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        _remove_leftovers(folder, ending)
        yield
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: str, ending: str) -> None:
    leftovers = list(Path(folder).glob(f".*{ending}"))
    for path in leftovers:
        path.unlink()
    if leftovers:
        print(
            f"{folder}: removed {len(leftovers)} unfinished files of a process"
            " that was killed",
            flush=True,
        )


ENDING = ".tfrecord"
_GIGABYTE = 1e9
_BLOCK_BYTES = 256e6
# Kept in half precision.
_FEATURES = (
    Part.SMALL_INPUTS,
    Part.PAIR_INPUTS,
    Part.TARGETS,
    Part.LARGE_FEATURES,
)
_LARGEST_HALF = float(np.finfo(np.float16).max)


def complete(
    stage: Stage,
    images: tf.data.Dataset,
    specs: Mapping[str, Any],
    files: Mapping[str, str],
    num_batches: int,
    maximum_gigabytes: float,
) -> None:
    """Computes the files that are missing or cut short.

    Another training that fills the same folder is waited for; what it has
    computed is there then.

    Args:
        stage: computes the parts.
        images: batches of images.
        specs: shapes and types by part, `[B, ...]`.
        files: paths by part, all in one folder.
        num_batches: number of batches.
        maximum_gigabytes: the most room that new files may take.

    Raises:
        FeatsrError: the files would be larger than allowed, or than the room
            on the disk, or features are too large for half precision.
    """
    if not _missing(files, specs, num_batches):
        return
    folder = os.path.dirname(next(iter(files.values())))
    needed = _bytes_of(_missing(files, specs, num_batches), specs, num_batches)
    if needed > maximum_gigabytes * _GIGABYTE:
        raise FeatsrError(
            f"feature cache: {', '.join(_missing(files, specs, num_batches))}"
            f" take {needed / _GIGABYTE:.2g} GB in {folder}; expected no more"
            f" than {maximum_gigabytes:g} GB; raise"
            " feature_cache.maximum_gigabytes or lower num_images"
        )
    os.makedirs(folder, exist_ok=True)
    with locked(folder, ENDING):
        missing = _missing(files, specs, num_batches)
        if not missing:
            return
        for part in missing:
            if os.path.exists(files[part]):
                print(
                    f"feature cache: {files[part]}: is damaged (of another"
                    " size than its content); computed anew",
                    flush=True,
                )
        _check_room(missing, specs, num_batches, folder)
        new = {part: files[part] for part in missing}
        _write(stage, images, num_batches, new)


@contextlib.contextmanager
def named_cache_errors(folder: str) -> Iterator[None]:
    """Turns TensorFlow's error about a damaged file into a `DataError`.

    Args:
        folder: of the files.

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


def _missing(
    files: Mapping[str, str], specs: Mapping[str, Any], num_batches: int
) -> list[str]:
    """The parts whose file is not there, or of the wrong size."""
    return [
        part
        for part, path in files.items()
        if not os.path.exists(path)
        or os.path.getsize(path) != _file_bytes(part, specs[part], num_batches)
    ]


def _check_room(
    missing: Sequence[str],
    specs: Mapping[str, Any],
    num_batches: int,
    folder: str,
) -> None:
    total = _bytes_of(missing, specs, num_batches)
    tell = (
        f"feature cache: {', '.join(missing)} take {total / _GIGABYTE:.2g} GB "
        f"in {folder}"
    )
    free = shutil.disk_usage(folder).free
    if total > free:
        raise FeatsrError(
            f"{tell}, where {free / _GIGABYTE:.2g} GB are free; make room, "
            "set feature_cache.folder or lower num_images"
        )
    print(tell, flush=True)


def _bytes_of(
    parts: Sequence[str], specs: Mapping[str, Any], num_batches: int
) -> int:
    return sum(_file_bytes(part, specs[part], num_batches) for part in parts)


def _file_bytes(part: str, spec: Any, num_batches: int) -> int:
    """Size of a file, with the lengths and checksums of its records."""
    batch_size = tf.nest.flatten(spec)[0].shape[0]
    frames = batch_size * (HEADER_BYTES + FOOTER_BYTES)
    return num_batches * (_num_bytes(part, spec) + frames)


def _num_bytes(part: str, spec: Any) -> int:
    return sum(
        item.shape.num_elements() * _stored_type(part, item.dtype).size
        for item in tf.nest.flatten(spec)
    )


def _stored_type(part: str, dtype: tf.DType) -> tf.DType:
    return tf.float16 if part in _FEATURES else dtype


def _write(
    stage: Stage,
    images: tf.data.Dataset,
    num_batches: int,
    files: Mapping[str, str],
) -> None:
    @tf.function
    def look(batch):
        seen = stage.look(batch)
        # What is not asked for drops out of the graph.
        tensors = {part: tf.nest.flatten(seen[part]) for part in files}
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
            stored, largest = look(batch)
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
            part: str(replaced.enter_context(replaced_at_the_end(path)))
            for part, path in files.items()
        }
        with contextlib.ExitStack() as opened:
            yield {
                part: opened.enter_context(tf.io.TFRecordWriter(path))
                for part, path in paths.items()
            }


def read(
    files: Mapping[str, str],
    specs: Mapping[str, Any],
    num_images: int,
    shard: Shard,
    seed: int,
    skip: int,
) -> tf.data.Dataset:
    """Reads all parts, in an order of its own in each pass.

    Args:
        files: paths by part.
        specs: shapes and types by part, `[B, ...]`.
        num_images: number of images in each file.
        shard: what this worker sees of every batch.
        seed: of the order.
        skip: how many images to leave out at the beginning.

    Returns:
        Endless dataset of the parts of batches, with `Part.NUMBERS`.
    """

    def decode(_, records: dict[str, tf.Tensor]) -> dict[str, Any]:
        numbers = records.pop(Part.NUMBERS)
        parts = {
            part: _decode(part, record, specs[part])
            for part, record in records.items()
        }
        return {**parts, Part.NUMBERS: numbers}

    size = shard.batch_size
    total = sum(_num_bytes(part, spec) for part, spec in specs.items())
    dataset = shuffled_blocks(
        lambda _: tf.data.Dataset.zip(
            {p: tf.data.TFRecordDataset(path) for p, path in files.items()}
            | {Part.NUMBERS: tf.data.Dataset.range(num_images)}
        ),
        num_images,
        max(int(_BLOCK_BYTES * size // total), size),
        seed,
        skip,
    )
    dataset = shard_examples(dataset.enumerate(start=skip), shard)
    dataset = dataset.map(decode, num_parallel_calls=2)
    batches = batch_for_devices(dataset, shard)
    if Batch.EXAMPLE_MASK in batches.element_spec:
        batches = batches.map(_without_stand_ins)
    return prefetch(batches, shard.num_devices)


def _without_stand_ins(seen: dict[str, Any]) -> dict[str, Any]:
    """Takes the weights from images that stand in for missing ones."""
    for part in (Part.SMALL, Part.LARGE):
        if part in seen:
            weights = counted(seen, seen[part].weights)
            seen[part] = seen[part]._replace(weights=weights)
    if Part.PAIR_WEIGHTS in seen:
        seen[Part.PAIR_WEIGHTS] = counted(seen, seen[Part.PAIR_WEIGHTS])
    return seen


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
