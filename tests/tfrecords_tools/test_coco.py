"""COCO annotations: boxes, categories and every mistake in them."""

import json

import pytest

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from tests.tfrecords_tools.miniatures import COCO_CATEGORIES
from tests.tfrecords_tools.miniatures import coco_categories
from tests.tfrecords_tools.miniatures import write_coco
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.create_coco_tf_record import LABEL_MAP
from tfrecords_tools.create_coco_tf_record import read_coco
from tfrecords_tools.create_coco_tf_record import read_splits
from tfrecords_tools.example import prepare_objects

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


@pytest.mark.parametrize("crowd", [1, "1", True, 1.0])
def test_flags_of_crowds_are_read_however_they_are_written(read, crowd):
    (image,), _ = read(annotations=[{**OBJECT, "iscrowd": crowd}])
    assert image.objects[0].crowd
    not_one = "0" if isinstance(crowd, str) else type(crowd)(0)
    (image,), _ = read(annotations=[{**OBJECT, "iscrowd": not_one}])
    assert not image.objects[0].crowd


def test_a_root_of_the_name_of_its_only_class_is_left_out(read):
    root = {"id": 0, "name": "dent", "supercategory": "none"}
    with pytest.warns(
        UserWarning, match="'dent'.: so is the category with the"
    ):
        (image,), label_map = read(categories=[root, CATEGORY])
    assert label_map.names == {2: "dent"}
    assert image.objects[0].name == "dent"
    with pytest.raises(DataError, match="occurs twice; .* rename or merge"):
        read(
            annotations=[OBJECT, {**OBJECT, "category_id": 0}],
            categories=[root, CATEGORY],
        )


def test_images_without_objects_or_size_are_kept_in_order(read):
    images = [
        {"id": 9, "file_name": "train/b.jpg"},
        IMAGE,
        {"id": 1, "file_name": "c.jpg", "height": 0, "width": 0},
    ]
    found, _ = read(images)
    assert [image.source_id for image in found] == ["9", "7", "1"]
    assert [image.size for image in found] == [None, (60, 90), None]
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


def test_images_that_no_file_names_are_counted(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.png"):
        (images / name).touch()
    places = {}
    for number, name in enumerate(("train", "val"), start=7):
        image = {**IMAGE, "id": number, "file_name": f"{'ab'[number - 7]}.jpg"}
        content = {"images": [image], "annotations": []}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({**content, "categories": [CATEGORY]}))
        places[name] = (path, images)
    with pytest.warns(UserWarning, match="c.jpg and 1 others: image that no"):
        (train, val), _ = read_splits(places)
    assert train.outcomes == (Outcome.NOT_ANNOTATED,) * 2
    assert val.outcomes == ()


def test_a_miniature_has_the_boxes_that_were_drawn(tmp_path):
    coco = write_coco(tmp_path)
    path = coco / "annotations" / "instances_train2017.json"
    images, _ = read_coco(path, coco / "train2017")
    things = [thing for image in images for thing in image.objects]
    assert {thing.name for thing in things} <= set(COCO_CATEGORIES.values())
    for thing in things:
        ymin, xmin, ymax, xmax = thing.box
        assert thing.area == (ymax - ymin) * (xmax - xmin) / 2


def test_ids_from_0_are_raised_and_an_unused_root_is_left_out(read):
    categories = [{"id": 0, "name": "sign"}, {"id": 1, "name": "car"}]
    thing = {**OBJECT, "category_id": 0}
    with pytest.warns(match="ids start at 0: each is raised by 1"):
        (image,), label_map = read(annotations=[thing], categories=categories)
    assert label_map.names == {1: "sign", 2: "car"}
    assert image.objects[0].name == "sign"
    categories[1]["supercategory"] = "sign"
    thing["category_id"] = 1
    with pytest.warns(match="no object is of 'sign' with the id 0: it is left"):
        (image,), label_map = read(annotations=[thing], categories=categories)
    assert label_map.names == {1: "car"}
    assert image.objects[0].name == "car"
    thing["category_id"] = 0
    with pytest.warns(match="each is raised by 1"):
        _, label_map = read(annotations=[thing], categories=categories)
    assert label_map.names == {1: "sign", 2: "car"}


def test_ids_and_sizes_are_read_however_they_are_written(read):
    image = {**IMAGE, "id": "7", "height": 60.0, "width": "90"}
    thing = {**OBJECT, "image_id": 7.0, "category_id": "2"}
    thing |= {"bbox": ["10.5", 20, "30", 8.25], "area": None, "iscrowd": None}
    (image,), label_map = read([image], [thing])
    assert (image.source_id, image.size) == ("7", (60, 90))
    assert image.objects[0].box == (20, 10.5, 28.25, 40.5)
    assert image.objects[0].name == "dent"
    (image,), _ = read(
        [{**IMAGE, "id": "left", "height": -1, "width": -1}],
        [{**OBJECT, "image_id": "left"}],
    )
    assert (image.source_id, image.size) == ("left", None)
    assert len(image.objects) == 1


def test_ids_of_text_are_no_numbers(read):
    # As VIDEO_FRAME; Python's own reading takes 1_12 for 112.
    ids = ["112", "1_12", "0112"]
    images = [
        {**IMAGE, "id": id_, "file_name": f"{n}.jpg"}
        for n, id_ in enumerate(ids)
    ]
    things = [
        {**OBJECT, "image_id": id_, "bbox": [n, 0, 5, 5]}
        for n, id_ in enumerate([112, *ids[1:]])
    ]
    found, _ = read(images, things)
    assert [
        (image.source_id, [thing.box[1] for thing in image.objects])
        for image in found
    ] == [("112", [0]), ("1_12", [1]), ("0112", [2])]


@pytest.mark.parametrize(
    "mark",
    [{"ignore": 1}, {"difficult": 1}, {"attributes": {"difficult": True}}],
)
def test_objects_that_are_ignored_are_difficult(read, mark):
    (image,), _ = read(annotations=[OBJECT, {**OBJECT, **mark}])
    assert [thing.difficult for thing in image.objects] == [False, True]


def test_a_rotated_box_becomes_its_hull_and_is_counted(read):
    thing = {**OBJECT, "bbox": [8, 20, 40, 8]}
    for rotation in ({"attributes": {"rotation": 90.0}}, {"rotation": "-90"}):
        (image,), _ = read(annotations=[{**thing, **rotation}])
        assert image.objects[0].box == (4, 24, 44, 32)
        assert image.objects[0].outcomes == (Outcome.BOX_ROTATED,)
    (image,), _ = read(annotations=[{**thing, "rotation": 360}])
    assert image.objects[0].box == (20, 8, 28, 48)
    assert image.objects[0].outcomes == ()


@pytest.mark.parametrize(
    "outline",
    [
        [[10, 20, 30, 20, 30, 50], [5, 40, 8, 40]],
        [[[10, 20], [30, 50]], [[5, 40]]],
        {"size": [4, 3], "counts": [5, 2, 5]},
    ],
    ids=["polygons", "points", "runs"],
)
@pytest.mark.parametrize("box", [{}, {"bbox": None}, {"bbox": [0, 0, 0, 0]}])
def test_an_object_without_a_box_gets_that_of_its_outline(read, outline, box):
    thing = {"image_id": 7, "category_id": 2, "segmentation": outline, **box}
    (image,), _ = read(annotations=[thing])
    (thing,) = image.objects
    # The runs go down the columns: rows 1 and 2 of column 1.
    is_mask = isinstance(outline, dict)
    assert thing.box == ((1, 1, 3, 2) if is_mask else (20, 5, 50, 30))
    assert thing.outcomes == (Outcome.BOX_OF_OUTLINE,)


@pytest.mark.parametrize("outline", [[], None, [[]]])
def test_an_object_with_neither_has_no_area(read, outline):
    thing = {**OBJECT, "bbox": [], "segmentation": outline}
    (image,), _ = read(annotations=[thing])
    kept, outcomes = prepare_objects(
        image.objects, 60, 90, LabelMap({2: "dent"})
    )
    assert (kept, outcomes) == ([], [Outcome.BOX_WITHOUT_AREA])


def test_an_outline_that_is_none_is_named(read):
    for outline in ([["a"]], {"size": [4, 3]}, [[1, 2, 3]]):
        thing = {**OBJECT, "bbox": [], "segmentation": outline}
        with pytest.raises(DataError, match="1: 'segmentation': expected"):
            read(annotations=[thing])


def test_the_address_of_an_image_ends_in_its_name(read, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    entry = {"id": 7, "coco_url": "http://example.org/train/a.jpg?x=1"}
    (image,), _ = read([entry])
    assert (image.filename, image.outcomes) == ("a.jpg", (Outcome.OTHER_NAME,))


def test_a_split_may_lack_a_class(tmp_path):
    places = {}
    for name, categories in (
        ("train", [CATEGORY, {"id": 5, "name": "scratch"}]),
        ("val", [CATEGORY]),
    ):
        content = {
            "images": [IMAGE],
            "annotations": [OBJECT],
            "categories": categories,
        }
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content))
        places[name] = (path, tmp_path)
    splits, label_map = read_splits(places)
    assert [split.name for split in splits] == ["coco_train", "coco_val"]
    assert label_map.names == {2: "dent", 5: "scratch"}
    path.write_text(
        path.read_text().replace('"id": 2, "name"', '"id": 5, "name"')
    )
    with pytest.raises(DataError, match="found the id 5 for 'dent' in the sec"):
        read_splits(places)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("images", {"file_name": None}, "image 7: 'file_name': expected text"),
        ("images", {"file_name": "../a.jpg"}, "image 7: '../a.jpg' is not a"),
        ("annotations", {"image_id": 8}, "annotation 1: no image has the id 8"),
        ("annotations", {"bbox": [1, 2, 3]}, "'bbox': expected x, y, width"),
        (
            "annotations",
            {"bbox": [1, 2, float("nan"), 3]},
            "annotation 1: 'bbox': expected a finite number, found nan",
        ),
        ("annotations", {"bbox": [1, "b", 3, 4]}, "expected a finite number"),
        ("annotations", {"bbox": [1, "1_0", 3, 4]}, "expected a finite number"),
        ("annotations", {"bbox": [1, None, 3, 4]}, "expected a number, found"),
        ("annotations", {"bbox": 5}, "1: 'bbox': expected a list, found 5"),
        ("annotations", {"rotation": "left"}, "'rotation': expected a finite"),
        ("images", {"id": 7.5}, "image 1: 'id': expected a whole number"),
        ("images", {"id": " "}, "image 1: 'id': expected a whole number"),
        ("images", {"height": "tall"}, "'height': expected a whole number"),
        ("categories", {"id": -1}, "'dent'.: has the id -1; ids start at 1"),
        ("categories", {"name": " "}, "category 1: its name is empty; give"),
        ("annotations", {"iscrowd": 2}, "'iscrowd': expected 0 or 1, found 2"),
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
