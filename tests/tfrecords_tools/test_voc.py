"""PASCAL VOC annotations: corners, sets, years and every mistake in them."""

import pytest

from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from tests.tfrecords_tools.miniatures import VOC_NAMES
from tests.tfrecords_tools.miniatures import write_voc
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.create_voc_tf_record import LABEL_MAP
from tfrecords_tools.create_voc_tf_record import read_annotation
from tfrecords_tools.create_voc_tf_record import read_voc
from tfrecords_tools.image_folders import ImageFolder

OBJECT = (
    "<object><name>cat</name><truncated>1</truncated>"
    "<difficult>{difficult}</difficult><bndbox><xmax>{xmax}</xmax>"
    "<xmin>45.70</xmin><ymin>1</ymin><ymax>7</ymax></bndbox>"
    "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"
)


def annotation(*objects: str, name: str = "a.jpg") -> str:
    return (
        f"<annotation><filename>{name}</filename>"
        "<size><width>90</width><height>60</height></size>"
        f"{''.join(objects)}</annotation>"
    )


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes, **options):
        path = tmp_path / "a.xml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_annotation(
            path, ImageFolder(tmp_path / "JPEGImages"), **options
        )

    return read


def test_corners_counted_from_1_become_continuous_ones(read, tmp_path):
    image = read(annotation(OBJECT.format(difficult=0, xmax=50)))
    (thing,) = image.objects
    assert thing.box == (0, 44.7, 7, 50)
    assert (thing.name, thing.truncated, thing.difficult) == (
        "cat",
        True,
        False,
    )
    assert thing.where == f"{tmp_path}/a.xml: object 1"
    assert image.size == (60, 90)
    assert (image.source_id, image.filename) == ("a.jpg", "a.jpg")
    assert image.path == f"{tmp_path}/JPEGImages/a.jpg"


def test_difficult_objects_can_be_left_out(read):
    text = annotation(
        OBJECT.format(difficult=1, xmax=50), OBJECT.format(difficult=0, xmax=51)
    )
    assert [thing.difficult for thing in read(text).objects] == [True, False]
    (thing,) = read(text, ignore_difficult_instances=True).objects
    assert thing.box[3] == 51


def test_a_file_without_flags_objects_or_size_is_understood(read):
    image = read("<annotation><filename>a.jpg</filename></annotation>")
    assert image.objects == ()
    assert image.size is None
    text = "<difficult>{difficult}</difficult>"
    (thing,) = read(annotation(OBJECT.replace(text, "").format(xmax=9))).objects
    assert not thing.difficult


def test_each_box_of_an_object_is_an_object_wherever_it_stands(read):
    two = (
        "<bndbox><xmin>11</xmin><ymin>9</ymin><xmax>30</xmax><ymax>28</ymax>"
        "</bndbox><bndbox><xmin>40</xmin><ymin>10</ymin><xmax>55</xmax>"
        "<ymax>30</ymax></bndbox>"
    )
    thing = f"<object><name>cat</name>{two}</object>"
    for text in (annotation(thing), annotation(f"<objects>{thing}</objects>")):
        boxes = [thing.box for thing in read(text).objects]
        assert boxes == [(8, 10, 28, 30), (9, 39, 30, 55)]
    (thing, _) = read(annotation(thing), first_pixel=0).objects
    assert thing.box == (9, 11, 28, 30)


@pytest.mark.parametrize(
    "box",
    [
        "<bndbox><xmin>9</xmin><ymin>21</ymin><xmax>48</xmax><ymax>28</ymax>"
        "</bndbox><attributes><attribute><name>rotation</name><value>90.0"
        "</value></attribute></attributes>",
        "<robndbox><cx>28</cx><cy>24</cy><w>40</w><h>8</h>"
        "<angle>1.57079633</angle></robndbox>",
    ],
    ids=["of CVAT", "of roLabelImg"],
)
def test_a_rotated_box_becomes_its_hull_and_is_counted(read, box):
    text = annotation(f"<object><name>cat</name>{box}</object>")
    (thing,) = read(text).objects
    assert thing.box == (4, 24, 44, 32)
    assert thing.outcomes == (Outcome.BOX_ROTATED,)


def test_unclear_flags_are_counted(read):
    text = OBJECT.replace("<truncated>1<", "<truncated>Unspecified<")
    (thing,) = read(annotation(text.format(difficult="", xmax=50))).objects
    assert (thing.truncated, thing.difficult) == (False, False)
    assert thing.outcomes == (Outcome.UNCLEAR_FLAG,)


@pytest.mark.parametrize(
    "name", ["", "a", "b.jpg", "C:\\photos\\a.jpg", "a.png", "/home/x/a.jpg"]
)
def test_the_image_of_the_own_name_is_taken(read, tmp_path, name):
    (tmp_path / "JPEGImages").mkdir()
    for file in ("a.jpg", "b.jpg"):
        (tmp_path / "JPEGImages" / file).touch()
    image = read(annotation(name=name))
    assert image.path == f"{tmp_path}/JPEGImages/a.jpg"
    assert (image.source_id, image.filename) == ("a.jpg", "a.jpg")
    assert image.outcomes == (Outcome.OTHER_NAME,)


@pytest.mark.parametrize("size", ["-1", "0", "", " "])
def test_a_size_that_is_none_is_not_declared(read, size):
    assert read(annotation().replace("90", size)).size is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.xml: not an XML file: no element found"),
        ("<annotation>", "a.xml: not an XML file: no element found: line 1"),
        (b"\xff\xfe", "a.xml: not an XML file"),
        ("<?xml version='1.0' encoding='no'?><a/>", "not an XML file"),
        ("<svg/>", "a.xml: expected <annotation>, found <svg>"),
        (annotation(name="../../etc/passwd"), "is not a path inside"),
        (annotation("<object/>"), "a.xml: object 1: has no <bndbox>"),
        (
            annotation(OBJECT.format(difficult=0, xmax="")),
            "a.xml: object 1: has no <xmax>",
        ),
        (
            annotation(OBJECT.format(difficult=0, xmax="nan")),
            "object 1: <xmax>: expected a finite number, found 'nan'",
        ),
        (
            annotation("<bndbox/>", "<crop><bndbox/></crop>"),
            "a.xml: 2 <bndbox> outside of <object>; expected each in an",
        ),
        (
            annotation(
                OBJECT.replace(">cat<", "> <").format(difficult=0, xmax=9)
            ),
            "a.xml: object 1: has no <name>",
        ),
        (
            annotation().replace("90", "wide"),
            "a.xml: <width>: expected a finite number, found 'wide'",
        ),
    ],
)
def test_a_mistake_in_a_file_is_named(read, text, message):
    with pytest.raises(DataError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_entities_that_multiply_are_refused(read):
    entities = '<!ENTITY a "0123456789">' + "".join(
        f'<!ENTITY {name} "{f"&{previous};" * 10}">'
        for previous, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    text = f"<!DOCTYPE x [{entities}]>{annotation(name='&i;')}"
    with pytest.raises(DataError, match="not an XML file: limit on input"):
        read(text)


def test_files_outside_are_not_opened_through_entities(read):
    entity = "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
    with pytest.raises(DataError, match="not an XML file: undefined entity"):
        read(entity + annotation(name="&a;"))


@pytest.fixture(scope="module")
def devkit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voc")
    write_voc(folder, num_images=2)
    return write_voc(folder, num_images=2, seed=1, year="VOC2012")


@pytest.mark.parametrize(
    ("year", "image_set", "names"),
    [
        ("VOC2007", "train", ["2007_000000.jpg", "2007_000001.jpg"]),
        ("VOC2012", "test", ["2012_000004.jpg", "2012_000005.jpg"]),
        (
            "merged",
            "trainval",
            [f"{year}_{n:06d}.jpg" for year in (2007, 2012) for n in range(4)],
        ),
    ],
)
def test_years_and_sets_are_those_asked_for(devkit, year, image_set, names):
    for data_dir in (devkit, devkit.parent):
        images = read_voc(data_dir, year, image_set).images
        assert [image.filename for image in images] == names
    assert {thing.name for image in images for thing in image.objects} <= set(
        VOC_NAMES
    )


def test_the_only_set_gives_the_records_its_name(tmp_path):
    folder = write_voc(tmp_path, num_images=2) / "VOC2007"
    for path in (folder / "ImageSets" / "Main").glob("*.txt"):
        if path.stem != "test":
            path.unlink()
    with pytest.warns(match="the set test is read"):
        split = read_voc(folder)
    assert split.name == "voc_test" and len(split.images) == 2


def test_the_classes_are_the_20_in_the_order_of_the_api(shared):
    api = load_label_map(str(shared / "data/odapi/pascal_label_map.pbtxt"))
    assert load_label_map(LABEL_MAP).names == api.names


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, "val.txt: cannot be read: No such file"),
        ("", "val.txt: no names in this file"),
        ("2007_000000\nnone\n", "val.txt:2: no annotation .*none.xml"),
        ("../../x\n", "val.txt:1: '../../x.xml' is not a path inside"),
    ],
)
def test_a_set_that_cannot_be_read_is_named(tmp_path, names, message):
    devkit = write_voc(tmp_path, num_images=1)
    path = devkit / "VOC2007" / "ImageSets" / "Main" / "val.txt"
    path.unlink()
    if names is not None:
        path.write_text(names)
    with pytest.raises(DataError, match=message):
        read_voc(devkit, "VOC2007", "val")


def test_a_missing_year_is_named(devkit, tmp_path):
    with pytest.raises(DataError, match="no folder VOC2007 in it; expected"):
        read_voc(tmp_path, "merged", "train")
