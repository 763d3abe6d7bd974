"""From a config file and command line to a checked pipeline."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format as protobuf_text_format
from google.protobuf.message import Message

import featsr_tf
from featsr_tf.config import checks
from featsr_tf.config import schema
from featsr_tf.config import text_format
from featsr_tf.config.fields import Field
from featsr_tf.config.fields import fields_of
from featsr_tf.config.text_format import explain
from featsr_tf.config.text_format import unknown_field
from featsr_tf.errors import ConfigError
from featsr_tf.files import find_paths


def load_pipeline(
    path: str | Path, overrides: Sequence[str] = (), trains: bool = True
) -> schema.Pipeline:
    """Reads and checks a pipeline config.

    Relative paths inside it begin in the current folder, or in that of the
    file where something is there only then. Whether they lead to anything is
    checked by those who open them.

    Args:
        overrides: Such as "model.faster_rcnn.num_classes=4".
        trains: See `checks.check`.

    Raises:
        ConfigError: The file cannot be read, or says something impossible.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        name = Path(path).stem
        hint = ""
        if name in example_paths():
            hint = f"; featsr config --example {name} > {name}.config writes it"
        raise ConfigError(
            f"{path}: cannot read the pipeline config: "
            f"{error.strerror or error}{hint}"
        ) from None
    pipeline = parse_pipeline(content, str(path), overrides, trains)
    _look_beside(pipeline, os.path.dirname(path))
    return pipeline


def example_paths() -> dict[str, Path]:
    """The configs of the package by name."""
    package = Path(featsr_tf.__file__).parent
    # In a checkout the first is a link, which not every system can make.
    folders = (package / "pipelines", package.parent / "pipelines")
    found = next(filter(Path.is_dir, folders), folders[0])
    return {path.stem: path for path in sorted(found.glob("*.config"))}


def input_paths(pipeline: schema.Pipeline) -> list[str]:
    """Lists the files and patterns that a config reads, as it names them."""
    return [
        path
        for message, name in _input_fields(pipeline)
        for path in _as_list(getattr(message, name))
    ]


def _input_fields(pipeline: schema.Pipeline) -> list[tuple[Any, str]]:
    readers = [pipeline.train_input_reader, *pipeline.eval_input_reader]
    backbone = pipeline.model.feature_super_resolution.backbone
    return [
        *((reader, "label_map_path") for reader in readers),
        *((reader.tf_record_input_reader, "input_path") for reader in readers),
        *([(backbone, "weights")] * (backbone.weights != "imagenet")),
    ]


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _look_beside(pipeline: schema.Pipeline, folder: str) -> None:
    """Leads paths that are found beside the config only to that place."""

    def look(path: str) -> str:
        beside = os.path.join(folder, path)
        is_beside = path and not find_paths(path) and find_paths(beside)
        return beside if is_beside else path

    for message, name in _input_fields(pipeline):
        value = getattr(message, name)
        found = [look(path) for path in _as_list(value)]
        setattr(message, name, found[0] if isinstance(value, str) else found)
    config = pipeline.train_config
    if config.fine_tune_checkpoint:
        index = look(f"{config.fine_tune_checkpoint}.index")
        config.fine_tune_checkpoint = index.removesuffix(".index")


def parse_pipeline(
    content: bytes,
    source: str,
    overrides: Sequence[str] = (),
    trains: bool = True,
) -> schema.Pipeline:
    """Parses and checks the content of a config file.

    Args:
        source: The file's name, for errors.

    Raises:
        ConfigError: The content says something impossible.
    """
    text = text_format.decode(content, source)
    proto, origins = text_format.parse(text, source)
    for override in overrides:
        apply_override(proto, origins, override)
    pipeline = text_format.from_proto(proto, schema.Pipeline, origins)
    pipeline.source = source
    pipeline.origins = origins
    checks.check(pipeline, trains)
    return pipeline


def apply_override(proto: Any, origins: dict[str, str], override: str) -> None:
    """Sets one field, and the messages around it, in a parsed config.

    A member of a group of alternatives takes the place of its siblings; a
    list is replaced as a whole.

    Args:
        override: Such as "eval_input_reader.0.shuffle=false" or, for a
            message, "path={name: value}".

    Raises:
        ConfigError: No such field, or a value of the wrong type.
    """
    path, equals, value = (part.strip() for part in override.partition("="))
    if not equals or not path:
        raise ConfigError(
            f"--set {override}: expected path=value, such as "
            "model.faster_rcnn.num_classes=4"
        )
    try:
        _set(proto, path, value)
    except protobuf_text_format.ParseError as error:
        raise ConfigError(f"--set {override}: {explain(error)}") from None
    except _PathError as error:
        raise ConfigError(f"--set {override}: {error}") from None
    origin = f"--set {path}"
    for known in list(origins):
        if known.startswith(f"{path}."):
            del origins[known]
    for inside in _set_paths(proto):
        if inside.startswith(f"{path}."):
            origins[inside] = origin
    parts = path.split(".")
    for end in range(1, len(parts) + 1):
        prefix = ".".join(parts[:end])
        if end == len(parts) or prefix not in origins:
            origins[prefix] = origin


def _set_paths(message: Any, prefix: str = "") -> Iterator[str]:
    """Names all fields that are set in a message."""
    for descriptor, value in message.ListFields():
        path = f"{prefix}{descriptor.name}"
        yield path
        if descriptor.message_type is None:
            continue
        if not isinstance(value, Message):
            for index, element in enumerate(value):
                yield f"{path}.{index}"
                yield from _set_paths(element, f"{path}.{index}.")
        else:
            yield from _set_paths(value, f"{path}.")


class _PathError(Exception):
    """A path that leads to no field."""


def _set(proto: Any, path: str, value: str) -> None:
    message_class: type = schema.Pipeline
    parts = path.split(".")
    while True:
        field = _find(parts.pop(0), message_class)
        name = field.name
        if field.is_message and field.repeated and parts:
            proto = _element(getattr(proto, name), name, parts.pop(0))
            if not parts:
                proto.Clear()
                protobuf_text_format.Parse(_inside(value), proto)
                return
        elif parts:
            if not field.is_message:
                raise _PathError(f"{name} has no fields")
            proto = getattr(proto, name)
            proto.SetInParent()
        else:
            proto.ClearField(name)
            protobuf_text_format.Merge(_assignment(field, value), proto)
            return
        message_class = field.kind


def _find(name: str, message_class: type) -> Field:
    for field in fields_of(message_class).values():
        if name and name in (field.name, field.declaration.old_name):
            return field
    raise _PathError(unknown_field(name, message_class))


def _element(elements: Any, name: str, index: str) -> Any:
    if not index.isdecimal() or int(index) > len(elements):
        raise _PathError(
            f"{name} is a list of {len(elements)}; expected an index from 0 "
            f"to {len(elements)}, found {index!r}"
        )
    return (
        elements.add() if int(index) == len(elements) else elements[int(index)]
    )


def _assignment(field: Field, value: str) -> str:
    """Writes what the config text would say, with quotes and brackets."""
    if field.is_message and not field.repeated:
        return f"{field.name} {{ {_inside(value)} }}"
    if field.repeated and not field.is_message:
        return f"{field.name}: [{_list(field, value)}]"
    return f"{field.name}: {_literal(field, value)}"


def _list(field: Field, value: str) -> str:
    inside = value[1:-1] if value[:1] + value[-1:] == "[]" else value
    if field.kind is not str or "'" in inside or '"' in inside:
        return inside
    # A comma within brackets, as in \d{1,2}, belongs to a pattern.
    parts = re.split(r",(?![^{}\[\]()]*[}\])])", inside)
    parts = [part.strip() for part in parts if part.strip()]
    return ", ".join(_literal(field, part) for part in parts)


def _inside(value: str) -> str:
    return value[1:-1] if value[:1] + value[-1:] == "{}" else value


def _literal(field: Field, value: str) -> str:
    quoted = len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]
    if field.kind is str and not quoted:
        return json.dumps(value, ensure_ascii=False)
    return value
