"""Files of others must be read exactly, and their mistakes named."""

import copy
import json
import random

import numpy as np
import pytest

from featsr_tf.errors import DataError
from featsr_tf.metrics.coco import average_precision
from featsr_tf.metrics.coco_files import read_annotations
from featsr_tf.metrics.coco_files import write_coco_detections
from featsr_tf.metrics.detection_tables import read_detections
from featsr_tf.metrics.detections import ImageInfo
from tests.metrics.scenes import found

ANNOTATIONS = {
    "images": [
        {"id": 9, "file_name": "b.jpg", "height": 100, "width": 200},
        {"id": 2, "file_name": "a.jpg", "height": 100, "width": 200},
    ],
    "categories": [{"id": 3, "name": "stop"}, {"id": 7, "name": "yield"}],
    "annotations": [
        {
            "id": 1,
            "image_id": 9,
            "category_id": 7,
            "bbox": [1.5, 2, 10, 20],
            "area": 150.5,
            "iscrowd": 1,
            "segmentation": {"counts": [1, 2], "size": [100, 200]},
        },
        {"id": 2, "image_id": 9, "category_id": 3, "bbox": [0, 0, 4, 5]},
        {
            "id": 3,
            "image_id": 9,
            "category_id": 3,
            "bbox": [0, 0, 4, 5],
            "ignore": 1,
        },
    ],
}
DETECTIONS = [
    {"image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5},
    {"image_id": 2, "category_id": 7, "bbox": [0, 0, 2, 2], "score": 1},
    {"image_id": 9, "category_id": 7, "bbox": [5, 6, 0, 1], "score": 0},
]


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="file.json"):
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text)
        return path

    return write_file


@pytest.fixture
def annotations(write):
    return read_annotations(write(ANNOTATIONS, "gt.json"))


def test_objects_come_by_image_in_order_of_the_ids(annotations):
    assert annotations.names == {3: "stop", 7: "yield"}
    assert [truth.image_id for truth in annotations.truths] == [2, 9]
    empty, full = annotations.truths
    assert len(empty.boxes) == 0
    assert (full.file_name, full.height, full.width) == ("b.jpg", 100, 200)
    np.testing.assert_array_equal(full.boxes[0], [2, 1.5, 22, 11.5])
    np.testing.assert_array_equal(full.classes, [7, 3, 3])
    np.testing.assert_array_equal(full.areas, [150.5, 20, 20])
    np.testing.assert_array_equal(full.crowd, [True, False, False])
    np.testing.assert_array_equal(full.difficult, [False, False, True])


@pytest.mark.parametrize("wrapped", [False, True])
def test_detections_come_by_image_in_the_order_given(
    write, annotations, wrapped
):
    content = {"annotations": DETECTIONS} if wrapped else DETECTIONS
    shown = read_detections(write(content), annotations)
    by_image = {item.image_id: item for item in shown}
    assert set(by_image) == {2, 9}
    np.testing.assert_array_equal(by_image[9].scores, [0.5, 0])
    np.testing.assert_array_equal(by_image[9].classes, [3, 7])
    np.testing.assert_array_equal(by_image[9].boxes[0], [2, 1, 6, 4])
    np.testing.assert_array_equal(by_image[2].boxes, [[0, 0, 2, 2]])


def test_an_empty_list_is_no_detections(write, annotations):
    assert read_detections(write([]), annotations) == []


def test_what_predict_writes_is_matched_by_names(tmp_path, annotations):
    path = tmp_path / "detections.json"
    images = [
        ImageInfo(0, "photos/a.jpg", 100, 200),
        ImageInfo(1, "photos/b.jpg", 100, 200),
    ]
    shown = [found([[0, 0, 8, 9]], None, [1], image_id=1)]
    write_coco_detections(path, images, shown, {1: "yield", 2: "stop"})
    (item,) = read_detections(path, annotations)
    assert item.image_id == 9
    np.testing.assert_array_equal(item.classes, [7])


def test_what_is_null_is_not_known(write):
    objects = [
        {**entry, "area": None, "iscrowd": None, "ignore": None}
        for entry in ANNOTATIONS["annotations"]
    ]
    found = read_annotations(write({**ANNOTATIONS, "annotations": objects}))
    boxes = {entry["id"]: entry["bbox"] for entry in objects}
    areas = sorted(area for truth in found.truths for area in truth.areas)
    assert areas == sorted(box[2] * box[3] for box in boxes.values())


def test_a_root_of_the_name_of_a_class_is_none(write):
    categories = [{"id": 0, "name": "stop"}, {"id": 3, "name": "stop"}]
    content = {**ANNOTATIONS, "categories": categories, "annotations": []}
    assert read_annotations(write(content)).names == {3: "stop"}


def test_image_ids_may_be_text(write):
    content = copy.deepcopy(ANNOTATIONS)
    content["images"] = [{"id": "x"}]
    content["annotations"] = []
    annotations = read_annotations(write(content))
    entry = {**DETECTIONS[0], "image_id": "x"}
    (item,) = read_detections(write([entry], "det.json"), annotations)
    assert item.image_id == "x"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 5}, "image_id 5 is not among the 2 of"),
        ({"image_id": [9]}, r"image_id \[9\] is no number and no text"),
        ({"image_id": None}, "image_id None is not among the 2 of"),
        ({"image_id": 9.5}, "image_id 9.5 is not among the 2 of"),
        ({"category_id": 5}, "category_id 5 is not among the 2 of"),
        ({"bbox": [1, 2, 3]}, "expected four numbers as 'bbox'"),
        ({"bbox": [1, 2, 3, "4"]}, "expected four numbers as 'bbox'"),
        ({"bbox": [1, 2, 3, float("nan")]}, "expected four numbers as 'bbox'"),
        ({"bbox": [1, 2, 3, float("inf")]}, "expected four numbers as 'bbox'"),
        ({"bbox": [1, 2, 3, 10**400]}, "expected four numbers as 'bbox'"),
        ({"bbox": [1, 2, -3, 4]}, ".*negative width or height"),
        ({"bbox": "1 2 3 4"}, "expected four numbers as 'bbox'"),
        ({"score": float("inf")}, "expected a finite 'score', found inf"),
        ({"score": float("nan")}, "expected a finite 'score'"),
        ({"score": "high"}, "expected a finite 'score', found 'high'"),
    ],
)
def test_a_wrong_detection_is_named(write, annotations, change, message):
    entries = [*DETECTIONS, {**DETECTIONS[0], **change}]
    with pytest.raises(DataError, match=f"file.json: detection 4: {message}"):
        read_detections(write(entries), annotations)


@pytest.mark.parametrize("key", ["image_id", "category_id", "bbox", "score"])
def test_a_missing_key_of_a_detection_is_named(write, annotations, key):
    entry = dict(DETECTIONS[1])
    del entry[key]
    with pytest.raises(DataError, match=f"detection 2: .*'{key}'"):
        read_detections(write([DETECTIONS[0], entry]), annotations)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a JSON file"),
        ("3", "found a int"),
        ("[3]", "detection 1: expected an object, found 3"),
        ("{}", "found a dict"),
        ('{"annotations": 3}', "a list under 'annotations', found a int"),
        ('{"results": []}', "a list under 'annotations', found 'results'"),
        (json.dumps([{"inner": DETECTIONS[0]}]), "detection 1: has no"),
    ],
)
def test_a_file_without_detections_is_refused(
    write, annotations, content, message
):
    with pytest.raises(DataError, match=f"file.json: .*{message}"):
        read_detections(write(content), annotations)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 5}, "image_id 5 is unknown"),
        ({"category_id": "stop"}, "'category_id': expected a whole number"),
        ({"bbox": [0, 0, 1]}, "'bbox': expected x, y, width and height"),
        ({"bbox": [0, 0, float("nan"), 1]}, "'bbox': expected a finite number"),
        ({"bbox": [0, 0, 1e200, 1]}, "'bbox' or 'area': expected pixels"),
        ({"area": "big"}, "'area': expected a finite number, found 'big'"),
        ({"iscrowd": "no"}, "'iscrowd': expected 0 or 1, found 'no'"),
    ],
)
def test_a_wrong_object_is_named(write, change, message):
    content = copy.deepcopy(ANNOTATIONS)
    content["annotations"][1].update(change)
    with pytest.raises(DataError, match=f"file.json: annotation 2: {message}"):
        read_annotations(write(content))


OUTLINE = [[10, 20, 14, 20, 14, 30]]


@pytest.mark.parametrize(
    ("change", "box", "area", "flags"),
    [
        # Without a box that of the outline, which is 4 px wide and 10 high.
        ({"bbox": [], "segmentation": OUTLINE}, [20, 10, 30, 14], 40, ""),
        ({"bbox": None, "segmentation": OUTLINE}, [20, 10, 30, 14], 40, ""),
        ({"bbox": ["1", "2", "3", "4.5"]}, [2, 1, 6.5, 4], 13.5, ""),
        ({"iscrowd": "1"}, [0, 0, 5, 4], 20, "crowd"),
        ({"iscrowd": "0"}, [0, 0, 5, 4], 20, ""),
        ({"area": "12"}, [0, 0, 5, 4], 12, ""),
        ({"area": -1}, [0, 0, 5, 4], 20, ""),
        ({"ignore": 0.3}, [0, 0, 5, 4], 20, ""),
        ({"difficult": 0, "ignore": 1}, [0, 0, 5, 4], 20, "difficult"),
        ({"attributes": {"difficult": True}}, [0, 0, 5, 4], 20, "difficult"),
        # A quarter turn about the centre (2, 2.5) of a box of 4 x 5.
        ({"attributes": {"rotation": 90}}, [0.5, -0.5, 4.5, 4.5], 20, ""),
    ],
)
def test_an_unusual_object_is_read_as_conversions_read_it(
    write, change, box, area, flags
):
    content = copy.deepcopy(ANNOTATIONS)
    content["annotations"] = [content["annotations"][1] | change]
    _, truth = read_annotations(write(content)).truths
    np.testing.assert_array_equal(truth.boxes, [box])
    np.testing.assert_array_equal(truth.areas, [area])
    assert truth.crowd.tolist() == [flags == "crowd"]
    assert truth.difficult.tolist() == [flags == "difficult"]


def test_what_is_made_of_objects_is_counted(write, capsys):
    content = copy.deepcopy(ANNOTATIONS)
    content["annotations"] = [
        content["annotations"][1] | change
        for change in (
            {"bbox": [0, 0, 4, -5]},
            {"bbox": []},
            {"bbox": [], "segmentation": OUTLINE, "ignore": "?"},
            {},
        )
    ]
    path = write(content)
    _, truth = read_annotations(path).truths
    assert truth.boxes.tolist() == [[20, 10, 30, 14], [0, 0, 5, 4]]
    assert capsys.readouterr().err.splitlines() == [
        f"note: {path}: 2 objects without area are left out",
        f"note: {path}: 1 objects without a box have that of their outline",
        f"note: {path}: 1 flags other than 0 and 1 are taken as one of them",
    ]


def test_objects_of_fractions_are_refused(write):
    content = copy.deepcopy(ANNOTATIONS)
    for entry in content["annotations"]:
        entry["bbox"] = [0.25, 0.5, 0.125, 0.25]
    with pytest.raises(DataError, match="all 3 boxes lie within 0 to 1, as fr"):
        read_annotations(write(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": None}, "a list under 'images', found a NoneType"),
        ({"images": [{"file_name": "a"}]}, "entry 1 of 'images': expected an"),
        ({"images": [{"id": 1}, {"id": 1}]}, "the id 1 occurs twice"),
        ({"images": [{"id": [1]}]}, r"number or text as 'id', found \[1\]"),
        ({"images": [{"id": 9, "height": "9 px"}]}, "'height' and 'width'"),
        ({"categories": [{"id": "x", "name": "a"}]}, "category 'x': expected"),
        ({"categories": [{"id": 3}]}, "category 3: expected"),
        (
            {"categories": [{"id": 3, "name": "a"}, {"id": 4, "name": "a"}]},
            "the category 'a' occurs twice",
        ),
    ],
)
def test_a_wrong_annotation_file_is_refused(write, change, message):
    content = {**ANNOTATIONS, "annotations": [], **change}
    with pytest.raises(DataError, match=f"file.json.*{message}"):
        read_annotations(write(content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none.json: cannot be read: No such"):
        read_annotations(tmp_path / "none.json")


def places(value):
    """Yields every container of a JSON value with every key of it."""
    keys = range(len(value)) if isinstance(value, list) else list(value)
    for key in keys:
        yield value, key
        if isinstance(value[key], list | dict):
            yield from places(value[key])


STRANGE = (
    *(None, True, -1, 3, 2.5, 1e308, 10**400, float("nan"), float("inf")),
    *("", "a", [], {}, [1, 2, 3, 4], {"id": 1}, "\ud800"),
)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_read_or_refused_but_never_crash(write, seed):
    generator = random.Random(seed)
    refused = 0
    for _ in range(150):
        files = [copy.deepcopy(ANNOTATIONS), copy.deepcopy(DETECTIONS)]
        for _ in range(2):
            file = generator.choice(files)
            container, key = generator.choice(list(places(file)))
            container[key] = copy.deepcopy(generator.choice(STRANGE))
        paths = [write(files[0], "gt.json"), write(files[1], "det.json")]
        try:
            annotations = read_annotations(paths[0])
            shown = read_detections(paths[1], annotations)
            average_precision(annotations.truths, shown, annotations.names)
        except DataError as error:
            refused += 1
            assert "\n" not in str(error)
    assert 0 < refused < 150
