"""Holds recall, accuracy and F1 to the seven rules of the official protocol.

Every rule has a scene of its own with a result computed by hand, and the fast
counting is compared with a plain loop on random scenes.
"""

import math

import numpy as np
import pytest

from featsr_tf.errors import DataError
from featsr_tf.metrics.detections import area_ranges
from featsr_tf.metrics.detections import long_side_ranges
from featsr_tf.metrics.detections import no_detections
from featsr_tf.metrics.detections import size_ranges
from featsr_tf.metrics.matching import find_candidates
from featsr_tf.metrics.matching import match_greedily
from featsr_tf.metrics.tt100k import best_threshold
from featsr_tf.metrics.tt100k import count_found
from featsr_tf.metrics.tt100k import figures_by_class
from featsr_tf.metrics.tt100k import recall_accuracy_f1
from featsr_tf.metrics.tt100k import threshold_grid
from tests.metrics.scenes import found
from tests.metrics.scenes import random_scene
from tests.metrics.scenes import square
from tests.metrics.scenes import truth


def figures(truths, detections, class_ids=(1,), ranges=None):
    candidates = find_candidates(truths, detections, class_ids)
    return recall_accuracy_f1(candidates, 0.5, ranges)


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
        "precision": 0,
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


def test_rule_1_overlap_must_exceed_one_half():
    objects = [truth([[0, 0, 10, 10]])]
    exactly_half = [found([[0, 0, 10, 5]])]
    assert figures(objects, exactly_half)["all"]["recall"] == 0
    a_little_more = [found([[0, 0, 10, 5.001]])]
    assert figures(objects, a_little_more)["all"]["recall"] == 1


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


def overlap(first, second):
    height = min(first[2], second[2]) - max(first[0], second[0])
    width = min(first[3], second[3]) - max(first[1], second[1])
    if height <= 0 or width <= 0:
        return 0.0
    sizes = [(b[2] - b[0]) * (b[3] - b[1]) for b in (first, second)]
    return height * width / (sum(sizes) - height * width)


def inside(box, low, high, by_long_side):
    height, width = box[2] - box[0], box[3] - box[1]
    if by_long_side:
        return low <= max(height, width) < high
    return low**2 < height * width <= high**2


def plain_counts(truth, seen, class_id, threshold, bin_):
    """Goes through the rules for one class of one image, pair by pair."""
    objects = [
        (box, ignored)
        for box, class_, ignored in zip(
            truth.boxes.tolist(), truth.classes, truth.ignored, strict=True
        )
        if class_ == class_id
    ]
    shown = [
        box
        for box, class_, score in zip(
            seen.boxes.tolist(), seen.classes, seen.scores, strict=True
        )
        if class_ == class_id and score >= threshold
    ]
    free = {n for n, (_, ignored) in enumerate(objects) if not ignored}
    unmatched = set(range(len(shown)))
    matched = []
    while True:
        pairs = [
            (-overlap(objects[n][0], shown[m]), n, m)
            for n in free
            for m in unmatched
            if overlap(objects[n][0], shown[m]) > 0.5
        ]
        if not pairs:
            break
        _, n, m = min(pairs)
        free.remove(n)
        unmatched.remove(m)
        matched.append(n)
    excused = {
        m
        for m in unmatched
        for box, ignored in objects
        if ignored and overlap(box, shown[m]) > 0.5
    }
    right = sum(inside(objects[n][0], *bin_) for n in matched)
    missed = sum(inside(objects[n][0], *bin_) for n in free)
    wrong = sum(inside(shown[m], *bin_) for m in unmatched - excused)
    return np.array([right, missed, wrong])


BINS = {
    "area": ((0, 32), (32, 96), (96, 1e6), (0, 1e6)),
    "long_side": ((0, 32), (32, 96), (96, 400), (0, 400)),
}


@pytest.mark.parametrize("size_by", BINS)
@pytest.mark.parametrize("seed", range(100))
def test_figures_equal_a_plain_reading_of_the_rules(seed, size_by):
    truths, detections = random_scene(np.random.default_rng(seed), 6)
    seen = {item.image_id: item for item in detections}
    ranges = size_ranges(size_by)
    candidates = find_candidates(truths, detections, (1, 2))
    by_class = figures_by_class(candidates, 0.4, (1, 2), ranges)
    pooled = recall_accuracy_f1(candidates, 0.4, ranges)
    for size, bounds in zip(ranges, BINS[size_by], strict=True):
        total = np.zeros(3, int)
        for class_id in (1, 2):
            counts = sum(
                plain_counts(
                    item,
                    seen.get(item.image_id, no_detections(item.image_id)),
                    class_id,
                    0.4,
                    (*bounds, size_by == "long_side"),
                )
                for item in truths
            )
            check(by_class[class_id][size.name], *counts)
            total += counts
        check(pooled[size.name], *total)


def check(found_figures, right, missed, wrong):
    recall, accuracy = found_figures["recall"], found_figures["accuracy"]
    assert found_figures["num_objects"] == right + missed
    if right + missed:
        assert recall == pytest.approx(right / (right + missed))
    if right + wrong:
        assert accuracy == pytest.approx(right / (right + wrong))
    if right:
        f1 = 2 * recall * accuracy / (recall + accuracy)
        assert found_figures["f1"] == pytest.approx(f1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size_by", BINS)
def test_the_threshold_curve_has_the_figures_of_each_threshold(seed, size_by):
    candidates = find_candidates(
        *random_scene(np.random.default_rng(seed)), (1, 2)
    )
    grid, ranges = np.arange(0, 101, 10) / 100, size_ranges(size_by)
    curve = count_found(candidates, grid, ranges).figures()
    for index, threshold in enumerate(grid):
        alone = recall_accuracy_f1(candidates, threshold, ranges)
        for name, values in curve.items():
            for key in ("recall", "accuracy", "f1"):
                np.testing.assert_equal(values[key][index], alone[name][key])


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
    found_pairs = pairs[match_greedily(pairs)]
    assert sorted(map(tuple, found_pairs.tolist())) == sorted(taken)


def test_the_best_threshold_keeps_what_is_right_and_drops_what_is_wrong():
    boxes = [square(0, 0, 20), square(100, 0, 20)]
    shown = [found([*boxes, square(500, 0, 20)], [0.993, 0.992, 0.991])]
    candidates = find_candidates([truth(boxes)], shown, (1,))
    curve = count_found(candidates, threshold_grid())
    assert best_threshold(curve) == pytest.approx(0.992)


def test_a_threshold_grid_reaches_saturated_scores():
    grid = threshold_grid()
    assert grid[-1] >= 0.995
    assert (np.diff(grid) > 0).all()
