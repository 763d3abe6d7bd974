"""How a config field is declared, and how declared messages are walked."""

import dataclasses
import enum
import functools
import json
import math
import re
import string
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar


class Affects(enum.Flag):
    """What another value of a field changes.

    Attributes:
        MODEL: The detector that is trained: a training goes on only with the
            value that it began with.
        BASE: What stage 1 learns: only configs with the same value can share
            a base stage.
        TRAINING: Anything else about training: stages 2 and 3, how often
            checkpoints are written, and the like.
        INFERENCE: What a trained detector finds, how fast it is, or on what
            it is evaluated: `--set` can change it without a new training.
        CACHE: All parts of the feature cache. The others are those parts, by
            the names that `training/stage.py` gives them.
    """

    MODEL = enum.auto()
    BASE = enum.auto()
    TRAINING = enum.auto()
    INFERENCE = enum.auto()
    SMALL = enum.auto()
    SMALL_INPUTS = enum.auto()
    PAIR_WEIGHTS = enum.auto()
    PAIR_INPUTS = enum.auto()
    TARGETS = enum.auto()
    LARGE = enum.auto()
    LARGE_FEATURES = enum.auto()
    FOCUS_FEATURES = enum.auto()
    FOCUS_TARGETS = enum.auto()
    CACHE = (
        SMALL
        | SMALL_INPUTS
        | PAIR_WEIGHTS
        | PAIR_INPUTS
        | TARGETS
        | LARGE
        | LARGE_FEATURES
        | FOCUS_FEATURES
        | FOCUS_TARGETS
    )


MODEL = Affects.MODEL
BASE = Affects.BASE
TRAINING = Affects.TRAINING
INFERENCE = Affects.INFERENCE
CACHE = Affects.CACHE


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What is known of a field beside its name, type and default.

    Args:
        meaning: Help text of the config reference, one sentence; of an
            ignored or unsupported field the reason.
        affects: What another value changes; None: what the message around
            the field affects.
        is_ignored: True for fields of the TF Object Detection API that are
            read and kept but change nothing here.
        is_unsupported: True for what the API can build and this package
            cannot: setting it is an error.
        oneof: Name of the group of which at most one field may be set.
    """

    meaning: str
    affects: Affects | None = None
    is_ignored: bool = False
    is_unsupported: bool = False
    limits: tuple[float, float] = (0.0, math.inf)
    oneof: str = ""
    old_name: str = ""

    @property
    def has_effect(self) -> bool:
        """Whether a config can say something by it."""
        return not (self.is_ignored or self.is_unsupported)


def field(
    default: Any,
    meaning: str,
    affects: Affects | None = None,
    limits: tuple[float, float] = (0.0, math.inf),
    old_name: str = "",
) -> Any:
    """Declares a number, string, flag, choice or list of them with effect."""
    declaration = Declaration(
        meaning, affects, limits=limits, old_name=old_name
    )
    return declare(default, declaration)


def message(
    factory: Callable[[], Any], meaning: str, affects: Affects | None = None
) -> Any:
    """Declares a message that is always present, with defaults when not set."""
    return dataclasses.field(
        default_factory=factory,
        metadata={"declaration": Declaration(meaning, affects)},
    )


def optional(
    meaning: str, affects: Affects | None = None, oneof: str = ""
) -> Any:
    """Declares a message that is None when not set."""
    return declare(None, Declaration(meaning, affects, oneof=oneof))


def declare(default: Any, declaration: Declaration) -> Any:
    """Declares any field but a message that is always present."""
    metadata = {"declaration": declaration}
    if isinstance(default, list):
        return dataclasses.field(
            default_factory=lambda: list(default), metadata=metadata
        )
    return dataclasses.field(default=default, metadata=metadata)


class Row(NamedTuple):
    """A field of the table: its name, the text of its default, its reason."""

    name: str
    default: str
    declaration: Declaration


def _read_table(
    table: str,
) -> tuple[dict[str, list[Row | str]], dict[str, type[enum.StrEnum]]]:
    """Reads rows and places of declared fields by message, and enumerations."""
    rows: dict[str, list[Row | str]] = {}
    enums: dict[str, type[enum.StrEnum]] = {}
    reasons: dict[str, str] = {}
    message, oneof = "", ""
    for line in filter(None, table.replace("\n    ", " ").splitlines()):
        line = string.Template(line).safe_substitute(reasons)
        first, *others = line.split()
        if first == "#":
            continue
        if first.startswith("$"):
            reasons[first[1:]] = line.partition(" = ")[2]
        elif first == "enum":
            name, *values = others
            members = [(value, value) for value in values]
            enums[name] = typing.cast(Any, enum.StrEnum)(name, members)
        elif not line.startswith(" "):
            message, is_in = first, others[:1] == ["in"]
            oneof = others[1] if is_in else ""
            rows.setdefault(message, []).extend(
                _rows(
                    others[2:] if is_in else others,
                    Declaration("", is_ignored=True),
                )
            )
        elif match := _REASON.fullmatch(line):
            ignored = match[2] == "ignored"
            declaration = Declaration(
                match[3],
                is_ignored=ignored,
                is_unsupported=not ignored,
                oneof=oneof,
            )
            rows[message] += _rows(match[1].split(), declaration)
        else:
            rows[message].append(first)
    return rows, enums


_REASON = re.compile(r" *(.*) (ignored|unsupported): (.*)")


def _rows(fields: list[str], declaration: Declaration) -> list[Row]:
    pairs = (text.split("=") for text in fields)
    return [Row(name, default, declaration) for name, default in pairs]


_ROWS, _ENUMS = _read_table(
    Path(__file__).with_name("ignored_fields.txt").read_text("utf-8")
)
# Message classes by name: those declared in this folder, and those that only
# this table knows.
_CLASSES: dict[str, type] = {}
_Message = TypeVar("_Message")


@typing.dataclass_transform(field_specifiers=(declare, dataclasses.field))
def config_message(declared: type[_Message]) -> type[_Message]:
    """Makes a message class of declared fields and those of the table.

    Raises:
        ValueError: The table places a field behind one that does not exist.
    """
    return _complete(declared, "")


def _complete(declared: type[_Message], reason: str) -> type[_Message]:
    left = dict(declared.__annotations__)
    annotations = declared.__annotations__ = {}
    for row in _ROWS.get(message_name(declared), ()):
        if isinstance(row, Row):
            _add(declared, row, reason or row.declaration.meaning)
            continue
        if row not in left:
            raise ValueError(f"{message_name(declared)} has no field {row}")
        while row in left:
            name = next(iter(left))
            annotations[name] = left.pop(name)
    annotations |= left
    _CLASSES[message_name(declared)] = dataclasses.dataclass(declared)
    return declared


def _add(declared: type, row: Row, reason: str) -> None:
    kind, default = _type_and_default(row.default, reason)
    declared.__annotations__[row.name] = kind
    declaration = dataclasses.replace(row.declaration, meaning=reason)
    setattr(declared, row.name, declare(default, declaration))


def _type_and_default(text: str, reason: str) -> tuple[Any, Any]:
    scalars = {"int": int, "float": float}
    if text.endswith("[]"):
        kind = text.removesuffix("[]")
        return list[scalars.get(kind) or _class_of(kind, reason)], []  # type: ignore[misc]
    name, _, value = text.partition(".")
    if name in _ENUMS:
        return _ENUMS[name], _ENUMS[name](value)
    if name[0].isupper():
        return _class_of(name, reason) | None, None  # type: ignore[operator]
    default = json.loads(text)
    return type(default), default


def _class_of(name: str, reason: str) -> type:
    if name not in _CLASSES:
        content = {"__annotations__": {}, "__doc__": "Read without effect."}
        _complete(type(name, (), content), reason)
    return _CLASSES[name]


def message_name(message_class: Any) -> str:
    """Names a message class as the API and error messages do.

    `PostProcessingOptions` is the message PostProcessing: in code that is the
    name of what is built by it.
    """
    return message_class.__name__.removesuffix("Options")


@dataclasses.dataclass(frozen=True)
class Field:
    """One declared field of a message class.

    Args:
        kind: int, float, bool, str, a `StrEnum` or a message class.
    """

    name: str
    kind: Any
    repeated: bool
    make_default: Callable[[], Any]
    declaration: Declaration

    @property
    def is_message(self) -> bool:
        """Whether the values are messages."""
        return dataclasses.is_dataclass(self.kind)

    @property
    def is_choice(self) -> bool:
        """Whether the values are members of an enumeration."""
        return issubclass(self.kind, enum.Enum)


def fields_of(message_class: Any) -> dict[str, Field]:
    """Lists the fields of a message class by name, in the API's order."""
    return _described_fields(message_class)


@functools.cache
def _described_fields(message_class: Any) -> dict[str, Field]:
    hints = typing.get_type_hints(message_class)
    return {
        declared.name: _describe(declared, hints[declared.name])
        for declared in dataclasses.fields(message_class)
        if "declaration" in declared.metadata
    }


def _describe(declared: dataclasses.Field[Any], hint: Any) -> Field:
    repeated = typing.get_origin(hint) is list
    if repeated:
        (hint,) = typing.get_args(hint)
    elif isinstance(hint, types.UnionType):
        hint = typing.get_args(hint)[0]
    make_default = declared.default_factory
    if make_default is dataclasses.MISSING:
        make_default = functools.partial(_same, declared.default)
    return Field(
        declared.name,
        hint,
        repeated,
        typing.cast(Callable[[], Any], make_default),
        declared.metadata["declaration"],
    )


def _same(value: Any) -> Any:
    return value


def walk(parent: Any, path: str = "") -> Iterator[tuple[str, Field, Any]]:
    """Visits every field of a message and of the messages inside it.

    Yields:
        Path, field and value. A field comes before the fields inside it;
        the elements of a list of messages have their index in the path.
    """
    for described in fields_of(type(parent)).values():
        value = getattr(parent, described.name)
        here = f"{path}.{described.name}" if path else described.name
        yield here, described, value
        if described.is_message and described.repeated:
            for index, element in enumerate(value):
                yield from walk(element, f"{here}.{index}")
        elif described.is_message and value is not None:
            yield from walk(value, here)


def chosen(message: Any) -> tuple[str, Any]:
    """Finds the member of a group of alternatives that is set.

    Returns:
        Name and value of the member, or "" and None.
    """
    for described in fields_of(type(message)).values():
        value = getattr(message, described.name)
        if described.declaration.oneof and value is not None:
            return described.name, value
    return "", None


def alternatives(message: Any) -> str:
    """Lists the names of a group of alternatives."""
    fields = fields_of(type(message)).values()
    return ", ".join(f.name for f in fields if f.declaration.oneof)
