"""Tsinghua-Tencent 100K: editions, splits, counts and every mistake."""

import json

import pytest

from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from tests.tfrecords_tools.miniatures import tt100k_types
from tests.tfrecords_tools.miniatures import write_tt100k
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.create_tt100k_tf_record import LABEL_MAP
from tfrecords_tools.create_tt100k_tf_record import PUBLISHED_OBJECTS
from tfrecords_tools.create_tt100k_tf_record import count_objects
from tfrecords_tools.create_tt100k_tf_record import describe
from tfrecords_tools.create_tt100k_tf_record import read_tt100k

CLASSES = set(load_label_map(LABEL_MAP).names.values())
BBOX = {"xmin": 1.5, "ymin": 2, "xmax": 30, "ymax": 40.25}


@pytest.fixture
def write(tmp_path):
    """Writes annotations of 1 and 2 (train), 3 (test) and 4 (neither)."""

    def write(change=None, train="1\n2\n", test="3\n", types=None):
        images = {
            str(number): {
                "id": number,
                "path": f"train/{number}.jpg",
                "objects": [{"category": "pl40", "bbox": BBOX}],
            }
            for number in range(1, 5)
        }
        images["2"] = change or {"path": "train/2.jpg", "objects": []}
        for split, ids in (("train", train), ("test", test)):
            (tmp_path / split).mkdir(exist_ok=True)
            (tmp_path / split / "ids.txt").write_text(ids)
        text = json.dumps({"types": types or tt100k_types(), "imgs": images})
        (tmp_path / "annotations.json").write_text(text)
        return tmp_path

    return write


def test_images_belong_to_the_split_that_lists_them(write):
    folder = write()
    data = read_tt100k(folder, CLASSES)
    assert [image.source_id for image in data.train] == ["1", "2"]
    assert [image.source_id for image in data.test] == ["3"]
    assert data.num_other == 1
    first, empty = data.train
    assert empty.objects == ()
    assert first.path == f"{folder}/train/1.jpg"
    (thing,) = first.objects
    assert thing.box == (2, 1.5, 40.25, 30)
    assert thing.name == "pl40"
    assert thing.where == f"{folder}/annotations.json: image 1: object 1"


def test_the_folder_above_is_understood_too(tmp_path):
    data = write_tt100k(tmp_path, num_images=1)
    expected = read_tt100k(data, CLASSES)
    assert read_tt100k(tmp_path, CLASSES) == expected
    assert (len(expected.train), len(expected.test)) == (1, 1)


def test_the_label_map_has_the_45_classes_of_the_protocol():
    assert len(CLASSES) == 45
    prefixes = ("i", "p", "w")
    counts = [
        sum(name.startswith(prefix) for name in CLASSES) for prefix in prefixes
    ]
    assert counts == [8, 31, 6]
    assert {"il60", "ph4.5", "pl120", "pm55", "pne", "wo"} <= CLASSES


def image_of(*boxes, name: str = "pn") -> AnnotatedImage:
    things = tuple(AnnotatedObject(box, name, "here") for box in boxes)
    return AnnotatedImage("1", "1.jpg", things, "here")


def test_objects_are_counted_by_long_side_and_by_area():
    images = [
        image_of(
            (0, 0, 31.9, 8),  # small, small
            (0, 0, 32, 32),  # medium, small
            (0, 0, 8, 95.5),  # medium, small
            (0, 0, 96, 96),  # large, medium
            (0, 0, 399, 399),  # large, large
            (0, 0, 400, 20),  # no size, medium
        ),
        image_of((0, 0, 9, 9), name="pl10"),
        image_of(),
    ]
    assert count_objects(images, CLASSES) == ([1, 2, 2, 5], [3, 2, 1, 6])
    assert count_objects([], CLASSES) == ([0] * 4, [0] * 4)


def test_counts_stand_beside_the_published_ones(write):
    data = read_tt100k(write(), CLASSES)
    with pytest.warns(UserWarning, match="not the whole .* counts differ"):
        lines = describe(data, CLASSES).splitlines()
    assert lines[0].split() == ["45", "classes", "found", "published"]
    assert lines[1].split() == ["train", "images", "2", "6105"]
    assert lines[2].split() == ["test", "images", "1", "3071"]
    published = [int(line.split()[-1]) for line in lines[3:7]]
    assert published == list(PUBLISHED_OBJECTS)
    assert sum(published[:3]) == published[3]
    assert [int(line.split()[-2]) for line in lines[3:7]] == [0, 1, 0, 1]
    assert [line.split()[-1] for line in lines[-2:]] == ["1", "0"]


def test_counts_as_published_are_no_warning(monkeypatch, write, recwarn):
    data = read_tt100k(write(), CLASSES)
    monkeypatch.setattr(
        "tfrecords_tools.create_tt100k_tf_record.PUBLISHED_IMAGES", (2, 1)
    )
    monkeypatch.setattr(
        "tfrecords_tools.create_tt100k_tf_record.PUBLISHED_OBJECTS",
        (0, 1, 0, 1),
    )
    describe(data, CLASSES)
    assert not recwarn


def test_the_edition_of_2021_is_refused_by_the_name_of_its_file(write):
    folder = write()
    (folder / "annotations.json").rename(folder / "annotations_all.json")
    with pytest.raises(DataError, match="annotations_all.json: .* of 2021"):
        read_tt100k(folder, CLASSES)


def test_the_edition_of_2021_is_refused_by_its_classes(write):
    types = [name for name in tt100k_types() if name not in ("io", "po", "wo")]
    folder = write(types=[*types, "im", "pss", "wc"])
    with pytest.raises(DataError, match="annotations.json: .* of 2021") as info:
        read_tt100k(folder, CLASSES)
    assert "2016" in str(info.value)


def test_a_part_of_the_types_of_2021_is_refused_too(write):
    with pytest.raises(DataError, match="of 2021"):
        read_tt100k(write(types=["pn", "i5", "wc"]), CLASSES)


def test_a_part_of_the_types_of_2016_draws_a_warning(write):
    types = [name for name in tt100k_types() if name != "pl40"]
    with pytest.warns(UserWarning, match="'types' lacks pl40 of the 45"):
        data = read_tt100k(write(types=types), CLASSES)
    assert len(data.test) == 1


def test_an_image_that_is_not_annotated_has_no_objects(write):
    folder = write(test="3\n5\n")
    data = read_tt100k(folder, CLASSES)
    assert [image.source_id for image in data.test] == ["3", "5"]
    assert data.test[1].objects == ()
    assert data.test[1].path == str(folder / "test" / "5.jpg")
    assert data.num_without_annotation == 1
    with pytest.warns(UserWarning, match="not the whole"):
        table = describe(data, CLASSES)
    assert table.splitlines()[-1].split()[-1] == "1"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": "1\n1\n"}, "train/ids.txt:2: '1' stands in line 1 already"),
        ({"test": "3\n2\n"}, "test/ids.txt:2: '2' is in .*train/ids.txt:2"),
        ({"test": ""}, "test/ids.txt: no names in this file"),
        ({"types": ["dog"]}, "'types' has none of the 45 classes"),
        ({"types": [5]}, "'types': expected text, found 5"),
    ],
)
def test_lists_that_contradict_the_annotations_are_refused(
    write, files, message
):
    with pytest.raises(DataError, match=message):
        read_tt100k(write(**files), CLASSES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([1], "image 2: expected an object"),
        ({"objects": []}, "image 2: has no 'path'"),
        ({"path": "2.jpg"}, "image 2: has no 'objects'"),
        ({"path": "../2.jpg", "objects": []}, "image 2: '../2.jpg' is not a"),
        ({"id": 3, "path": "2.jpg", "objects": []}, "image 2: its 'id' is 3"),
    ],
)
def test_a_mistake_in_an_image_is_named(write, change, message):
    with pytest.raises(DataError, match=f"annotations.json: {message}"):
        read_tt100k(write(change), CLASSES)


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ("pn", "object 1: expected an object, found 'pn'"),
        ({"category": "pn"}, "object 1: has no 'bbox'"),
        ({"bbox": BBOX}, "object 1: has no 'category'"),
        (
            {"category": "pn", "bbox": {**BBOX, "xmax": float("nan")}},
            "object 1: 'bbox': 'xmax': expected a finite number, found nan",
        ),
        (
            {"category": "pn", "bbox": {"xmin": 1}},
            "object 1: 'bbox': has no 'ymin'; expected a number",
        ),
    ],
)
def test_a_mistake_in_an_object_is_named(write, thing, message):
    change = {"path": "2.jpg", "objects": [thing]}
    with pytest.raises(
        DataError, match=f"annotations.json: image 2: {message}"
    ):
        read_tt100k(write(change), CLASSES)


def test_an_image_that_stands_twice_is_refused(write):
    folder = write()
    path = folder / "annotations.json"
    path.write_text(path.read_text().replace('"4": {', '"1": {'))
    with pytest.raises(DataError, match="the key '1' occurs twice"):
        read_tt100k(folder, CLASSES)


@pytest.mark.parametrize("missing", ["annotations.json", "test/ids.txt"])
def test_a_missing_file_is_named(write, missing):
    folder = write()
    (folder / missing).unlink()
    with pytest.raises(DataError, match=missing):
        read_tt100k(folder, CLASSES)
