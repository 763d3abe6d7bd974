"""Damage in records must be found before training, by file and record."""

import io
import json
import os
import pathlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import RecordSummary
from featsr_tf.data.records import scan_records
from featsr_tf.data.tfrecord_files import expand_patterns
from featsr_tf.data.tfrecord_files import record_offsets
from featsr_tf.errors import DataError
from tests.data.example_files import write_records

LABEL_MAP = LabelMap({1: "stop", 3: "yield"}, path="signs.pbtxt")
HEIGHT, WIDTH = 50, 100


def encode(image_format: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3))
    image = PIL.Image.fromarray(noise.astype(np.uint8))
    image.save(buffer, format=image_format)
    return buffer.getvalue()


def feature(values: list) -> tf.train.Feature:
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def make_record(**changes: list) -> bytes:
    """A sound example; changes name constants of `keys.Example`."""
    values = {
        "ENCODED": [encode()],
        "FORMAT": [b"jpeg"],
        "FILENAME": [b"street.jpg"],
        "HEIGHT": [HEIGHT],
        "WIDTH": [WIDTH],
        "YMIN": [0.2, 0.0],
        "XMIN": [0.1, 0.5],
        "YMAX": [0.4, 1.0],
        "XMAX": [0.2, 1.0],
        "LABEL": [1, 3],
        "TEXT": [b"stop", b"yield"],
    } | changes
    features = {
        getattr(Example, name): feature(value)
        for name, value in values.items()
        if value
    }
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()


def make_empty_record() -> bytes:
    """An image without objects."""
    names = ("YMIN", "XMIN", "YMAX", "XMAX", "LABEL", "TEXT")
    return make_record(**{name: [] for name in names})


@pytest.fixture
def write(tmp_path):
    def write_records(records: list[bytes], name: str = "a.record") -> str:
        path = str(tmp_path / name)
        with tf.io.TFRecordWriter(path) as writer:
            for record in records:
                writer.write(record)
        return path

    return write_records


def test_a_scan_counts_and_measures_in_pixels(write):
    one = write([make_record(), make_empty_record()])
    two = write([make_record(LABEL=[3, 3], TEXT=[])], "b.record")
    summary = scan_records([one, two], LABEL_MAP).summary
    assert summary.num_examples == 3
    assert summary.num_objects == 4
    assert summary.max_boxes == 2
    assert summary.class_counts == {1: 1, 3: 3}
    assert summary.boxes_per_image.tolist() == [2, 0, 2]
    assert summary.image_sizes.tolist() == [[HEIGHT, WIDTH]] * 3
    assert (summary.max_height, summary.max_width) == (HEIGHT, WIDTH)
    # (0.4 - 0.2) * 50 px by (0.2 - 0.1) * 100 px, and half the image.
    sizes = [[10, 10], [50, 50], [10, 10], [50, 50]]
    assert summary.object_sizes.tolist() == sizes
    assert summary.object_areas.tolist() == [100, 2500, 100, 2500]


def test_a_side_of_32_px_is_measured_as_32_px_in_spite_of_rounding(write):
    record = make_record(
        YMIN=[7 / HEIGHT],
        XMIN=[13 / WIDTH],
        YMAX=[39 / HEIGHT],
        XMAX=[45 / WIDTH],
        LABEL=[1],
        TEXT=[],
    )
    summary = scan_records([write([record])], LABEL_MAP).summary
    assert summary.object_areas.tolist() == [1024]


def test_images_without_any_object_are_sound(write):
    summary = scan_records([write([make_empty_record()])], LABEL_MAP).summary
    assert summary.num_objects == 0
    assert summary.object_sizes.shape == (0, 2)
    assert summary.object_areas.shape == (0,)
    assert summary.max_boxes == 0
    assert summary.class_counts == {}


def test_height_and_width_come_from_the_image_where_they_are_absent(write):
    path = write([make_record(HEIGHT=[], WIDTH=[], ENCODED=[encode("PNG")])])
    summary = scan_records([path], LABEL_MAP).summary
    assert summary.image_sizes.tolist() == [[HEIGHT, WIDTH]]


def test_borders_may_be_outside_by_rounding_only(write):
    scan_records([write([make_record(YMAX=[0.4, 1.0005])])], LABEL_MAP)


def test_records_of_other_people_are_read(shared):
    folder = shared / "data" / "odapi"
    label_map = load_label_map(str(folder / "raccoon_label_map.pbtxt"))
    paths = expand_patterns([str(folder / "raccoon_*.record")])
    summary = scan_records(paths, label_map, decode=True).summary
    assert (summary.num_examples, summary.num_objects) == (40, 44)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ENCODED": []}, "has no image/encoded"),
        ({"ENCODED": [b""]}, r"neither a JPEG nor a PNG.*0 bytes"),
        ({"ENCODED": [b"nonsense"]}, r"neither a JPEG nor a PNG.*8 bytes"),
        ({"HEIGHT": [1]}, "image/height is 1 but the encoded image has 50 px"),
        ({"WIDTH": [99]}, "image/width is 99 but the encoded image has 100"),
        ({"YMIN": [0.2]}, "differ in length: 1, 2, 2, 2"),
        ({"XMIN": [b"a", b"b"]}, "bbox/xmin holds text"),
        ({"YMAX": [0.4, 1.01]}, r"box 2 of 2 \(.*1\.01.*outside the image"),
        ({"XMIN": [-0.1, 0.5]}, "box 1 of 2 .*outside the image"),
        ({"XMAX": [20.0, 60.0]}, "outside the image; .*fractions"),
        ({"YMAX": [0.2, 1.0]}, "box 1 of 2 .*degenerate"),
        ({"XMAX": [0.2, 0.4]}, "box 2 of 2 .*degenerate"),
        ({"YMIN": [float("nan"), 0.0]}, "box 1 of 2 .*not finite"),
        ({"XMAX": [float("inf"), 1.0]}, "box 1 of 2 .*not finite"),
        ({"LABEL": [1, 2]}, r"box 2 has the label 2, .*signs\.pbtxt"),
        ({"LABEL": [0, 3]}, "box 1 has the label 0"),
        ({"LABEL": [1]}, "2 boxes but 1 values of image/object/class/label"),
        ({"LABEL": []}, "2 boxes but 0 values of image/object/class/label"),
        ({"TEXT": [b"stop"]}, "2 boxes but 1 values of .*text"),
        ({"TEXT": [b"yield", b"yield"]}, "label 1 is called 'yield' .*'stop'"),
    ],
)
def test_an_unsound_example_is_named(write, changes, message):
    path = write([make_record(), make_record(**changes)])
    expected = rf"a\.record: record 1: street\.jpg: .*{message}"
    with pytest.raises(DataError, match=expected) as caught:
        scan_records([path], LABEL_MAP)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "is_converted"),
    [
        ({"YMAX": [0.4, 1.01]}, True),
        ({"XMIN": [0.2, 0.5]}, True),
        # The API takes the name where there is no label.
        ({"LABEL": []}, True),
        # Pixels, of which a conversion makes nothing either.
        ({"XMAX": [20.0, 60.0]}, False),
        ({"LABEL": [], "TEXT": []}, False),
    ],
)
def test_what_the_api_takes_can_be_converted(write, changes, is_converted):
    with pytest.raises(DataError) as refused:
        scan_records([write([make_record(**changes)])], LABEL_MAP)
    advice = "; `featsr convert FOLDER` writes such records anew"
    assert (advice in str(refused.value)) is is_converted


def test_a_record_that_is_no_example_is_named(write):
    path = write([b"\xff\xff\xff"])
    with pytest.raises(DataError, match=r"a\.record: record 0: not a TF Ex"):
        scan_records([path], LABEL_MAP)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("decode", [False, True])
def test_a_truncated_image_is_found_by_its_missing_end(
    write, image_format, decode
):
    encoded = encode(image_format)
    cut = make_record(ENCODED=[encoded[: len(encoded) // 2]])
    path = write([make_record(), make_record(), cut])
    expected = r"a\.record: record 2: street\.jpg: .*damaged"
    with pytest.raises(DataError, match=expected):
        scan_records([path], LABEL_MAP, decode)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_bytes_behind_the_end_of_an_image_are_no_damage(write, image_format):
    longer = make_record(ENCODED=[encode(image_format) + bytes(500)])
    summary = scan_records([write([longer])], LABEL_MAP).summary
    assert summary.image_sizes.tolist() == [[50, 100]]


def test_damage_inside_an_image_is_found_when_images_are_decoded(write):
    encoded = bytearray(encode("PNG"))
    encoded[len(encoded) // 2] ^= 255
    path = write([make_record(), make_record(ENCODED=[bytes(encoded)])])
    scan_records([path], LABEL_MAP)
    with pytest.raises(DataError, match=r"a\.record: record 1: .*damaged"):
        scan_records([path], LABEL_MAP, decode=True)


@pytest.mark.parametrize("missing_bytes", [1, 4, 100])
def test_a_cut_file_is_named_with_the_record(write, missing_bytes):
    path = write([make_record()] * 3)
    os.truncate(path, os.path.getsize(path) - missing_bytes)
    with pytest.raises(DataError, match=r"a\.record: record 2: .* ends inside"):
        scan_records([path], LABEL_MAP)


@pytest.mark.parametrize("kept_bytes", [1, 7, 11])
def test_a_file_cut_inside_a_header_is_not_taken_for_whole(write, kept_bytes):
    path = write([make_record()] * 2)
    frame_bytes = os.path.getsize(path) // 2
    os.truncate(path, frame_bytes + kept_bytes)
    # TensorFlow reads one record here and reports nothing.
    assert len(list(tf.data.TFRecordDataset(path))) == 1
    with pytest.raises(DataError, match="record 1: .* ends inside"):
        record_offsets(path)


@pytest.mark.parametrize("offset", [9, 500, -2])
def test_a_flipped_bit_is_found_by_its_checksum(write, tmp_path, offset):
    path = write([make_record()] * 2)
    content = bytearray((tmp_path / "a.record").read_bytes())
    start = len(content) // 2 if offset > 0 else len(content)
    content[start + offset] ^= 1
    (tmp_path / "a.record").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.record: record 1: damaged"):
        scan_records([path], LABEL_MAP)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "a.record"
    path.write_bytes(os.urandom(1000))
    with pytest.raises(DataError, match="cut short or no TFRecord"):
        scan_records([str(path)], LABEL_MAP)


def test_files_without_a_record_hold_no_examples(write):
    with pytest.raises(DataError, match=r"a\.record: no examples"):
        scan_records([write([])], LABEL_MAP)


def test_patterns_give_each_file_once_in_order(tmp_path):
    for name in ("b.record", "a.record", "c.other"):
        (tmp_path / name).write_bytes(b"x")
    patterns = [str(tmp_path / "*.record"), str(tmp_path / "a.record")]
    expected = [str(tmp_path / name) for name in ("a.record", "b.record")]
    assert expand_patterns(patterns) == expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nothing-*.record", r"nothing-\*\.record: no such record file"),
        ("missing.record", r"missing\.record: no such record file"),
        ("empty.record", r"empty\.record: the record file is empty"),
        ("folder", "folder: is a folder"),
    ],
)
def test_a_pattern_without_records_is_named(tmp_path, pattern, message):
    (tmp_path / "empty.record").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=message):
        expand_patterns([str(tmp_path / pattern)])


def test_empty_shards_among_others_are_left_out_with_one_warning(tmp_path):
    # The API's converters open all shards, also for fewer images.
    names = [f"val.record-{number:05d}-of-00004" for number in range(4)]
    paths = [str(tmp_path / name) for name in names]
    for path in paths:
        pathlib.Path(path).touch()
    write_records(paths[1], [make_record()])
    with pytest.warns(UserWarning) as warned:
        found = expand_patterns([str(tmp_path / "val.record-*")])
    assert found == [paths[1]]
    assert [str(warning.message) for warning in warned] == [
        f"{paths[0]}: the record file is empty, and 2 more; left out, as other "
        "shards of its name hold records"
    ]
    assert scan_records(found, LABEL_MAP).summary.num_examples == 1


def test_empty_shards_alone_are_an_error(tmp_path):
    (tmp_path / "val.record-00000-of-00001").touch()
    # Of another name, which says nothing of the first.
    (tmp_path / "train.record-00000-of-00001").write_bytes(b"x")
    with pytest.raises(DataError, match="val.record-00000-of-00001: the rec"):
        expand_patterns([str(tmp_path / "*.record-*")])


def test_an_empty_shard_that_a_manifest_counts_is_an_error(tmp_path):
    names = [f"val.record-{number:05d}-of-00002" for number in range(2)]
    path = write_records(tmp_path / names[0], [make_record()])
    (tmp_path / names[1]).touch()
    shards = [{"file": name, "num_examples": 1} for name in names]
    (tmp_path / "val.manifest.json").write_text(
        json.dumps({"format": 1, "shards": shards})
    )
    message = r"00001-of-00002: the record file is empty, but .* 1 records of"
    with pytest.raises(DataError, match=message):
        scan_records([path], LABEL_MAP)
    shards[1]["num_examples"] = 0
    (tmp_path / "val.manifest.json").write_text(
        json.dumps({"format": 1, "shards": shards})
    )
    assert scan_records([path], LABEL_MAP).summary.num_examples == 1


def test_addresses_are_no_folders():
    message = r"gs://a/train\.record-\*: records are read from folders of this"
    with pytest.raises(DataError, match=message):
        expand_patterns(["gs://a/train.record-*"])


def test_no_pattern_at_all_is_an_error():
    with pytest.raises(DataError, match="input_path"):
        expand_patterns([])


def test_without_a_label_map_every_label_from_1_is_taken(write):
    path = write([make_record(LABEL=[7, 1], TEXT=[b"x", b"y"])])
    assert scan_records([path], None).summary.class_counts == {1: 1, 7: 1}


def test_without_a_label_map_the_background_is_no_label(write):
    path = write([make_record(LABEL=[1, 0])])
    with pytest.raises(DataError, match="box 2 has the label 0; expected 1 or"):
        scan_records([path], None)


def test_an_image_repeats_as_its_rarest_class_does():
    # Class 1 in three of four images, class 2 in one; a quarter is wanted of
    # 0.75: sqrt(1) of class 1, sqrt(3) of class 2. Boxes do not count.
    summary = RecordSummary(
        image_sizes=np.full([4, 2], 50),
        object_sizes=np.ones([6, 2], np.float32),
        object_labels=np.array([1, 1, 1, 2, 2, 1]),
        boxes_per_image=np.array([2, 3, 0, 1]),
    )
    np.testing.assert_allclose(
        summary.repeat_factors(0.75), [1, 3**0.5, 1, 1], rtol=1e-12
    )
    np.testing.assert_array_equal(summary.repeat_factors(0.1), [1] * 4)
