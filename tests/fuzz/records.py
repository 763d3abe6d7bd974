"""Mutated records and record files: our error or a sound summary."""

import os
import tempfile
import warnings

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from featsr_tf.data.decode import decode_details
from featsr_tf.data.decode import decode_example
from featsr_tf.data.decode import explain_error
from featsr_tf.data.decode import parsing_spec
from featsr_tf.data.examples import FEATURES
from featsr_tf.data.examples import read_example
from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.records import scan_records
from featsr_tf.data.tfrecord_files import walk_records
from featsr_tf.errors import DataError
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.fuzz.fuzzing import Target
from tests.fuzz.mutation import mutate_bytes

LABELS = LabelMap({1: "one", 2: "two"})
BOXES = [[0.1, 0.2, 0.5, 0.6], [0.0, 0.0, 1.0, 1.0]]
RECORDS = [
    example(encode(noise_image(24, 32), image_format), BOXES, [1, 2])
    for image_format in ("PNG", "JPEG")
]
NUMBERS = (0, 1, -1, 2, 3, 2**31, -(2**63), 2**63 - 1)
FLOATS = (0.0, -0.0, 1.0, 1.0009, -0.5, 1e-30, 3e38, np.inf, -np.inf, np.nan)
SOURCES = ("featsr_tf/data/",)
SECONDS = 5.0
KEYS = [
    value for name, value in vars(Example).items() if not name.startswith("_")
]


def mutate_example(serialized, chance):
    """Changes features as a converter with a mistake would, or just bytes."""
    if chance.random() < 0.4:
        return mutate_bytes(serialized, chance)
    try:
        message = tf.train.Example.FromString(serialized)
    except DecodeError:
        return mutate_bytes(serialized, chance)
    features = message.features.feature
    for _ in range(chance.randint(1, 3)):
        key = chance.choice(KEYS)
        count = chance.randint(0, 3)
        kind = chance.randrange(6)
        if kind == 0:
            features.pop(key, None)
        elif kind == 1:
            values = chance.choices(NUMBERS, k=count)
            features[key].int64_list.value[:] = values
        elif kind == 2:
            values = chance.choices(FLOATS, k=count)
            features[key].float_list.value[:] = values
        elif kind == 3:
            values = [chance.randbytes(chance.randint(0, 9))] * count
            features[key].bytes_list.value[:] = values
        elif kind == 4:
            features[key].CopyFrom(features[chance.choice(KEYS)])
        else:
            image = b"".join(features[Example.ENCODED].bytes_list.value)
            image = mutate_bytes(image, chance)
            features[Example.ENCODED].bytes_list.value[:] = [image]
    return message.SerializeToString()


def assert_sound(boxes, labels):
    assert boxes.shape == (len(labels), 4)
    assert np.isfinite(boxes).all()
    assert np.all(boxes[:, :2] < boxes[:, 2:])
    assert set(labels.tolist()) <= {1, 2}


def read_record(content: bytes) -> None:
    """Checks a record; what is sound, training has to read alike."""
    found = read_example(content, LABELS, decode=True)
    assert_sound(found.normalized_boxes, found.labels)
    assert found.height > 0
    assert found.width > 0
    tf.io.parse_single_example(content, parsing_spec(*FEATURES))
    try:
        frame = decode_example(tf.constant(content))
        decode_details(tf.constant(content))
    except tf.errors.InvalidArgumentError as error:
        # Pillow forgives what TensorFlow does not; training names these.
        raise DataError(explain_error(error)) from None
    assert frame.original_size.numpy().tolist() == [found.height, found.width]
    assert frame.classes.numpy().tolist() == found.labels.tolist()


def mutate_file(content: bytes, chance) -> bytes:
    """Changes the bytes of a record file, or the records in it."""
    if chance.random() < 0.5:
        return mutate_bytes(content, chance)
    records = [frame.payload for frame in frames_of(content)]
    if records:
        place = chance.randrange(len(records))
        records[place] = mutate_example(records[place], chance)
    return record_file(records)


def record_file(records) -> bytes:
    """The bytes of a record file."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_records(f"{folder}/fuzz.record", records)
        with open(path, "rb") as file:
            return file.read()


def frames_of(content: bytes) -> list:
    """All frames of the bytes of a record file."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/fuzz.record"
        with open(path, "wb") as file:
            file.write(content)
        try:
            return list(walk_records(path))
        except DataError:
            return []


def read_record_file(content: bytes) -> None:
    """Scans a file strictly and leniently; every byte is accounted for."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "fuzz.record")
        with open(path, "wb") as file:
            file.write(content)
        frames = frames_of(content)
        if frames:
            assert sum(frame.size for frame in frames) == len(content)
        good = lenient_count(path)
        try:
            found = scan_records([path], LABELS, decode=True).summary
        except DataError as error:
            assert str(error).startswith(f"{path}: ")
            raise
        assert found.num_examples == len(frames)
        assert good <= found.num_examples
        assert found.num_objects == len(found.object_labels)
        assert set(found.object_labels.tolist()) <= {1, 2}


def lenient_count(path: str) -> int:
    """How many examples of a file are left when all bad ones may go."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = scan_records(
                [path], LABELS, progress_bar=False, max_bad_examples=10**9
            ).summary
        except DataError:
            return 0
    return found.num_examples


def record_target() -> Target:
    """The reader of single records."""
    return Target(
        "records", RECORDS, mutate_example, read_record, SOURCES, SECONDS
    )


def record_file_target() -> Target:
    """The reader of record files."""
    return Target(
        "record files",
        [record_file(RECORDS), record_file(RECORDS * 3)],
        mutate_file,
        read_record_file,
        SOURCES,
        SECONDS,
    )
