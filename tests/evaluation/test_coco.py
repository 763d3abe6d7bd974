"""Holds average precision to a direct run of pycocotools on files."""

import json
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from featsr_tf.evaluation.coco import average_precision
from featsr_tf.evaluation.coco import precision_over_recall
from tests.evaluation.scenes import found
from tests.evaluation.scenes import random_scene
from tests.evaluation.scenes import square
from tests.evaluation.scenes import truth


def direct_run(folder, truths, detections):
    """Runs COCOeval the documented way: annotation file and result list."""
    objects = [
        {
            "id": 100 * item.image_id + index + 1,
            "image_id": item.image_id,
            "category_id": int(item.classes[index]),
            "bbox": [x, y, right - x, bottom - y],
            "area": (right - x) * (bottom - y),
            "iscrowd": int(item.ignored[index]),
        }
        for item in truths
        for index, (y, x, bottom, right) in enumerate(item.boxes.tolist())
    ]
    results = [
        {
            "image_id": item.image_id,
            "category_id": int(item.classes[index]),
            "bbox": [x, y, right - x, bottom - y],
            "score": float(item.scores[index]),
        }
        for item in detections
        for index, (y, x, bottom, right) in enumerate(item.boxes.tolist())
    ]
    path = folder / "instances.json"
    path.write_text(
        json.dumps(
            {
                "info": {},
                "images": [{"id": item.image_id} for item in truths],
                "categories": [{"id": index} for index in (1, 2, 3)],
                "annotations": objects,
            }
        )
    )
    coco = COCO(str(path))
    evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("seed", range(8))
def test_figures_equal_a_direct_run_of_pycocotools(tmp_path, seed):
    truths, detections = random_scene(np.random.default_rng(seed))
    result = average_precision(truths, detections, (1, 2, 3))
    evaluation = direct_run(tmp_path, truths, detections)
    ap, ap50, _, small, medium, large = evaluation.stats[:6]
    assert result["all"]["ap"] == pytest.approx(ap, abs=1e-9)
    assert result["all"]["ap50"] == pytest.approx(ap50, abs=1e-9)
    assert result["all"]["ar"] == pytest.approx(evaluation.stats[8], abs=1e-9)
    for size, expected, recall in zip(
        ("small", "medium", "large"),
        (small, medium, large),
        evaluation.stats[9:],
        strict=True,
    ):
        for key, value in (("ap", expected), ("ar", recall)):
            value = value if value > -1 else math.nan
            assert result[size][key] == pytest.approx(
                value, abs=1e-9, nan_ok=True
            )


def test_perfect_detections_have_full_precision():
    boxes = [square(0, 0, 20), square(100, 0, 60)]
    result = average_precision([truth(boxes)], [found(boxes)], (1,))
    assert result["small"] == pytest.approx({"ap50": 1, "ap": 1, "ar": 1})
    assert result["medium"] == pytest.approx({"ap50": 1, "ap": 1, "ar": 1})


def test_a_size_without_objects_is_undefined():
    boxes = [square(0, 0, 20)]
    result = average_precision([truth(boxes)], [found(boxes)], (1,))
    assert all(math.isnan(value) for value in result["large"].values())


def test_no_detections_score_zero():
    result = average_precision([truth([square(0, 0, 20)])], [], (1,))
    assert result["all"] == {"ap50": 0, "ap": 0, "ar": 0}


def test_no_objects_are_undefined_everywhere():
    result = average_precision([truth()], [found([square(0, 0, 20)])], (1,))
    assert all(
        math.isnan(value) for size in result.values() for value in size.values()
    )


def test_ties_between_scores_are_settled_by_the_order_given():
    box, stray = square(0, 0, 20), square(500, 0, 20)
    first = average_precision([truth([box])], [found([box, stray])], (1,))
    second = average_precision([truth([box])], [found([stray, box])], (1,))
    assert first["all"]["ap50"] == pytest.approx(1)
    assert second["all"]["ap50"] == pytest.approx(0.5)


def test_ignored_objects_neither_help_nor_hurt():
    boxes = [square(0, 0, 20), square(100, 0, 20)]
    objects = [truth(boxes, [1, 1], [False, True])]
    for shown in (boxes, boxes[:1]):
        result = average_precision(objects, [found(shown)], (1,))
        assert result["all"]["ap50"] == pytest.approx(1)


def test_classes_that_are_not_evaluated_do_not_count():
    boxes = [square(0, 0, 20), square(100, 0, 20)]
    result = average_precision([truth(boxes, [1, 7])], [found(boxes[:1])], (1,))
    assert result["all"]["ap50"] == pytest.approx(1)


def test_nothing_is_printed(capsys):
    average_precision([truth([square(0, 0, 20)])], [], (1,))
    assert capsys.readouterr().out == ""


def test_the_precision_curve_averages_to_ap50():
    truths, detections = random_scene(np.random.default_rng(3))
    curve = precision_over_recall(truths, detections, (1, 2, 3))
    result = average_precision(truths, detections, (1, 2, 3))
    assert np.mean(curve["small"]) == pytest.approx(result["small"]["ap50"])
    assert len(curve["recall"]) == 101
