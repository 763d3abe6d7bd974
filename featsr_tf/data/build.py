"""Records and batches as a pipeline says; no other module here knows it."""

import dataclasses
import inspect
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from featsr_tf.config import has_api_geometry
from featsr_tf.config.schema import InputReader
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.schema import RefinerType
from featsr_tf.config.schema import ResizeType
from featsr_tf.data import augment
from featsr_tf.data import augment_mixing
from featsr_tf.data import input_pipeline
from featsr_tf.data import resize
from featsr_tf.data.examples import feature_texts
from featsr_tf.data.examples import parse_example
from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import check_num_classes
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.records import RecordSummary
from featsr_tf.data.records import scan_records
from featsr_tf.data.sharding import Shard
from featsr_tf.data.tfrecord_files import expand_patterns
from featsr_tf.geometry.windows import largest_scale

_METHODS = {
    ResizeType.AREA: resize.AREA,
    ResizeType.BICUBIC: resize.BICUBIC,
    ResizeType.BILINEAR: resize.BILINEAR,
    ResizeType.NEAREST_NEIGHBOR: resize.NEAREST,
}


def load_records(
    reader: InputReader, num_classes: int, decode: bool = False
) -> RecordFiles:
    """Checks the label map and all records of an input reader.

    Args:
        decode: whether to decode all images, rather than to look at their
            headers and ends.

    Raises:
        DataError: names what is missing or unsound, and where.
    """
    label_map = load_label_map(reader.label_map_path)
    check_num_classes(label_map, num_classes)
    return scan_records(
        expand_patterns(reader.tf_record_input_reader.input_path),
        label_map,
        decode,
        max_bad_examples=reader.max_bad_examples,
    )


def looks_again(pipeline: Pipeline) -> bool:
    """Tells whether the super-resolved detector looks at original frames."""
    refiner = pipeline.model.feature_super_resolution.refiner
    return refiner == RefinerType.SECOND_LOOK


def build_resizer(
    pipeline: Pipeline, super_resolve: bool = False
) -> resize.Resizer:
    """Makes the resizer of whole frames.

    Args:
        super_resolve: whether for the super-resolved detector, rather than
            the base detector: only before a second look they differ.
    """
    resizer = _image_resizer(pipeline)
    if super_resolve and looks_again(pipeline):
        look = pipeline.model.feature_super_resolution.second_look
        return resize.FirstPassResizer(
            resize.scaled(resizer, look.first_pass_scale),
            resizer,
            # Larger first passes have no window: nothing would make up for
            # what they see less than the base detector.
            largest_scale(look.maximum_enlargement, look.magnifications),
        )
    return resizer


def _image_resizer(pipeline: Pipeline) -> resize.Resizer:
    options = pipeline.model.faster_rcnn.image_resizer
    if options.fixed_shape_resizer is not None:
        fixed = options.fixed_shape_resizer
        return resize.FixedShapeResizer(
            height=fixed.height,
            width=fixed.width,
            method=_METHODS[fixed.resize_method],
            as_api=has_api_geometry(pipeline),
        )
    # `config.checks` refuses a config with neither of the two.
    keep: Any = options.keep_aspect_ratio_resizer
    return resize.KeepAspectRatioResizer(
        min_dimension=keep.min_dimension,
        max_dimension=keep.max_dimension,
        pad_to_max_dimension=keep.pad_to_max_dimension,
        method=_METHODS[keep.resize_method],
        as_api=has_api_geometry(pipeline),
    )


def training_batches(
    pipeline: Pipeline, record_files: RecordFiles, **options: Any
) -> tf.data.Dataset:
    """Makes the endless training batches of a stage.

    Args:
        **options: see `training_options`.

    Returns:
        Dataset of dicts, see `Batch`.
    """
    _warn_of_cut_mixtures(pipeline.train_config, record_files)
    return input_pipeline.training_dataset(
        record_files, training_options(pipeline, record_files, **options)
    )


def training_options(
    pipeline: Pipeline,
    record_files: RecordFiles,
    *,
    skip_steps: int = 0,
    with_half_images: bool = False,
    with_originals: bool = False,
    seed_offset: int = 0,
    shard: Shard | None = None,
    services: Sequence[str] = (),
) -> input_pipeline.TrainingOptions:
    """Says how records become the batches of `training_batches`.

    Args:
        with_originals: whether whole frames are wanted, as the first pass and
            the second look see them.
        shard: what this worker sees of every batch; None = all of it.
        services: see `TrainingOptions`.
    """
    extension = pipeline.model.feature_super_resolution
    config = pipeline.train_config
    steps = _augmentations(config.data_augmentation_options)
    if with_originals:
        # Windows are laid in frames as inference has them.
        steps = [step for step in steps if not augment.changes_sizes([step])]
    return input_pipeline.TrainingOptions(
        batches=input_pipeline.BatchOptions(
            batch_size=config.batch_size,
            max_boxes=min(
                config.max_number_of_boxes,
                _room_for_boxes(config.data_augmentation_options, record_files),
            ),
            with_half_images=with_half_images,
            originals_shape=_largest(record_files) if with_originals else None,
        ),
        view=_training_view(pipeline, record_files.summary, with_originals),
        augmentations=steps,
        seed=extension.seed + seed_offset,
        skip_examples=skip_steps * config.batch_size,
        class_balance_threshold=config.class_balance_threshold,
        shard=shard,
        services=services,
    )


def training_names(
    pipeline: Pipeline,
    record_files: RecordFiles,
    numbers: Iterable[int],
    seed_offset: int = 0,
) -> list[str]:
    """Tells which records training examples were made of.

    Args:
        numbers: running numbers of the examples, the second of their seeds.
    """
    options = training_options(pipeline, record_files, seed_offset=seed_offset)
    names = []
    for number in numbers:
        (records,) = input_pipeline.training_records(
            record_files, options, number
        ).take(1)
        names.append(" with ".join(map(_record_name, records)))
    return names


def _record_name(record: tf.Tensor) -> str:
    features = parse_example(record.numpy())
    found = feature_texts(features, Example.SOURCE_ID)
    found += feature_texts(features, Example.FILENAME)
    return next(filter(None, found), "without a name")


def evaluation_batches(
    pipeline: Pipeline,
    record_files: RecordFiles,
    batch_size: int | None = None,
    positions: Sequence[int] | None = None,
    super_resolve: bool = False,
) -> tf.data.Dataset:
    """Makes one pass of whole frames, in the order of the records.

    Args:
        batch_size: default is that of `eval_config`.
        positions: running numbers, from 0, of the only records to be decoded;
            None = all.
        super_resolve: whether for the super-resolved detector, which may need
            the originals. Default False.

    Returns:
        Dataset of dicts, see `Batch`.
    """
    with_originals = super_resolve and looks_again(pipeline)
    size = batch_size or pipeline.eval_config.batch_size
    return input_pipeline.evaluation_dataset(
        record_files,
        _whole_frames(pipeline, record_files.summary, super_resolve),
        # Room for all: what training may cut is judged nevertheless.
        input_pipeline.BatchOptions(
            batch_size=size,
            max_boxes=max(record_files.summary.max_boxes, 1),
            with_half_images=False,
            originals_shape=_largest(record_files) if with_originals else None,
        ),
        positions,
    )


def _training_view(
    pipeline: Pipeline, summary: RecordSummary, with_originals: bool
) -> augment.TrainingCrop | input_pipeline.WholeFrames:
    if with_originals:
        return _whole_frames(pipeline, summary, super_resolve=True)
    crop = pipeline.model.feature_super_resolution.training_crop
    if crop is not None:
        return augment.TrainingCrop(**dataclasses.asdict(crop))
    steps = _augmentations(pipeline.train_config.data_augmentation_options)
    if augment.changes_sizes(steps):
        resizer = build_resizer(pipeline)
        return input_pipeline.WholeFrames(
            resizer, *resize.largest_shape(resizer)
        )
    return _whole_frames(pipeline, summary)


def _largest(record_files: RecordFiles) -> tuple[int, int]:
    height, width = record_files.summary.image_sizes.max(axis=0).tolist()
    return height, width


def _whole_frames(
    pipeline, summary: RecordSummary, super_resolve: bool = False
) -> input_pipeline.WholeFrames:
    resizer = build_resizer(pipeline, super_resolve)
    sizes = {tuple(size) for size in summary.image_sizes.tolist()}
    return input_pipeline.WholeFrames(
        resizer, *resize.static_shape(sizes, resizer)
    )


def _room_for_boxes(steps, record_files: RecordFiles) -> int:
    """Counts the boxes that an augmented image can have."""
    room = max(record_files.summary.max_boxes, 1)
    for step in steps:
        if step.random_mosaic is not None:
            room *= 1 + augment_mixing.PARTNERS["random_mosaic"]
        if step.random_copy_paste is not None:
            room += step.random_copy_paste.num_copies
    return room


def _warn_of_cut_mixtures(config, record_files: RecordFiles) -> None:
    """Warns where images have room for their boxes, but mixtures have not."""
    room = _room_for_boxes(config.data_augmentation_options, record_files)
    limit = config.max_number_of_boxes
    if record_files.summary.max_boxes <= limit < room:
        warnings.warn(
            f"images that are mixed of several may have up to {room} boxes,"
            f" of which those beyond max_number_of_boxes: {limit} are cut;"
            " raise it to keep them",
            stacklevel=3,
        )


def _augmentations(steps) -> list[tuple[str, dict[str, float]]]:
    chosen = []
    for step in steps:
        for name, function in augment.AUGMENTATIONS.items():
            options = getattr(step, name)
            if options is not None:
                _, _, *parameters = inspect.signature(function).parameters
                arguments = {
                    key: getattr(options, key)
                    for key in parameters
                    if key != "partner"
                }
                chosen.append((name, arguments))
    return chosen
