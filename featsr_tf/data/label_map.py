"""Label maps: `label_map.pbtxt`, from class ids to class names."""

import dataclasses
import functools
import re
from collections.abc import Iterable

from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message
from google.protobuf import message_factory
from google.protobuf import text_format

from featsr_tf.errors import DataError

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


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """The classes of a data set.

    Args:
        names: the name to show of each class id. Ids start at 1 (0 is the
            background) and may have gaps.
        identifiers: the `name` of each id where the file gives a
            `display_name` besides; records may use either.
        path: the file, for error messages.
    """

    names: dict[int, str]
    identifiers: dict[int, str] = dataclasses.field(default_factory=dict)
    path: str = "label map"

    @property
    def num_classes(self) -> int:
        """The largest class id."""
        return max(self.names)

    def knows(self, label: int, text: str) -> bool:
        """Whether `text` is a name of the class `label`."""
        return text in (self.names[label], self.identifiers.get(label))

    def to_text(self) -> str:
        """The label map in protobuf text format, which can be read again."""
        messages = _label_map_class()()
        for id_ in self._ids():
            item = messages.item.add(id=id_, name=self.names[id_])
            if id_ in self.identifiers:
                item.name = self.identifiers[id_]
                item.display_name = self.names[id_]
        return text_format.MessageToString(messages, as_utf8=True)

    def _ids(self) -> list[int]:
        return sorted(self.names)


def load_label_map(path: str) -> LabelMap:
    """Reads a `label_map.pbtxt`.

    Args:
        path: file in the text format of the Object Detection API.

    Returns:
        A `LabelMap`; `display_name` is preferred to `name`.

    Raises:
        DataError: the file cannot be read or parsed, has no items, nested
            items, ids below 1, or ids or names that occur twice.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: no readable label map: {reason}") from None
    items = _parse(text, path)
    if not items:
        raise DataError(
            f"{path}: the label map has no items; expected"
            " item { id: 1 name: 'a name' } for each class"
        )
    for number, item in enumerate(items, start=1):
        _check_item(item, f"{path}: item {number}")
    names = {item.id: item.display_name or item.name for item in items}
    _check_unique("id", [item.id for item in items], path)
    _check_unique("name", names.values(), path)
    identifiers = {
        item.id: item.name
        for item in items
        if item.name and item.name != names[item.id]
    }
    return LabelMap(names, identifiers, path)


def check_num_classes(label_map: LabelMap, num_classes: int) -> None:
    """Checks that a model has room for each class of a label map.

    Args:
        label_map: the classes of the data.
        num_classes: `num_classes` of the pipeline config.

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


def _parse(text: str, path: str) -> list:
    try:
        return text_format.Parse(text, _label_map_class()()).item
    except text_format.ParseError as error:
        hint = ""
        if re.search(r'Item" has no field named "item"', str(error)):
            hint = " (items stand one after the other, never nested)"
        line, column = error.GetLine(), error.GetColumn()
        reason = re.sub(r"^\d+:\d+ : ", "", str(error)).replace("\n", " ")
        where = f"{path}:{line}:{column}" if line else path
        raise DataError(f"{where}: {reason}{hint}") from None


def _check_item(item: message.Message, where: str) -> None:
    name = item.display_name or item.name
    if not name:
        raise DataError(f"{where}: has no name")
    if not item.HasField("id"):
        raise DataError(f"{where} ('{name}'): has no id")
    if item.id < 1:
        raise DataError(
            f"{where} ('{name}'): has id {item.id}; ids start at 1, 0 is the"
            " background"
        )


def _check_unique(what: str, values: Iterable, path: str) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise DataError(f"{path}: the {what} {value!r} occurs twice")
        seen.add(value)


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
