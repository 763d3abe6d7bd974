"""Holds the figures of COCO to pycocotools, situation by situation."""

import contextlib
import io
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from featsr_tf.metrics.coco import average_precision
from tests.metrics.scenes import found
from tests.metrics.scenes import random_scene
from tests.metrics.scenes import square
from tests.metrics.scenes import truth

CLASSES = (1, 2, 3)
SMALL, LARGE = square(0, 0, 20), square(300, 0, 200)
MANY = [square(20 * (i // 40), 20 * (i % 40), 15) for i in range(120)]
# Objects, detections: truth() and found() of one image or of several.
SITUATIONS = {
    "perfect": (truth([SMALL, LARGE]), found([SMALL, LARGE])),
    "hopeless": (truth([SMALL]), found([LARGE])),
    "no detections": (truth([SMALL]), found()),
    "no objects": (truth(), found([SMALL])),
    "neither": (truth(), found()),
    "a crowd beside an object": (
        truth([SMALL, LARGE], crowd=[False, True]),
        found([SMALL, square(310, 10, 50), square(350, 10, 50)]),
    ),
    "a crowd alone": (truth([LARGE], crowd=[True]), found([LARGE])),
    "an object inside a crowd": (
        truth([LARGE, square(320, 20, 60)], crowd=[True, False]),
        found([square(320, 20, 60), square(322, 22, 60)], [0.5, 0.9]),
    ),
    "no small objects": (truth([LARGE]), found([SMALL, LARGE])),
    "no medium objects": (truth([SMALL]), found([square(0, 0, 60), SMALL])),
    "no large objects": (truth([SMALL]), found([LARGE, SMALL], [0.9, 0.1])),
    "equal scores, right first": (truth([SMALL]), found([SMALL, LARGE])),
    "equal scores, wrong first": (truth([SMALL]), found([LARGE, SMALL])),
    "equal scores in two images": (
        [truth([SMALL]), truth([SMALL], image_id=2)],
        [found([LARGE]), found([SMALL], image_id=2)],
    ),
    "equal overlaps with two objects": (
        truth([[0, 0, 20, 20], [0, 4, 20, 24]], areas=[400, 2000]),
        found([[0, 2, 20, 22], [0, 0, 20, 20]], [0.9, 0.8]),
    ),
    "more than 100 detections": (
        truth(MANY[:110]),
        found(MANY, np.linspace(0.9, 0.1, 120)),
    ),
    "more than 10 objects": (truth(MANY[:30]), found(MANY[:20])),
    "an outline much smaller than its box": (
        truth([square(0, 0, 60)], areas=[500]),
        found([square(0, 0, 60)]),
    ),
    "an outline of another size than the detection": (
        truth([square(0, 0, 100), SMALL], areas=[9000, 400]),
        found([square(0, 0, 100), square(500, 0, 100)], [0.5, 0.9]),
    ),
    "detections of an unknown class": (
        truth([SMALL]),
        found([SMALL, SMALL], None, [9, 1]),
    ),
    "another class": (truth([SMALL]), found([SMALL], None, [2])),
    "a class without objects": (
        truth([SMALL], [2]),
        found([SMALL, SMALL], None, [2, 3]),
    ),
    "a class without detections": (
        truth([SMALL, LARGE], [1, 2]),
        found([SMALL]),
    ),
    "an object without area": (
        truth([[5, 5, 5, 5], SMALL]),
        found([[5, 5, 5, 5], SMALL]),
    ),
    "detections without area": (truth([SMALL]), found([[5, 5, 5, 9]])),
    "the same detection three times": (
        truth([SMALL]),
        found([SMALL] * 3, [0.7, 0.8, 0.9]),
    ),
    "the same object twice": (truth([SMALL] * 2), found([SMALL] * 2)),
    "all objects ignored": (
        truth([SMALL, LARGE], crowd=[True, True]),
        found([SMALL, LARGE, square(600, 0, 30)]),
    ),
    "an area of exactly 32 x 32": (
        truth([square(0, 0, 32)]),
        found([square(0, 0, 32), square(500, 0, 32)], [0.5, 0.9]),
    ),
    "an area of exactly 96 x 96": (
        truth([square(0, 0, 96)]),
        found([square(0, 0, 96), square(500, 0, 96)], [0.5, 0.9]),
    ),
    "sides of 32 px between pixels": (
        truth([square(0.1, 0.7, 32), SMALL]),
        found([square(0.1, 0.7, 32), square(500.3, 0.9, 32)], [0.5, 0.9]),
    ),
    "an overlap of exactly one half": (
        truth([[0, 0, 10, 10]]),
        found([[0, 0, 10, 5]]),
    ),
    "an ignored object that is overlapped more": (
        truth([square(0, 0, 30), square(2, 2, 40)]),
        found([square(2, 2, 38)]),
    ),
    "a difficult object is an object": (
        truth([SMALL, LARGE], difficult=[True, False]),
        found([LARGE]),
    ),
    "scores of 0 and 1": (truth([SMALL, LARGE]), found([SMALL, LARGE], [0, 1])),
    "an image without detections": (
        [truth([SMALL]), truth([SMALL], image_id=2)],
        [found([SMALL])],
    ),
}


def listed(items):
    return items if isinstance(items, list) else [items]


def entries(items, **columns):
    return [
        {
            "image_id": item.image_id,
            "category_id": int(item.classes[row]),
            "bbox": [round(v, 6) for v in (x, y, right - x, bottom - y)],
            **{key: getattr(item, name)[row] for key, name in columns.items()},
        }
        for item in items
        for row, (y, x, bottom, right) in enumerate(item.boxes.tolist())
    ]


def run_pycocotools(truths, detections, class_ids=CLASSES):
    """Runs COCOeval the documented way and returns it."""
    objects = entries(truths, area="areas", iscrowd="crowd")
    for number, entry in enumerate(objects, 1):
        entry["id"] = number
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": item.image_id} for item in truths],
            "categories": [{"id": class_id} for class_id in class_ids],
            "annotations": objects,
        }
        coco.createIndex()
        results = entries(detections, score="scores")
        shown = coco.loadRes(results) if results else COCO()
        if not results:
            shown.dataset = {**coco.dataset, "annotations": []}
            shown.createIndex()
        evaluation = COCOeval(coco, shown, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def check(truths, detections):
    figures = average_precision(truths, detections, CLASSES)
    expected = run_pycocotools(truths, detections)
    shown = np.nan_to_num(list(figures.summary().values()), nan=-1)
    np.testing.assert_allclose(shown, expected.stats, rtol=0, atol=1e-9)
    for index, class_id in enumerate(CLASSES):
        precision = expected.eval["precision"][:, :, index, :, -1]
        by_size = figures.by_size(class_id)
        # pycocotools has "all" first.
        for size, name in enumerate(("all", "small", "medium", "large")):
            value = precision[..., size].mean()
            if value == -1:
                assert math.isnan(by_size[name]["ap"])
            else:
                assert by_size[name]["ap"] == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_figures_equal_pycocotools(situation):
    truths, detections = SITUATIONS[situation]
    check(listed(truths), listed(detections))


@pytest.mark.parametrize("seed", range(20))
def test_figures_equal_pycocotools_on_random_scenes(seed):
    check(*random_scene(np.random.default_rng(seed)))


def test_all_situations_together_equal_pycocotools():
    truths, detections = [], []
    for number, (objects, shown) in enumerate(SITUATIONS.values()):
        for item in listed(objects):
            fields = {**vars(item), "image_id": item.image_id + 10 * number}
            truths.append(type(item)(**fields))
        for item in listed(shown):
            fields = {**vars(item), "image_id": item.image_id + 10 * number}
            detections.append(type(item)(**fields))
    check(truths, detections)


def test_perfect_detections_have_full_precision():
    figures = average_precision([truth([SMALL])], [found([SMALL])], (1,))
    one = dict.fromkeys(("ap50", "ap75", "ap", "ar", "num_objects"), 1)
    assert figures.by_size()["small"] == pytest.approx(one)
    assert figures.summary()["AR1"] == 1


def test_a_size_without_objects_is_undefined():
    figures = average_precision([truth([SMALL])], [found([SMALL])], (1,))
    large = figures.by_size()["large"]
    assert large.pop("num_objects") == 0
    assert all(math.isnan(value) for value in large.values())


def test_the_precision_curve_averages_to_ap50():
    truths, detections = random_scene(np.random.default_rng(3))
    figures = average_precision(truths, detections, CLASSES)
    curve = figures.precision_over_recall()
    ap50 = figures.by_size()["small"]["ap50"]
    assert np.mean(curve["small"]) == pytest.approx(ap50)
    assert len(curve["recall"]) == 101
