"""Holds recall, accuracy and F1 to the seven rules of the official protocol.

Every rule has a scene of its own with a result computed by hand, and the fast
counting is compared with a plain loop on random scenes.
"""

import math

import numpy as np
import pytest

from featsr_tf.errors import DataError
from featsr_tf.evaluation.matching import find_candidates
from featsr_tf.evaluation.matching import match_greedily
from featsr_tf.evaluation.matching import pairwise_iou
from featsr_tf.evaluation.size_ranges import area_ranges
from featsr_tf.evaluation.size_ranges import long_side_ranges
from featsr_tf.evaluation.tt100k import best_threshold
from featsr_tf.evaluation.tt100k import f1_over_thresholds
from featsr_tf.evaluation.tt100k import recall_accuracy_f1
from tests.evaluation.scenes import found
from tests.evaluation.scenes import random_scene
from tests.evaluation.scenes import square
from tests.evaluation.scenes import truth


def figures(truths, detections, class_ids=(1,), threshold=0.5, **options):
    return recall_accuracy_f1(
        truths, detections, class_ids, threshold, **options
    )


def test_perfect_detections_score_one_in_every_size():
    boxes = [square(0, 0, 20), square(100, 0, 60), square(300, 0, 200)]
    result = figures([truth(boxes)], [found(boxes)])
    for size in ("small", "medium", "large", "all"):
        assert result[size]["recall"] == 1
        assert result[size]["accuracy"] == 1
        assert result[size]["f1"] == 1
    assert [size["num_objects"] for size in result.values()] == [1, 1, 1, 3]


def test_hopeless_detections_score_zero():
    result = figures([truth([square(0, 0, 20)])], [found([square(50, 50, 20)])])
    assert result["all"] == {
        "recall": 0,
        "accuracy": 0,
        "f1": 0,
        "num_objects": 1,
    }


def test_a_scene_computed_by_hand():
    objects = [square(0, 0, 20), square(0, 50, 20), square(0, 100, 20)]
    shown = [objects[0], objects[1], square(500, 500, 20), square(600, 0, 20)]
    result = figures([truth(objects)], [found(shown)])["small"]
    assert result["recall"] == pytest.approx(2 / 3)
    assert result["accuracy"] == 0.5
    assert result["f1"] == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))


def test_rule_1_overlap_must_exceed_one_half_unless_the_paper_is_followed():
    objects = [truth([[0, 0, 10, 10]])]
    exactly_half = [found([[0, 0, 10, 5]])]
    assert figures(objects, exactly_half)["all"]["recall"] == 0
    paper = figures(objects, exactly_half, inclusive=True)
    assert paper["all"]["recall"] == 1


def test_rule_1_asks_for_the_same_class():
    box = square(0, 0, 20)
    result = figures([truth([box], [1])], [found([box], None, [2])], (1, 2))
    assert result["all"]["recall"] == 0
    assert result["all"]["accuracy"] == 0


def test_rule_2_the_larger_overlap_wins_not_the_better_score():
    # The better score overlaps both objects; by score it would take the first
    # one from the exact detection.
    objects = [[0, 0, 10, 10], [0, 3, 10, 13]]
    shown = [[0, 1, 10, 11], [0, 0, 10, 10]]
    scores = [0.95, 0.6]
    candidates = find_candidates([truth(objects)], [found(shown, scores)])
    assert sorted(map(tuple, candidates.matches())) == [(0, 1), (1, 0)]


def test_rule_2_an_object_is_found_once():
    box = square(0, 0, 20)
    result = figures([truth([box])], [found([box, box, box])])["all"]
    assert result["recall"] == 1
    assert result["accuracy"] == pytest.approx(1 / 3)


def test_rule_3_an_object_of_another_size_is_ignored_with_its_match():
    # A small detection (30 x 30) of a medium object (33 x 33).
    result = figures([truth([square(0, 0, 33)])], [found([square(1, 1, 30)])])
    assert result["small"]["num_objects"] == 0
    assert math.isnan(result["small"]["accuracy"])
    assert result["medium"]["recall"] == 1
    assert result["medium"]["accuracy"] == 1


def test_rule_3_an_unmatched_detection_counts_in_its_own_size_only():
    objects = [truth([square(0, 0, 20), square(200, 0, 50)])]
    shown = [found([square(0, 0, 20), square(200, 0, 50), square(500, 0, 50)])]
    result = figures(objects, shown)
    assert result["small"]["accuracy"] == 1
    assert result["medium"]["accuracy"] == 0.5


def test_rule_3_long_sides_are_half_open_and_end_at_400():
    boxes = [square(0, 0, 32), square(0, 100, 96), square(0, 500, 400)]
    result = figures([truth(boxes)], [found(boxes)], ranges=long_side_ranges())
    assert [size["num_objects"] for size in result.values()] == [0, 1, 1, 2]


def test_rule_3_areas_include_their_upper_bound_as_in_the_paper():
    boxes = [square(0, 0, 32), square(0, 100, 96), square(0, 500, 400)]
    result = figures([truth(boxes)], [found(boxes)], ranges=area_ranges())
    assert [size["num_objects"] for size in result.values()] == [1, 1, 1, 3]


def test_rule_4_other_classes_are_ignored():
    boxes = [square(0, 0, 20), square(100, 0, 20)]
    result = figures([truth(boxes, [1, 7])], [found(boxes, None, [1, 9])])
    assert result["all"]["num_objects"] == 1
    assert result["all"]["f1"] == 1


def test_rule_5_detections_below_the_score_are_ignored():
    boxes = [square(0, 0, 20), square(100, 0, 20)]
    shown = [found(boxes, [0.5, 0.499])]
    assert figures([truth(boxes)], shown)["all"]["recall"] == 0.5
    assert figures([truth(boxes)], shown)["all"]["accuracy"] == 1


def test_rule_5_a_low_score_leaves_the_object_to_another_detection():
    objects = [truth([square(0, 0, 20)])]
    shown = [found([square(0, 0, 20), square(1, 1, 20)], [0.3, 0.8])]
    assert figures(objects, shown)["all"]["f1"] == 1


def test_rule_6_counts_are_pooled_over_classes_and_images():
    rare, common = square(0, 0, 20), [square(100, 50 * i, 20) for i in range(9)]
    truths = [
        truth([rare, *common[:5]], [1] + [2] * 5),
        truth(common[5:], [2] * 4, image_id=2),
    ]
    shown = [found([rare], None, [1])]
    result = figures(truths, shown, (1, 2))
    # Averaged over classes the recall would be one half.
    assert result["all"]["recall"] == 0.1


def test_rule_7_an_image_without_detections_counts():
    box = square(0, 0, 20)
    truths = [truth([box]), truth([box], image_id=2)]
    assert figures(truths, [found([box])])["all"]["recall"] == 0.5
    both = [found([box]), found(image_id=2)]
    assert figures(truths, both)["all"]["recall"] == 0.5


def test_no_detections_leave_accuracy_undefined_and_f1_zero():
    result = figures([truth([square(0, 0, 20)])], [])["all"]
    assert result["recall"] == 0
    assert math.isnan(result["accuracy"])
    assert result["f1"] == 0


def test_no_objects_leave_recall_and_f1_undefined():
    result = figures([truth()], [found([square(0, 0, 20)])])["all"]
    assert math.isnan(result["recall"])
    assert math.isnan(result["f1"])
    assert result["accuracy"] == 0


def test_ignored_objects_need_not_be_found_and_excuse_detections():
    boxes = [square(0, 0, 20), square(100, 0, 20)]
    objects = [truth(boxes, [1, 1], [False, True])]
    assert figures(objects, [found(boxes[:1])])["all"]["f1"] == 1
    assert figures(objects, [found([*boxes, boxes[1]])])["all"]["f1"] == 1


def test_detections_of_an_unknown_image_are_refused():
    with pytest.raises(DataError, match="image 5: no such image"):
        figures([truth()], [found(image_id=5)])


def test_an_image_given_twice_is_refused():
    with pytest.raises(DataError, match="image 1: given twice"):
        figures([truth(), truth()], [])


def test_no_images_at_all_are_refused():
    with pytest.raises(DataError, match="no images"):
        figures([], [])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ranges", [area_ranges(), long_side_ranges()])
def test_the_threshold_curve_equals_a_plain_loop_at_each_threshold(
    seed, ranges
):
    truths, detections = random_scene(np.random.default_rng(seed))
    grid = np.arange(0, 101, 10) / 100
    curve = f1_over_thresholds(truths, detections, (1, 2), grid, ranges)
    pooled = curve.figures()
    for index, threshold in enumerate(curve.thresholds):
        for size in ranges:
            expected = plain_loop(truths, detections, (1, 2), threshold, size)
            values = pooled[size.name]
            np.testing.assert_allclose(values["recall"][index], expected[0])
            np.testing.assert_allclose(values["accuracy"][index], expected[1])


def plain_loop(truths, detections, class_ids, threshold, size):
    """Counts as the rules are written, one pair after the other."""
    right = objects = shown = 0
    for item, seen in zip(truths, detections, strict=True):
        pairs = []
        overlaps = pairwise_iou(item.boxes, seen.boxes)
        for i, j in np.argwhere(overlaps > 0.5).tolist():
            if item.classes[i] == seen.classes[j]:
                pairs.append((-overlaps[i, j], i, j))
        partner, excused = {}, set()
        for _, i, j in sorted(pairs):
            if seen.scores[j] < threshold or item.classes[i] not in class_ids:
                continue
            if item.ignored[i]:
                excused.add(j)
            elif i not in partner and j not in partner.values():
                partner[i] = j
        inside = size.contains(item.boxes)
        for i in range(len(item.boxes)):
            if item.classes[i] in class_ids and not item.ignored[i]:
                objects += inside[i]
                right += inside[i] and i in partner
                shown += inside[i] and i in partner
        outside = ~size.contains(seen.boxes) | (seen.scores < threshold)
        for j in range(len(seen.boxes)):
            matched = j in partner.values() or j in excused
            wanted = seen.classes[j] in class_ids
            shown += bool(wanted and not matched and not outside[j])
    nan = float("nan")
    return (
        right / objects if objects else nan,
        right / shown if shown else nan,
    )


@pytest.mark.parametrize("seed", range(20))
def test_greedy_matching_equals_the_sequential_procedure(seed):
    generator = np.random.default_rng(seed)
    pairs = generator.integers(0, 12, [generator.integers(0, 60), 2])
    taken, rows, columns = [], set(), set()
    for row, column in pairs.tolist():
        if row not in rows and column not in columns:
            taken.append((row, column))
            rows.add(row)
            columns.add(column)
    assert sorted(map(tuple, match_greedily(pairs).tolist())) == sorted(taken)


def test_the_best_threshold_keeps_what_is_right_and_drops_what_is_wrong():
    boxes = [square(0, 0, 20), square(100, 0, 20)]
    shown = [found([*boxes, square(500, 0, 20)], [0.993, 0.992, 0.991])]
    curve = f1_over_thresholds([truth(boxes)], shown, (1,))
    assert best_threshold(curve) == pytest.approx(0.992)


def test_a_threshold_grid_reaches_saturated_scores():
    curve = f1_over_thresholds([truth()], [], (1,))
    assert curve.thresholds[-1] >= 0.995
    assert (np.diff(curve.thresholds) > 0).all()


def test_overlaps_have_no_pixel_added_to_the_widths():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 0, 0]])
    others = np.array([[0, 5, 10, 15], [20, 20, 30, 30]])
    expected = [[50 / 150, 0], [0, 0]]
    np.testing.assert_allclose(pairwise_iou(boxes, others), expected)
