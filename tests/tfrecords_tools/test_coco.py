"""COCO annotations: boxes, categories and every mistake in them."""

import json

import pytest

from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from tests.tfrecords_tools.miniatures import COCO_CATEGORIES
from tests.tfrecords_tools.miniatures import coco_categories
from tests.tfrecords_tools.miniatures import write_coco
from tfrecords_tools.create_coco_tf_record import LABEL_MAP
from tfrecords_tools.create_coco_tf_record import read_coco

IMAGE = {"id": 7, "file_name": "a.jpg", "height": 60, "width": 90}
OBJECT = {"image_id": 7, "category_id": 2, "bbox": [10.5, 20, 30, 8.25]}
CATEGORY = {"id": 2, "name": "dent", "supercategory": "damage"}


@pytest.fixture
def read(tmp_path):
    def read(images=(IMAGE,), annotations=(OBJECT,), categories=(CATEGORY,)):
        content = dict(
            images=images, annotations=annotations, categories=categories
        )
        path = tmp_path / "instances.json"
        path.write_text(json.dumps(content))
        return read_coco(path, tmp_path / "images")

    return read


def test_a_box_of_corner_and_size_becomes_corners(read, tmp_path):
    (image,), label_map = read()
    (thing,) = image.objects
    assert thing.box == (20, 10.5, 28.25, 40.5)
    assert (thing.name, thing.crowd, thing.area) == ("dent", False, None)
    assert thing.where == f"{tmp_path}/instances.json: annotation 1"
    assert (image.source_id, image.filename) == ("7", "a.jpg")
    assert image.path == f"{tmp_path}/images/a.jpg"
    assert image.size == (60, 90)
    assert label_map.names == {2: "dent"}


def test_crowds_and_areas_of_segments_are_kept(read):
    crowd = {**OBJECT, "iscrowd": 1, "area": 12.5}
    (image,), _ = read(annotations=[crowd, {**crowd, "iscrowd": 0, "area": 3}])
    assert [thing.crowd for thing in image.objects] == [True, False]
    assert [thing.area for thing in image.objects] == [12.5, 3]


def test_images_without_objects_or_size_are_kept_in_order(read):
    images = [
        {"id": 9, "file_name": "train/b.jpg"},
        IMAGE,
        {"id": 1, "file_name": "c.jpg", "height": 0, "width": 0},
    ]
    found, _ = read(images)
    assert [image.source_id for image in found] == ["9", "7", "1"]
    assert [image.size for image in found] == [None, (60, 90), (0, 0)]
    assert [len(image.objects) for image in found] == [0, 1, 0]


def test_ids_of_categories_are_ids_of_the_label_map(read):
    categories = [{"id": 30, "name": "b"}, {"id": 2, "name": "a"}]
    _, label_map = read(categories=categories)
    assert list(label_map.names.items()) == [(2, "a"), (30, "b")]
    _, label_map = read(categories=coco_categories())
    assert label_map == load_label_map(LABEL_MAP)


def test_the_shipped_classes_are_those_of_coco(shared):
    path = shared / "data/tiny_coco/annotations/instances_val2017.json"
    categories = json.loads(path.read_text())["categories"]
    names = load_label_map(LABEL_MAP).names
    assert names == {entry["id"]: entry["name"] for entry in categories}
    assert (len(names), max(names)) == (80, 90)


def test_a_miniature_has_the_boxes_that_were_drawn(tmp_path):
    coco = write_coco(tmp_path)
    path = coco / "annotations" / "instances_train2017.json"
    images, _ = read_coco(path, coco / "train2017")
    things = [thing for image in images for thing in image.objects]
    assert {thing.name for thing in things} <= set(COCO_CATEGORIES.values())
    for thing in things:
        ymin, xmin, ymax, xmax = thing.box
        assert thing.area == (ymax - ymin) * (xmax - xmin) / 2


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("images", {"id": "7"}, "image 1: 'id': expected a whole number"),
        ("images", {"file_name": None}, "image 7: 'file_name': expected text"),
        ("images", {"file_name": "../a.jpg"}, "image 7: '../a.jpg' is not a"),
        ("images", {"height": "60"}, "image 7: 'height': expected a whole"),
        ("annotations", {"image_id": 8}, "annotation 1: no image has the id 8"),
        ("annotations", {"bbox": [1, 2, 3]}, "'bbox': expected x, y, width"),
        ("annotations", {"bbox": None}, "1: 'bbox': expected a list"),
        (
            "annotations",
            {"bbox": [1, 2, float("nan"), 3]},
            "annotation 1: 'bbox': expected a finite number, found nan",
        ),
        ("annotations", {"bbox": [1, "2", 3, 4]}, "expected a number, found"),
        ("annotations", {"iscrowd": 2}, "'iscrowd': expected 0 or 1, found 2"),
        ("annotations", {"area": None}, "1: 'area': expected a number"),
        ("categories", {"id": 0}, "'dent'.: has the id 0; .* add 1"),
        ("categories", {"name": 5}, "category 1: 'name': expected text"),
    ],
)
def test_a_mistake_in_an_entry_is_named(read, part, change, message):
    entries = dict(images=IMAGE, annotations=OBJECT, categories=CATEGORY)
    with pytest.raises(DataError, match=f"instances.json: .*{message}"):
        read(**{part: [{**entries[part], **change}]})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"images": {}}, "'images': expected a list, found {}"),
        ({"images": [IMAGE, IMAGE]}, "image 2: the id 7 occurs twice"),
        ({"annotations": [[]]}, "annotation 1: expected an object"),
        ({"annotations": [{}]}, "annotation 1: has no 'image_id'"),
        ({"categories": []}, "'categories' is empty"),
        ({"categories": [CATEGORY, {**CATEGORY, "id": 3}]}, "occurs twice"),
        ({"categories": [CATEGORY, {**CATEGORY, "name": "x"}]}, "occurs twice"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(read, parts, message):
    with pytest.raises(DataError, match=f"instances.json: .*{message}"):
        read(**parts)


def test_results_of_a_detector_are_no_annotations(tmp_path):
    path = tmp_path / "detections.json"
    path.write_text("[]")
    with pytest.raises(DataError, match="expected an object, found"):
        read_coco(path, tmp_path)
