"""Folders and zips are recognised by what is in them."""

import json
import shutil

import pytest

from featsr_tf import __main__ as featsr
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from tests.tfrecords_tools.annotated import make_split
from tests.tfrecords_tools.annotated import read_examples
from tests.tfrecords_tools.foreign import write_files
from tests.tfrecords_tools.foreign import write_image
from tfrecords_tools import convert_any
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert

ONE_SHARD = ConversionOptions(num_shards=1)
# The same object everywhere: x from 8 to 24 and y from 6 to 30 px.
BOX = (6, 8, 30, 24)
LABELS = "0 0.25 0.375 0.25 0.5\n"
XML = (
    "<annotation><filename>{}</filename><object><name>stop</name><bndbox>"
    "<xmin>9</xmin><ymin>7</ymin><xmax>24</xmax><ymax>30</ymax></bndbox>"
    "</object></annotation>"
)


def coco(*names: str, **changes) -> str:
    images = [{"id": n, "file_name": name} for n, name in enumerate(names)]
    objects = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [8, 6, 16, 24]}
        for n in range(len(names))
    ]
    categories = [{"id": 1, "name": "stop"}]
    content = {"images": images, "annotations": objects}
    return json.dumps(content | {"categories": categories} | changes)


def labelme(name: str) -> str:
    shape = {"label": "stop", "shape_type": "rectangle"}
    shape["points"] = [[8, 6], [24, 30]]
    return json.dumps({"shapes": [shape], "imagePath": name})


CVAT = (
    "<annotations>"
    + "".join(
        f"<image name='{name}' subset='{subset}'><box label='stop' xtl='8'"
        " ytl='6' xbr='24' ybr='30'/></image>"
        for name, subset in (("a.png", "train"), ("b.png", "val"))
    )
    + "</annotations>"
)
DATA = {
    "coco": {
        "train/_annotations.coco.json": coco("a.png"),
        "valid/_annotations.coco.json": coco("b.png"),
        "train/a.png": "",
        "valid/b.png": "",
    },
    "coco of CVAT": {
        "annotations/instances_Train.json": coco("a.png"),
        "annotations/instances_Validation.json": coco("b.png"),
        "annotations/person_keypoints_Train.json": coco("a.png"),
        "images/Train/a.png": "",
        "images/Validation/b.png": "",
    },
    "voc": {
        "train/a.xml": XML.format("a.png"),
        "valid/b.xml": XML.format("b.png"),
        "train/a.png": "",
        "valid/b.png": "",
    },
    "voc with sets": {
        "data/Annotations/a.xml": XML.format("a.png"),
        "data/Annotations/b.xml": XML.format("b.png"),
        "data/ImageSets/Main/train.txt": "a\n",
        "data/ImageSets/Main/val.txt": "b 1\n",
        "data/ImageSets/Main/trainval.txt": "a\nb\n",
        "data/JPEGImages/a.png": "",
        "data/JPEGImages/b.png": "",
    },
    "yolo": {
        "data.yaml": "names: [stop]\ntrain: ../train/images\nval: valid/images",
        "train/images/a.png": "",
        "train/labels/a.txt": LABELS,
        "valid/images/b.png": "",
        "valid/labels/b.txt": LABELS,
    },
    "labelme": {
        "train/a.json": labelme("a.png"),
        "val/b.json": labelme("b.png"),
        "train/a.png": "",
        "val/b.png": "",
    },
    "cvat": {"annotations.xml": CVAT, "images/a.png": "", "images/b.png": ""},
}


@pytest.mark.parametrize("layout", DATA)
def test_every_layout_gives_the_same_records(layout, tmp_path, capsys):
    data = write_files(tmp_path / "mine" / "in a folder", DATA[layout]).parent
    shutil.make_archive(str(tmp_path / "mine"), "zip", data)
    output = tmp_path / "out"
    table = convert_any.create(
        str(tmp_path / "mine.zip"), str(output), options=ONE_SHARD
    )
    said = capsys.readouterr().out
    assert said.startswith("found ") and f"{tmp_path}/mine.zip/in a" in said
    assert f"writes records and label map to {output}" in said
    prefix = layout.split()[0]
    for split in ("train", "val"):
        (example,) = read_examples(*output.glob(f"{prefix}_{split}.record-*"))
        sides = [
            example[f"image/object/bbox/{side}"][0] * size
            for side, size in zip(
                ("ymin", "xmin", "ymax", "xmax"), (48, 64, 48, 64), strict=True
            )
        ]
        assert sides == pytest.approx(BOX, abs=1e-4)
    names = load_label_map(str(output / "label_map.pbtxt")).names
    assert names == {1: "stop"}
    assert "1 stop" in table


def write_records(folder, name, number=2, **changes):
    split = make_split(number, name)
    names = changes.pop("names", LabelMap({1: "stop", 3: "yield"}))
    convert(folder, [split], names, ConversionOptions(num_shards=1))
    return folder / f"{name}.record-00000-of-00001"


def test_records_of_others_are_divided_and_written_anew(tmp_path):
    path = write_records(tmp_path / "made", "signs")
    for split in ("train", "valid"):
        folder = tmp_path / "mine" / split
        folder.mkdir(parents=True)
        shutil.copy(path, folder / "signs.tfrecord")
        shutil.copy(path.parent / "label_map.pbtxt", folder / "signs.pbtxt")
    other = "item { id: 1 name: 'person' }"
    (tmp_path / "mine" / "other.pbtxt").write_text(other)
    with pytest.warns(UserWarning, match="2 pictures are there more than once"):
        convert_any.create(
            str(tmp_path / "mine"), str(tmp_path / "out"), options=ONE_SHARD
        )
    before = read_examples(path)
    for split in ("train", "val"):
        after = read_examples(*tmp_path.glob(f"out/records_{split}.record-*"))
        assert after == before
    names = load_label_map(str(tmp_path / "out" / "label_map.pbtxt")).names
    assert names == {1: "stop", 3: "yield"}


def test_records_without_label_map_name_their_classes(tmp_path):
    path = write_records(tmp_path / "made", "signs")
    data = tmp_path / "mine.tfrecord"
    shutil.copy(path, data)
    table = convert_any.create(
        str(data),
        options=ConversionOptions(dry_run=True),
        validation_fraction=0,
    )
    assert "1 stop" in table and "records_train" in table


def test_what_records_hold_beside_boxes_is_named(tmp_path):
    import tensorflow as tf

    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x"]))
    path = write_records(tmp_path / "made", "signs", 1)
    (record,) = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    example = tf.train.Example.FromString(record)
    example.features.feature["image/object/mask"].CopyFrom(feature)
    data = str(tmp_path / "mine.record")
    with tf.io.TFRecordWriter(data) as writer:
        writer.write(example.SerializeToString())
    with pytest.warns(UserWarning, match="image/object/mask of the records is"):
        convert_any.create(data, options=ConversionOptions(dry_run=True))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.csv": ""}, "no annotations that are known here among its 1 files"),
        ({"a.zip": ""}, "convert the zips in it one by one"),
        (
            {"a.json": coco("a.png"), "b.xml": CVAT},
            r"several layouts: coco \(.*a.json\), cvat \(.*b.xml\); give",
        ),
        (
            {"a.json": coco("a.png"), "b.json": coco("a.png"), "a.png": ""},
            "a.json and .*b.json: both are COCO files without a split",
        ),
        ({"a.png": "", "a.txt": LABELS}, "no names of classes; expected data"),
        ({"a.json": "{"}, "a.json: not a JSON file: .*; no other annotations"),
        ({"a.xml": "", "a.png": ""}, "a.xml: not an XML.* empty.*; no other"),
        (
            {"a.json": coco("a.png"), "b.json": coco("b.png")[:-40]},
            "b.json: not a JSON file: its end is missing; export or copy",
        ),
        (
            {"a.xml": XML.format("a.png"), "a.png": "", "b.xml": ""},
            "b.xml: not an XML file: no element found.*the file is empty",
        ),
        (
            {"a.xml": XML.format("a.png"), "a.png": "", "b.xml": "<html/>"},
            "b.xml: expected <annotation>, found <html>",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(files, message, tmp_path):
    data = write_files(tmp_path / "mine", files)
    with pytest.raises(DataError, match=message):
        convert_any.create(str(data))


@pytest.mark.parametrize(
    ("name", "content", "title"),
    [
        (
            "a.json",
            [{"annotations": [{"result": [{"type": "rectanglelabels"}]}]}],
            "Label Studio",
        ),
        (
            "a.json",
            {"a.png7": {"regions": [{"shape_attributes": {"name": "rect"}}]}},
            "VGG Image Annotator",
        ),
        ("a.json", {"asset": {"name": "a.png"}, "regions": []}, "VoTT"),
        ("ann/a.png.json", {"objects": [{"classTitle": "a"}]}, "Supervisely"),
        (
            "_annotations.createml.json",
            [{"image": "a.png", "annotations": [{"coordinates": {"x": 1}}]}],
            "CreateML",
        ),
        ("_annotations.csv", "filename,class,xmin,ymin,xmax,ymax\n", "a table"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(name, content, title, tmp_path):
    text = content if isinstance(content, str) else json.dumps(content)
    data = write_files(tmp_path, {name: text, "a.png": ""})
    message = f"{name}: .*{title}.*, which is not read; export the data as COCO"
    with pytest.raises(DataError, match=message):
        convert_any.create(str(data))


def test_an_image_that_no_set_names_is_counted(tmp_path):
    files = DATA["voc with sets"] | {
        "data/Annotations/c.xml": XML.format("c.png"),
        "data/JPEGImages/c.png": "",
    }
    data = write_files(tmp_path / "mine", files)
    with pytest.warns(UserWarning, match="c.png: in no split: left out"):
        table = convert_any.create(
            str(data), options=ConversionOptions(dry_run=True)
        )
    assert "images that are in no split left out" in table


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Annotations/a.json", coco("a.png")),
        ("annotations/a.xml", CVAT.replace("b.png", "c.png")),
        ("xmls/a.xml", XML.format("a.png")),
        ("a.json", coco("a.png")),
    ],
)
def test_images_lie_beside_the_folder_of_a_file(name, text, tmp_path):
    images = {"images/a.png": "", "images/c.png": ""}
    data = write_files(tmp_path, {name: text, "Annotations/b.json": text})
    write_files(tmp_path, images)
    options = ConversionOptions(dry_run=True)
    table = convert_any.create(str(data / name), None, 0, options)
    assert "1 stop" in table


@pytest.mark.parametrize("name", ["\u00fc/a b.png", "\u00fc\\a b.png"])
def test_the_folder_of_images_is_found_by_escaped_names(name, tmp_path, capsys):
    files = {"json/all.json": coco(name), "mine/\u00fc/a b.png": ""}
    data = write_files(tmp_path, files | {"other/a b.png": ""})
    convert_any.create(str(data), options=ConversionOptions(dry_run=True))
    said = capsys.readouterr().out
    assert f"all.json: images in {tmp_path}/mine\n" in said


def test_images_of_one_name_in_several_folders_have_their_paths_as_ids(
    tmp_path,
):
    files = {f"{name}/1.xml": XML.format("1.png") for name in ("cat", "dog")}
    images = {f"{name}/1.png": "" for name in ("cat", "dog")}
    data = write_files(tmp_path / "mine", files | images)
    output = tmp_path / "out"
    convert_any.create(str(data), str(output), 0, options=ONE_SHARD)
    examples = read_examples(*output.glob("voc_train.record-*"))
    ids = [example["image/source_id"] for example in examples]
    assert ids == [[b"cat/1.png"], [b"dog/1.png"]]


@pytest.mark.parametrize("words", [["{}"], ["--dry_run", "{}"], ["any", "{}"]])
def test_the_command_takes_a_path_in_the_place_of_a_format(
    words, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    data = write_files(tmp_path / "mine", DATA["yolo"])
    featsr.main(["convert", *(word.format(data) for word in words)])
    assert (tmp_path / "output" / "mine").exists() == ("--dry_run" not in words)
    assert capsys.readouterr().out.startswith(f"found YOLO: {data}/data.yaml\n")


def test_a_path_that_is_not_there_is_named(capsys):
    with pytest.raises(SystemExit) as stop:
        featsr.main(["convert", "absent.zip"])
    assert stop.value.code == 2
    assert "absent.zip: no such file or folder" in capsys.readouterr().err


def test_gtsdb_is_read_by_its_own_converter(tmp_path, capsys):
    for number in range(8):
        write_image(tmp_path / "mine" / f"{number:05d}.png", number)
    (tmp_path / "mine" / "gt.txt").write_text("00000.ppm;1;2;20;30;5\n")
    options = ConversionOptions(num_shards=1, dry_run=True)
    table = convert_any.create(str(tmp_path / "mine"), options=options)
    assert "gtsdb_train" in table
    assert capsys.readouterr().out.startswith("found GTSDB: ")
