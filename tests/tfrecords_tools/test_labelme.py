"""LabelMe annotations: shapes, images inside and beside, and mistakes."""

import base64
import json
from pathlib import Path

import PIL.Image
import pytest

from featsr_tf.errors import DataError
from tests.tfrecords_tools.foreign import HEIGHT
from tests.tfrecords_tools.foreign import WIDTH
from tests.tfrecords_tools.foreign import boxes_of
from tests.tfrecords_tools.foreign import write_image
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.create_labelme_tf_record import read_labelme


def shape(kind, *points, label="stop", **changes) -> dict:
    values = {"label": label, "points": points, "shape_type": kind}
    return values | {"group_id": None, "flags": {}} | changes


def write(path, *shapes, **changes):
    values = {"version": "5.4.1", "shapes": shapes, "imagePath": "a.png"}
    values |= {"imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values | changes))


def read_one(folder, *shapes, **changes):
    write_image(folder / "a.png")
    write(folder / "a.json", *shapes, **changes)
    (split,), label_map = read_labelme(folder)
    (image,) = split.images
    return image, label_map


@pytest.mark.parametrize(
    ("kind", "points", "box", "outcomes"),
    [
        ("rectangle", [[30, 20], [10, 5]], (5, 10, 20, 30), []),
        ("polygon", [[1, 2], [9, 4], [3, 8]], (2, 1, 8, 9), ["box_of_outline"]),
        (None, [[1, 2], [9, 4], [3, 8]], (2, 1, 8, 9), ["box_of_outline"]),
        ("circle", [[20, 20], [23, 24]], (15, 15, 25, 25), ["box_of_outline"]),
        ("mask", [[8, 6], [23, 29]], (6, 8, 30, 24), ["box_of_outline"]),
        (
            "oriented_rectangle",
            [[5, 1], [9, 5], [5, 9], [1, 5]],
            (1, 1, 9, 9),
            ["box_rotated"],
        ),
    ],
)
def test_shapes_become_the_boxes_around_them(
    kind, points, box, outcomes, tmp_path
):
    image, label_map = read_one(tmp_path, shape(kind, *points))
    assert boxes_of([image]) == {"a.png": [("stop", *box)]}
    assert label_map.names == {1: "stop"}
    assert list(image.outcomes) == outcomes
    assert image.size == (HEIGHT, WIDTH)


def test_other_shapes_are_counted_and_named(tmp_path):
    others = [shape(kind, [1, 1], [2, 2]) for kind in ("line", "line", "cube")]
    with pytest.warns(UserWarning) as caught:
        image, _ = read_one(
            tmp_path, *others, shape("rectangle", [1, 1], [5, 5])
        )
    assert image.outcomes == (Outcome.OTHER_SHAPE,) * 3
    texts = [str(warning.message) for warning in caught]
    assert f"{tmp_path}: shapes of the kind 'line' left out: 2" in texts


def test_parts_of_one_group_are_one_object(tmp_path):
    image, _ = read_one(
        tmp_path,
        shape("rectangle", [1, 1], [5, 5], group_id=1),
        shape("rectangle", [9, 2], [12, 9], group_id=1),
        shape("rectangle", [9, 2], [12, 9], group_id=1, label="yield"),
        shape("rectangle", [9, 2], [12, 9]),
    )
    assert [item.name for item in image.objects] == ["stop", "yield", "stop"]
    assert image.objects[0].box == (1, 1, 9, 12)
    assert image.outcomes == (Outcome.PARTS_JOINED,)


@pytest.mark.parametrize("group", [None, "", -1])
def test_without_a_group_each_shape_is_an_object(group, tmp_path):
    box = shape("rectangle", [1, 1], [5, 5], group_id=group)
    image, _ = read_one(tmp_path, box, box)
    assert len(image.objects) == 2


@pytest.mark.parametrize("size", ["48", 48.0, 48])
def test_sizes_are_read_however_they_are_written(size, tmp_path):
    box = shape("rectangle", [1, 1], [5, 5])
    assert read_one(tmp_path, box, imageHeight=size)[0].size == (HEIGHT, WIDTH)
    assert read_one(tmp_path, box, imageHeight=0)[0].size is None


@pytest.mark.parametrize("path", ["a.png", "..\\pictures\\a.png", "/old/a.png"])
def test_an_image_is_found_by_the_end_of_its_path(path, tmp_path):
    image, _ = read_one(
        tmp_path, shape("rectangle", [1, 1], [5, 5]), imagePath=path
    )
    assert image.path == str(tmp_path / "a.png")
    assert (image.source_id, image.filename) == ("a.png", "a.png")


def test_a_picture_of_the_own_name_is_taken_before_that_of_another(tmp_path):
    box = shape("rectangle", [1, 1], [5, 5])
    for number, name in enumerate(("1.png", "2.png", "pictures/3.png")):
        write_image(tmp_path / name, number)
    write(tmp_path / "1.json", box, imagePath="1.png")
    write(tmp_path / "2.json", box, imagePath="1.png")
    # Copied from the folder of its picture.
    write(tmp_path / "labels" / "3.json", box, imagePath="../pictures/1.png")
    write_image(tmp_path / "pictures" / "1.png", 3)
    write(tmp_path / "4.json", box, imagePath="pictures/1.png")
    message = "2.json and 1 others: imagePath names another picture"
    with pytest.warns(UserWarning, match=message):
        (split,), _ = read_labelme(tmp_path, 0)
    found = {Path(image.where).stem: image for image in split.images}
    assert {stem: found[stem].path for stem in found} == {
        "1": str(tmp_path / "1.png"),
        "2": str(tmp_path / "2.png"),
        "3": str(tmp_path / "pictures/3.png"),
        "4": str(tmp_path / "pictures/1.png"),
    }
    assert found["2"].filename == "2.png"
    assert [stem for stem in found if found[stem].outcomes] == ["2", "3"]
    assert found["2"].outcomes == (Outcome.OTHER_NAME,)


def test_one_image_shows_which_pixels_of_all_were_annotated(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    box = shape("rectangle", [1, 1], [5, 5])
    # The boxes of the first fit into the pixels as they are stored alone.
    wide = shape("rectangle", [WIDTH - 9, 1], [WIDTH, 9])
    for name, found in (("a", wide), ("b", box)):
        picture = PIL.Image.new("RGB", (WIDTH, HEIGHT))
        picture.save(tmp_path / f"{name}.jpg", exif=exif)
        sizes = {"imageHeight": 0, "imageWidth": 0}
        write(
            tmp_path / f"{name}.json", found, imagePath=f"{name}.jpg", **sizes
        )
    (split,), _ = read_labelme(tmp_path, 0)
    assert [image.as_stored for image in split.images] == [True, True]


def test_an_image_inside_the_file_is_the_one_that_was_annotated(tmp_path):
    data = write_image(tmp_path / "elsewhere.jpg", seed=3).read_bytes()
    (tmp_path / "elsewhere.jpg").unlink()
    text = base64.b64encode(data).decode()
    lines = base64.encodebytes(data).decode()
    box = shape("rectangle", [1, 1], [5, 5])
    for written in (text, lines, f"data:image/png;base64,{text}"):
        image, _ = read_one(tmp_path, box, imageData=written)
        assert image.data == data


def test_boxes_that_reach_beyond_all_images_are_questioned(tmp_path):
    data = write_image(tmp_path / "a.png").read_bytes()
    text = base64.b64encode(data).decode()
    beyond = shape("rectangle", [WIDTH, HEIGHT], [WIDTH + 30, HEIGHT + 30])
    write(tmp_path / "a.json", beyond, imageData=text)
    with pytest.warns(UserWarning, match="1 of 1 boxes reach beyond"):
        read_labelme(tmp_path)


def test_folders_are_splits_and_bare_images_are_counted(tmp_path):
    box = shape("rectangle", [1, 1], [5, 5])
    for name in ("train/a", "valid/a"):
        write_image(tmp_path / f"{name}.png")
        write(tmp_path / f"{name}.json", box)
    write_image(tmp_path / "train" / "bare.png")
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "names.json").write_text(' ["stop"]')
    with pytest.warns(UserWarning) as caught:
        train, val = read_labelme(tmp_path)[0]
    assert (train.name, val.name) == ("labelme_train", "labelme_val")
    assert train.outcomes == (Outcome.NOT_ANNOTATED,)
    texts = [str(warning.message) for warning in caught]
    assert f"{tmp_path}/train/bare.png: image without a JSON file" in texts[1]
    assert "names.json and 1 others: has no 'shapes'" in texts[0]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (shape("polygon", [1, 1], [2, 2]), "shape 2: a polygon of 2 points"),
        (shape("rectangle", [1, 1, 1], [2, 2]), "shape 2: 'points': expected"),
        (shape("rectangle", [1, "x"], [2, 2]), "shape 2: 'points': expected a"),
        (shape("rectangle", [1, 1], [2, 2], label=" "), "'label' is empty"),
        (shape("rectangle", [1, 1], [2, 2], label=3), "'label': expected text"),
        ("rectangle", "shape 2: expected an object"),
    ],
)
def test_a_mistake_in_a_shape_is_named(bad, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read_one(tmp_path, shape("rectangle", [1, 1], [5, 5]), bad)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shapes": {}}, "'shapes': expected a list"),
        ({"imageData": "?"}, "a.json: 'imageData': not in base64"),
        ({"imagePath": 3}, "'imagePath': expected text"),
        ({"imageHeight": "x"}, "imageHeight or imageWidth: expected a whole"),
        ({}, "no objects in these annotations"),
    ],
)
def test_a_mistake_in_a_file_is_named(changes, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read_one(tmp_path, **changes)


def test_a_folder_without_such_files_is_named(tmp_path):
    with pytest.raises(DataError, match="no LabelMe files; expected JSON"):
        read_labelme(tmp_path)


@pytest.mark.parametrize(
    ("changes", "is_difficult"),
    [
        ({"difficult": "0"}, False),
        ({"flags": {"difficult": "false"}}, False),
        ({"difficult": True}, True),
        ({"flags": {"difficult": True}}, True),
        ({"difficult": "yes"}, True),
    ],
)
def test_difficult_is_read_however_it_is_written(
    changes, is_difficult, tmp_path
):
    box = shape("rectangle", [30, 20], [10, 5], **changes)
    image, _ = read_one(tmp_path, box)
    assert [item.difficult for item in image.objects] == [is_difficult]
