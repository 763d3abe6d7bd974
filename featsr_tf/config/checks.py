"""What a config may not say, and what it says without effect."""

import math
from typing import Any

from featsr_tf.config import schema
from featsr_tf.config.data_checks import check_data
from featsr_tf.config.fields import Field
from featsr_tf.config.fields import walk
from featsr_tf.config.model_checks import check_extractor
from featsr_tf.config.model_checks import check_model
from featsr_tf.config.training_checks import check_training
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
