"""Data sets from a pipeline; nothing else in `data/` knows the config."""

import dataclasses
import inspect
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from featsr_tf.config.schema import InputReader
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.schema import ResizeType
from featsr_tf.data import augment
from featsr_tf.data import input_pipeline as batches
from featsr_tf.data import resize
from featsr_tf.data.batching import Share
from featsr_tf.data.batching import shuffled_records
from featsr_tf.data.examples import feature_texts
from featsr_tf.data.examples import parse_example
from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import check_num_classes
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import RecordSummary
from featsr_tf.data.records import expand_patterns
from featsr_tf.data.records import scan_records

_METHODS = {
    ResizeType.AREA: resize.AREA,
    ResizeType.BICUBIC: resize.BICUBIC,
    ResizeType.BILINEAR: resize.BILINEAR,
    ResizeType.NEAREST_NEIGHBOR: resize.NEAREST,
}


@dataclasses.dataclass(frozen=True)
class Source:
    """Checked records.

    Attributes:
        paths: the record files.
        label_map: their classes.
        summary: what the records contain.
    """

    paths: list[str]
    label_map: LabelMap
    summary: RecordSummary


def open_source(
    reader: InputReader, num_classes: int, decode: bool = False
) -> Source:
    """Checks the label map and all records of an input reader.

    Args:
        reader: message of the pipeline.
        num_classes: number of classes of the model.
        decode: whether to decode all images. Default False: only headers and
            ends are looked at.

    Returns:
        The source.

    Raises:
        DataError: names what is missing or unsound, and where.
    """
    label_map = load_label_map(reader.label_map_path)
    check_num_classes(label_map, num_classes)
    paths = expand_patterns(reader.tf_record_input_reader.input_path)
    summary = scan_records(
        paths, label_map, decode, max_bad_examples=reader.max_bad_examples
    )
    return Source(paths, label_map, summary)


def build_resizer(pipeline: Pipeline) -> resize.Resizer:
    """Makes the resizer of whole frames."""
    options = pipeline.model.faster_rcnn.image_resizer
    if options.fixed_shape_resizer is not None:
        fixed = options.fixed_shape_resizer
        return resize.FixedShapeResizer(
            fixed.height, fixed.width, _METHODS[fixed.resize_method]
        )
    # `config.model_checks` refuses a config with neither of the two.
    keep: Any = options.keep_aspect_ratio_resizer
    return resize.KeepAspectRatioResizer(
        keep.min_dimension,
        keep.max_dimension,
        keep.pad_to_max_dimension,
        _METHODS[keep.resize_method],
    )


def training_batches(
    pipeline: Pipeline,
    source: Source,
    skip_steps: int = 0,
    with_half_images: bool = False,
    seed_offset: int = 0,
    share: Share | None = None,
    services: Sequence[str] = (),
) -> tf.data.Dataset:
    """Makes the endless training batches of a stage.

    Args:
        pipeline: the config.
        source: the training records.
        skip_steps: steps that the stage has seen before.
        with_half_images: whether I^0.5 is wanted. Default False.
        seed_offset: tells the stages' orders apart. Default 0.
        share: what this worker sees of every batch. Default all of it.
        services: addresses of data services that decode. Default none.

    Returns:
        Dataset of dicts, see `Batch`.
    """
    options = training_options(
        pipeline, source, skip_steps, with_half_images, seed_offset
    )
    options = dataclasses.replace(options, share=share, services=services)
    return batches.training_dataset(source.paths, options)


def training_options(
    pipeline: Pipeline,
    source: Source,
    skip_steps: int = 0,
    with_half_images: bool = False,
    seed_offset: int = 0,
) -> batches.TrainingOptions:
    """Says how records become the training batches of a stage.

    Args:
        pipeline: the config.
        source: the training records.
        skip_steps: as for `training_batches`.
        with_half_images: as for `training_batches`.
        seed_offset: as for `training_batches`.

    Returns:
        The options.
    """
    extension = pipeline.model.feature_super_resolution
    config = pipeline.train_config
    return batches.TrainingOptions(
        _batch_options(pipeline, source, config.batch_size, with_half_images),
        _training_view(pipeline, source.summary),
        _augmentations(config.data_augmentation_options),
        extension.seed + seed_offset,
        skip_steps * config.batch_size,
    )


def training_names(
    pipeline: Pipeline,
    source: Source,
    numbers: Iterable[int],
    seed_offset: int = 0,
) -> list[str]:
    """Tells which records training examples were made of.

    Args:
        pipeline: the config.
        source: the training records.
        numbers: running numbers of the examples, the second of their seeds.
        seed_offset: as for `training_batches`.

    Returns:
        The `image/source_id` of each record, or its file name.
    """
    options = training_options(pipeline, source, seed_offset=seed_offset)
    names = []
    for number in numbers:
        (record,) = shuffled_records(
            source.paths,
            source.summary.num_examples,
            options.seed,
            number,
            options.shuffle_buffer_mb,
            source.summary.offsets,
        ).take(1)
        features = parse_example(record.numpy())
        found = feature_texts(features, Example.SOURCE_ID)
        found += feature_texts(features, Example.FILENAME)
        names.append(next(filter(None, found), "without a name"))
    return names


def evaluation_batches(
    pipeline: Pipeline,
    source: Source,
    batch_size: int | None = None,
    positions: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """Makes one pass of whole frames, in the order of the records.

    Args:
        pipeline: the config.
        source: the records.
        batch_size: default is that of `eval_config`.
        positions: running numbers, from 0, of the only records to be decoded;
            None = all.

    Returns:
        Dataset of dicts, see `Batch`.
    """
    size = batch_size or pipeline.eval_config.batch_size
    return batches.evaluation_dataset(
        source.paths,
        _whole_frames(pipeline, source.summary),
        _batch_options(pipeline, source, size, with_half_images=False),
        positions,
    )


def _training_view(
    pipeline: Pipeline, summary: RecordSummary
) -> augment.TrainingCrop | batches.WholeFrames:
    crop = pipeline.model.feature_super_resolution.training_crop
    if crop is not None:
        return augment.TrainingCrop(**dataclasses.asdict(crop))
    steps = _augmentations(pipeline.train_config.data_augmentation_options)
    if augment.count_before_resizing(steps):
        resizer = build_resizer(pipeline)
        return batches.WholeFrames(resizer, *resize.largest_shape(resizer))
    return _whole_frames(pipeline, summary)


def _whole_frames(pipeline, summary: RecordSummary) -> batches.WholeFrames:
    resizer = build_resizer(pipeline)
    sizes = {tuple(size) for size in summary.image_sizes.tolist()}
    return batches.WholeFrames(resizer, *resize.static_shape(sizes, resizer))


def _batch_options(pipeline, source, batch_size, with_half_images):
    room = min(
        pipeline.train_config.max_number_of_boxes,
        max(source.summary.max_boxes, 1),
    )
    return batches.BatchOptions(
        batch_size,
        room,
        source.summary.boxes_per_image.tolist(),
        with_half_images,
        source.summary.offsets,
    )


def _augmentations(steps) -> list[tuple[str, dict[str, float]]]:
    chosen = []
    for step in steps:
        for name, function in augment.AUGMENTATIONS.items():
            options = getattr(step, name)
            if options is not None:
                _, _, *parameters = inspect.signature(function).parameters
                arguments = {key: getattr(options, key) for key in parameters}
                chosen.append((name, arguments))
    return chosen
