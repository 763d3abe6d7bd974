"""Prints the effective config: `python -m featsr_tf.config PIPELINE`."""

import enum
import sys
from collections.abc import Sequence
from typing import Any

from featsr_tf.command_line.flags import add_set_flag
from featsr_tf.command_line.parser import CommandParser
from featsr_tf.config import schema
from featsr_tf.config.differences import affects_of
from featsr_tf.config.fields import CACHE
from featsr_tf.config.fields import Affects
from featsr_tf.config.fields import Field
from featsr_tf.config.fields import fields_of
from featsr_tf.config.fields import message_name
from featsr_tf.config.load import example_paths
from featsr_tf.config.load import load_pipeline
from featsr_tf.config.text_format import message_paths
from featsr_tf.config.text_format import to_text
from featsr_tf.config.warnings import find_warnings
from featsr_tf.errors import exit_on_error

_INTRODUCTION = """# Config reference

Written by `python -m featsr_tf.config --reference`; do not edit.

A pipeline config is protocol buffer text in the syntax and with the names of
the TF Object Detection API, plus the message `feature_super_resolution` under
`model`. Any field can be set on the command line, by its path:

    --set model.faster_rcnn.num_classes=4
    --set eval_input_reader.0.label_map_path=label_map.pbtxt
    --set train_config.freeze_variables=conv1,conv_pw_1
    --set "train_config.data_augmentation_options.0={random_adjust_hue {}}"

Affects: what another value changes.

- model: the trained detector. Training in a model folder goes on only with the
  value that it began with.
- base: what stage 1 learns. Only configs with the same value can share a base
  stage (`--base_from`).
- cache: features that stages 2 and 3 keep (`feature_cache`).
- training: anything else about training.
- inference: what a trained detector finds, how fast, or what it is evaluated
  on. `--set` of `evaluate`, `predict` and `export` can change it on a trained
  model folder; any other field is refused there.
- ignored: nothing. A warning names the field where it is set to another value
  than its default, and gives its meaning as the reason.
- not supported: the API can build it and this package cannot. Setting it to
  another value is an error.

Of the alternatives of one group (named in the column "type") at most one may
be set.
"""


def reference() -> str:
    """Writes one Markdown table per message."""
    places: dict[type, list[str]] = {}
    for path, message_class in message_paths(schema.Pipeline).items():
        places.setdefault(message_class, []).append(path)
    tables = [
        _table(message_class, paths)
        for message_class, paths in places.items()
        if fields_of(message_class)
    ]
    return "\n".join([_INTRODUCTION, *tables])


def _table(message_class: type, paths: list[str]) -> str:
    summary = (message_class.__doc__ or "").strip().splitlines()[0]
    lines = [f"## {message_name(message_class)}", "", summary, ""]
    if any(paths):
        shown = ", ".join(f"`{path}`" for path in paths[:3])
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        lines += [f"At {shown}{more}.", ""]
    lines += [
        "| field | type | default | affects | meaning |",
        "|---|---|---|---|---|",
        *(_row(field, paths) for field in fields_of(message_class).values()),
        "",
    ]
    return "\n".join(lines)


def _row(field: Field, paths: list[str]) -> str:
    meaning = field.declaration.meaning
    if old_name := field.declaration.old_name:
        meaning += f" Its old name `{old_name}` is read as well."
    cells = (
        f"`{field.name}`",
        _kind(field),
        _default(field),
        _affects(field, paths),
        meaning,
    )
    return f"| {' | '.join(cells)} |"


def _affects(field: Field, paths: list[str]) -> str:
    if field.declaration.is_unsupported:
        return "not supported"
    if field.declaration.is_ignored:
        return "ignored"
    if field.is_message and field.declaration.affects is None:
        return "see there"
    affects = field.declaration.affects
    if affects is None:
        fields = (f"{path}.{field.name}".lstrip(".") for path in paths)
        affects, *others = set(map(affects_of, fields))
        if others:
            return "as the message around it"
    names = [
        name.lower()
        for name in ("MODEL", "BASE", "TRAINING", "INFERENCE")
        if Affects[name] in affects
    ]
    return ", ".join(names + ["cache"] * bool(affects & CACHE))


def _kind(field: Field) -> str:
    if field.is_choice:
        kind = ", ".join(field.kind.__members__)
    elif field.is_message and fields_of(field.kind):
        name = message_name(field.kind)
        kind = f"[{name}](#{name.lower()})"
    elif field.is_message:
        kind = "message"
    else:
        names = {bool: "flag", int: "integer", float: "number", str: "string"}
        kind = names[field.kind]
    kind = f"list of {kind}" if field.repeated else kind
    oneof = field.declaration.oneof
    return f"{kind}; one of `{oneof}`" if oneof else kind


def _default(field: Field) -> str:
    value = field.make_default()
    if field.is_message:
        return "none" if not value else "its defaults"
    if isinstance(value, list):
        return f"`{_list_text(value)}`"
    return f"`{_text(value)}`"


def _list_text(values: list[Any]) -> str:
    return f"[{', '.join(_text(value) for value in values)}]"


def _text(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:.12g}"


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a checked config to stdout and its warnings to stderr."""
    parser = CommandParser("featsr_tf.config", description=__doc__)
    parser.add_argument("pipeline", nargs="?", help="pipeline config file")
    add_set_flag(parser)
    parser.add_argument(
        "--reference",
        action="store_true",
        help="print the reference of all fields instead",
    )
    parser.add_argument(
        "--example",
        choices=sorted(example_paths()),
        help="print a config of the package as it is instead, to start from",
    )
    arguments = parser.parse_args(argv)
    if not (arguments.pipeline or arguments.reference or arguments.example):
        parser.error("expected a pipeline config file, or --example")
    with exit_on_error():
        if arguments.example:
            path = example_paths()[arguments.example]
            print(path.read_text("utf-8"), end="")
            return
        if arguments.reference:
            print(reference(), end="")
            return
        pipeline = load_pipeline(arguments.pipeline, arguments.overrides)
        print(to_text(pipeline), end="")
        for warning in find_warnings(pipeline):
            print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    main()
