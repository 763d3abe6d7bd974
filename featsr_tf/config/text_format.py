"""Pipeline configs as protocol buffer text, and back."""

import difflib
import enum
import functools
import re
from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory
from google.protobuf import text_format

from featsr_tf.config import schema
from featsr_tf.config.fields import Field
from featsr_tf.config.fields import fields_of
from featsr_tf.config.fields import message_name
from featsr_tf.data.protobuf_text import find_positions
from featsr_tf.data.protobuf_text import parse_error_text
from featsr_tf.data.protobuf_text import position
from featsr_tf.errors import ConfigError
from featsr_tf.files import decode_text
from featsr_tf.files import stand_in

_UNKNOWN_FIELD = re.compile(r'type "([\w.]+)" has no field named "(.*)"')
_UNKNOWN_CHOICE = re.compile(r'type "([\w.]+)" has no value named (.*?)\.?$')

_TWO_OF_ONE = re.compile(
    r'Field "(\w+)" is specified along with field "(\w+)", another member of '
    r'oneof "(\w+)"'
)


def decode(content: bytes, source: str) -> str:
    """Decodes the bytes of a config file.

    Raises:
        ConfigError: The bytes are not UTF-8 text.
    """
    try:
        text = decode_text(content)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        raise _not_text(source, before) from None
    if found := stand_in(content):
        raise ConfigError(f"{source}: {found}")
    if "\0" in text:
        raise _not_text(source, text[: text.index("\0")])
    return text.replace("\r\n", "\n")


def _not_text(source: str, before: str) -> ConfigError:
    line, column = position(before, len(before))
    return ConfigError(
        f"{source}:{line}:{column}: not UTF-8 text; expected a pipeline "
        "config in protocol buffer text format"
    )


def parse(text: str, source: str) -> tuple[Any, dict[str, str]]:
    """Parses a config text.

    Returns:
        The protocol buffer message, and where each of its fields was set.

    Raises:
        ConfigError: Wrong syntax, an unknown name or a value of the wrong
            type, with file, line and column.
    """
    proto = protocol_class(schema.Pipeline)()
    try:
        text_format.Parse(text, proto)
    except text_format.ParseError as error:
        line, column = error.GetLine() or 1, error.GetColumn() or 1
        raise ConfigError(
            f"{source}:{line}:{column}: {explain(error, text)}"
        ) from None
    positions = find_positions(text, proto.DESCRIPTOR)
    origins = {
        path: f"{source}:{line}:{column}"
        for path, (line, column) in positions.items()
    }
    return proto, origins


def explain(error: text_format.ParseError, text: str = "") -> str:
    """Says in one line, without position, what the parser complains about.

    Args:
        text: as for `parse_error_text`.
    """
    said = parse_error_text(error, text).replace(f"{PACKAGE}.", "")
    if match := _UNKNOWN_FIELD.search(said):
        name_of_class = match[1].rpartition(".")[2]
        return unknown_field(match[2], _message_class(name_of_class))
    if match := _UNKNOWN_CHOICE.search(said):
        kind = match[1].rpartition(".")[2]
        return (
            f"{kind} has no value {match[2]}; "
            f"{nearest(match[2], _choices(kind))}"
        )
    if match := _TWO_OF_ONE.search(said):
        names = f"{match[2]} and {match[1]}"
        if match[3] == "preprocessing_step":
            return (
                f"{names} are two steps in one block; give each its own, such"
                f" as data_augmentation_options {{ {match[2]} {{}} }}"
                f" data_augmentation_options {{ {match[1]} {{}} }}"
            )
        return f"{names} are specified together; keep one of both"
    return said


def _message_class(name: str) -> type:
    return next(
        declared
        for declared in message_paths(schema.Pipeline).values()
        if message_name(declared) == name
    )


def _choices(kind: str) -> list[str]:
    return next(
        list(field.kind.__members__)
        for owner in message_paths(schema.Pipeline).values()
        for field in fields_of(owner).values()
        if field.is_choice and field.kind.__name__ == kind
    )


def from_proto(
    proto: Any, message_class: type, origins: dict[str, str], path: str = ""
) -> Any:
    """Turns a protocol buffer message into a dataclass.

    Args:
        origins: Where fields were set; empty lists count as set when here.
            Gets the name of a field where only its old one stands.

    Returns:
        The dataclass, with defaults for all that is not set.
    """
    values = {}
    for field in fields_of(message_class).values():
        here = _join(path, field.name)
        name = field.name
        old_name = field.declaration.old_name
        if old_name and proto.HasField(old_name):
            name = old_name
            origins[here] = origins[_join(path, old_name)]
        value = getattr(proto, name)
        if field.repeated:
            if len(value) or here in origins:
                values[field.name] = [
                    _from_value(element, field, origins, f"{here}.{index}")
                    for index, element in enumerate(value)
                ]
        elif proto.HasField(name):
            values[field.name] = _from_value(value, field, origins, here)
    return message_class(**values)


def _from_value(
    value: Any, field: Field, origins: dict[str, str], path: str
) -> Any:
    if field.is_message:
        return from_proto(value, field.kind, origins, path)
    if field.is_choice:
        return list(field.kind)[value]  # type: ignore[call-overload]
    return value


def to_text(pipeline: schema.Pipeline) -> str:
    """Prints the effective config.

    Fields with effect are all printed, others only where they differ from
    their default.
    """
    proto = protocol_class(schema.Pipeline)()
    _fill(proto, pipeline)
    return text_format.MessageToString(
        proto, use_short_repeated_primitives=True
    )


def _fill(proto: Any, message: Any) -> None:
    for field in fields_of(type(message)).values():
        value = getattr(message, field.name)
        is_said = field.declaration.has_effect or value != field.make_default()
        if value is None or not is_said:
            continue
        target = getattr(proto, field.name)
        if field.is_message and field.repeated:
            for element in value:
                _fill(target.add(), element)
        elif field.is_message:
            target.SetInParent()
            _fill(target, value)
        elif field.repeated:
            target.extend(value)
        elif isinstance(value, enum.Enum):
            setattr(proto, field.name, list(field.kind).index(value))  # type: ignore[call-overload]
        else:
            setattr(proto, field.name, value)


PACKAGE = "featsr_tf"
# Numbers of old names of fields come after those of all fields.
_OLD_NAMES = 1000
_Proto = descriptor_pb2.FieldDescriptorProto
# Doubles, where the API has floats: 0.04 is then printed as it was written.
_SCALARS = {
    bool: _Proto.TYPE_BOOL,
    float: _Proto.TYPE_DOUBLE,
    int: _Proto.TYPE_INT32,
    str: _Proto.TYPE_STRING,
}


@functools.cache
def protocol_class(message_class: type) -> Any:
    """Makes the protocol buffer class of a declared message."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{PACKAGE}/{message_name(message_class)}.proto",
        package=PACKAGE,
        syntax="proto2",
    )
    for declared in _reachable(message_class):
        _describe_message(file.message_type.add(), declared)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{PACKAGE}.{message_name(message_class)}")
    )


@functools.cache
def _reachable(message_class: type) -> tuple[type, ...]:
    """Lists a message class and those of all messages inside it."""
    found = {message_class: None}
    for field in fields_of(message_class).values():
        if field.is_message:
            found.update(dict.fromkeys(_reachable(field.kind)))
    return tuple(found)


def _describe_message(proto: Any, message_class: type) -> None:
    proto.name = message_name(message_class)
    oneofs: dict[str, int] = {}
    for number, field in enumerate(fields_of(message_class).values(), 1):
        described = proto.field.add(name=field.name, number=number)
        described.label = (
            _Proto.LABEL_REPEATED if field.repeated else _Proto.LABEL_OPTIONAL
        )
        _describe_type(proto, described, field)
        oneof = field.declaration.oneof
        if old_name := field.declaration.old_name:
            # Only one of both names may be set, and `--set` replaces either.
            oneof = f"names_of_{field.name}"
            old = proto.field.add(
                name=old_name, number=_OLD_NAMES + number, label=described.label
            )
            _describe_type(proto, old, field)
            old.oneof_index = len(oneofs)
        if oneof:
            if oneof not in oneofs:
                oneofs[oneof] = len(oneofs)
                proto.oneof_decl.add(name=oneof)
            described.oneof_index = oneofs[oneof]


def _describe_type(proto: Any, described: Any, field: Field) -> None:
    if field.is_message:
        described.type = _Proto.TYPE_MESSAGE
        described.type_name = f".{PACKAGE}.{message_name(field.kind)}"
    elif field.is_choice:
        # Values are siblings of their enumeration: each one needs its own
        # scope, so that two may have a value of the same name.
        kind, scope = field.kind.__name__, f"{field.kind.__name__}Values"
        described.type = _Proto.TYPE_ENUM
        described.type_name = f".{PACKAGE}.{proto.name}.{scope}.{kind}"
        nested = proto.nested_type.add(name=scope).enum_type.add(name=kind)
        for number, name in enumerate(field.kind.__members__):
            nested.value.add(name=name, number=number)
    else:
        described.type = _SCALARS[field.kind]


# Similarity from which a name counts as a misspelling of another.
_SURE = 0.8
# Most places of a name that a message tells.
_PLACES = 2
# Number of names that can be listed in one line.
_FEW = 8


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggests what a misspelled name may have meant.

    Returns:
        "nearest known name: x", or all names when they are few and none is
        near.
    """
    folded = {candidate.lower(): candidate for candidate in known}
    if not folded:
        return "it has no fields"
    cutoff = 0.6 if len(folded) <= _FEW else 0.0
    close = difflib.get_close_matches(name.lower(), folded, 1, cutoff)
    if close:
        return f"nearest known name: {folded[close[0]]}"
    return f"known names: {', '.join(folded.values())}"


def unknown_field(name: str, message_class: type) -> str:
    """Says that a message has no such field, and what may have been meant.

    Returns:
        One line with the nearest name of this message, or the path where
        that very name belongs; or that the message is not supported.
    """
    paths = message_paths(schema.Pipeline)
    for path, found in paths.items():
        if found is message_class and (reason := _reason_against(path)):
            return f"{path} is not supported: {reason}"
    known = list(fields_of(message_class))
    hint = nearest(name, known)
    if not difflib.get_close_matches(name, known, 1, _SURE):
        elsewhere = [
            p for p, found in paths.items() if name in fields_of(found)
        ]
        if elsewhere:
            # Those of the parts that all have come first.
            places = sorted(elsewhere, key=lambda p: p.count("."))
            named = [_join(place, name) for place in places[:_PLACES]]
            hint = f"nearest known name: {' or '.join(named)}"
    return f"{message_name(message_class)} has no field {name!r}; {hint}"


def _reason_against(path: str) -> str:
    """Says why a message is refused, or nothing where it is not."""
    owner, _, name = path.rpartition(".")
    field = fields_of(message_paths(schema.Pipeline)[owner]).get(name)
    if field is None or not field.declaration.is_unsupported:
        return ""
    return field.declaration.meaning


@functools.cache
def message_paths(message_class: type, path: str = "") -> dict[str, type]:
    """Lists where in a config the messages of each class may stand."""
    found = {path: message_class}
    for field in fields_of(message_class).values():
        if field.is_message:
            found.update(message_paths(field.kind, _join(path, field.name)))
    return found


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
