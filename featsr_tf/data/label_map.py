"""Label maps: `label_map.pbtxt`, from class ids to class names."""

import collections
import dataclasses
import functools
import re
from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory
from google.protobuf import text_format

from featsr_tf.data.protobuf_text import find_positions
from featsr_tf.data.protobuf_text import parse_error_text
from featsr_tf.errors import DataError
from featsr_tf.files import read_text

_FIELD = descriptor_pb2.FieldDescriptorProto
_ONE = _FIELD.LABEL_OPTIONAL
_MANY = _FIELD.LABEL_REPEATED

# The fields of the Object Detection API: name, number, type, label.
_KEYPOINT_FIELDS = (
    ("id", 1, _FIELD.TYPE_INT32, _ONE),
    ("label", 2, _FIELD.TYPE_STRING, _ONE),
)
_ITEM_FIELDS = (
    ("name", 1, _FIELD.TYPE_STRING, _ONE),
    ("id", 2, _FIELD.TYPE_INT32, _ONE),
    ("display_name", 3, _FIELD.TYPE_STRING, _ONE),
    ("keypoints", 4, "Keypoint", _MANY),
    ("ancestor_ids", 5, _FIELD.TYPE_INT32, _MANY),
    ("descendant_ids", 6, _FIELD.TYPE_INT32, _MANY),
    ("frequency", 7, "Frequency", _ONE),
    ("instance_count", 8, _FIELD.TYPE_INT32, _ONE),
)
_EXPECTED = "expected item { id: 1 name: 'a name' } for each class"


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """The classes of a data set.

    Args:
        names: the name to show of each class id. Ids start at 1 (0 is the
            background) and may have gaps.
        identifiers: the `name` of each id where the file gives a
            `display_name` besides; records may use either.
    """

    names: dict[int, str]
    identifiers: dict[int, str] = dataclasses.field(default_factory=dict)
    path: str = "label map"

    @property
    def num_classes(self) -> int:
        """The largest class id."""
        return max(self.names)

    def first_difference(self, other: "LabelMap") -> str:
        """Names the first class that two label maps call differently.

        Returns:
            Such as "1 is 'stop' in a.pbtxt and None in b.pbtxt"; "" = none.
        """
        for class_id in sorted(self.names | other.names):
            ours, theirs = self.names.get(class_id), other.names.get(class_id)
            if ours != theirs:
                return (
                    f"{class_id} is {ours!r} in {self.path} and {theirs!r} in "
                    f"{other.path}"
                )
        return ""

    def knows(self, label: int, text: str) -> bool:
        """Whether `text` is a name of the class `label`."""
        shown, identifier = self.names[label], self.identifiers.get(label)
        return text in (shown, identifier) or shown == f"{text} ({identifier})"

    def to_text(self) -> str:
        """The label map in protobuf text format, which can be read again."""
        messages = _label_map_class()()
        for id_ in sorted(self.names):
            item = messages.item.add(id=id_, name=self.names[id_])
            if id_ in self.identifiers:
                item.name = self.identifiers[id_]
                item.display_name = self.names[id_]
        return text_format.MessageToString(messages, as_utf8=True)


def load_label_map(path: str) -> LabelMap:
    """Reads a `label_map.pbtxt` of the Object Detection API.

    Returns:
        A `LabelMap`; `display_name` is preferred to `name`. Where two items
        have the same display name, it is followed by the name in brackets.

    Raises:
        DataError: the file cannot be read or parsed, has no items, nested
            items, ids below 1, or ids or names that occur twice.
    """
    try:
        text = read_text(path)
    except DataError as error:
        reason = str(error).removeprefix(f"{path}: ")
        reason = reason.removeprefix("cannot be read: ")
        raise DataError(f"{path}: no readable label map: {reason}") from None
    items, places = _parse(text, path)
    if not items:
        raise DataError(f"{path}: the label map has no items; {_EXPECTED}")
    for item, place in zip(items, places, strict=True):
        _check_item(item, place)
    _check_unique("id", [item.id for item in items], places)
    shown = _shown_names(items)
    _check_unique("name", shown, places)
    names = {item.id: name for item, name in zip(items, shown, strict=True)}
    identifiers = {
        item.id: item.name
        for item in items
        if item.name and item.name != names[item.id]
    }
    return LabelMap(names, identifiers, path)


def check_same_classes(training: LabelMap, evaluation: LabelMap) -> None:
    """Checks that records to learn from and to judge on share their classes.

    Raises:
        DataError: names the first class that differs.
    """
    if difference := training.first_difference(evaluation):
        raise DataError(
            f"train_input_reader and eval_input_reader name other classes: "
            f"{difference}; convert both data sets with the same label map"
        )


def check_num_classes(label_map: LabelMap, num_classes: int) -> None:
    """Checks that a model has room for each class of a label map.

    Raises:
        DataError: an id of the label map is larger than `num_classes`.
    """
    if label_map.num_classes > num_classes:
        raise DataError(
            f"{label_map.path}: the largest class id is"
            f" {label_map.num_classes} but num_classes is {num_classes};"
            f" set num_classes: {label_map.num_classes} or give another"
            " label map"
        )


def _parse(text: str, path: str) -> tuple[list, list[str]]:
    """Gives the items, and file, line and column of each."""
    messages = _label_map_class()()
    try:
        text_format.Parse(text, messages)
    except text_format.ParseError as error:
        reason = parse_error_text(error, text)
        if not re.search(r"\bitem\b", text):
            reason = f"no label map ({reason}); {_EXPECTED}"
        if re.search(r'Item" has no field named "item"', reason):
            reason = (
                "an item inside another one; expected the items one after "
                "the other: close the first with } before the next begins"
            )
        line, column = error.GetLine(), error.GetColumn()
        where = f"{path}:{line}:{column}" if line else path
        raise DataError(f"{where}: {reason}") from None
    positions = find_positions(text, messages.DESCRIPTOR)
    items, places = [], []
    for index, item in enumerate(messages.item):
        # The one item of id 0 that the API allows.
        if item.id or "background" not in (item.name, item.display_name):
            line, column = positions[f"item.{index}"]
            items.append(item)
            places.append(f"{path}:{line}:{column}")
    return items, places


def _shown_name(item: Any) -> str:
    return item.display_name or item.name


def _shown_names(items: list) -> list[str]:
    """Display names, with the name beside those that several items have."""
    counts = collections.Counter(map(_shown_name, items))
    return [
        f"{item.display_name} ({item.name})"
        if counts[item.display_name] > 1 and item.name
        else _shown_name(item)
        for item in items
    ]


def _check_item(item: Any, where: str) -> None:
    name = _shown_name(item)
    if not name:
        raise DataError(
            f"{where}: the item has no name; expected name: 'a name'"
        )
    if not item.HasField("id"):
        raise DataError(
            f"{where}: the item {name!r} has no id; expected id: 1 or more"
        )
    if item.id < 1:
        raise DataError(
            f"{where}: the item {name!r} has the id {item.id}; expected ids "
            "from 1 upwards, 0 is the background: add 1 to all ids, here and "
            "in the records"
        )


def _check_unique(what: str, values: Iterable, places: list[str]) -> None:
    seen: dict[Any, str] = {}
    for value, place in zip(values, places, strict=True):
        if value in seen:
            raise DataError(
                f"{place}: the {what} {value!r} occurs twice, first at "
                f"{seen[value]}; expected each once"
            )
        seen[value] = place


@functools.cache
def _label_map_class() -> type:
    file = descriptor_pb2.FileDescriptorProto(
        name="featsr_label_map.proto", package="featsr_label_map"
    )
    frequency = file.enum_type.add(name="Frequency")
    for number, value in enumerate(
        ("UNSPECIFIED", "FREQUENT", "COMMON", "RARE")
    ):
        frequency.value.add(name=value, number=number)
    _add_message(file, "Keypoint", _KEYPOINT_FIELDS)
    _add_message(file, "Item", _ITEM_FIELDS)
    _add_message(file, "LabelMap", (("item", 1, "Item", _MANY),))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{file.package}.LabelMap")
    )


def _add_message(
    file: descriptor_pb2.FileDescriptorProto, name: str, fields: tuple
) -> None:
    added = file.message_type.add(name=name)
    for field, number, type_, label in fields:
        description = added.field.add(name=field, number=number, label=label)
        if isinstance(type_, str):
            description.type_name = f".{file.package}.{type_}"
        else:
            description.type = type_
