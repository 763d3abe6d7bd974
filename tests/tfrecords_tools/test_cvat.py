"""CVAT's XML files: shapes, rotation, subsets, and mistakes."""

import pytest

from featsr_tf.errors import DataError
from tests.tfrecords_tools.foreign import boxes_of
from tests.tfrecords_tools.foreign import write_files
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.create_cvat_tf_record import read_cvat

META = (
    "<version>1.1</version><meta><task><labels><label><name>yield</name></label><label><name>stop"
    "</name></label><label><name>1</name><parent>stop</parent></label></labels>"
    "</task></meta>"
)
BOX = "<box label='stop' xtl='10' ytl='20' xbr='50' ybr='28' {}/>"


def annotations(*images: str) -> str:
    return f"<annotations>{META}{''.join(images)}</annotations>"


def image(*shapes: str, name: str = "a.png", more: str = "") -> str:
    return (
        f"<image id='7' name='{name}' width='64' height='48' {more}>"
        f"{''.join(shapes)}</image>"
    )


def read(folder, text, *names, **options):
    files = {"annotations.xml": text, **dict.fromkeys(names, "")}
    return read_cvat(write_files(folder, files), **options)


@pytest.mark.parametrize(
    ("shape", "box", "outcomes"),
    [
        (BOX, (20, 10, 28, 50), []),
        (BOX.format("rotation='90.0'"), (4, 26, 44, 34), ["box_rotated"]),
        (BOX.format("rotation='180'"), (20, 10, 28, 50), ["box_rotated"]),
        (
            "<polygon label='stop' points='1,2;9.5,4;3,8'/>",
            (2, 1, 8, 9.5),
            ["box_of_outline"],
        ),
        (
            "<ellipse label='stop' cx='20' cy='10' rx='4' ry='2'/>",
            (8, 16, 12, 24),
            ["box_of_outline"],
        ),
        (
            "<mask label='stop' left='3' top='2' width='5' height='4'/>",
            (2, 3, 6, 8),
            ["box_of_outline"],
        ),
    ],
)
def test_shapes_become_upright_boxes(shape, box, outcomes, tmp_path):
    text = annotations(image(shape.format("")))
    (split,), label_map = read(tmp_path, text, "images/a.png")
    assert boxes_of(split.images) == {"a.png": [("stop", *box)]}
    assert label_map.names == {1: "yield", 2: "stop"}
    (found,) = split.images
    assert list(found.outcomes) == outcomes
    assert (found.size, found.path) == ((48, 64), f"{tmp_path}/images/a.png")


def test_other_shapes_are_counted_and_tags_are_none(tmp_path):
    points = "<points label='stop' points='1,1'/>"
    text = annotations(image(points, points, "<tag label='stop'/>"))
    with pytest.warns(UserWarning, match="of the kind 'points' left out: 2"):
        (split,), _ = read(tmp_path, text, "a.png")
    assert split.images[0].outcomes == (Outcome.OTHER_SHAPE,) * 2


@pytest.mark.parametrize(
    ("value", "is_set", "outcomes"),
    [
        ("true", True, ()),
        ("yes", True, ()),
        ("no", False, ()),
        ("perhaps", False, (Outcome.UNCLEAR_FLAG,)),
    ],
)
@pytest.mark.parametrize("name", ["difficult", "truncated"])
def test_attributes_tell_of_difficult_objects(
    name, value, is_set, outcomes, tmp_path
):
    box = (
        BOX.format("")[:-2]
        + f"><attribute name='{name}'>{value}</attribute></box>"
    )
    (split,), _ = read(tmp_path, annotations(image(box)), "a.png")
    (item,) = split.images[0].objects
    assert getattr(item, name) == is_set
    assert item.outcomes == outcomes


def test_subsets_and_folders_are_splits(tmp_path):
    text = annotations(
        image(BOX.format(""), name="a.png", more="subset='Train'"),
        image(name="a.png", more="subset='Validation'"),
        image(name="test/c.png", more="subset='default'"),
    )
    names = (
        "images/Train/a.png",
        "images/Validation/a.png",
        "images/test/c.png",
    )
    splits, _ = read(tmp_path, text, *names)
    assert [(split.name, split.images[0].path) for split in splits] == [
        ("cvat_train", f"{tmp_path}/{names[0]}"),
        ("cvat_val", f"{tmp_path}/{names[1]}"),
        ("cvat_test", f"{tmp_path}/{names[2]}"),
    ]


def test_images_may_lie_elsewhere(tmp_path):
    write_files(tmp_path / "photos", {"a.png": ""})
    text = annotations(image(BOX.format(""), name="job_1/a.png"))
    folder = tmp_path / "export"
    with pytest.raises(DataError, match="none of its 1 images .*--image_dir"):
        read(folder, text)
    (split,), _ = read(folder, text, image_dir=tmp_path / "photos")
    assert split.images[0].path == f"{tmp_path}/photos/a.png"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations>", "annotations.xml: not an XML file"),
        ("<svg/>", "expected one XML file of CVAT.*found none"),
        ("<annotations/>", "no <image> in this file"),
        (
            "<annotations><track id='0' label='car'/></annotations>",
            "1 tracks of a video, the first of 'car'; export as 'CVAT for ima",
        ),
        (
            "<annotations><version>2.0</version></annotations>",
            "version '2.0'; expected 1.1",
        ),
        (annotations(image(name=" ")), "image 7: has no name"),
        (
            annotations(image("<box xtl='1'/>")),
            "image 7: <box> 1: has no label",
        ),
        (
            annotations(image("<box label='stop' xtl='1' ytl='1'/>")),
            "image 7: <box> 1: has no ybr",
        ),
        (
            annotations(image(BOX.format("rotation='x'"))),
            "<box> 1: rotation: expected a finite number",
        ),
        (
            annotations(image("<polygon label='stop' points='1;2'/>")),
            "<polygon> 1: points: expected x,y;x,y",
        ),
    ],
)
def test_a_mistake_is_named(text, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, "a.png")


def test_a_name_may_hold_spaces_of_any_kind(tmp_path):
    name = "Screenshot 3.45\u202fPM.png"
    (split,), _ = read(tmp_path, annotations(image(name=name)), name)
    assert split.images[0].filename == name
