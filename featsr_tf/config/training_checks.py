"""Impossible combinations of the three training stages."""

import math
import re
from typing import Any

from featsr_tf.config import schema
from featsr_tf.config.fields import fields_of
from featsr_tf.errors import ConfigError
from featsr_tf.errors import printable

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


def _refuse(pipeline: schema.Pipeline, path: str, message: str) -> None:
    raise ConfigError(f"{pipeline.where(path)}: {path} {message}")


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
