"""`tf.data` from records to batches, for training and for evaluation."""

import collections
import dataclasses
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from featsr_tf.data.augment import TrainingCrop
from featsr_tf.data.augment import augment
from featsr_tf.data.augment import count_before_resizing
from featsr_tf.data.augment import count_partners
from featsr_tf.data.augment import training_crop
from featsr_tf.data.decode import LabeledImage
from featsr_tf.data.decode import decode_details
from featsr_tf.data.decode import decode_example
from featsr_tf.data.decode import file_reader
from featsr_tf.data.decode import record_dataset
from featsr_tf.data.keys import Batch
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.resize import Resizer
from featsr_tf.data.resize import half_image
from featsr_tf.data.resize import pad_to
from featsr_tf.data.resize import padded_size
from featsr_tf.data.resize import resize
from featsr_tf.data.resize import round_up
from featsr_tf.data.sharding import Shard
from featsr_tf.data.sharding import batch_for_devices
from featsr_tf.data.sharding import map_by_services
from featsr_tf.data.sharding import prefetch
from featsr_tf.data.sharding import shard_examples

_PARALLEL_CALLS = max(os.cpu_count() or 1, 2)
_FILES_READ_AT_ONCE = 4
_MEGABYTE = 2**20
# Between the seeds of the orders in which partners come, far from stages'.
_BETWEEN_SEEDS = 1_000_003


@dataclasses.dataclass(frozen=True)
class WholeFrames:
    """Frames as a whole, resized and padded to one static shape.

    Args:
        height: of the padded frames in px, a multiple of 32.
        width: of the padded frames in px, a multiple of 32.
    """

    resizer: Resizer
    height: int
    width: int


@dataclasses.dataclass(frozen=True)
class BatchOptions:
    """What every batch looks like.

    Args:
        max_boxes: room for boxes per image; further ones are cut, with a
            warning.
        with_half_images: whether batches hold I^0.5 beside I^1.0.
        originals_shape: height and width of what holds every image before it
            is resized, px; None = batches are without these.
    """

    batch_size: int
    max_boxes: int
    with_half_images: bool = True
    originals_shape: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """How records become training batches.

    Args:
        seed: seed of all randomness, 0 or more.
        shuffle_buffer_mb: encoded records held for shuffling, in megabytes.
        class_balance_threshold: see `RecordSummary.repeat_factors`; 0 = every
            record once per epoch.
        shard: what this worker sees of every batch; None = all of it.
        services: addresses of `python -m featsr_tf.data_service`, which
            decode instead of this process.
    """

    batches: BatchOptions
    view: TrainingCrop | WholeFrames
    augmentations: Sequence[tuple[str, Mapping[str, float]]] = ()
    seed: int = 0
    skip_examples: int = 0
    shuffle_buffer_mb: float = 64
    class_balance_threshold: float = 0.0
    shard: Shard | None = None
    services: Sequence[str] = ()


def training_dataset(
    record_files: RecordFiles, options: TrainingOptions
) -> tf.data.Dataset:
    """Endless shuffled, augmented batches of constant size.

    Each example has a running number over all epochs and the seed
    `[options.seed, number]`; what it looks like depends on nothing else, so
    `skip_examples` continues an interrupted run bit by bit, on any number of
    devices.

    Returns:
        A dataset of dicts with the keys of `Batch`, all shapes static,
        without those that are for evaluation only; the parts of this
        worker's devices in turn, where it has several.
    """
    _warn_of_cut_boxes(record_files, options.batches)
    shard = options.shard or Shard(options.batches.batch_size)
    shape = round_up(options.view.height), round_up(options.view.width)

    def example(number: tf.Tensor, records: tuple[tf.Tensor, ...]) -> dict:
        seed = tf.stack([options.seed, tf.cast(number, tf.int32)])
        original, labeled = training_image(records, seed, options)
        return {
            **_original(original, options.batches),
            **_entries(labeled, seed, shape, options.batches),
        }

    dataset = training_records(record_files, options, options.skip_examples)
    # The count leaves out whole batches: a row is a number's remainder.
    dataset = dataset.enumerate(start=options.skip_examples)
    dataset = shard_examples(dataset, shard)
    if options.services:
        dataset = map_by_services(
            dataset, example, shard, options.skip_examples, options.services
        )
    else:
        dataset = dataset.map(example, num_parallel_calls=_PARALLEL_CALLS)
    dataset = batch_for_devices(dataset, shard)
    return _with_halves(dataset, options.batches, shard.num_devices)


def training_records(
    record_files: RecordFiles, options: TrainingOptions, skip: int = 0
) -> tf.data.Dataset:
    """Endless tuples of the records that training examples are made of.

    The first is that of the example; others are drawn where a step of
    augmentation takes their pixels, in orders of their own.
    """
    orders = range(1 + count_partners(options.augmentations))
    return tf.data.Dataset.zip(
        tuple(
            shuffled_records(
                record_files,
                options.seed + order * _BETWEEN_SEEDS,
                skip,
                options.shuffle_buffer_mb,
                options.class_balance_threshold,
            )
            for order in orders
        )
    )


def training_image(
    records: Sequence[tf.Tensor], seed: tf.Tensor, options: TrainingOptions
) -> tuple[LabeledImage, LabeledImage]:
    """What training sees of a record: a crop or the whole frame, augmented.

    Args:
        records: `[]` strings, the record and those of `training_records`
            beside it; without these the image itself stands in for them.
        seed: `[2]` int32, stateless seed of the example.

    Returns:
        The image before it is cropped or resized, and after that.
    """
    steps = options.augmentations
    count = count_before_resizing(steps)
    if options.batches.originals_shape is not None:
        # Both are to show the same.
        count = len(steps)
    own_seed = tf.random.experimental.stateless_fold_in(seed, 1)
    serialized, *others = records
    original = augment(
        decode_example(serialized),
        own_seed,
        steps[:count],
        partner=(lambda k: decode_example(others[k])) if others else None,
    )
    labeled = _training_view(original, seed, options.view)
    labeled = augment(labeled, own_seed, steps[count:], first_position=count)
    return original, labeled


def shuffled_records(
    record_files: RecordFiles,
    seed: int,
    skip: int = 0,
    buffer_mb: float = 64,
    class_balance_threshold: float = 0.0,
) -> tf.data.Dataset:
    """Serialized good records, each epoch all of them in another order.

    `Dataset.shuffle` is not used: its order depends on the global seed too,
    and to skip epochs it has to read them. Here stateless seeds permute
    the files and then blocks of records that follow each other.

    Args:
        record_files: what to read; finding another number of records is a
            `FailedPreconditionError`.
        seed: seed of the order, 0 or more.
        buffer_mb: how much a block may hold, in megabytes.
        class_balance_threshold: see `RecordSummary.repeat_factors`; 0 = every
            record once per epoch.
    """
    files = list(record_files.paths)
    num_records = record_files.summary.num_examples
    read: Callable[..., tf.data.Dataset] = file_reader(record_files)
    if not class_balance_threshold:

        def records(epoch_seed: tf.Tensor) -> tf.data.Dataset:
            return _interleaved(files, epoch_seed, read)

    else:
        factors = record_files.summary.repeat_factors(class_balance_threshold)
        counts = collections.Counter(p for p, *_ in record_files.places())
        starts = np.cumsum([0, *(counts[path] for path in files[:-1])])
        repeats = _Repeats(factors)
        num_read, num_records = num_records, repeats.total

        def records(epoch_seed: tf.Tensor) -> tf.data.Dataset:
            times = repeats.of_epoch(epoch_seed)
            numbered = _interleaved(
                range(len(files)),
                epoch_seed,
                lambda file: read(tf.gather(files, file)).enumerate(
                    tf.gather(starts, file)
                ),
            ).apply(tf.data.experimental.assert_cardinality(num_read))
            return numbered.flat_map(
                lambda number, record: tf.data.Dataset.from_tensors(
                    record
                ).repeat(times[number])
            )

    block_size = _block_size(files, num_records, buffer_mb)
    return shuffled_blocks(records, num_records, block_size, seed, skip)


class _Repeats:
    """How often each record is there in an epoch, always as many in all.

    Every epoch rounds the sums of the factors up to each record by another
    number: a record is there its factor's whole part of times, or once more,
    on average its factor (all are enlarged so far that their sum is whole).

    Args:
        factors: `[num_records]`, 1 or more.

    Attributes:
        total: number of records of an epoch.
    """

    def __init__(self, factors: np.ndarray):
        self.total = math.ceil(factors.sum() - 1e-6)
        sums = np.cumsum(factors) * (self.total / factors.sum())
        sums[-1] = self.total
        self._sums = np.concatenate([[0.0], sums])

    def of_epoch(self, seed: tf.Tensor) -> tf.Tensor:
        """`[num_records]` int64, by the epoch's seed `[2]`."""
        draw = tf.random.stateless_uniform([], seed, dtype=tf.float64)
        floors = tf.cast(tf.floor(self._sums + draw), tf.int64)
        return floors[1:] - floors[:-1]


def _interleaved(
    files: Sequence[Any],
    seed: tf.Tensor,
    read: Callable[[tf.Tensor], tf.data.Dataset],
) -> tf.data.Dataset:
    """Reads some files at once, in a random order."""
    order = tf.random.experimental.stateless_shuffle(files, seed)
    return tf.data.Dataset.from_tensor_slices(order).interleave(
        read, cycle_length=min(_FILES_READ_AT_ONCE, len(files))
    )


def shuffled_blocks(
    records: Callable[[tf.Tensor], tf.data.Dataset],
    num_records: int,
    block_size: int,
    seed: int,
    skip: int = 0,
) -> tf.data.Dataset:
    """Endless epochs, in each of which blocks of records are permuted.

    Args:
        records: makes the records of an epoch, of any structure, from the
            epoch's own seed `[2]`.
        num_records: their number; another number of them is a
            `FailedPreconditionError`.
        seed: seed of the order, 0 or more.
    """

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        own_seed = tf.stack([tf.constant(seed, tf.int64), number])
        # A file cut between two records raises no error by itself.
        blocks = records(own_seed).apply(
            tf.data.experimental.assert_cardinality(num_records)
        )
        blocks = blocks.batch(block_size).enumerate()
        return blocks.map(
            lambda i, block: _permuted(block, own_seed, i)
        ).unbatch()

    first_epoch, skipped = divmod(skip, num_records)
    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    return epochs.flat_map(epoch).skip(skipped)


def _permuted(block: Any, seed: tf.Tensor, number: tf.Tensor) -> Any:
    own_seed = tf.random.experimental.stateless_fold_in(seed, number)
    size = tf.shape(tf.nest.flatten(block)[0])[0]
    order = tf.random.experimental.stateless_shuffle(tf.range(size), own_seed)
    return tf.nest.map_structure(lambda x: tf.gather(x, order), block)


def _block_size(
    paths: Sequence[str], num_records: int, buffer_mb: float
) -> int:
    """Records per block, so that about equal blocks fit into the buffer."""
    file_sizes = [tf.io.gfile.stat(path).length for path in paths]
    num_blocks = math.ceil(sum(file_sizes) / _MEGABYTE / buffer_mb)
    return math.ceil(num_records / max(num_blocks, 1))


def evaluation_dataset(
    record_files: RecordFiles,
    view: WholeFrames,
    options: BatchOptions,
    positions: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """One pass over all records in their order; the last batch may be small.

    Args:
        positions: running numbers, from 0, of the only records to be decoded;
            None = all.

    Returns:
        Dicts with all keys of `Batch`. A record without `image/source_id` has
        its running number as its id.
    """

    def example(number: tf.Tensor, serialized: tf.Tensor) -> dict:
        seed = tf.stack([0, tf.cast(number, tf.int32)])
        original = decode_example(serialized)
        labeled = _resized(original, view.resizer)
        named = tf.strings.length(labeled.source_id) > 0
        details = decode_details(serialized)
        shape = round_up(view.height), round_up(view.width)
        if view.resizer.as_api:
            size = tf.shape(labeled.image)[:2]
            shape = tf.unstack(padded_size(size, view.resizer))
        return {
            Batch.CROWD: _padded(details.crowd, options.max_boxes),
            Batch.DIFFICULT: _padded(details.difficult, options.max_boxes),
            Batch.AREAS: _padded(details.areas, options.max_boxes),
            **_original(original, options),
            **_entries(labeled, seed, shape, options),
            Batch.SOURCE_IDS: tf.where(
                named, labeled.source_id, tf.strings.as_string(number)
            ),
            Batch.ORIGINAL_SIZES: labeled.original_size,
        }

    # A file cut between two records raises no error by itself.
    dataset = record_dataset(record_files).apply(
        tf.data.experimental.assert_cardinality(
            record_files.summary.num_examples
        )
    )
    dataset = dataset.enumerate()
    if positions is not None:
        wanted = tf.constant(positions, tf.int64)
        dataset = dataset.filter(
            lambda number, _: tf.reduce_any(number == wanted)
        )
    dataset = dataset.map(example, num_parallel_calls=_PARALLEL_CALLS)
    if view.resizer.as_api:
        # Frames of one batch may differ in size.
        batches = dataset.padded_batch(options.batch_size)
    else:
        batches = dataset.batch(options.batch_size)
    return _with_halves(batches, options)


def _warn_of_cut_boxes(
    record_files: RecordFiles, options: BatchOptions
) -> None:
    boxes_per_image = record_files.summary.boxes_per_image.tolist()
    surplus = [count - options.max_boxes for count in boxes_per_image]
    surplus = [count for count in surplus if count > 0]
    if surplus:
        warnings.warn(
            f"{sum(surplus)} boxes in {len(surplus)} of"
            f" {len(boxes_per_image)} images are cut, because these"
            f" have more than max_number_of_boxes: {options.max_boxes}; raise"
            " it to keep them",
            stacklevel=3,
        )


def _training_view(
    labeled: LabeledImage, seed: tf.Tensor, view: TrainingCrop | WholeFrames
) -> LabeledImage:
    if isinstance(view, WholeFrames):
        return _resized(labeled, view.resizer)
    crop_seed = tf.random.experimental.stateless_fold_in(seed, 0)
    return training_crop(labeled, crop_seed, view)


def _resized(labeled: LabeledImage, resizer: Resizer) -> LabeledImage:
    pixels = resize(labeled.image, resizer)
    scale = tf.cast(
        tf.shape(pixels)[:2] / tf.shape(labeled.image)[:2], tf.float32
    )
    return labeled._replace(
        image=pixels,
        boxes=labeled.boxes * tf.tile(scale, [2]),
        scale=labeled.scale * scale,
    )


def _original(
    labeled: LabeledImage, options: BatchOptions
) -> dict[str, tf.Tensor]:
    if options.originals_shape is None:
        return {}
    pixels = tf.cast(tf.round(tf.cast(labeled.image, tf.float32)), tf.uint8)
    height, width = options.originals_shape
    # As far as its edge a frame is as at the centres of its edge's pixels.
    edged = tf.pad(pixels, [[0, 1], [0, 1], [0, 0]], "SYMMETRIC")
    return {Batch.ORIGINALS: pad_to(edged[:height, :width], height, width)}


def _entries(
    labeled: LabeledImage,
    seed: tf.Tensor,
    shape: Sequence[int | tf.Tensor],
    options: BatchOptions,
) -> dict[str, tf.Tensor]:
    max_boxes = options.max_boxes
    return {
        Batch.IMAGES: pad_to(labeled.image, *shape),
        Batch.IMAGE_SIZES: tf.cast(tf.shape(labeled.image)[:2], tf.float32),
        Batch.SCALES: labeled.scale,
        Batch.BOXES: _padded(labeled.boxes, max_boxes),
        Batch.CLASSES: _padded(labeled.classes, max_boxes),
        Batch.IGNORED: _padded(labeled.ignored, max_boxes),
        Batch.SEEDS: seed,
    }


def _padded(values: tf.Tensor, max_boxes: int) -> tf.Tensor:
    missing = tf.maximum(max_boxes - tf.shape(values)[0], 0)
    paddings = [[0, missing]] + [[0, 0]] * (values.shape.rank - 1)
    values = tf.pad(values[:max_boxes], paddings)
    return tf.ensure_shape(values, [max_boxes, *values.shape[1:]])


def _with_halves(
    batches: tf.data.Dataset, options: BatchOptions, num_devices: int = 1
) -> tf.data.Dataset:
    if options.with_half_images:
        batches = batches.map(_with_half_images)
    return prefetch(batches, num_devices)


def _with_half_images(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {**batch, Batch.HALF_IMAGES: half_image(batch[Batch.IMAGES])}
