"""Holds the average precision of PASCAL VOC to a plain reading of its rules."""

import math

import numpy as np
import pytest

from featsr_tf.metrics.detections import area_ranges
from featsr_tf.metrics.voc import voc_average_precision
from tests.metrics.scenes import found
from tests.metrics.scenes import random_scene
from tests.metrics.scenes import square
from tests.metrics.scenes import truth

BOX = square(0, 0, 20)


def ap50(truths, detections, size="all", **options):
    figures = voc_average_precision(truths, detections, (1,), **options)
    return figures[1][size]["ap50"]


def iou(first, second):
    height = min(first[2], second[2]) - max(first[0], second[0])
    width = min(first[3], second[3]) - max(first[1], second[1])
    if height <= 0 or width <= 0:
        return 0.0
    sizes = [(b[2] - b[0]) * (b[3] - b[1]) for b in (first, second)]
    return height * width / (sum(sizes) - height * width)


def plain_ap(truths, detections, class_id, size, eleven_point):
    """Goes through the detections one by one, the best score first."""
    objects, total = {}, 0
    for item in truths:
        rows = []
        for row, box in enumerate(item.boxes.tolist()):
            if item.classes[row] == class_id:
                inside = bool(size.contains(item.boxes[[row]])[0])
                skipped = item.ignored[row] or not inside
                rows.append({"box": box, "skipped": skipped, "hit": False})
                total += not skipped
        objects[item.image_id] = rows
    shown = [
        (-item.scores[row], order, row, item)
        for order, item in enumerate(detections)
        for row in range(len(item.scores))
        if item.classes[row] == class_id
    ]
    outcomes = []
    for _, _, row, item in sorted(shown, key=lambda entry: entry[:3]):
        best, partner = 0.0, None
        for candidate in objects[item.image_id]:
            overlap = iou(candidate["box"], item.boxes[row].tolist())
            if overlap > best:
                best, partner = overlap, candidate
        if best >= 0.5 and partner["skipped"]:
            continue
        if best >= 0.5 and not partner["hit"]:
            partner["hit"] = True
            outcomes.append(True)
        elif size.contains(item.boxes[[row]])[0]:
            outcomes.append(False)
    return area_below(outcomes, total, eleven_point)


def area_below(outcomes, total, eleven_point):
    if total == 0:
        return math.nan
    points, hits = [], 0
    for number, right in enumerate(outcomes, 1):
        hits += right
        points.append((hits / total, hits / number))

    def best(recall):
        return max((p for r, p in points if r >= recall), default=0.0)

    if eleven_point:
        return sum(best(step / 10) for step in range(11)) / 11
    area, before = 0.0, 0.0
    for recall, _ in points:
        area += (recall - before) * best(recall)
        before = recall
    return area


@pytest.mark.parametrize("eleven_point", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_figures_equal_a_plain_reading_of_the_rules(seed, eleven_point):
    truths, detections = random_scene(np.random.default_rng(seed), 8)
    ids = (1, 2, 3, 4)
    figures = voc_average_precision(
        truths, detections, ids, eleven_point=eleven_point
    )
    for class_id in ids:
        for size in area_ranges():
            assert figures[class_id][size.name]["ap50"] == pytest.approx(
                plain_ap(truths, detections, class_id, size, eleven_point),
                nan_ok=True,
            )


def test_a_scene_computed_by_hand():
    # Right, wrong, right: precision 1 up to recall 1/3, then 2/3 up to 2/3.
    objects = [BOX, square(0, 50, 20), square(0, 100, 20)]
    shown = found([BOX, square(500, 0, 20), objects[1]], [0.9, 0.8, 0.7])
    assert ap50([truth(objects)], [shown]) == pytest.approx(1 / 3 + 2 / 9)
    eleven = ap50([truth(objects)], [shown], eleven_point=True)
    assert eleven == pytest.approx((4 * 1 + 3 * 2 / 3) / 11)


def test_an_overlap_of_exactly_one_half_is_enough():
    assert ap50([truth([[0, 0, 10, 10]])], [found([[0, 0, 10, 5]])]) == 1


def test_a_second_hit_is_wrong_although_another_object_is_free():
    # Both detections overlap the left object most; COCO would give the second
    # one the object on the right.
    objects = [[0, 0, 20, 20], [0, 4, 20, 24]]
    shown = [[0, 0, 20, 20], [0, 1, 20, 21]]
    figure = ap50([truth(objects)], [found(shown, [0.9, 0.8])])
    assert figure == pytest.approx(1 / 2)


def test_difficult_objects_and_crowds_neither_help_nor_hurt():
    boxes = [BOX, square(100, 0, 20)]
    for flag in ("difficult", "crowd"):
        objects = [truth(boxes, **{flag: [False, True]})]
        for shown in (boxes, boxes[:1], [*boxes, boxes[1]]):
            assert ap50(objects, [found(shown)]) == pytest.approx(1)


def test_objects_of_another_size_are_ignored_with_their_detections():
    boxes = [BOX, square(100, 0, 60)]
    shown = [found([*boxes, square(500, 0, 60)], [0.5, 0.9, 0.9])]
    assert ap50([truth(boxes)], shown, "small") == 1
    assert ap50([truth(boxes)], shown, "medium") == 1
    assert math.isnan(ap50([truth(boxes)], shown, "large"))


def test_no_detections_score_zero():
    assert ap50([truth([BOX])], []) == 0
    assert ap50([truth([BOX])], [], eleven_point=True) == 0
