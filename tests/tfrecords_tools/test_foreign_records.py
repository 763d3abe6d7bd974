"""Records of others are read leniently, or refused by file, record and key."""

import pytest
import tensorflow as tf

from featsr_tf.errors import DataError
from tests.tfrecords_tools.foreign import boxes_of
from tests.tfrecords_tools.foreign import write_image
from tfrecords_tools.foreign_records import read_records
from tfrecords_tools.record_files import is_record_file

LABEL, TEXT = "image/object/class/label", "image/object/class/text"
SIDES = {"ymin": 0.125, "xmin": 0.25, "ymax": 0.5, "xmax": 0.75}
# Of 64 x 48 px.
PIXELS = (6, 16, 24, 48)


def feature(values: list) -> tf.train.Feature:
    if not values:
        return tf.train.Feature()
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


@pytest.fixture
def read(tmp_path):
    """Images and classes of records with one object and these changes."""

    def read(*changes: dict):
        encoded = write_image(tmp_path / "a.png").read_bytes()
        path = tmp_path / "a.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for change in changes:
                values = {"image/encoded": [encoded], LABEL: [1]}
                values |= {
                    f"image/object/bbox/{side}": [SIDES[side]] for side in SIDES
                }
                values |= {TEXT: [b"stop"], **change}
                features = {key: feature(values[key]) for key in values}
                example = tf.train.Example(
                    features=tf.train.Features(feature=features)
                )
                writer.write(example.SerializeToString())
        (split,), label_map = read_records(tmp_path, [path], 0)
        return list(split.images), label_map.names

    return read


@pytest.mark.parametrize(
    "change",
    [
        {LABEL: [1.0]},
        {LABEL: [b"1"]},
        {LABEL: []},
        {"image/height": [48.0], "image/width": [b"64"]},
        {"image/object/bbox/xmin": [b"0.25"]},
    ],
)
def test_numbers_are_read_however_they_are_written(read, change):
    (image,), names = read(change)
    assert boxes_of([image]) == {"a.tfrecord:0": [("stop", *PIXELS)]}
    assert names == {1: "stop"}
    assert image.size in ((48, 64), (0, 0))


def test_ids_that_are_numbers_are_their_text(read):
    (image,), names = read({"image/source_id": [5], TEXT: [7]})
    assert (image.source_id, names) == ("5", {1: "7"})


def test_names_without_labels_are_numbered(read):
    changes = [{LABEL: [], TEXT: [name]} for name in (b"yield", b"go", b"stop")]
    images, names = read(*changes)
    assert names == {1: "go", 2: "stop", 3: "yield"}
    assert [i.objects[0].name for i in images] == ["yield", "go", "stop"]
    _, names = read({LABEL: [4]}, *changes)
    assert names == {4: "stop", 5: "go", 6: "yield"}


def test_names_without_labels_have_those_of_the_label_map(read, tmp_path):
    text = "item { id: 3 name: 'sign' display_name: 'stop' }"
    (tmp_path / "a.pbtxt").write_text(text)
    assert read({LABEL: []})[1] == {3: "stop"}
    assert read({LABEL: [], TEXT: [b"sign"]})[1] == {3: "stop"}


def test_labels_from_0_are_raised(read):
    with pytest.warns(UserWarning, match="start at 0: each is raised by 1"):
        images, names = read({LABEL: [0], TEXT: [b"go"]}, {})
    assert names == {1: "go", 2: "stop"}
    assert [image.objects[0].name for image in images] == ["go", "stop"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({LABEL: [b"x"]}, f"record 1: {LABEL}: expected a whole .* found b'x'"),
        ({LABEL: [float("nan")]}, f"record 1: {LABEL}: expected a whole num"),
        ({LABEL: [-1]}, "the label -1; expected 1 or more"),
        (
            {TEXT: [b"go"]},
            "class 1 is called 'go' and 'stop' in the records; e",
        ),
        ({"image/height": [b"x"]}, "record 1: image/height: expected a whole"),
        (
            {"image/object/area": [b"x"]},
            "record 1: image/object/area: expected",
        ),
        ({"image/object/difficult": [b"x"]}, "difficult: expected a finite"),
        (
            {"image/object/bbox/xmin": [b"x"]},
            "a.tfrecord: record 1: image/object/bbox/xmin: expected a finite",
        ),
        (
            {
                LABEL: [1, 1],
                **{f"image/object/bbox/{s}": [SIDES[s]] * 2 for s in SIDES},
            },
            r"record 1: lists of different lengths: \[1, 2\]",
        ),
    ],
)
def test_what_cannot_be_read_is_named_by_record_and_key(read, change, message):
    with pytest.raises(DataError, match=message) as caught:
        read({}, change)
    assert str(caught.value).count("a.tfrecord") <= 1


def test_what_is_no_example_is_named_by_record(tmp_path):
    path = tmp_path / "a.record"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"hello")
    with pytest.raises(DataError, match="a.record: record 0: not a TF Example"):
        read_records(tmp_path, [path], 0)


def test_records_without_objects_need_a_label_map(read):
    sides = {f"image/object/bbox/{side}": [] for side in SIDES}
    with pytest.raises(DataError, match="no objects in these records"):
        read({**sides, LABEL: [], TEXT: []})


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *(("a.tfrecord", True), ("a.TFRecords", True), ("A.RECORD", True)),
        *(("a.record-00000-of-00001", True), ("a.tfrecord.gz", True)),
        *(("a.records.txt", False), ("a.gz", False), ("record", False)),
    ],
)
def test_record_files_are_told_by_their_names(name, is_one, tmp_path):
    assert is_record_file(name) == is_one
