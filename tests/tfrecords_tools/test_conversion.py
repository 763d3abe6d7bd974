"""Annotated images become records; each thing that is wrong has one outcome."""

import dataclasses
import io
import math
import warnings

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import scan_records
from featsr_tf.data.tfrecord_files import record_offsets
from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from tests.data.example_files import encode
from tests.data.example_files import noise_image
from tests.tfrecords_tools.annotated import HEIGHT
from tests.tfrecords_tools.annotated import LABEL_MAP
from tests.tfrecords_tools.annotated import WIDTH
from tests.tfrecords_tools.annotated import boxes_of
from tests.tfrecords_tools.annotated import file_contents
from tests.tfrecords_tools.annotated import make_image
from tests.tfrecords_tools.annotated import make_object
from tests.tfrecords_tools.annotated import make_split
from tests.tfrecords_tools.annotated import read_examples
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import Split
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.manifest import load_manifest

ONE_SHARD = ConversionOptions(num_shards=1)


def file_names(folder) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def convert_images(folder, *images, options=ONE_SHARD) -> tuple[list, dict]:
    """The examples of a split of these images, and its outcomes."""
    convert(folder, [Split("signs", images)], LABEL_MAP, options)
    examples = read_examples(*folder.glob("signs.record-*"))
    return examples, load_manifest(folder / "signs.manifest.json").outcomes


@pytest.mark.parametrize(
    ("boxes", "is_questioned"),
    [
        # Of 48 x 64 px: in the upper left quarter, or at 5/8 of the scale.
        ([(8 + n, 8 + n, 12 + n, 20 + n) for n in range(12)], True),
        ([(n, 2 * n, n + 18, 2 * n + 20) for n in range(11)], True),
        # In the middle, at the top, and too few.
        ([(10 + n, 14, 20 + n, 40) for n in range(12)], False),
        ([(n, 5 * n, n + 5, 5 * n + 9) for n in range(12)], False),
        ([(n, n, n + 5, n + 9) for n in range(9)], False),
    ],
)
def test_boxes_in_one_part_of_all_images_are_questioned(
    boxes, is_questioned, tmp_path
):
    images = [make_image(n, make_object(b)) for n, b in enumerate(boxes)]
    with warnings.catch_warnings(record=True) as caught:
        convert_images(tmp_path, *images)
    texts = [str(warning.message) for warning in caught]
    assert any("annotated at a smaller scale" in t for t in texts) == (
        is_questioned
    )


def test_images_are_dealt_out_to_the_shards_in_turn(tmp_path):
    output = tmp_path / "new" / "records"
    convert(output, [make_split(5)], LABEL_MAP, ConversionOptions(2))
    shards = ["signs.record-00000-of-00002", "signs.record-00001-of-00002"]
    names = ["label_map.pbtxt", "signs.manifest.json", *shards]
    assert file_names(output) == names
    assert [len(record_offsets(str(output / name))) for name in shards] == [
        3,
        2,
    ]
    ids = [
        example["image/source_id"][0]
        for example in read_examples(*(output / name for name in shards))
    ]
    assert ids == [b"0.png", b"2.png", b"4.png", b"1.png", b"3.png"]
    label_map = load_label_map(str(output / "label_map.pbtxt"))
    assert label_map.names == LABEL_MAP.names


def test_no_shard_stays_empty(tmp_path):
    convert(tmp_path / "out", [make_split(2)], LABEL_MAP, ConversionOptions(9))
    assert len(list((tmp_path / "out").glob("signs.record-*-of-00002"))) == 2


def test_older_shards_of_the_same_split_are_replaced(tmp_path):
    convert(tmp_path, [make_split(4)], LABEL_MAP, ConversionOptions(4))
    other = tmp_path / "other.record-00000-of-00001"
    other.touch()
    convert(tmp_path, [make_split(4)], LABEL_MAP, ONE_SHARD)
    assert sorted(file_contents(tmp_path)) == [
        other.name,
        "signs.record-00000-of-00001",
    ]


def test_the_table_shows_splits_classes_and_outcomes(tmp_path):
    objects = [make_object(), make_object((40, 50, 90, 60), "yield")]
    splits = [
        Split("signs_train", [make_image(0, *objects), make_image(1)]),
        make_split(3, "signs_val"),
    ]
    table = convert(tmp_path, splits, LABEL_MAP)
    rows = [line.split() for line in table.splitlines()]
    assert rows == [
        ["signs_train", "signs_val"],
        ["images", "2", "3"],
        ["without", "objects", "1", "0"],
        ["objects", "2", "3"],
        ["small", "2", "(100%)", "3", "(100%)"],
        ["medium", "0", "(0%)", "0", "(0%)"],
        ["large", "0", "(0%)", "0", "(0%)"],
        ["1", "stop", "1", "3"],
        ["2", "yield", "1", "0"],
        ["boxes", "clipped", "to", "their", "image", "1", "0"],
    ]


def test_boxes_are_clipped_or_left_out_and_counted(tmp_path):
    objects = [
        make_object((-4, 8, 12, 99)),
        make_object((0, 70, 9, 80)),
        make_object((9, 9, 3, 12)),
        make_object((9, 9, math.nan, 12)),
        make_object((12, 16, 24, 32)),
    ]
    (example,), outcomes = convert_images(tmp_path, make_image(0, *objects))
    expected = [[0, 8, 12, WIDTH], [12, 16, 24, 32]]
    assert boxes_of(example).tolist() == expected
    assert outcomes == {
        "box_clipped": 1,
        "box_outside_left_out": 1,
        "box_without_area_left_out": 2,
    }


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((4, 4, 4, 30), "no area; perhaps their corners are exchanged"),
        ((90, 4, 99, 30), "outside of their images; perhaps they belong to"),
        ((0, 0.1, 0.2, 0.3), "within one pixel; perhaps they are fractions"),
    ],
)
def test_objects_that_are_left_out_are_questioned(tmp_path, box, reason):
    bad = make_image(1, make_object(box))
    message = f"1 of 2 objects are left out: their boxes .*{reason}"
    with pytest.warns(UserWarning, match=message):
        convert_images(tmp_path, make_image(2, make_object()), bad)
    boxes = [make_object((4, 4, 20, 30 + n)) for n in range(9)]
    with warnings.catch_warnings(record=True) as caught:
        convert_images(tmp_path, make_image(2, *boxes), bad)
    assert not any("left out" in str(w.message) for w in caught)


def test_classes_that_are_called_alike_are_named(tmp_path):
    classes = LabelMap({1: "stop", 2: "Stop ", 3: "no stop"}, path="a.pbtxt")
    split = Split("signs", [make_image(1, make_object())])
    with pytest.warns(
        UserWarning, match="a.pbtxt: the classes 'stop' and 'Stop ' differ"
    ):
        convert(tmp_path, [split], classes, ONE_SHARD)


def test_boxes_of_a_sideways_image_belong_to_its_upright_pixels(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    PIL.Image.new("RGB", (HEIGHT, WIDTH)).save(file, "PNG", exif=exif)
    sideways = make_image(0, make_object(), data=file.getvalue())
    (example,), outcomes = convert_images(tmp_path, sideways)
    assert example["image/height"] == [HEIGHT]
    assert boxes_of(example).tolist() == [[4, 4, 20, 30]]
    assert outcomes == {"turned_upright": 1}


BAD_IMAGES = {
    "damaged": {"data": encode(noise_image(HEIGHT, WIDTH))[:2000]},
    "no image": {"data": b"text"},
    "missing": {"data": None, "path": "nowhere/7.png"},
    "other size": {"size": (HEIGHT, WIDTH + 1)},
}


@pytest.mark.parametrize("changes", BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_a_bad_image_is_named_and_nothing_left(tmp_path, changes):
    bad = make_image(7, make_object(), **changes)
    images = [make_image(0), make_image(1), bad]
    with pytest.raises(DataError, match="signs.json: image 7: ") as caught:
        convert_images(tmp_path / "out", *images, options=ConversionOptions(3))
    assert "\n" not in str(caught.value)
    assert "leave such images out with --skip_bad_im" in str(caught.value)
    assert file_names(tmp_path) == []


@pytest.mark.parametrize("changes", BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_a_bad_image_is_left_out_and_named_on_demand(tmp_path, changes):
    images = [make_image(0), make_image(7, make_object(), **changes)]
    options = ConversionOptions(1, skip_bad_images=True)
    with pytest.warns(UserWarning, match="left out: signs.json: image 7: "):
        examples, outcomes = convert_images(tmp_path, *images, options=options)
    assert [example["image/source_id"] for example in examples] == [[b"0.png"]]
    assert outcomes == {"bad_image_left_out": 1}


def test_shards_fit_what_is_left_of_the_images(tmp_path):
    images = [make_image(0), make_image(1, data=b"text"), make_image(2)]
    options = ConversionOptions(10, skip_bad_images=True)
    with pytest.warns(match="left out: signs.json: image 1"):
        examples, outcomes = convert_images(tmp_path, *images, options=options)
    assert [example["image/filename"] for example in examples] == [
        [b"0.png"],
        [b"2.png"],
    ]
    assert outcomes == {"bad_image_left_out": 1}
    assert file_names(tmp_path) == [
        "label_map.pbtxt",
        "signs.manifest.json",
        "signs.record-00000-of-00002",
        "signs.record-00001-of-00002",
    ]


def test_a_split_without_any_good_image_is_refused(tmp_path):
    images = [make_image(0, data=b""), make_image(1, data=b"text")]
    options = ConversionOptions(2, skip_bad_images=True)
    message = "signs: all 2 images are left out, the first .* image 0"
    with pytest.raises(DataError, match=message):
        convert_images(tmp_path, *images, options=options)


def test_a_picture_that_is_there_twice_is_named(tmp_path):
    one = make_image(0, make_object())
    train = Split("train", [one, make_image(1), make_image(2, data=one.data)])
    message = "^1 pictures are .* such as train '0.png' and train '2.png'"
    with pytest.warns(match=message):
        convert(tmp_path, [train], LABEL_MAP, ONE_SHARD)
    train, val = Split("train", [one]), Split("val", [one])
    with pytest.warns(match="such as train '0.png' and val '0.png'"):
        convert(tmp_path, [train, val], LABEL_MAP, ONE_SHARD)


def test_dark_pictures_of_16_bits_are_a_warning_where_all_are(tmp_path):
    dark = encode(np.full((HEIGHT, WIDTH), 4095, np.uint16))
    bright = encode(np.full((HEIGHT, WIDTH), 65535, np.uint16))
    images = [make_image(0, data=dark), make_image(1)]
    with pytest.warns(match="none of the 1 images of 16 bits .* --bits 10, 12"):
        _, outcomes = convert_images(tmp_path, *images)
    assert outcomes["dark_sixteen_bits"] == 1
    images.append(make_image(2, data=bright))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "none of the")
        convert_images(tmp_path, *images)
    options = ConversionOptions(1, bits=12)
    (example, *_), outcomes = convert_images(
        tmp_path, *images[:2], options=options
    )
    pixels = tf.io.decode_image(example["image/encoded"][0])
    assert set(pixels.numpy().ravel()) == {255}
    assert "dark_sixteen_bits" not in outcomes


def test_what_the_parser_did_is_counted(tmp_path):
    thing = dataclasses.replace(
        make_object(), outcomes=(Outcome.BOX_ROTATED, Outcome.UNCLEAR_FLAG)
    )
    fraction = make_object((0.1, 0.2, 0.5, 0.75))
    image = make_image(0, thing, fraction, outcomes=(Outcome.OTHER_NAME,))
    (example,), outcomes = convert_images(tmp_path, image)
    assert len(boxes_of(example)) == 1
    assert outcomes == {
        "box_rotated": 1,
        "unclear_flag": 1,
        "image_of_other_name": 1,
        "box_of_fractions_left_out": 1,
    }


def test_an_image_file_is_read_from_its_path(tmp_path):
    path = tmp_path / "street.png"
    path.write_bytes(encode(noise_image(HEIGHT, WIDTH)))
    image = make_image(0, data=None, path=str(path))
    (example,), _ = convert_images(tmp_path / "out", image)
    assert example["image/encoded"] == [path.read_bytes()]


def test_objects_of_other_classes_are_an_error_or_left_out(tmp_path):
    image = make_image(0, make_object(), make_object(name="bus"))
    with pytest.raises(DataError, match="object 3: the class 'bus'"):
        convert_images(tmp_path, image)
    options = ConversionOptions(1, skip_other_classes=True)
    (example,), outcomes = convert_images(tmp_path, image, options=options)
    assert example["image/object/class/text"] == [b"stop"]
    assert outcomes == {"other_class_left_out": 1}


@pytest.mark.parametrize("num_shards", [1, 2, 4])
def test_two_images_of_one_name_are_both_named(tmp_path, num_shards):
    twin = make_image(3, source_id="0.png")
    images = [*map(make_image, range(3)), twin]
    message = "signs.json: image 0 and signs.json: image 3: .*'0.png'"
    with pytest.raises(DataError, match=message):
        options = ConversionOptions(num_shards)
        convert_images(tmp_path / "out", *images, options=options)
    assert file_names(tmp_path) == []


def test_two_splits_may_have_images_of_one_name(tmp_path):
    splits = [make_split(1, "a"), make_split(1, "b")]
    convert(tmp_path, splits, LABEL_MAP, ONE_SHARD)
    assert len(file_contents(tmp_path)) == 2


def test_an_error_leaves_the_older_data_set_as_it_was(tmp_path):
    convert(tmp_path / "out", [make_split(2)], LABEL_MAP, ONE_SHARD)
    before = file_names(tmp_path), file_contents(tmp_path / "out")
    bad = Split("bad", [make_image(0, make_object(name="bus"))])
    with pytest.raises(DataError, match="bus"):
        splits = [make_split(3), bad]
        convert(tmp_path / "out", splits, LABEL_MAP, ONE_SHARD)
    assert (file_names(tmp_path), file_contents(tmp_path / "out")) == before


def test_the_label_map_of_other_splits_is_not_replaced(tmp_path):
    convert(tmp_path, [make_split(1, "train")], LABEL_MAP, ONE_SHARD)
    others = LabelMap({1: "yield", 2: "stop"})
    before = file_names(tmp_path)
    message = "train.manifest.json belongs to records with another label map"
    with pytest.raises(DataError, match=message):
        convert(tmp_path, [make_split(1, "val")], others, ONE_SHARD)
    assert file_names(tmp_path) == before
    convert(tmp_path, [make_split(1, "val")], LABEL_MAP, ONE_SHARD)
    convert(tmp_path, [make_split(1, "train"), make_split(1, "val")], others)
    label_map = load_label_map(str(tmp_path / "label_map.pbtxt"))
    assert label_map.names == others.names


def test_the_label_map_of_records_of_others_is_not_replaced(tmp_path):
    theirs = tmp_path / "label_map.pbtxt"
    theirs.write_text("item { id: 1 name: 'cat' }")
    record = tmp_path / "pet_train.record"
    record.touch()
    message = "pet_train.record belongs to records with another label map"
    with pytest.raises(DataError, match=message):
        convert(tmp_path, [make_split(1)], LABEL_MAP, ONE_SHARD)
    assert theirs.read_text() == "item { id: 1 name: 'cat' }"
    assert file_names(tmp_path) == ["label_map.pbtxt", "pet_train.record"]
    # Written otherwise, and the same.
    theirs.write_text("item{id:1 name:'stop'}item{id:2 name:'yield'}")
    convert(tmp_path, [make_split(1)], LABEL_MAP, ONE_SHARD)
    theirs.write_text("item { id: 1 name: 'cat' }")
    record.unlink()
    convert(tmp_path, [make_split(1)], LABEL_MAP, ONE_SHARD)
    assert load_label_map(str(theirs)).names == LABEL_MAP.names


def test_a_label_map_of_another_encoding_is_read_or_named(tmp_path):
    path = tmp_path / "label_map.pbtxt"
    path.write_text(LABEL_MAP.to_text(), encoding="utf-16")
    (tmp_path / "other.record").touch()
    convert(tmp_path, [make_split(1)], LABEL_MAP, ONE_SHARD)
    path.write_text("item { id: 1 name: 'Maß' }", encoding="latin-1")
    with pytest.raises(DataError, match="label_map.pbtxt: .*save it as UTF-8"):
        convert(tmp_path, [make_split(1)], LABEL_MAP, ONE_SHARD)


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (0, ONE_SHARD, "no images for the split signs"),
        (1, ConversionOptions(0), "--num_shards is 0; expected 1 or more"),
        (1, ConversionOptions(num_workers=0), "--num_workers is 0; expected"),
    ],
)
def test_impossible_wishes_are_refused(tmp_path, count, options, message):
    with pytest.raises(DataError, match=message):
        convert(tmp_path / "out", [make_split(count)], LABEL_MAP, options)
    assert file_names(tmp_path) == []


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(DataError, match="out: is a file"):
        convert(tmp_path / "out", [make_split(1)], LABEL_MAP)
    with pytest.raises(FeatsrError, match="out/below: cannot write there"):
        convert(tmp_path / "out" / "below", [make_split(1)], LABEL_MAP)
    assert file_names(tmp_path) == ["out"]


def test_a_store_gets_the_same_files_as_a_folder(tmp_path):
    convert(tmp_path, [make_split(3)], LABEL_MAP, ConversionOptions(2))
    convert("ram://a/b/", [make_split(3)], LABEL_MAP, ConversionOptions(2))
    assert sorted(tf.io.gfile.listdir("ram://a")) == ["b"]
    assert sorted(tf.io.gfile.listdir("ram://a/b")) == file_names(tmp_path)
    for name, content in file_contents(tmp_path).items():
        assert tf.io.gfile.GFile(f"ram://a/b/{name}", "rb").read() == content


def test_a_whole_store_is_refused():
    with pytest.raises(DataError, match="ram://a: expected a folder"):
        convert("ram://a/", [make_split(1)], LABEL_MAP)


def test_the_records_pass_the_scan_of_training(tmp_path):
    convert(tmp_path, [make_split(4)], LABEL_MAP, ConversionOptions(2))
    paths = [str(path) for path in tmp_path.glob("*.record-*")]
    summary = scan_records(paths, LABEL_MAP, decode=True).summary
    assert summary.class_counts == {1: 4}
    assert summary.object_areas.tolist() == [16 * 26] * 4


def test_a_dry_run_counts_as_the_conversion_does_and_writes_nothing(tmp_path):
    images = [
        make_image(0, make_object(), make_object((40, 4, 90, 30))),
        make_image(1, make_object((90, 4, 99, 30), "yield")),
        make_image(2, data=b"no image"),
    ]
    split = Split("signs", images, outcomes=(Outcome.IN_NO_SPLIT,))
    output = tmp_path / "out"
    options = {"num_shards": 1, "skip_bad_images": True}
    with pytest.warns(UserWarning, match="left out: .*no image that can"):
        dry = convert(
            output,
            [split],
            LABEL_MAP,
            ConversionOptions(**options, dry_run=True),
        )
    assert not list(tmp_path.iterdir())
    with pytest.warns(UserWarning, match="left out"):
        table = convert(
            output, [split], LABEL_MAP, ConversionOptions(**options)
        )
    assert dry == f"{table}\nnothing is written: this was a dry run"
    outcomes = load_manifest(output / "signs.manifest.json").outcomes
    assert outcomes == {
        "box_clipped": 1,
        "box_outside_left_out": 1,
        "bad_image_left_out": 1,
        "image_in_no_split_left_out": 1,
    }


def test_a_dry_run_refuses_what_the_conversion_refuses(tmp_path):
    dry = ConversionOptions(dry_run=True)
    split = Split("signs", [make_image(0, make_object(name="stopp"))])
    with pytest.raises(DataError, match="nearest: 'stop'"):
        convert(None, [split], LABEL_MAP, dry)
    convert(tmp_path, [make_split(1, "other")], LABEL_MAP)
    with pytest.raises(DataError, match="records with another label map"):
        convert(tmp_path, [make_split(1)], LabelMap({1: "stop"}), dry)
