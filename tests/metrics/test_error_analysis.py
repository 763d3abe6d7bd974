"""Errors must be counted once each, and ignored objects never."""

import numpy as np

from featsr_tf.metrics.error_analysis import confusion
from featsr_tf.metrics.error_analysis import worst_images
from featsr_tf.metrics.matching import find_candidates
from tests.metrics.scenes import found
from tests.metrics.scenes import random_scene
from tests.metrics.scenes import square
from tests.metrics.scenes import truth

BOXES = [square(0, 100 * n, 20) for n in range(4)]
NAMES = {1: "stop", 5: "yield"}


def matrix_of(objects, shown, names=NAMES):
    result = confusion([objects], [shown], names, 0.5)
    return result["classes"], result["matrix"]


def test_classes_taken_for_others_misses_and_false_detections_are_told():
    objects = truth(BOXES[:3], [1, 1, 5])
    shown = found(
        [*BOXES[:2], square(500, 0, 20), square(600, 0, 20)],
        [0.9, 0.9, 0.9, 0.4],
        [1, 5, 5, 5],
    )
    classes, matrix = matrix_of(objects, shown)
    assert classes == ["stop", "yield", "background"]
    assert matrix == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]


def test_the_best_score_takes_the_object_whatever_its_class():
    shown = found([BOXES[0], BOXES[0]], [0.6, 0.9], [1, 5])
    _, matrix = matrix_of(truth(BOXES[:1]), shown)
    assert matrix == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]


def test_ignored_objects_are_nowhere_but_leave_others_their_detections():
    objects = truth(
        [BOXES[0], square(1, 1, 20), BOXES[1]],
        difficult=[True, False, False],
        crowd=[False, False, True],
    )
    shown = found([BOXES[0], BOXES[0], BOXES[1]])
    _, matrix = matrix_of(objects, shown)
    assert matrix == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_of_many_classes_only_the_confused_are_shown():
    names = {number: f"class {number}" for number in range(1, 31)}
    shown = found(BOXES[:3], None, [1, 7, 9])
    classes, matrix = matrix_of(truth(BOXES[:3], [1, 7, 8]), shown, names)
    assert classes == ["class 8", "class 9", "background"]
    assert matrix == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_the_sums_of_the_matrix_are_the_objects_and_the_detections():
    truths, detections = random_scene(np.random.default_rng(0))
    kept = [truth(t.boxes, t.classes, image_id=t.image_id) for t in truths]
    names = {1: "a", 2: "b", 3: "c"}
    matrix = np.array(confusion(kept, detections, names, 0.3)["matrix"])
    objects = np.concatenate([item.classes for item in kept])
    shown = np.concatenate([item.above(0.3).classes for item in detections])
    np.testing.assert_array_equal(
        matrix[:-1].sum(axis=1), np.bincount(objects)[1:]
    )
    np.testing.assert_array_equal(
        matrix[:, :-1].sum(axis=0), np.bincount(shown)[1:]
    )


def test_images_with_most_errors_come_first_and_good_ones_not_at_all():
    truths = [truth(BOXES[:2], image_id=number) for number in (3, 4, 8)]
    stray = square(500, 0, 20)
    shown = [
        found(BOXES[:2], image_id=3),
        found([BOXES[0], stray], image_id=8),
    ]
    listed = worst_images(truths, find_candidates(truths, shown), 0.5, 5)
    assert [entry["image_id"] for entry in listed] == [4, 8]
    assert listed[1] == {
        "position": 2,
        "image_id": 8,
        "file_name": "8.jpg",
        "missed": 1,
        "false_positives": 1,
    }
    assert worst_images(truths, find_candidates(truths, shown), 0.5, 0) == []
