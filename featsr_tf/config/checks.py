"""What a config may not say, and what it says without effect."""

import math
import re
from typing import Any

from featsr_tf.config import schema
from featsr_tf.config.fields import Field
from featsr_tf.config.fields import fields_of
from featsr_tf.config.fields import walk
from featsr_tf.config.text_format import nearest
from featsr_tf.errors import ConfigError
from featsr_tf.errors import printable

Pipeline = schema.Pipeline


def check(pipeline: Pipeline) -> None:
    """Refuses a config that cannot work.

    Args:
        pipeline: The config.

    Raises:
        ConfigError: Where the impossible field stands, its value, and what
            was expected.
    """
    # First of all: the numbers of another detector mean nothing here.
    check_extractor(pipeline)
    for path, field, value in walk(pipeline):
        _check_field(pipeline, path, field, value)
    check_model(pipeline)
    check_training(pipeline)
    check_data(pipeline)


def _check_field(
    pipeline: Pipeline, path: str, field: Field, value: Any
) -> None:
    if field.declaration.refused and value != field.make_default():
        raise ConfigError(
            f"{pipeline.where(path)}: {path} is not supported"
            f"{_shown(value)}: {field.declaration.meaning}"
        )
    if field.is_message:
        return
    if field.repeated and not value and field.make_default():
        raise ConfigError(
            f"{pipeline.where(path)}: {path} is empty; expected at least one "
            "value"
        )
    for element in value if field.repeated else [value]:
        if problem := _problem(field, element):
            raise ConfigError(
                f"{pipeline.where(path)}: {path} is "
                f"{printable(repr(element))}; {problem}"
            )


def _shown(value: Any) -> str:
    return f" as {value!s}" if isinstance(value, int | str) else ""


def _problem(field: Field, value: Any) -> str:
    """Says what is wrong with one value, or nothing."""
    if isinstance(value, str):
        return "" if value.isprintable() else "expected printable characters"
    if not math.isfinite(value):
        return "expected a finite number"
    limits = field.declaration
    if not limits.has_effect or limits.refused:
        return ""
    if value < limits.minimum:
        return f"expected at least {limits.minimum:g}"
    if value > limits.maximum:
        return f"expected at most {limits.maximum:g}"
    return ""


def find_warnings(pipeline: Pipeline) -> list[str]:
    """Lists what a config says that is possible but maybe not meant.

    Args:
        pipeline: A checked config.

    Returns:
        One line per warning; fields without effect for the same reason share
        one.
    """
    found = [
        f"without effect here: {', '.join(paths)} ({reason.rstrip('.')})"
        for reason, paths in fields_without_effect(pipeline).items()
    ]
    if not pipeline.eval_input_reader:
        found.append("no eval_input_reader: there is nothing to evaluate on")
    if len(pipeline.eval_input_reader) > 1:
        found.append("only the first eval_input_reader is used")
    return found + _schedule_warnings(pipeline)


def fields_without_effect(pipeline: Pipeline) -> dict[str, list[str]]:
    """Lists the fields that are set but change nothing here.

    A field that is set to its default asks for no more than one that is not
    set, and is left out.

    Args:
        pipeline: A config that was loaded.

    Returns:
        Paths by the reason; of a message without effect only its own.
    """
    found: dict[str, list[str]] = {}
    outer = ""
    for path, field, value in walk(pipeline):
        inside = bool(outer) and path.startswith(f"{outer}.")
        if (
            inside
            or field.declaration.has_effect
            or path not in (pipeline.origins)
        ):
            continue
        if value != field.make_default():
            outer = path
            found.setdefault(field.declaration.meaning, []).append(path)
    return found


def _schedule_warnings(pipeline: Pipeline) -> list[str]:
    stages = pipeline.model.feature_super_resolution
    found = []
    for name, stage in (
        ("train_config", pipeline.train_config),
        ("super_resolution_stage", stages.super_resolution_stage),
        ("fine_tune_stage", stages.fine_tune_stage),
    ):
        for _, field, value in walk(stage.optimizer):
            if field.name != "cosine_decay_learning_rate" or value is None:
                continue
            if value.total_steps < stage.num_steps:
                found.append(
                    f"the learning rate of {name} reaches zero at step "
                    f"{value.total_steps} of {stage.num_steps}"
                )
    return found


IMAGENET_ALPHAS = (0.25, 0.5, 0.75, 1.0)
_SPELLINGS = {
    "mobilenet_v1": ("mobilenet_v1", "mobilenet_v1_keras"),
    "resnet50": ("resnet50", "resnet50_keras", "resnet50_v1"),
    "resnet101": ("resnet101", "resnet101_keras", "resnet101_v1"),
}
BACKBONES = {
    f"faster_rcnn_{spelling}": backbone
    for backbone, spellings in _SPELLINGS.items()
    for spelling in spellings
}

_DETECTOR = "model.faster_rcnn"
_EXTRACTOR = f"{_DETECTOR}.feature_extractor.type"
_EXTENSION = "model.feature_super_resolution"


def backbone_name(extractor_type: str) -> str:
    """Translates the API's name of a feature extractor.

    Args:
        extractor_type: `feature_extractor.type` of a checked config.

    Returns:
        "mobilenet_v1", "resnet50" or "resnet101".
    """
    return BACKBONES[extractor_type]


def check_model(pipeline: schema.Pipeline) -> None:
    """Refuses what no detector can be built from.

    Args:
        pipeline: A config whose single values are within their limits.

    Raises:
        ConfigError: Where, what was expected and what was found.
    """
    _check_resizer(pipeline)
    _check_type_is_set(pipeline)
    _check_backbone(pipeline)
    _check_cropping(pipeline)
    _check_sampling(pipeline)
    _check_scores(pipeline)
    _check_pairs(pipeline)
    _check_generator(pipeline)
    _check_zoom(pipeline)
    _check_training_crop(pipeline)


def _refuse(pipeline: schema.Pipeline, path: str, message: str) -> None:
    raise ConfigError(f"{pipeline.where(path)}: {path} {message}")


def _check_resizer(pipeline: schema.Pipeline) -> None:
    resizer = pipeline.model.faster_rcnn.image_resizer
    path = f"{_DETECTOR}.image_resizer"
    keep = resizer.keep_aspect_ratio_resizer
    if keep is None and resizer.fixed_shape_resizer is None:
        _refuse(
            pipeline,
            path,
            "is not set; expected keep_aspect_ratio_resizer or "
            "fixed_shape_resizer",
        )
    if keep is not None and keep.min_dimension > keep.max_dimension:
        _refuse(
            pipeline,
            f"{path}.keep_aspect_ratio_resizer.min_dimension",
            f"is {keep.min_dimension}; expected at most max_dimension, "
            f"{keep.max_dimension}",
        )


def check_extractor(pipeline: schema.Pipeline) -> None:
    """Refuses a feature extractor that is not built here.

    Args:
        pipeline: A config.

    Raises:
        ConfigError: Which one, and which there are.
    """
    name = pipeline.model.faster_rcnn.feature_extractor.type
    if name and name not in BACKBONES:
        _refuse(
            pipeline,
            _EXTRACTOR,
            f"{printable(repr(name))} is not supported; expected one of "
            f"{', '.join(BACKBONES)}; {nearest(name, BACKBONES)}",
        )


def _check_type_is_set(pipeline: schema.Pipeline) -> None:
    if not pipeline.model.faster_rcnn.feature_extractor.type:
        _refuse(
            pipeline,
            _EXTRACTOR,
            f"is not set; expected one of {', '.join(BACKBONES)}",
        )


def _check_backbone(pipeline: schema.Pipeline) -> None:
    backbone = pipeline.model.feature_super_resolution.backbone
    name = backbone_name(pipeline.model.faster_rcnn.feature_extractor.type)
    path = f"{_EXTENSION}.backbone.alpha"
    if name != "mobilenet_v1" and backbone.alpha != 1.0:
        _refuse(
            pipeline,
            path,
            f"is {backbone.alpha:g}; expected 1 for {name}: only MobileNet "
            "has a width multiplier",
        )
    if backbone.weights == "imagenet" and backbone.alpha not in IMAGENET_ALPHAS:
        _refuse(
            pipeline,
            path,
            f"is {backbone.alpha:g}; ImageNet weights exist for "
            f"{', '.join(f'{alpha:g}' for alpha in IMAGENET_ALPHAS)}",
        )


def _check_cropping(pipeline: schema.Pipeline) -> None:
    detector = pipeline.model.faster_rcnn
    size, kernel = detector.initial_crop_size, detector.maxpool_kernel_size
    stride = detector.maxpool_stride
    if kernel > size or (size - kernel) % stride:
        _refuse(
            pipeline,
            f"{_DETECTOR}.maxpool_kernel_size",
            f"is {kernel} with maxpool_stride {stride}; they do not divide "
            f"initial_crop_size {size}",
        )


def _check_sampling(pipeline: schema.Pipeline) -> None:
    detector = pipeline.model.faster_rcnn
    sampled = detector.second_stage_batch_size
    if sampled > detector.first_stage_max_proposals:
        _refuse(
            pipeline,
            f"{_DETECTOR}.second_stage_batch_size",
            f"is {sampled}; expected at most first_stage_max_proposals, "
            f"{detector.first_stage_max_proposals}",
        )


def _check_scores(pipeline: schema.Pipeline) -> None:
    detector = pipeline.model.faster_rcnn
    is_sigmoid = (
        detector.second_stage_classification_loss.weighted_sigmoid is not None
    )
    converter = detector.second_stage_post_processing.score_converter
    fitting = schema.ScoreConverter.SOFTMAX
    if is_sigmoid:
        fitting = schema.ScoreConverter.SIGMOID
    if converter not in (fitting, schema.ScoreConverter.IDENTITY):
        _refuse(
            pipeline,
            f"{_DETECTOR}.second_stage_post_processing.score_converter",
            f"is {converter}; expected {fitting}, which goes with the "
            "second_stage_classification_loss",
        )


def _check_pairs(pipeline: schema.Pipeline) -> None:
    extension = pipeline.model.feature_super_resolution
    low = extension.minimum_pair_area_ratio
    high = extension.maximum_pair_area_ratio
    if low >= high:
        _refuse(
            pipeline,
            f"{_EXTENSION}.minimum_pair_area_ratio",
            f"is {low:g}; expected less than maximum_pair_area_ratio, {high:g}",
        )


def _check_generator(pipeline: schema.Pipeline) -> None:
    extension = pipeline.model.feature_super_resolution
    detector = pipeline.model.faster_rcnn
    for path, kernel in (
        (
            f"{_EXTENSION}.generator.kernel_size",
            extension.generator.kernel_size,
        ),
        (
            f"{_DETECTOR}.first_stage_box_predictor_kernel_size",
            detector.first_stage_box_predictor_kernel_size,
        ),
    ):
        if kernel % 2 == 0:
            _refuse(pipeline, path, f"is {kernel}; expected an odd number")


def _check_zoom(pipeline: schema.Pipeline) -> None:
    zoom = pipeline.model.feature_super_resolution.zoom
    path = f"{_EXTENSION}.zoom"
    if zoom.window_size % 16:
        _refuse(
            pipeline,
            f"{path}.window_size",
            f"is {zoom.window_size}; expected a multiple of 16",
        )
    if 2 * zoom.margin >= zoom.window_size:
        _refuse(
            pipeline,
            f"{path}.margin",
            f"is {zoom.margin}; expected less than half of window_size, "
            f"{zoom.window_size}",
        )


def _check_training_crop(pipeline: schema.Pipeline) -> None:
    crop = pipeline.model.feature_super_resolution.training_crop
    if crop is None:
        return
    path = f"{_EXTENSION}.training_crop"
    for name, side in (("height", crop.height), ("width", crop.width)):
        if side % 32:
            _refuse(
                pipeline,
                f"{path}.{name}",
                f"is {side}; expected a multiple of 32",
            )
    if crop.minimum_scale > crop.maximum_scale:
        _refuse(
            pipeline,
            f"{path}.minimum_scale",
            f"is {crop.minimum_scale:g}; expected at most maximum_scale, "
            f"{crop.maximum_scale:g}",
        )


_STAGES = "model.feature_super_resolution"
# Least and greatest value of what steps of data augmentation draw.
_RANGES = (
    ("min_delta", "max_delta"),
    ("minval", "maxval"),
    ("min_scale_ratio", "max_scale_ratio"),
    ("min_aspect_ratio", "max_aspect_ratio"),
    ("min_area", "max_area"),
    ("scale_min", "scale_max"),
)


def check_training(pipeline: schema.Pipeline) -> None:
    """Refuses training that cannot run.

    Args:
        pipeline: A config whose single values are within their limits.

    Raises:
        ConfigError: Where, what was expected and what was found.
    """
    config = pipeline.train_config
    extension = pipeline.model.feature_super_resolution
    second, third = extension.super_resolution_stage, extension.fine_tune_stage
    for path, optimizer in (
        ("train_config.optimizer", config.optimizer),
        (f"{_STAGES}.super_resolution_stage.optimizer", second.optimizer),
        (
            f"{_STAGES}.super_resolution_stage.discriminator_optimizer",
            second.discriminator_optimizer,
        ),
        (f"{_STAGES}.fine_tune_stage.optimizer", third.optimizer),
    ):
        _check_optimizer(pipeline, path, optimizer)
    _check_patterns(pipeline)
    _check_augmentation(pipeline)
    _check_validation(pipeline)


def chosen(message: Any) -> tuple[str, Any]:
    """Finds the member of a group of alternatives that is set.

    Args:
        message: A message such as `Optimizer` or `LearningRate`.

    Returns:
        Name and value of the member, or "" and None.
    """
    for field in fields_of(type(message)).values():
        value = getattr(message, field.name)
        if field.declaration.oneof and value is not None:
            return field.name, value
    return "", None


def _alternatives(message: Any) -> str:
    fields = fields_of(type(message)).values()
    return ", ".join(field.name for field in fields if field.declaration.oneof)


def _check_optimizer(
    pipeline: schema.Pipeline, path: str, optimizer: schema.Optimizer
) -> None:
    name, method = chosen(optimizer)
    if method is None:
        _refuse(
            pipeline,
            path,
            f"has no method; expected one of {_alternatives(optimizer)}",
        )
    path = f"{path}.{name}.learning_rate"
    name, schedule = chosen(method.learning_rate)
    if schedule is None:
        _refuse(
            pipeline,
            path,
            "has no schedule; expected one of "
            f"{_alternatives(method.learning_rate)}",
        )
    _check_schedule(pipeline, f"{path}.{name}", name, schedule)


def _check_schedule(
    pipeline: schema.Pipeline, path: str, name: str, schedule: Any
) -> None:
    if name == "manual_step_learning_rate":
        steps = [jump.step for jump in schedule.schedule]
        if steps != sorted(set(steps)):
            _refuse(
                pipeline,
                f"{path}.schedule",
                f"jumps at steps {steps}; expected increasing steps",
            )
    if name == "cosine_decay_learning_rate":
        before = schedule.warmup_steps + schedule.hold_base_rate_steps
        if before >= schedule.total_steps:
            _refuse(
                pipeline,
                f"{path}.total_steps",
                f"is {schedule.total_steps}; expected more than the "
                f"{before} steps of warm-up and hold",
            )


def _check_patterns(pipeline: schema.Pipeline) -> None:
    config = pipeline.train_config
    for name in ("freeze_variables", "update_trainable_variables"):
        for pattern in getattr(config, name):
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                _refuse(
                    pipeline,
                    f"train_config.{name}",
                    f"has {printable(repr(pattern))}, which is no regular "
                    f"expression: {error}",
                )


def _check_augmentation(pipeline: schema.Pipeline) -> None:
    for index, step in enumerate(
        pipeline.train_config.data_augmentation_options
    ):
        path = f"train_config.data_augmentation_options.{index}"
        name, options = chosen(step)
        if options is None:
            _refuse(
                pipeline,
                path,
                "is empty; expected a step such as random_horizontal_flip",
            )
        for low, high in _RANGES:
            least = getattr(options, low, 0.0)
            greatest = getattr(options, high, math.inf)
            if least > greatest:
                _refuse(
                    pipeline,
                    f"{path}.{name}.{low}",
                    f"is {least:g}; expected at most {high}, {greatest:g}",
                )


def _check_validation(pipeline: schema.Pipeline) -> None:
    extension = pipeline.model.feature_super_resolution
    validation = extension.validation
    if validation is None:
        return
    path = f"{_STAGES}.validation"
    if not pipeline.eval_input_reader:
        _refuse(pipeline, path, "is set; expected an eval_input_reader with it")
    if validation.interval % extension.steps_per_epoch:
        _refuse(
            pipeline,
            f"{path}.interval",
            f"is {validation.interval}; expected a multiple of "
            f"steps_per_epoch, {extension.steps_per_epoch}: what is validated "
            "is a checkpoint",
        )
    if validation.patience and validation.best_by == schema.BestBy.NONE:
        _refuse(
            pipeline,
            f"{path}.patience",
            f"is {validation.patience}; expected 0 where best_by is NONE",
        )


def check_data(pipeline: schema.Pipeline) -> None:
    """Refuses input readers that name no files.

    Args:
        pipeline: A config whose single values are within their limits.

    Raises:
        ConfigError: Which reader names no records or no label map.
    """
    _check_reader(pipeline, "train_input_reader", pipeline.train_input_reader)
    for index, reader in enumerate(pipeline.eval_input_reader):
        _check_reader(pipeline, f"eval_input_reader.{index}", reader)


def _check_reader(
    pipeline: schema.Pipeline, path: str, reader: schema.InputReader
) -> None:
    records = f"{path}.tf_record_input_reader.input_path"
    paths = reader.tf_record_input_reader.input_path
    for name, missing, expected in (
        (records, not paths or not all(paths), "TFRecord files"),
        (f"{path}.label_map_path", not reader.label_map_path, "a label map"),
    ):
        if missing:
            raise ConfigError(
                f"{pipeline.where(name)}: {name} is not set; expected "
                f"{expected}"
            )
