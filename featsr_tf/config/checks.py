"""What a config may not say."""

import math
import re
from collections.abc import Iterator
from typing import Any

from featsr_tf.config import schema
from featsr_tf.config.backbones import ANY_NETWORK
from featsr_tf.config.backbones import BACKBONES
from featsr_tf.config.backbones import EXTRACTOR_TYPES
from featsr_tf.config.backbones import FACTORY
from featsr_tf.config.backbones import IMAGENET_ALPHAS
from featsr_tf.config.fields import Field
from featsr_tf.config.fields import alternatives
from featsr_tf.config.fields import chosen
from featsr_tf.config.fields import walk
from featsr_tf.config.text_format import nearest
from featsr_tf.errors import ConfigError
from featsr_tf.errors import printable

Pipeline = schema.Pipeline
# Paths of fields, and what is wrong with them, the worst first.
_Problems = Iterator[tuple[str, str]]

_DETECTOR = "model.faster_rcnn"
_EXTRACTOR = f"{_DETECTOR}.feature_extractor.type"
_EXTENSION = "model.feature_super_resolution"
# Least and greatest value of what steps of data augmentation draw.
_RANGES = (
    ("min_delta", "max_delta"),
    ("minval", "maxval"),
    ("min_scale_ratio", "max_scale_ratio"),
    ("min_aspect_ratio", "max_aspect_ratio"),
    ("min_area", "max_area"),
    ("scale_min", "scale_max"),
)
# Steps that take pixels of other images.
_MIXING = ("random_mosaic", "random_copy_paste")


def check(pipeline: Pipeline, trains: bool = True) -> None:
    """Refuses a config that cannot work.

    Args:
        trains: Whether a model is trained with it. Default True; False for
            one that is trained, whose inference alone may have changed.

    Raises:
        ConfigError: Where the impossible field stands, its value, and what
            was expected.
    """
    for path, problem in _problems(pipeline, trains):
        raise ConfigError(f"{pipeline.where(path)}: {path} {problem}")


def _problems(pipeline: Pipeline, trains: bool) -> _Problems:
    # First of all: the numbers of another detector mean nothing here.
    yield from _extractor_problems(pipeline)
    for path, field, value in walk(pipeline):
        yield from _field_problems(path, field, value)
    yield from _resizer_problems(pipeline)
    yield from _backbone_problems(pipeline)
    yield from _stride_problems(pipeline)
    yield from _second_stage_problems(pipeline, trains)
    yield from _super_resolution_problems(pipeline)
    yield from _optimizer_problems(pipeline)
    yield from _train_config_problems(pipeline)
    yield from _validation_problems(pipeline)
    yield from _reader_problems(pipeline)


def _field_problems(path: str, field: Field, value: Any) -> _Problems:
    declaration = field.declaration
    if declaration.is_unsupported and value != field.make_default():
        shown = f" as {value!s}" if isinstance(value, int | str) else ""
        yield path, f"is not supported{shown}: {declaration.meaning}"
    if field.is_message:
        return
    if field.repeated and not value and field.make_default():
        yield path, "is empty; expected at least one value"
    for element in value if field.repeated else [value]:
        if expected := _expected(field, element):
            found = printable(repr(element))
            yield path, f"is {found}; expected {expected}"


def _expected(field: Field, value: Any) -> str:
    """Says what was expected instead of a value, or nothing."""
    if isinstance(value, str):
        return "" if value.isprintable() else "printable characters"
    if not math.isfinite(value):
        return "a finite number"
    if not field.declaration.has_effect:
        return ""
    minimum, maximum = field.declaration.limits
    if value < minimum:
        return f"at least {minimum:g}"
    return f"at most {maximum:g}" if value > maximum else ""


def backbone_name(pipeline: Pipeline) -> str:
    """Names the network that the detector stands on.

    Returns:
        A key of `BACKBONES`, a name of `keras.applications`, or a
        "package.module:function".
    """
    extractor = pipeline.model.faster_rcnn.feature_extractor.type
    backbone = pipeline.model.feature_super_resolution.backbone
    return EXTRACTOR_TYPES[extractor] or backbone.factory or backbone.name


def has_api_geometry(pipeline: Pipeline) -> bool:
    """Tells whether anchors and samples stand where those of the API do."""
    geometry = pipeline.model.feature_super_resolution.geometry
    return geometry == schema.Geometry.OBJECT_DETECTION_API


def _extractor_problems(pipeline: Pipeline) -> _Problems:
    name = pipeline.model.faster_rcnn.feature_extractor.type
    if name and name not in EXTRACTOR_TYPES:
        yield (
            _EXTRACTOR,
            f"{printable(repr(name))} is not supported; expected one of "
            f"{', '.join(EXTRACTOR_TYPES)}; {nearest(name, EXTRACTOR_TYPES)}",
        )


def _resizer_problems(pipeline: Pipeline) -> _Problems:
    path = f"{_DETECTOR}.image_resizer"
    resizer = pipeline.model.faster_rcnn.image_resizer
    keep = resizer.keep_aspect_ratio_resizer
    if keep is None and resizer.fixed_shape_resizer is None:
        yield (
            path,
            "is not set; expected keep_aspect_ratio_resizer or "
            "fixed_shape_resizer",
        )
    if keep is not None and keep.min_dimension > keep.max_dimension:
        yield (
            f"{path}.keep_aspect_ratio_resizer.min_dimension",
            f"is {keep.min_dimension}; expected at most max_dimension, "
            f"{keep.max_dimension}",
        )


def _backbone_problems(pipeline: Pipeline) -> _Problems:
    extractor = pipeline.model.faster_rcnn.feature_extractor.type
    if not extractor:
        yield (
            _EXTRACTOR,
            f"is not set; expected one of {', '.join(EXTRACTOR_TYPES)}",
        )
    backbone = pipeline.model.feature_super_resolution.backbone
    path = f"{_EXTENSION}.backbone"
    if extractor == ANY_NETWORK:
        yield from _network_problems(path, backbone)
        return
    for name in ("name", "factory"):
        if getattr(backbone, name):
            yield (
                f"{path}.{name}",
                f"is set; expected {_EXTRACTOR} {ANY_NETWORK} with it",
            )
    alpha, name = backbone.alpha, backbone_name(pipeline)
    if not BACKBONES[name].has_alpha and alpha != 1.0:
        yield (
            f"{path}.alpha",
            f"is {alpha:g}; expected 1 for {name}: only MobileNet has a width "
            "multiplier",
        )
    if backbone.weights != "imagenet":
        return
    if not BACKBONES[name].has_imagenet_weights:
        yield (
            f"{path}.weights",
            f'is "imagenet"; expected a file: Keras has no weights of {name}',
        )
    elif alpha not in IMAGENET_ALPHAS:
        known = ", ".join(f"{known:g}" for known in IMAGENET_ALPHAS)
        yield (
            f"{path}.alpha",
            f"is {alpha:g}; ImageNet weights exist for {known}",
        )


def _network_problems(path: str, backbone: schema.BackboneOptions) -> _Problems:
    if not backbone.name and not backbone.factory:
        yield (
            f"{path}.name",
            f"is not set; expected a network of keras.applications, or factory,"
            f" with {_EXTRACTOR} {ANY_NETWORK}",
        )
    if backbone.name and backbone.factory:
        yield f"{path}.factory", "is set with name; expected one of the two"
    if backbone.factory and not re.fullmatch(FACTORY, backbone.factory):
        yield (
            f"{path}.factory",
            f"is {printable(repr(backbone.factory))}; expected "
            "package.module:function of an installed package",
        )
    if ":" in backbone.name:
        yield f"{path}.name", "holds a colon; expected factory instead"


def _stride_problems(pipeline: Pipeline) -> _Problems:
    detector = pipeline.model.faster_rcnn
    extractor = detector.feature_extractor
    stride = extractor.first_stage_features_stride
    path = f"{_DETECTOR}.feature_extractor.first_stage_features_stride"
    built = (8, 16) if "resnet" in extractor.type else (16,)
    if stride not in built:
        expected = " or ".join(map(str, built))
        yield path, f"is {stride}; expected {expected} for {extractor.type}"
    grid = detector.first_stage_anchor_generator.grid_anchor_generator
    path = f"{_DETECTOR}.first_stage_anchor_generator.grid_anchor_generator"
    for name in ("height_stride", "width_stride"):
        if (found := getattr(grid, name)) != stride:
            yield (
                f"{path}.{name}",
                f"is {found}; expected {stride}, first_stage_features_stride",
            )
    for name in ("height_offset", "width_offset"):
        found = getattr(grid, name)
        if found and has_api_geometry(pipeline):
            yield (
                f"{path}.{name}",
                f"is {found}; expected 0 with geometry OBJECT_DETECTION_API",
            )


def _second_stage_problems(pipeline: Pipeline, trains: bool) -> _Problems:
    detector = pipeline.model.faster_rcnn
    size, kernel = detector.initial_crop_size, detector.maxpool_kernel_size
    stride = detector.maxpool_stride
    if kernel > size or (size - kernel) % stride:
        yield (
            f"{_DETECTOR}.maxpool_kernel_size",
            f"is {kernel} with maxpool_stride {stride}; they do not divide "
            f"initial_crop_size {size}",
        )
    proposals = detector.first_stage_max_proposals
    if trains and detector.second_stage_batch_size > proposals:
        yield (
            f"{_DETECTOR}.second_stage_batch_size",
            f"is {detector.second_stage_batch_size}; expected at most "
            f"first_stage_max_proposals, {proposals}",
        )
    converter = detector.second_stage_post_processing.score_converter
    fitting = schema.ScoreConverter.SOFTMAX
    if detector.second_stage_classification_loss.weighted_sigmoid is not None:
        fitting = schema.ScoreConverter.SIGMOID
    if converter not in (fitting, schema.ScoreConverter.IDENTITY):
        yield (
            f"{_DETECTOR}.second_stage_post_processing.score_converter",
            f"is {converter}; expected {fitting}, which goes with the "
            "second_stage_classification_loss",
        )


def _super_resolution_problems(pipeline: Pipeline) -> _Problems:
    extension = pipeline.model.feature_super_resolution
    low = extension.minimum_pair_area_ratio
    high = extension.maximum_pair_area_ratio
    if low >= high:
        yield (
            f"{_EXTENSION}.minimum_pair_area_ratio",
            f"is {low:g}; expected less than maximum_pair_area_ratio, {high:g}",
        )
    detector = pipeline.model.faster_rcnn
    kernels = {
        f"{_EXTENSION}.generator.kernel_size": extension.generator.kernel_size,
        f"{_DETECTOR}.first_stage_box_predictor_kernel_size": (
            detector.first_stage_box_predictor_kernel_size
        ),
    }
    for path, kernel in kernels.items():
        if kernel % 2 == 0:
            yield path, f"is {kernel}; expected an odd number"
    size, margin = extension.zoom.window_size, extension.zoom.margin
    if size % 16:
        yield (
            f"{_EXTENSION}.zoom.window_size",
            f"is {size}; expected a multiple of 16",
        )
    if 2 * margin >= size:
        yield (
            f"{_EXTENSION}.zoom.margin",
            f"is {margin}; expected less than half of window_size, {size}",
        )
    yield from _second_look_problems(extension.second_look)
    yield from _crop_problems(extension.training_crop)


def _second_look_problems(options: schema.SecondLookOptions) -> _Problems:
    path = f"{_EXTENSION}.second_look"
    size, margin = options.window_size, options.margin
    if size % 32:
        yield f"{path}.window_size", f"is {size}; expected a multiple of 32"
    if 4 * margin >= size:
        yield (
            f"{path}.margin",
            f"is {margin}; expected less than a quarter of window_size, {size}",
        )
    steps = options.magnifications
    if not steps or steps != sorted(set(steps)):
        yield (
            f"{path}.magnifications",
            f"is {steps}; expected one or more numbers, ascending",
        )


def _crop_problems(crop: schema.TrainingCropOptions | None) -> _Problems:
    if crop is None:
        return
    path = f"{_EXTENSION}.training_crop"
    for name, side in (("height", crop.height), ("width", crop.width)):
        if side % 32:
            yield f"{path}.{name}", f"is {side}; expected a multiple of 32"
    if crop.minimum_scale > crop.maximum_scale:
        yield (
            f"{path}.minimum_scale",
            f"is {crop.minimum_scale:g}; expected at most maximum_scale, "
            f"{crop.maximum_scale:g}",
        )


def _optimizer_problems(pipeline: Pipeline) -> _Problems:
    extension = pipeline.model.feature_super_resolution
    second = extension.super_resolution_stage
    third = f"{_EXTENSION}.fine_tune_stage.optimizer"
    for path, optimizer in (
        ("train_config.optimizer", pipeline.train_config.optimizer),
        (f"{_EXTENSION}.super_resolution_stage.optimizer", second.optimizer),
        (
            f"{_EXTENSION}.super_resolution_stage.discriminator_optimizer",
            second.discriminator_optimizer,
        ),
        (
            f"{_EXTENSION}.super_resolution_stage.focus_optimizer",
            second.focus_optimizer,
        ),
        (third, extension.fine_tune_stage.optimizer),
    ):
        name, method = chosen(optimizer)
        if method is None:
            expected = alternatives(optimizer)
            yield path, f"has no method; expected one of {expected}"
        path = f"{path}.{name}.learning_rate"
        name, schedule = chosen(method.learning_rate)
        if schedule is None:
            expected = alternatives(method.learning_rate)
            yield path, f"has no schedule; expected one of {expected}"
        yield from _schedule_problems(f"{path}.{name}", name, schedule)


def _schedule_problems(path: str, name: str, schedule: Any) -> _Problems:
    if name == "manual_step_learning_rate":
        steps = [jump.step for jump in schedule.schedule]
        if steps != sorted(set(steps)):
            yield (
                f"{path}.schedule",
                f"jumps at steps {steps}; expected increasing steps",
            )
    if name == "cosine_decay_learning_rate":
        before = schedule.warmup_steps + schedule.hold_base_rate_steps
        if before >= schedule.total_steps:
            yield (
                f"{path}.total_steps",
                f"is {schedule.total_steps}; expected more than the {before} "
                "steps of warm-up and hold",
            )


# What `fine_tune_checkpoint_type` may say.
_CHECKPOINT_TYPES = ("detection", "full", "classification")


def _train_config_problems(pipeline: Pipeline) -> _Problems:
    config = pipeline.train_config
    kind = config.fine_tune_checkpoint_type
    if kind and kind not in _CHECKPOINT_TYPES:
        yield (
            "train_config.fine_tune_checkpoint_type",
            f"is {printable(repr(kind))}; expected one of "
            f"{', '.join(_CHECKPOINT_TYPES)}",
        )
    for name in ("freeze_variables", "update_trainable_variables"):
        for pattern in getattr(config, name):
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                yield (
                    f"train_config.{name}",
                    f"has {printable(repr(pattern))}, which is no regular "
                    f"expression: {error}",
                )
    earlier: list[str] = []
    for index, step in enumerate(config.data_augmentation_options):
        path = f"train_config.data_augmentation_options.{index}"
        name, options = chosen(step)
        if name in _MIXING and "random_image_scale" in earlier:
            yield (
                path,
                f"is {name} after random_image_scale; expected it before: the "
                "other images have the scale of their records",
            )
        earlier.append(name)
        if options is None:
            yield (
                path,
                "is empty; expected a step such as random_horizontal_flip",
            )
        for low, high in _RANGES:
            least = getattr(options, low, 0.0)
            greatest = getattr(options, high, math.inf)
            if least > greatest:
                yield (
                    f"{path}.{name}.{low}",
                    f"is {least:g}; expected at most {high}, {greatest:g}",
                )


def _validation_problems(pipeline: Pipeline) -> _Problems:
    extension = pipeline.model.feature_super_resolution
    validation, interval = extension.validation, extension.checkpoint_interval
    if validation is None:
        return
    path = f"{_EXTENSION}.validation"
    if not pipeline.eval_input_reader:
        yield path, "is set; expected an eval_input_reader with it"
    if validation.interval % interval:
        yield (
            f"{path}.interval",
            f"is {validation.interval}; expected a multiple of "
            f"checkpoint_interval, {interval}: what is validated is a "
            "checkpoint",
        )
    if validation.patience and validation.best_by == schema.BestBy.NONE:
        yield (
            f"{path}.patience",
            f"is {validation.patience}; expected 0 where best_by is NONE",
        )


def _reader_problems(pipeline: Pipeline) -> _Problems:
    readers = {"train_input_reader": pipeline.train_input_reader}
    for index, reader in enumerate(pipeline.eval_input_reader):
        readers[f"eval_input_reader.{index}"] = reader
    for path, reader in readers.items():
        paths = reader.tf_record_input_reader.input_path
        if not paths or not all(paths):
            records = f"{path}.tf_record_input_reader.input_path"
            yield records, "is not set; expected TFRecord files"
        if not reader.label_map_path:
            yield f"{path}.label_map_path", "is not set; expected a label map"
