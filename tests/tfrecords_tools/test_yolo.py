"""YOLO data sets: every layout of them, and every mistake in a line."""

import warnings

import pytest

from featsr_tf.errors import DataError
from tests.tfrecords_tools.foreign import boxes_of
from tests.tfrecords_tools.foreign import write_files
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import place_by_name
from tfrecords_tools.create_yolo_tf_record import read_yolo

# 64 x 48 px: the box 24, 8, 40, 32 as x and y.
BOX = "0 0.5 0.41666667 0.25 0.5\n"
PIXELS = (8, 24, 32, 40)
NAMES = "names: [stop, yield]\n"


def read(folder, files, **options):
    write_files(folder, files)
    return read_yolo(folder, **options)


def images_by_split(splits) -> dict[str, list[str]]:
    return {
        split.name.removeprefix("yolo_"): [i.source_id for i in split.images]
        for split in splits
    }


LAYOUTS = {
    "ultralytics": {
        "data.yaml": "path: ../datasets/mine\ntrain: images/train\n"
        "val: images/val\nnames:\n  0: stop\n  1: yield\n",
        "images/train/a.png": "",
        "labels/train/a.txt": BOX,
        "images/val/b.png": "",
        "labels/val/b.txt": "",
    },
    "roboflow": {
        "data.yaml": "train: ../train/images\nval: ../valid/images\n"
        "nc: 2\nnames: ['stop', 'yield']\nroboflow:\n  version: 1\n",
        "train/images/a.png": "",
        "train/labels/a.txt": BOX,
        "valid/images/b.png": "",
        "README.roboflow.txt": "read me",
    },
    "lists of a computer elsewhere": {
        "data.yaml": "path: /content/mine\ntrain: train.txt\nval: [val.txt]\n"
        + NAMES,
        "train.txt": "/content/mine/images/a.png\n",
        "val.txt": "data\\images\\b.png\n",
        "images/a.png": "",
        "images/b.png": "",
        "labels/a.txt": BOX,
    },
    "darknet of CVAT": {
        "obj.data": "classes = 2\ntrain = data/train.txt\n"
        "valid = data/valid.txt\nnames = data/obj.names\n",
        "obj.names": "stop\nyield\n",
        "train.txt": "data/obj_train_data/a.png\n",
        "valid.txt": "data/obj_train_data/b.png\n",
        "obj_train_data/a.png": "",
        "obj_train_data/a.txt": BOX,
        "obj_train_data/b.png": "",
    },
    "folders and a list of names": {
        "classes.txt": "stop\nyield\n",
        "train/a.png": "",
        "train/a.txt": BOX,
        "val/b.png": "",
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_layouts_are_read_alike(layout, tmp_path):
    splits, label_map = read(tmp_path, LAYOUTS[layout])
    assert label_map.names == {1: "stop", 2: "yield"}
    assert [split.name for split in splits] == ["yolo_train", "yolo_val"]
    (train,), (val,) = (split.images for split in splits)
    assert train.path.endswith("a.png") and val.path.endswith("b.png")
    assert boxes_of([train]) == {train.source_id: [("stop", *PIXELS)]}
    assert val.objects == ()
    assert train.outcomes == ()
    has_file = layout == "ultralytics"
    assert val.outcomes == (() if has_file else (Outcome.WITHOUT_LABEL_FILE,))


def test_without_splits_a_hash_decides(tmp_path):
    files = {f"images/{n}.png": "" for n in range(12)}
    labels = {f"labels/{n}.txt": BOX for n in range(12)}
    data = {"data.yaml": NAMES, **files, **labels}
    found = images_by_split(read(tmp_path, data)[0])
    assert found.keys() == {"train", "val"}
    assert len(found["train"]) + len(found["val"]) == 12
    assert images_by_split(read_yolo(tmp_path)[0]) == found
    (only,), _ = read_yolo(tmp_path, validation_fraction=0)
    assert len(only.images) == 12


def test_few_images_are_in_both_splits(tmp_path):
    """Also where the hash alone would give one of them all."""
    names = [f"{n}.png" for n in range(99) if place_by_name(f"{n}.png") > 0.5]
    data = {"data.yaml": NAMES}
    for name in names[:3]:
        data |= {f"images/{name}": "", f"labels/{name[:-4]}.txt": BOX}
    found = images_by_split(read(tmp_path, data)[0])
    first = min(names[:3], key=place_by_name)
    assert [len(found[split]) for split in ("train", "val")] == [2, 1]
    assert next(iter(found["val"])).endswith(first)


def test_names_are_text_even_where_yaml_means_something_else(tmp_path):
    names = "names: {2: no, 0: 007, 1: null, 10: 1.0}\n"
    with pytest.raises(DataError, match="data.yaml: class 1 has no name"):
        read(tmp_path, {"data.yaml": names})
    files = {
        "data.yaml": names.replace("null", "on"),
        "a.png": "",
        "a.txt": BOX,
    }
    _, label_map = read(tmp_path, files)
    assert label_map.names == {1: "007", 2: "on", 3: "no", 11: "1.0"}


@pytest.mark.parametrize(
    ("line", "box", "outcomes"),
    [
        ("1 0.25 0.25 0.5 0.5 0.25 0.75", (12, 16, 36, 32), "box_of_outline"),
        ("1 0 0 1 0 1 1 0 1", (0, 0, 48, 64), "box_of_outline"),
        ("1.0 5e-1 .5 .25 .5 ", (12, 24, 36, 40), None),
        ("1 1 0.5 0.5 0.5", (12, 48, 36, 80), None),
        ("1 .5 -.001 -.001 1 .5 1", (-0.05, -0.06, 48, 32), "box_of_outline"),
    ],
)
def test_boxes_and_outlines_become_pixels(line, box, outcomes, tmp_path):
    data = {"data.yaml": NAMES, "a.png": "", "a.txt": line}
    (split,), _ = read(tmp_path, data)
    (image,) = split.images
    assert boxes_of([image]) == {"a.png": [("yield", *box)]}
    assert image.outcomes == ((outcomes,) if outcomes else ())


def test_keypoints_behind_a_box_are_no_outline(tmp_path):
    text = f"{NAMES}kpt_shape: [2, 3]\n"
    line = BOX.strip() + " 0.1 0.1 2 0.9 0.9 2"
    data = {"data.yaml": text, "a.png": "", "a.txt": line}
    (split,), _ = read(tmp_path, data)
    assert boxes_of(split.images) == {"a.png": [("stop", *PIXELS)]}
    assert split.images[0].outcomes == (Outcome.KEYPOINTS,)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.5", "found 3 numbers"),
        ("0 0.5 0.5 0.5 0.5 0.9", "found 5 numbers; is the last one a score"),
        ("0 0 0 1 0 1 1 0", "found 7 numbers; keypoints need kpt_shape"),
        ("0 0 0 1 0 nan 1", "expected a finite number, found 'nan'"),
        ("0 0,5 0,5 0,5 0,5", "expected a finite number, found '0,5'"),
        ("0 32 24 16 24", "from 0 to 1, found 32; divide pixels"),
        ("0 0.5 0.5 -0.5 0.5", "from 0 to 1, found -0.5"),
        ("3 0.5 0.5 0.5 0.5", "class 3 is not among the 2 .* 0 to 1; [^;]*$"),
        ("2 0.5 0.5 0.5 0.5", "class 2 is .* count from 1, take 1 off each"),
        ("0.5 0.5 0.5 0.5 0.5", "class 0.5 is not among"),
        ("stop 0.5 0.5 0.5 0.5", "finite number, found 'stop'; expected the"),
        ("0, 0.5, 0.5, 0.5, 0.5", "found '0,'; expected .* parted by spaces"),
    ],
)
def test_an_unsound_line_is_named(line, message, tmp_path):
    data = {"data.yaml": NAMES, "a.png": "", "a.txt": f"{BOX}\n{line}\n"}
    with pytest.raises(DataError, match=f"a.txt:3: .*{message}"):
        read(tmp_path, data)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.png": ""}, "no names of classes; expected data.yaml"),
        ({"data.yaml": "names: [a, a]"}, "class 1 .*occurs twice"),
        ({"data.yaml": "names: {a: b}"}, "whole numbers from 0 as keys"),
        ({"data.yaml": "names: [[a]]"}, "class 0 has no name"),
        ({"data.yaml": "names: [a\n b: {"}, "not a YAML file"),
        ({"data.yaml": NAMES + "train: x"}, "none of the images .* is there"),
        (
            {"data.yaml": NAMES + "train: t.txt", "t.txt": "none.png"},
            "t.txt:1: no image 'none.png'",
        ),
        ({"data.yaml": NAMES, "a.png": ""}, "not one image has a label file"),
        (
            {"a.yaml": NAMES, "b.yaml": "names: [x]"},
            "a.yaml and .*b.yaml: both describe YOLO data",
        ),
    ],
)
def test_a_data_set_that_cannot_be_read_is_named(files, message, tmp_path):
    with warnings.catch_warnings(action="ignore"):
        with pytest.raises(DataError, match=message):
            read(tmp_path, files)


def test_files_that_belong_to_nothing_are_counted_and_named(tmp_path):
    files = LAYOUTS["roboflow"] | {
        "train/labels/lost.txt": BOX,
        "data.yaml": LAYOUTS["roboflow"]["data.yaml"]
        + "test: ../test/images\n",
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        splits, _ = read(tmp_path, files)
    assert splits[0].outcomes == (Outcome.LABELS_WITHOUT_IMAGE,)
    text = "\n".join(str(warning.message) for warning in caught)
    assert "lost.txt: label file without an image: left out" in text
    assert "test: '../test/images' is not there: left out" in text
    assert "no image of 'val' has a label file" in text


def test_labels_without_an_image_are_found_wherever_they_are(tmp_path):
    files = {f"images/{name}.png": "" for name in ("x/a", "y/b", "none/c")}
    labels = {f"labels/{name}.txt": BOX for name in ("x/a", "y/b", "none/c")}
    lost = {"labels/y/d.txt": "0 -1e-9 .5 .5 5e-1", "labels/z/e.TXT": BOX}
    data = f"{NAMES}train: [images/x, images/y]\n"
    with pytest.warns(UserWarning, match="d.txt and 1 others: label file with"):
        splits, _ = read(
            tmp_path, {"data.yaml": data, **files, **labels, **lost}
        )
    assert splits[0].outcomes == (Outcome.LABELS_WITHOUT_IMAGE,) * 2


def test_images_that_share_their_labels_are_named(tmp_path):
    data = {"data.yaml": NAMES, "a.png": "", "a.png.png": "", "a.txt": BOX}
    write_files(tmp_path, data)
    (tmp_path / "a.png.png").rename(tmp_path / "a.jpg")
    with pytest.warns(UserWarning, match="a.jpg and 1 others: images of one"):
        (split,), _ = read_yolo(tmp_path)
    assert len(split.images) == 2


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("Images/a.png", "Labels/a.txt"),
        ("IMAGES/train/a.png", "LABELS/train/a.TXT"),
        ("Images/a.png", "labels/a.txt"),
        ("Images/a.png", "Images/a.TXT"),
    ],
)
def test_letters_of_folders_and_endings_may_be_large(image, labels, tmp_path):
    splits, _ = read(tmp_path, {"data.yaml": NAMES, image: "", labels: BOX})
    assert boxes_of(splits[0].images) == {image: [("stop", *PIXELS)]}


def test_paths_of_an_archive_do_not_leave_it(tmp_path):
    outside = write_files(tmp_path / "outside", {"a.png": "", "a.txt": BOX})
    data = write_files(
        tmp_path / "inside", {"data.yaml": f"{NAMES}train: {outside}\n"}
    )
    assert read_yolo(data)[0][0].images
    with pytest.warns(UserWarning, match="is not there"):
        with pytest.raises(DataError, match="none of the images"):
            read_yolo(data, is_closed=True)
