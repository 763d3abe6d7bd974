"""What is sound for the check of an example is what decoding accepts."""

import PIL.Image
import PIL.ImageFile
import pytest
import tensorflow as tf

from featsr_tf.data.decode import decode_details
from featsr_tf.data.decode import decode_example
from featsr_tf.data.examples import FEATURES
from featsr_tf.data.examples import check_image
from featsr_tf.data.examples import read_example
from featsr_tf.data.keys import Example
from featsr_tf.data.records import scan_records
from featsr_tf.errors import DataError
from featsr_tf.prediction.sources import read_image
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tfrecords_tools.images import prepare_image
from tfrecords_tools.record_checks import Kind
from tfrecords_tools.record_checks import check_record

KINDS = {"bytes_list": b"x", "float_list": 0.5, "int64_list": 1}


def with_feature(key: str, kind: str | None, count: int) -> bytes:
    """An example with two objects, one feature of which is another."""
    boxes = [[0.25, 0.25, 0.5, 0.5]] * 2
    message = tf.train.Example.FromString(
        example(encode(noise_image(8, 8)), boxes, [1, 2], difficult=[0, 1])
    )
    features = message.features.feature
    value = KINDS.get(kind)
    if kind and key in features and features[key].WhichOneof("kind") == kind:
        value = getattr(features[key], kind).value[0]
    features[key].Clear()
    if kind:
        values = getattr(features[key], kind)
        values.SetInParent()
        values.value.extend([value] * count)
    return message.SerializeToString()


def is_sound(record: bytes) -> bool:
    try:
        read_example(record, None, decode=True)
    except DataError:
        return False
    return True


def is_decoded(record: bytes) -> bool:
    try:
        decode_example(tf.constant(record))
        decode_details(tf.constant(record))
    except tf.errors.InvalidArgumentError:
        return False
    return True


@pytest.mark.parametrize("key", FEATURES)
@pytest.mark.parametrize("kind", [None, *KINDS])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_kinds_and_counts_are_judged_alike_by_check_and_decoding(
    key, kind, count
):
    record = with_feature(key, kind, count)
    if is_sound(record):
        assert is_decoded(record)
    # Equal lists of boxes or labels are asked for by the check alone, and so
    # are the names of classes.
    elif key != Example.TEXT and (key, kind) not in (
        (Example.LABEL, None),
        (Example.LABEL, "int64_list"),
    ):
        assert not is_decoded(record)


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        (
            Example.XMIN,
            "int64_list",
            r"xmin holds integers \(int64_list\); expected decimals",
        ),
        (Example.LABEL, "float_list", "label holds decimals .*; expected int"),
        (Example.DIFFICULT, "bytes_list", "difficult holds text or bytes"),
        (Example.SOURCE_ID, "bytes_list", "source_id holds 2 values; expected"),
        (Example.ENCODED, None, "has no image/encoded"),
        (Example.TEXT, "int64_list", "text holds integers .*; expected text"),
    ],
)
def test_a_feature_of_another_kind_is_named(key, kind, message):
    with pytest.raises(DataError, match=message):
        read_example(with_feature(key, kind, 2), None)


def test_areas_have_to_be_finite():
    message = tf.train.Example.FromString(with_feature(Example.AREA, None, 0))
    values = [1.0, float("nan")]
    message.features.feature[Example.AREA].float_list.value.extend(values)
    with pytest.raises(DataError, match=r"area holds \[1.0, nan\]; expected"):
        read_example(message.SerializeToString(), None)


def test_an_image_that_only_tensorflow_finds_damaged_is_not_sound(tmp_path):
    image = bytearray(encode(noise_image(64, 64)))
    image[-1] ^= 255  # The checksum of the last chunk.
    record = example(bytes(image), [[0.25, 0.25, 0.5, 0.5]], [1], "frame")
    assert check_image(bytes(image)) == (64, 64)
    with pytest.raises(DataError, match="frame: the image cannot be decoded"):
        read_example(record, None, decode=True)
    (finding,) = check_record(record, None).findings
    assert finding.kind == Kind.UNSOUND_EXAMPLE
    sound = example(encode(noise_image(64, 64)))
    path = write_records(tmp_path / "a.record", [sound, record])
    with pytest.warns(match="record 1: frame: the image cannot be decoded"):
        found = scan_records([path], None, max_bad_examples=1)
    assert list(found.offsets[path]) == [0]


@pytest.fixture
def path(tmp_path, monkeypatch):
    """An image file, and a Pillow that has no memory for its pixels."""
    path = tmp_path / "image.png"
    PIL.Image.new("RGB", (3, 2)).save(path)

    def load(self):
        raise MemoryError

    monkeypatch.setattr(PIL.ImageFile.ImageFile, "load", load)
    return path


@pytest.mark.parametrize(
    "read",
    [
        lambda path: check_image(path.read_bytes()),
        lambda path: prepare_image(path.read_bytes()),
        lambda path: read_image(str(path)),
    ],
    ids=["record", "converter", "prediction"],
)
def test_an_image_that_is_too_large_for_the_memory_is_refused(path, read):
    with pytest.raises(DataError, match="too large for the memory"):
        read(path)
