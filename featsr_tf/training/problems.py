"""What keeps a training from learning what it is to find, before it begins."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from featsr_tf.config.schema import AreaFrame
from featsr_tf.config.schema import Pipeline
from featsr_tf.data import augment_geometry
from featsr_tf.data.build import build_resizer
from featsr_tf.data.build import looks_again
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.resize import resized_size
from featsr_tf.geometry.windows import largest_scale
from featsr_tf.model.build import build_window_settings
from featsr_tf.training import checkpoints
from featsr_tf.training.build import num_steps

_NAMED = 5
# Closer scales are no other ones: crops hold objects of many sizes.
_SCALE_TOLERANCE = 1.25


class _End(NamedTuple):
    """One end of the sizes of objects.

    Attributes:
        share: of the objects that are smaller.
        sign: -1 where what is farther out is smaller.
        word: for what is farther out.
        change: what brings it back.
    """

    crop_field: str
    share: float
    sign: int
    word: str
    change: str


_ENDS = (
    _End("minimum_scale", 0.05, -1, "below", "larger"),
    _End("maximum_scale", 0.95, 1, "above", "smaller"),
)
# What makes objects too small, or too large, in each look.
_FIELDS = {
    "the first pass": ("first_pass_scale", "first_pass_scale"),
    "windows": (
        "preferred_size, magnifications or maximum_enlargement",
        "preferred_size",
    ),
}


def find_problems(
    pipeline: Pipeline, source: RecordFiles, evaluated: Sequence[RecordFiles]
) -> list[str]:
    """Names what keeps a training from learning what it is to find.

    Args:
        source: the training records.

    Returns:
        A sentence about each problem: how much is concerned, and what to
        change.
    """
    return [
        *_missing_objects("training", source, "learnt"),
        *(
            problem
            for records in evaluated
            for problem in _missing_objects("evaluation", records, "judged")
        ),
        *_objects_too_large(pipeline, source),
        *_other_scales(pipeline, source, evaluated),
        *_other_sizes(pipeline, source, evaluated),
        *_without_windows(pipeline, source, evaluated),
        *_nothing_small(pipeline, source),
        *_steps_left_out(pipeline),
    ]


def _missing_objects(
    title: str, records: RecordFiles, verb: str
) -> Iterator[str]:
    summary = records.summary
    if not summary.num_objects:
        yield (
            f"{title} records: no object in {summary.num_examples} images, so "
            f"that nothing can be {verb}; look whether their annotations were "
            "converted, `python -m tfrecords_tools.show` draws them"
        )
        return
    names = records.label_map.names if records.label_map else {}
    missing = [
        name
        for class_id, name in sorted(names.items())
        if class_id not in summary.class_counts
    ]
    if missing:
        more = ", ..." if len(missing) > _NAMED else ""
        yield (
            f"{title} records: no object of {len(missing)} of {len(names)} "
            f"classes ({', '.join(missing[:_NAMED])}{more}), which cannot be "
            f"{verb}; add images of them, or take them out of the label map"
        )


def _objects_too_large(
    pipeline: Pipeline, source: RecordFiles
) -> Iterator[str]:
    """Counts the objects of which every crop cuts off more than half."""
    crop = pipeline.model.feature_super_resolution.training_crop
    if crop is None:
        return
    summary = source.summary
    sides = np.array([crop.height, crop.width])
    frames = np.repeat(summary.image_sizes, summary.boxes_per_image, axis=0)
    windows = np.minimum(sides / crop.minimum_scale, frames)
    sizes = summary.object_sizes
    shares = np.minimum(windows / sizes, 1).prod(axis=1)
    too_large = shares < augment_geometry.MINIMUM_VISIBLE_SHARE
    if too_large.any():
        whole = (sides / sizes[too_large]).min()
        height, width = (sides / crop.minimum_scale).round().astype(int)
        yield (
            f"training_crop: {too_large.sum()} of {len(sizes)} objects are too "
            f"large for any crop to hold half of them, and are never learnt: "
            f"{crop.height} x {crop.width} px at the scale "
            f"{crop.minimum_scale:g} show {height} x {width} px of a frame; "
            f"set minimum_scale to {max(np.floor(whole * 100) / 100, 0.01):g}, "
            "which holds all as a whole, or make height and width larger, or "
            "leave training_crop out"
        )


def _inference_scales(
    pipeline: Pipeline, source: RecordFiles, evaluated: Sequence[RecordFiles]
) -> np.ndarray:
    """`[num_examples]` px that inference sees per px of each frame."""
    records = evaluated[0] if evaluated else source
    return _scales(pipeline, records)


def _scales(
    pipeline: Pipeline, records: RecordFiles, super_resolve: bool = False
) -> np.ndarray:
    """`[num_examples]` px that a detector sees per px of each frame."""
    resizer = build_resizer(pipeline, super_resolve)
    old = records.summary.image_sizes
    new = [resized_size(*size, resizer) for size in old.tolist()]
    return np.sqrt((np.array(new) / old).prod(axis=1))


def _range(values: np.ndarray) -> str:
    ends = (f"{values.min():.3g}", f"{values.max():.3g}")
    return " to ".join(dict.fromkeys(ends))


def scale_line(
    pipeline: Pipeline, source: RecordFiles, evaluated: Sequence[RecordFiles]
) -> str:
    """Compares the scales of training and inference, for people."""
    scales = _inference_scales(pipeline, source, evaluated)
    crop = pipeline.model.feature_super_resolution.training_crop
    trained = (
        "the same in training"
        if crop is None
        else f"{crop.minimum_scale:g} to {crop.maximum_scale:g} in crops"
    )
    looks = ""
    if looks_again(pipeline):
        seen = _scales_of_looks(pipeline, (evaluated or [source])[0])
        told = [
            f"{_range(of_look[of_look > 0])} in {look}"
            if of_look.any()
            else f"no {look}"
            for look, of_look in seen.items()
            if len(of_look)
        ]
        looks = f" ({', '.join(told)})" if told else ""
    return (
        f"px per px of a frame: {_range(scales)} in inference{looks}, {trained}"
    )


def _other_scales(
    pipeline: Pipeline, source: RecordFiles, evaluated: Sequence[RecordFiles]
) -> Iterator[str]:
    """Counts frames that inference sees at a scale far from that of crops."""
    crop = pipeline.model.feature_super_resolution.training_crop
    if crop is None:
        return
    title = "evaluation" if evaluated else "training"
    scales = _inference_scales(pipeline, source, evaluated)
    ratios = {
        ("minimum_scale", "smaller"): crop.minimum_scale / scales,
        ("maximum_scale", "larger"): scales / crop.maximum_scale,
    }
    for (field, kind), ratio in ratios.items():
        far = scales[ratio > _SCALE_TOLERANCE]
        if len(far):
            yield (
                f"training_crop: inference sees {len(far)} of {len(scales)} "
                f"{title} images at {_range(far)} px per px of the frame, "
                f"crops at {crop.minimum_scale:g} to {crop.maximum_scale:g}: "
                f"objects look up to {ratio.max():.2g} times {kind} than in "
                f"training; set {field} to {np.median(far):.2g}, or change "
                "image_resizer, or look at tiles (`predict --tile`)"
            )


def _scales_of_looks(
    pipeline: Pipeline, records: RecordFiles
) -> dict[str, np.ndarray]:
    """`[num_objects]` px per px of the frame, by the look that sees objects.

    It is 0 where there is no window for an object.
    """
    summary = records.summary
    scales = np.repeat(
        _scales(pipeline, records, super_resolve=True), summary.boxes_per_image
    )
    extension = pipeline.model.feature_super_resolution
    magnifications = build_window_settings(extension).magnifications_of(
        (summary.object_areas * scales**2).astype(np.float32),
        np.stack([scales, scales], axis=1).astype(np.float32),
    )
    is_small = _measured_areas(pipeline, records) < (
        extension.small_area_threshold
    )
    return {
        "the first pass": scales,
        "windows": scales * np.where(is_small, magnifications, 0.0),
    }


def _trained_limit(pipeline: Pipeline, source: RecordFiles, end: _End) -> float:
    """How small, or large, training shows objects: their sides in px."""
    sides = np.sqrt(source.summary.object_areas)
    crop = pipeline.model.feature_super_resolution.training_crop
    if crop is not None:
        sides = sides * getattr(crop, end.crop_field)
    else:
        scales = _scales(pipeline, source)
        sides = sides * np.repeat(scales, source.summary.boxes_per_image)
    return float(np.quantile(sides, end.share))


def _other_sizes(
    pipeline: Pipeline, source: RecordFiles, evaluated: Sequence[RecordFiles]
) -> Iterator[str]:
    """Counts objects that a second look sees at sizes that are not trained.

    The rarest sizes at both ends are left out, in training and in inference.
    """
    records = (evaluated or [source])[0]
    is_empty = not (records.summary.num_objects and source.summary.num_objects)
    if not looks_again(pipeline) or is_empty or _is_reshaped(pipeline):
        return
    title = "evaluation" if evaluated else "training"
    crop = pipeline.model.feature_super_resolution.training_crop
    sides = np.sqrt(records.summary.object_areas)
    for look, scales in _scales_of_looks(pipeline, records).items():
        seen = (sides * scales)[scales > 0]
        if not len(seen):
            continue
        for end, field in zip(_ENDS, _FIELDS[look], strict=True):
            limit = _trained_limit(pipeline, source, end)
            ratio = np.quantile(seen, end.share) / limit
            if ratio**end.sign <= _SCALE_TOLERANCE:
                continue
            far = seen[(seen / limit) ** end.sign > 1.0]
            advice = "give a training_crop that shows such sizes"
            if crop is not None:
                scale = ratio * getattr(crop, end.crop_field)
                advice = f"set training_crop.{end.crop_field} to {scale:.2g}"
            yield (
                f"second_look: {len(far)} of {len(seen)} {title} "
                f"objects in {look} have sides of {_range(far)} px, where "
                f"training shows few {end.word} {limit:.3g} px; {advice}, or "
                f"make its {field} {end.change}"
            )


def _without_windows(
    pipeline: Pipeline, source: RecordFiles, evaluated: Sequence[RecordFiles]
) -> Iterator[str]:
    """Counts small objects in frames that windows would enlarge too much."""
    extension = pipeline.model.feature_super_resolution
    look = extension.second_look
    limit = largest_scale(look.maximum_enlargement, look.magnifications)
    if not looks_again(pipeline) or not limit:
        return
    records = (evaluated or [source])[0]
    is_small = _measured_areas(pipeline, records) < (
        extension.small_area_threshold
    )
    scales = np.repeat(
        _scales(pipeline, records), records.summary.boxes_per_image
    )[is_small]
    seen = scales * look.first_pass_scale
    is_too_large = seen > limit
    if not is_too_large.any():
        return
    title = "evaluation" if evaluated else "training"
    most = limit / scales[is_too_large].max()
    enlargement = look.maximum_enlargement * seen.max() / limit
    yield (
        f"second_look: {is_too_large.sum()} of {len(seen)} small {title} "
        "objects are in frames that the first pass would see at "
        f"{_range(seen[is_too_large])} px per px of the frame, too large for a "
        f"window within maximum_enlargement: {look.maximum_enlargement:g}; "
        "these frames are seen as by the base detector, and not looked at "
        f"again; set first_pass_scale to {max(np.floor(most * 100), 5) / 100:g}"
        f", or maximum_enlargement to {np.ceil(enlargement * 10) / 10:g}, or "
        "make image_resizer smaller"
    )


def _is_reshaped(pipeline: Pipeline) -> bool:
    """Whether augmentations make objects larger or smaller."""
    steps = pipeline.train_config.data_augmentation_options
    names = [
        function.__name__
        for function in augment_geometry.RESHAPING
        if function is not augment_geometry.random_rotation90
    ]
    return any(getattr(step, name) for step in steps for name in names)


def _steps_left_out(pipeline: Pipeline) -> Iterator[str]:
    """Tells what the later stages of a second look do not do to images."""
    later = (checkpoints.SUPER_RESOLUTION, checkpoints.FINE_TUNE)
    if not looks_again(pipeline) or not any(
        num_steps(pipeline, stage) for stage in later
    ):
        return
    for step in pipeline.train_config.data_augmentation_options:
        for function in augment_geometry.RESHAPING:
            if getattr(step, function.__name__):
                yield (
                    f"data_augmentation_options: {function.__name__} changes "
                    "the size of images and has no effect in stages 2 and 3 "
                    "of a second look, which see frames as inference does"
                )


def _nothing_small(pipeline: Pipeline, source: RecordFiles) -> Iterator[str]:
    """Tells where stages 2 and 3 would have no small object."""
    later = (checkpoints.SUPER_RESOLUTION, checkpoints.FINE_TUNE)
    if not any(num_steps(pipeline, stage) for stage in later):
        return
    extension = pipeline.model.feature_super_resolution
    areas = _measured_areas(pipeline, source)
    if len(areas) and areas.min() >= extension.small_area_threshold:
        yield (
            f"small_area_threshold: none of {len(areas)} objects has an area "
            f"below {extension.small_area_threshold:g} px^2 of the "
            f"{extension.small_area_frame.value.lower()} frame (the least "
            f"{areas.min():.0f}), so that stages 2 and 3 have no small object; "
            "`python -m tfrecords_tools.stats` proposes a threshold"
        )


def _measured_areas(pipeline: Pipeline, records: RecordFiles) -> np.ndarray:
    """Object areas `[n]` in px^2 of the frame that decides what is small."""
    extension = pipeline.model.feature_super_resolution
    if extension.small_area_frame == AreaFrame.RESIZED:
        return object_shapes(pipeline, records).prod(axis=1)
    return records.summary.object_areas


def object_shapes(pipeline: Pipeline, source: RecordFiles) -> np.ndarray:
    """Object heights and widths `[n, 2]` in px of the resized frames."""
    resizer = build_resizer(pipeline)
    return source.summary.resized_object_sizes(
        lambda height, width: resized_size(height, width, resizer)
    )
