"""`tf.data` from records to batches, for training and for evaluation."""

import dataclasses
import os
import warnings
from collections.abc import Mapping
from collections.abc import Sequence

import tensorflow as tf

from featsr_tf.data.augment import TrainingCrop
from featsr_tf.data.augment import augment
from featsr_tf.data.augment import count_before_resizing
from featsr_tf.data.augment import training_crop
from featsr_tf.data.batching import Share
from featsr_tf.data.batching import batches_of_devices
from featsr_tf.data.batching import made_ahead
from featsr_tf.data.batching import own_examples
from featsr_tf.data.batching import shuffled_records
from featsr_tf.data.corrupt_records import record_dataset
from featsr_tf.data.decode import Frame
from featsr_tf.data.decode import decode_details
from featsr_tf.data.decode import decode_example
from featsr_tf.data.keys import Batch
from featsr_tf.data.resize import Resizer
from featsr_tf.data.resize import half_image
from featsr_tf.data.resize import pad_to
from featsr_tf.data.resize import resize
from featsr_tf.data.resize import round_up
from featsr_tf.data.service import mapped_by_services
from featsr_tf.data.tfrecord_files import Offsets

_PARALLEL_CALLS = max(os.cpu_count() or 1, 2)


@dataclasses.dataclass(frozen=True)
class WholeFrames:
    """Frames as a whole, resized and padded to one static shape.

    Args:
        resizer: how frames are resized.
        height: height of the padded frames in px, a multiple of 32.
        width: width of the padded frames in px, a multiple of 32.
    """

    resizer: Resizer
    height: int
    width: int


@dataclasses.dataclass(frozen=True)
class BatchOptions:
    """What every batch looks like.

    Args:
        batch_size: examples per batch, of all replicas together.
        max_boxes: room for boxes per image; further ones are cut.
        boxes_per_image: number of boxes in each record of all files, from
            the scan of the records; cut boxes are warned of.
        with_half_images: whether batches hold I^0.5 beside I^1.0.
        offsets: where the good records begin, of files that hold bad ones
            too. Default: all are good.
    """

    batch_size: int
    max_boxes: int
    boxes_per_image: Sequence[int]
    with_half_images: bool = True
    offsets: Offsets = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """How records become training batches.

    Args:
        batches: what every batch looks like.
        view: crops, or frames as a whole.
        augmentations: names and arguments for `augment.augment`.
        seed: seed of all randomness, 0 or more.
        skip_examples: how many examples an earlier run has used up.
        shuffle_buffer_mb: encoded records held for shuffling, in megabytes.
        share: what this worker sees of every batch; None = all of it.
        services: addresses of `python -m featsr_tf.data_service`, which
            decode instead of this process. Default none.
    """

    batches: BatchOptions
    view: TrainingCrop | WholeFrames
    augmentations: Sequence[tuple[str, Mapping[str, float]]] = ()
    seed: int = 0
    skip_examples: int = 0
    shuffle_buffer_mb: float = 64
    share: Share | None = None
    services: Sequence[str] = ()


def training_dataset(
    paths: Sequence[str], options: TrainingOptions
) -> tf.data.Dataset:
    """Endless shuffled, augmented batches of constant size.

    Each example has a running number over all epochs and the seed
    `[options.seed, number]`; what it looks like depends on nothing else, so
    `skip_examples` continues an interrupted run bit by bit, on any number of
    devices.

    Args:
        paths: TFRecord files.
        options: how records become batches.

    Returns:
        A dataset of dicts with the keys of `Batch`, all shapes static,
        without those that are for evaluation only; the parts of this
        worker's devices in turn, where it has several.
    """
    _warn_of_cut_boxes(options.batches)
    share = options.share or Share(options.batches.batch_size)

    def example(number: tf.Tensor, serialized: tf.Tensor) -> dict:
        seed = tf.stack([options.seed, tf.cast(number, tf.int32)])
        frame = training_frame(serialized, seed, options)
        shape = _padded_shape(options.view)
        return _entries(frame, seed, shape, options.batches.max_boxes)

    dataset = shuffled_records(
        paths,
        len(options.batches.boxes_per_image),
        options.seed,
        options.skip_examples,
        options.shuffle_buffer_mb,
        options.batches.offsets,
    )
    # The count leaves out whole batches: a row is a number's remainder.
    dataset = dataset.enumerate(start=options.skip_examples)
    dataset = own_examples(dataset, share)
    if options.services:
        dataset = mapped_by_services(
            dataset, example, share, options.skip_examples, options.services
        )
    else:
        dataset = dataset.map(example, num_parallel_calls=_PARALLEL_CALLS)
    dataset = batches_of_devices(dataset, share)
    return _with_halves(dataset, options.batches, share.num_devices)


def training_frame(
    serialized: tf.Tensor, seed: tf.Tensor, options: TrainingOptions
) -> Frame:
    """What training sees of a record: a crop or the whole frame, augmented.

    Args:
        serialized: `[]` string, the record.
        seed: `[2]` int32, stateless seed of the example.
        options: how records become batches.

    Returns:
        The frame before any padding.
    """
    steps = options.augmentations
    count = count_before_resizing(steps)
    own_seed = tf.random.experimental.stateless_fold_in(seed, 1)
    frame = augment(decode_example(serialized), own_seed, steps[:count])
    frame = _training_view(frame, seed, options.view)
    return augment(frame, own_seed, steps[count:], first_position=count)


def evaluation_dataset(
    paths: Sequence[str],
    view: WholeFrames,
    options: BatchOptions,
    positions: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """One pass over all records in their order; the last batch may be small.

    Args:
        paths: TFRecord files.
        view: resizer and padded shape.
        options: what the batches look like.
        positions: running numbers, from 0, of the only records to be decoded;
            None = all.

    Returns:
        A dataset of dicts with all keys of `Batch`. A record without
        `image/source_id` has its running number as its id.
    """
    _warn_of_cut_boxes(options)

    def example(number: tf.Tensor, serialized: tf.Tensor) -> dict:
        seed = tf.stack([0, tf.cast(number, tf.int32)])
        frame = _resized(decode_example(serialized), view.resizer)
        named = tf.strings.length(frame.source_id) > 0
        shape = _padded_shape(view)
        details = decode_details(serialized)
        return {
            Batch.CROWD: _padded(details.crowd, options.max_boxes),
            Batch.DIFFICULT: _padded(details.difficult, options.max_boxes),
            Batch.AREAS: _padded(details.areas, options.max_boxes),
            **_entries(frame, seed, shape, options.max_boxes),
            Batch.SOURCE_IDS: tf.where(
                named, frame.source_id, tf.strings.as_string(number)
            ),
            Batch.ORIGINAL_SIZES: frame.original_size,
        }

    # A file cut between two records raises no error by itself.
    dataset = record_dataset(paths, options.offsets).apply(
        tf.data.experimental.assert_cardinality(len(options.boxes_per_image))
    )
    dataset = dataset.enumerate()
    if positions is not None:
        wanted = tf.constant(positions, tf.int64)
        dataset = dataset.filter(
            lambda number, _: tf.reduce_any(number == wanted)
        )
    dataset = dataset.map(example, num_parallel_calls=_PARALLEL_CALLS)
    return _with_halves(dataset.batch(options.batch_size), options)


def _warn_of_cut_boxes(options: BatchOptions) -> None:
    surplus = [count - options.max_boxes for count in options.boxes_per_image]
    surplus = [count for count in surplus if count > 0]
    if surplus:
        warnings.warn(
            f"{sum(surplus)} boxes in {len(surplus)} of"
            f" {len(options.boxes_per_image)} images are cut, because these"
            f" have more than max_number_of_boxes: {options.max_boxes}; raise"
            " it to keep them",
            stacklevel=3,
        )


def _training_view(
    frame: Frame, seed: tf.Tensor, view: TrainingCrop | WholeFrames
) -> Frame:
    if isinstance(view, WholeFrames):
        return _resized(frame, view.resizer)
    crop_seed = tf.random.experimental.stateless_fold_in(seed, 0)
    return training_crop(frame, crop_seed, view)


def _resized(frame: Frame, resizer: Resizer) -> Frame:
    image = resize(frame.image, resizer)
    scale = tf.cast(tf.shape(image)[:2] / tf.shape(frame.image)[:2], tf.float32)
    return frame._replace(
        image=image,
        boxes=frame.boxes * tf.tile(scale, [2]),
        scale=frame.scale * scale,
    )


def _padded_shape(view: TrainingCrop | WholeFrames) -> tuple[int, int]:
    return round_up(view.height), round_up(view.width)


def _entries(
    frame: Frame, seed: tf.Tensor, shape: tuple[int, int], max_boxes: int
) -> dict[str, tf.Tensor]:
    return {
        Batch.IMAGES: pad_to(frame.image, *shape),
        Batch.IMAGE_SIZES: tf.cast(tf.shape(frame.image)[:2], tf.float32),
        Batch.SCALES: frame.scale,
        Batch.BOXES: _padded(frame.boxes, max_boxes),
        Batch.CLASSES: _padded(frame.classes, max_boxes),
        Batch.IGNORED: _padded(frame.ignored, max_boxes),
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
    return made_ahead(batches, num_devices)


def _with_half_images(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {**batch, Batch.HALF_IMAGES: half_image(batch[Batch.IMAGES])}
