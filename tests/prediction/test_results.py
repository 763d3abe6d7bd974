"""Results are handed on without a change but that of their form."""

import dataclasses
import json
import sys

import numpy as np
import PIL.Image
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.metrics.detections import Detections
from featsr_tf.prediction.results import Result

IMAGE = np.zeros([60, 80, 3], np.uint8)


@pytest.fixture
def result():
    return Result(
        source=IMAGE,
        size=(60, 80),
        detections=Detections(
            0,
            [[10, 20, 30, 50], [1, 2, 3, 4.5], [52, 60, 56, 70]],
            [0.9, 0.6, 0.2],
            [2, 1, 7],
        ),
        class_names={1: "stop", 2: "yield"},
        min_score=0.5,
    )


def test_columns_stand_side_by_side(result):
    assert len(result) == 3
    assert result.names == ["yield", "stop", "class 7"]
    assert result.to_numpy().tolist() == [
        [10, 20, 30, 50, 0.9, 2],
        [1, 2, 3, 4.5, 0.6, 1],
        [52, 60, 56, 70, 0.2, 7],
    ]


def test_low_scores_can_be_left_out(result):
    assert result.above(0.6).names == ["yield", "stop"]
    assert result.above(0.95).to_numpy().shape == (0, 6)


def test_all_that_is_above_a_score_is_drawn(result):
    chosen = result.above(0.1)
    assert len(chosen) == 3
    assert np.any(chosen.draw() != np.asarray(result.draw()))
    assert np.array_equal(chosen.draw(), result.draw(0.1))
    assert np.array_equal(chosen.draw(0.5), result.draw())


def test_coco_has_x_y_width_height(result):
    assert result.above(0.7).to_coco(5) == [
        {
            "image_id": 5,
            "category_id": 2,
            "bbox": [20, 10, 30, 20],
            "area": 600,
            "iscrowd": 0,
            "score": 0.9,
        }
    ]


def test_pictures_show_what_scores_enough(result):
    picture = np.asarray(result.draw())
    assert picture.shape == IMAGE.shape
    assert picture[8:32, 18:20].max() > 200
    # The frame of the last one would run here.
    assert not picture[50:54, 57:63].any()
    assert np.asarray(result.draw(0.1))[50:54, 57:63].any()
    assert not np.asarray(result.draw(0.95)).any()


def test_it_tells_what_it_holds_in_a_line(result):
    assert repr(result) == (
        "<Result picture, 80 x 60 px: 2 of 3 objects score 0.5 or more: "
        "yield 90%, stop 60%>"
    )
    assert repr(result.above(1)).endswith(
        "0 of 0 objects score 1 or more: none>"
    )


def test_objects_are_gone_through_and_picked(result):
    assert [(one.name, one.score) for one in result] == [
        ("yield", 0.9),
        ("stop", 0.6),
        ("class 7", 0.2),
    ]
    assert result[1].box.tolist() == [1, 2, 3, 4.5]
    assert result[-1].class_id == 7
    assert result[:2].names == ["yield", "stop"]
    assert result[result.scores < 0.7].names == ["stop", "class 7"]
    assert result[[2, 0]].names == ["class 7", "yield"]
    with pytest.raises(IndexError):
        result[3]


def test_json_holds_picture_and_objects(result):
    named = dataclasses.replace(result, file_name="a\udcff.jpg")
    assert json.loads(named.above(0.7).to_json()) == {
        "file_name": "a\udcff.jpg",
        "width": 80,
        "height": 60,
        "detections": [
            {
                "category_id": 2,
                "category_name": "yield",
                "bbox": [20, 10, 30, 20],
                "score": 0.9,
            }
        ],
    }
    repr(named).encode()


def test_it_saves_what_it_draws(result, tmp_path):
    path = tmp_path / "new" / ("x" * 250 + ".png")
    result.save(path, 0.1)
    with PIL.Image.open(path) as saved:
        np.testing.assert_array_equal(saved, result.draw(0.1))
    result.save(str(tmp_path / "a.JPG"))
    with PIL.Image.open(tmp_path / "a.JPG") as saved:
        assert (saved.format, saved.size) == ("JPEG", (80, 60))
    for name in ("a.txt", "a", "a.h5", "a.xbm"):
        with pytest.raises(DataError, match=f"{name}: no picture of 80 x 60"):
            result.save(tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"new", "a.JPG"}


def test_a_picture_that_is_drawn_on_elsewhere_stays(result):
    result.image[:] = 255
    assert not result.image.any()


def test_supervision_gets_xyxy(result):
    supervision = pytest.importorskip("supervision")
    found = result.to_supervision()
    assert isinstance(found, supervision.Detections)
    assert found.xyxy[0].tolist() == [20, 10, 50, 30]
    np.testing.assert_allclose(found.confidence, [0.9, 0.6, 0.2], rtol=1e-6)
    assert found.class_id.tolist() == [2, 1, 7]
    assert found["class_name"].tolist() == ["yield", "stop", "class 7"]
    assert len(result.above(1).to_supervision()) == 0


def test_a_missing_supervision_is_named(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ConfigError, match="pip install supervision"):
        result.to_supervision()
