"""Mutated configs and label maps: our error or what protocol buffers say."""

import os
import pathlib
import tempfile

from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory
from google.protobuf import text_format

from featsr_tf.config import parse_pipeline
from featsr_tf.config import to_text
from featsr_tf.config.fields import fields_of
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.text_format import protocol_class
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from tests.config.sample import SAMPLE
from tests.fuzz.fuzzing import Target
from tests.fuzz.mutation import mutate_text
from tests.odapi.configs import GENERATIONS
from tests.support import REPOSITORY

CONFIGS = (
    *GENERATIONS.values(),
    SAMPLE,
    (REPOSITORY / "pipelines" / "toy.config").read_text(),
)
LABEL_MAPS = (
    "item { id: 1 name: 'stop' }\nitem: { name: \"give way\", id: 2 }\n",
    "# of other tools\nitem {\n  name: '/m/01'\n  id: 3\n"
    "  display_name: 'person'\n  keypoints { id: 1 label: 'nose' }\n}\n"
    "item < id: 7; name: 'ü' frequency: RARE ancestor_ids: [3, 4] >\n",
    "item { id: 0 name: 'background' } item { id: 1 name: 'a' }",
)
# Longer inputs than people write take longer: mutations repeat parts.
SECONDS = 0.25
PARSERS = ("featsr_tf/config/", "featsr_tf/text_positions", "label_map")


def assert_message_says(message, proto, path=""):
    """Compares a dataclass with the protocol buffer message of its text."""
    for name, field in fields_of(type(message)).items():
        value = getattr(message, name)
        if field.repeated:
            found = getattr(proto, name)
            if not found:
                assert value in ([], field.make_default()), f"{path}.{name}"
                continue
            pairs = list(zip(value, found, strict=True))
        elif not proto.HasField(name):
            assert value == field.make_default(), f"{path}.{name}"
            continue
        else:
            pairs = [(value, getattr(proto, name))]
        for ours, theirs in pairs:
            if field.is_message:
                assert_message_says(ours, theirs, f"{path}.{name}")
            elif field.is_choice:
                number = list(field.kind.__members__).index(ours)
                assert number == theirs, f"{path}.{name}"
            else:
                assert ours == theirs, f"{path}.{name}"


def read_config(content: bytes) -> None:
    """Parses a config, and says the same as protocol buffers do."""
    try:
        found = parse_pipeline(content, "fuzz")
    except ConfigError as error:
        assert str(error).startswith("fuzz")
        assert str(error).isprintable()
        assert len(str(error)) < 1000
        raise
    proto = protocol_class(Pipeline)()
    text_format.Parse(content.decode("utf-8-sig"), proto)
    assert_message_says(found, proto)
    assert parse_pipeline(to_text(found).encode(), "printed") == found


def label_map_message():
    """The API's message, written down once more."""
    file = descriptor_pb2.FileDescriptorProto(name="oracle.proto")
    frequency = file.enum_type.add(name="Frequency")
    for number, name in enumerate(
        ("UNSPECIFIED", "FREQUENT", "COMMON", "RARE")
    ):
        frequency.value.add(name=name, number=number)
    for message, fields in {
        "Keypoint": "id:5 label:9",
        "Item": "name:9 id:5 display_name:9 keypoints:*Keypoint "
        "ancestor_ids:*5 descendant_ids:*5 frequency:Frequency "
        "instance_count:5",
        "Map": "item:*Item",
    }.items():
        described = file.message_type.add(name=message)
        for number, field in enumerate(fields.split(), start=1):
            name, kind = field.split(":")
            added = described.field.add(name=name, number=number)
            added.label = 3 if kind.startswith("*") else 1
            kind = kind.removeprefix("*")
            if kind.isdecimal():
                added.type = int(kind)
            else:
                added.type_name = f".{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Map"))


MESSAGE_CLASS = label_map_message()


def read_label_map(content: bytes) -> None:
    """Reads a label map, and says the same as protocol buffers do."""
    # A file in memory where there is such a folder.
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = pathlib.Path(name, "label_map.pbtxt")
        path.write_bytes(content)
        try:
            found = load_label_map(str(path))
        except DataError as error:
            assert str(error).startswith(f"{path}:")
            assert str(error).isprintable()
            raise
        oracle = MESSAGE_CLASS()
        text_format.Parse(content.decode("utf-8-sig"), oracle)
        items = [item for item in oracle.item if item.id]
        assert list(found.names) == [item.id for item in items]
        for item in items:
            assert (item.display_name or item.name) in found.names[item.id]
            assert found.knows(item.id, item.name or item.display_name)
        path.write_text(found.to_text())
        assert load_label_map(str(path)).names == found.names


def config_target() -> Target:
    """The parser of configs."""
    return Target(
        "configs",
        [text.encode() for text in CONFIGS],
        mutate_text,
        read_config,
        PARSERS,
        SECONDS,
    )


def label_map_target() -> Target:
    """The parser of label maps."""
    return Target(
        "label maps",
        [text.encode() for text in LABEL_MAPS],
        mutate_text,
        read_label_map,
        PARSERS,
        SECONDS,
    )
