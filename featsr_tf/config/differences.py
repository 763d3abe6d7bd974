"""Which fields tell two configs apart, by what their declarations affect."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from featsr_tf.config import schema
from featsr_tf.config.fields import BASE
from featsr_tf.config.fields import CACHE
from featsr_tf.config.fields import INFERENCE
from featsr_tf.config.fields import MODEL
from featsr_tf.config.fields import TRAINING
from featsr_tf.config.fields import Affects
from featsr_tf.config.fields import Field
from featsr_tf.config.fields import fields_of
from featsr_tf.config.fields import walk

_NOT_SET = "not set"
_EXTENSION = "model.feature_super_resolution"
_TWIN_POOLING = f"{_EXTENSION}.twin_pooling"
# What is said of a single stage, by the beginnings of its paths.
_OF_ONE_STAGE = {
    "train_config.num_steps": "base",
    "train_config.optimizer": "base",
    "train_config.gradient_clipping_by_norm": "base",
    f"{_EXTENSION}.losses": "super_resolution",
    f"{_EXTENSION}.super_resolution_stage": "super_resolution",
    f"{_EXTENSION}.fine_tune_stage": "fine_tune",
}


@functools.cache
def affects_of(path: str) -> Affects:
    """Says what a field affects.

    Args:
        path: Its path, such as "eval_input_reader.0.label_map_path".

    Returns:
        What it declares, or else what the nearest message around it does;
        nothing where it has no effect.
    """
    message_class: Any = schema.Pipeline
    affects = Affects(0)
    for name in path.split("."):
        if not name.isdecimal():
            field = fields_of(message_class)[name]
            if field.declaration.affects is not None:
                affects = field.declaration.affects
            if not field.declaration.has_effect:
                return Affects(0)
            message_class = field.kind
    return affects


def differences(first: schema.Pipeline, second: schema.Pipeline) -> list[str]:
    """Names the fields by which two trained detectors differ.

    Returns:
        Lines such as "model.faster_rcnn.num_classes: 4 and 43"; none when
        one can be trained on with the config of the other.
    """
    return _compare(first, second, lambda path: MODEL in affects_of(path))


def inference_differences(
    first: schema.Pipeline, second: schema.Pipeline
) -> list[str]:
    """Names those `differences` with which a trained detector is of no use.

    Thresholds of the gate and windows of the zoom are none of them.
    """
    return _compare(
        first,
        second,
        lambda path: affects_of(path) & (MODEL | INFERENCE) == MODEL,
    )


def base_differences(
    first: schema.Pipeline, second: schema.Pipeline
) -> list[str]:
    """Names the fields by which the base stages of two configs differ.

    Everything that stage 1 is trained by counts: detector, data, steps,
    optimizer, crops, first weights and seed.
    """
    learns_from_twin = any(
        pipeline.model.feature_super_resolution.twin_aware_weight
        for pipeline in (first, second)
    )
    return _compare(
        first,
        second,
        lambda path: (
            BASE in affects_of(path)
            and (path != _TWIN_POOLING or learns_from_twin)
        ),
    )


def stage_differences(
    first: schema.Pipeline, second: schema.Pipeline, stage: str
) -> list[str]:
    """Names the fields by which two trainings of a stage differ.

    Args:
        stage: "base", "super_resolution" or "fine_tune".
    """
    if stage == "base":
        return base_differences(first, second)

    def counts(path: str) -> bool:
        stages = {
            owner
            for start, owner in _OF_ONE_STAGE.items()
            if f"{path}.".startswith(f"{start}.")
        }
        kinds = affects_of(path) & (MODEL | BASE | TRAINING | CACHE)
        return bool(kinds) and stages <= {stage}

    return _compare(first, second, counts)


def with_inference_of(
    trained: schema.Pipeline, asked: schema.Pipeline
) -> schema.Pipeline:
    """Gives the config of a trained detector as another one would use it.

    Returns:
        `asked` in all fields that affect inference, `trained` in the others.
    """

    def merged(ours: Any, theirs: Any, path: str) -> Any:
        kind: Any = type(ours)
        if not dataclasses.is_dataclass(kind) or kind is not type(theirs):
            return theirs if INFERENCE in affects_of(path) else ours
        return kind(
            **{
                name: merged(
                    getattr(ours, name), getattr(theirs, name), f"{path}.{name}"
                )
                for name in fields_of(kind)
            }
        )

    parts = {
        name: merged(getattr(trained, name), getattr(asked, name), name)
        for name in fields_of(schema.Pipeline)
    }
    return dataclasses.replace(asked, **parts)


def all_differences(
    first: schema.Pipeline, second: schema.Pipeline
) -> list[str]:
    """Names all fields with effect by which two configs differ."""
    return _compare(first, second, lambda path: True)


def values_of_cache(pipeline: schema.Pipeline, part: str) -> list[str]:
    """Lists what a part of the feature cache depends on.

    Returns:
        Lines such as "train_config.batch_size: 4". The names of kept files
        follow from them.
    """
    flag = Affects[part.upper()]
    return [
        f"{path}: {value}"
        for path, field, value in walk(pipeline)
        if not field.is_message and flag in affects_of(path)
    ]


def changes(
    first: schema.Pipeline, second: schema.Pipeline
) -> dict[str, tuple[Any, Any]]:
    """Gives both values of all fields with effect by which configs differ."""
    ours, theirs = map(_values, (first, second))
    return {
        path: (ours.get(path, _NOT_SET), theirs.get(path, _NOT_SET))
        for path in ours | theirs
        if ours.get(path) != theirs.get(path)
    }


def _values(pipeline: schema.Pipeline) -> dict[str, Any]:
    values = {}
    for path, field, value in walk(pipeline):
        if not field.declaration.has_effect:
            continue
        if not field.is_message:
            values[path] = value
        elif _is_choice(field):
            values[path] = _NOT_SET if value is None else "set"
    return values


def _is_choice(field: Field) -> bool:
    """Whether a message says all by being there, such as a loss."""
    return (
        not field.repeated
        and field.make_default() is None
        and not any(
            inner.declaration.has_effect
            for inner in fields_of(field.kind).values()
        )
    )


def _compare(
    first: schema.Pipeline,
    second: schema.Pipeline,
    counts: Callable[[str], bool],
) -> list[str]:
    return [
        f"{path}: {ours} and {theirs}"
        for path, (ours, theirs) in changes(first, second).items()
        if counts(path)
    ]
