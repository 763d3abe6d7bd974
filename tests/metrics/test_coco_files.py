"""Detections files must stand alone, whole or not at all."""

import json

import numpy as np
import pytest

from featsr_tf.errors import DataError
from featsr_tf.metrics.coco_files import write_coco_detections
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import ImageInfo
from tests.metrics.scenes import found
from tests.metrics.scenes import square

IMAGES = [ImageInfo(1, "a.jpg", 100, 200), ImageInfo(2, "b.jpg", 100, 200)]


def test_what_is_written_stands_alone(tmp_path):
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


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "detections.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_coco_detections(
            path, [ImageInfo({1}, "a.jpg", 1, 1)], [], {1: "danger"}
        )
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_of_different_length_or_not_finite_are_refused():
    with pytest.raises(DataError, match="image 1: 1 boxes but 2"):
        Detections(1, [square(0, 0, 5)], [0.5, 0.5], [1])
    with pytest.raises(DataError, match="image 4: boxes must be finite"):
        Detections(4, [[0, 0, np.nan, 5]], [0.5], [1])
