"""How a config field is declared, and how declared messages are walked."""

import dataclasses
import enum
import functools
import math
import types
import typing
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What is known of a field beside its name, type and default.

    Args:
        meaning: Help text of the config reference, one sentence.
        has_effect: False for fields of the TF Object Detection API that are
            read and kept but change nothing here.
        refused: True for what the API can build and this package cannot:
            setting it is an error.
        minimum: Least allowed number.
        maximum: Greatest allowed number.
        oneof: Name of the group of which at most one field may be set.
    """

    meaning: str
    has_effect: bool = True
    refused: bool = False
    minimum: float = 0.0
    maximum: float = math.inf
    oneof: str = ""


def setting(
    default: Any, meaning: str, minimum: float = 0.0, maximum: float = math.inf
) -> Any:
    """Declares a number, string, flag, choice or list of them with effect.

    Args:
        default: Value of a field that is not set.
        meaning: Help text.
        minimum: Least allowed number.
        maximum: Greatest allowed number.

    Returns:
        A dataclass field.
    """
    declaration = Declaration(meaning, minimum=minimum, maximum=maximum)
    return _field(default, declaration)


def unused(default: Any, meaning: str, oneof: str = "") -> Any:
    """Declares a field that is accepted but has no effect here.

    Args:
        default: Value of a field that is not set; None for a message.
        meaning: Help text.
        oneof: Group of alternatives to which the field belongs.

    Returns:
        A dataclass field.
    """
    return _field(default, Declaration(meaning, False, oneof=oneof))


def refused(default: Any, meaning: str, oneof: str = "") -> Any:
    """Declares a field whose being set to another value is an error.

    Args:
        default: The only allowed value; None for a message.
        meaning: Help text: what the field would ask for.
        oneof: Group of alternatives to which the field belongs.

    Returns:
        A dataclass field.
    """
    return _field(default, Declaration(meaning, refused=True, oneof=oneof))


def message(factory: Callable[[], Any], meaning: str) -> Any:
    """Declares a message that is always present, with defaults when not set.

    Args:
        factory: Makes the message of a field that is not set.
        meaning: Help text.

    Returns:
        A dataclass field.
    """
    return dataclasses.field(
        default_factory=factory, metadata={"declaration": Declaration(meaning)}
    )


def optional(meaning: str, oneof: str = "") -> Any:
    """Declares a message that is None when not set.

    Args:
        meaning: Help text.
        oneof: Group of alternatives of which at most one may be set.

    Returns:
        A dataclass field.
    """
    return _field(None, Declaration(meaning, oneof=oneof))


def _field(default: Any, declaration: Declaration) -> Any:
    metadata = {"declaration": declaration}
    if isinstance(default, list):
        return dataclasses.field(
            default_factory=lambda: list(default), metadata=metadata
        )
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Field:
    """One declared field of a message class.

    Args:
        name: The name in the config text.
        kind: int, float, bool, str, a `StrEnum` or a message class.
        repeated: True for lists.
        make_default: Gives a fresh default value.
        declaration: Help text, effect and limits.
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
    """Lists the declared fields of a message class.

    Args:
        message_class: A dataclass of `featsr_tf.config.schema`.

    Returns:
        Fields by name, in the order of declaration.
    """
    return _described_fields(message_class)


@functools.cache
def _described_fields(message_class: Any) -> dict[str, Field]:
    hints = typing.get_type_hints(message_class)
    return {
        field.name: _describe(field, hints[field.name])
        for field in dataclasses.fields(message_class)
        if "declaration" in field.metadata
    }


def _describe(field: dataclasses.Field[Any], hint: Any) -> Field:
    repeated = typing.get_origin(hint) is list
    if repeated:
        (hint,) = typing.get_args(hint)
    elif isinstance(hint, types.UnionType):
        hint = typing.get_args(hint)[0]
    make_default = field.default_factory
    if make_default is dataclasses.MISSING:
        make_default = functools.partial(_same, field.default)
    return Field(
        field.name,
        hint,
        repeated,
        typing.cast(Callable[[], Any], make_default),
        field.metadata["declaration"],
    )


def _same(value: Any) -> Any:
    return value


def walk(parent: Any, path: str = "") -> Iterator[tuple[str, Field, Any]]:
    """Visits every field of a message and of the messages inside it.

    Args:
        parent: A message.
        path: Where it stands, such as "model.faster_rcnn".

    Yields:
        Path, field and value. A field comes before the fields inside it;
        the elements of a list of messages have their index in the path.
    """
    for field in fields_of(type(parent)).values():
        value = getattr(parent, field.name)
        here = f"{path}.{field.name}" if path else field.name
        yield here, field, value
        if field.is_message and field.repeated:
            for index, element in enumerate(value):
                yield from walk(element, f"{here}.{index}")
        elif field.is_message and value is not None:
            yield from walk(value, here)
