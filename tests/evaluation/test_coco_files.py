"""Detections files must stand alone, come back unchanged, and fail in words."""

import json

import numpy as np
import pytest

from featsr_tf.errors import DataError
from featsr_tf.evaluation.coco_files import read_coco_detections
from featsr_tf.evaluation.coco_files import read_coco_ground_truth
from featsr_tf.evaluation.coco_files import write_coco_detections
from featsr_tf.evaluation.detections import Detections
from featsr_tf.evaluation.detections import ImageInfo
from tests.evaluation.scenes import found
from tests.evaluation.scenes import square

IMAGES = [ImageInfo(1, "a.jpg", 100, 200), ImageInfo(2, "b.jpg", 100, 200)]


def test_what_is_written_stands_alone_and_comes_back(tmp_path):
    path = tmp_path / "new" / "detections.json"
    shown = found([[1.5, 2, 11.5, 22]], [0.75], [2])
    write_coco_detections(path, IMAGES, [shown], {1: "danger", 2: "other"})
    content = json.loads(path.read_text())
    assert content["images"][1] == {
        "id": 2,
        "file_name": "b.jpg",
        "width": 200,
        "height": 100,
    }
    assert content["categories"][1] == {"id": 2, "name": "other"}
    assert content["annotations"] == [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 2,
            "bbox": [2, 1.5, 20, 10],
            "area": 200,
            "iscrowd": 0,
            "score": 0.75,
        }
    ]
    first, second = read_coco_detections(path)
    np.testing.assert_array_equal(first.boxes, shown.boxes)
    assert (first.scores, first.classes) == (0.75, 2)
    assert second.image_id == 2
    assert len(second.boxes) == 0


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "detections.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_coco_detections(
            path, [ImageInfo({1}, "a.jpg", 1, 1)], [], {1: "danger"}
        )
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_bare_list_of_results_is_read(tmp_path):
    path = tmp_path / "results.json"
    entry = {
        "image_id": 7,
        "category_id": 3,
        "bbox": [1, 2, 3, 4],
        "score": 0.5,
    }
    path.write_text(json.dumps([entry]))
    (only,) = read_coco_detections(path)
    assert only.image_id == 7
    assert only.boxes.tolist() == [[2, 1, 6, 4]]


def test_ground_truth_is_read_with_crowds_ignored(tmp_path):
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(instances()))
    truths, categories = read_coco_ground_truth(path)
    assert categories == {3: "danger"}
    assert truths[0].boxes.tolist() == [[2, 1, 6, 4], [0, 0, 9, 9]]
    assert truths[0].ignored.tolist() == [False, True]
    assert truths[0].file_name == "a.jpg"
    assert len(truths[1].boxes) == 0


def instances():
    common = {"image_id": 1, "category_id": 3}
    return {
        "images": [
            {"id": 1, "file_name": "a.jpg", "height": 10, "width": 20},
            {"id": 2, "file_name": "b.jpg", "height": 10, "width": 20},
        ],
        "categories": [{"id": 3, "name": "danger"}],
        "annotations": [
            {"bbox": [1, 2, 3, 4], **common},
            {"bbox": [0, 0, 9, 9], "iscrowd": 1, **common},
        ],
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), "expected a list named 'images'"),
        (lambda c: c["images"][1].update(id=1), r"images\[1\]: id 1 comes"),
        (lambda c: c["images"][0].pop("width"), "'width' is missing"),
        (
            lambda c: c["annotations"][1].pop("bbox"),
            r"annotations\[1\]: 'bbox'",
        ),
        (
            lambda c: c["annotations"][0].update(bbox=[0, 0, -1, 2]),
            "'bbox' must be",
        ),
        (
            lambda c: c["annotations"][0].update(bbox=[0, 0, 1]),
            "'bbox' must be",
        ),
        (
            lambda c: c["annotations"][0].update(category_id="x"),
            "'category_id' has an unusable value 'x'",
        ),
        (lambda c: c["annotations"][0].update(image_id=9), "image 9, which is"),
        (lambda c: c["annotations"].append(5), r"annotations\[2\]: expected"),
    ],
)
def test_bad_entries_are_named(tmp_path, change, message):
    content = instances()
    change(content)
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        read_coco_ground_truth(path)


def test_a_missing_or_broken_file_is_named(tmp_path):
    path = tmp_path / "instances.json"
    with pytest.raises(DataError, match="cannot be read"):
        read_coco_ground_truth(path)
    path.write_text('{"images": [')
    with pytest.raises(DataError, match="not a JSON file"):
        read_coco_ground_truth(path)
    with pytest.raises(DataError, match="not a JSON file"):
        read_coco_detections(path)


def test_arrays_of_different_length_or_not_finite_are_refused():
    with pytest.raises(DataError, match="image 1: 1 boxes but 2"):
        Detections(1, [square(0, 0, 5)], [0.5, 0.5], [1])
    with pytest.raises(DataError, match="image 4: boxes must be finite"):
        Detections(4, [[0, 0, np.nan, 5]], [0.5], [1])
