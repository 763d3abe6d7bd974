"""What a second detector adds, loses and moves, counted by hand."""

import math

import pytest

from featsr_tf.metrics.changes import find_changes
from featsr_tf.metrics.changes import format_changes
from tests.metrics.scenes import found
from tests.metrics.scenes import square
from tests.metrics.scenes import truth

# Three small objects and a medium one.
FIRST, SECOND, THIRD = (square(10, left, 20) for left in (10, 110, 210))
MEDIUM = square(100, 100, 50)
NONE = {
    "added": 0,
    "lost": 0,
    "false_added": 0,
    "false_removed": 0,
    "found_by_both": 0,
}


def changes(before, after, objects=(FIRST, SECOND, THIRD, MEDIUM), **options):
    options = {"class_ids": [1], "thresholds": (0.5, 0.5), **options}
    return find_changes([truth(objects)], [before], [after], **options)


def test_objects_are_added_lost_and_moved():
    # 10 of 20 columns beside it: an overlap of 2 / 3, then of 1.
    beside = [10, 10, 30, 40]
    result = changes(
        found([beside, SECOND, MEDIUM]), found([FIRST, THIRD, MEDIUM])
    )
    assert result["small"] == {
        **NONE,
        "added": 1,
        "lost": 1,
        "found_by_both": 1,
        "overlap_change": pytest.approx(1 / 3),
    }
    assert result["medium"] == {
        **NONE,
        "found_by_both": 1,
        "overlap_change": 0.0,
    }
    large = result["large"]
    assert math.isnan(large.pop("overlap_change")) and large == NONE
    assert result["all"]["overlap_change"] == pytest.approx(1 / 6)


def test_each_detector_has_its_own_threshold():
    result = changes(
        found([FIRST, SECOND], [0.4, 0.7]),
        found([FIRST, SECOND], [0.4, 0.7]),
        thresholds=(0.5, 0.3),
    )
    assert result["small"]["added"] == 1
    assert result["small"]["found_by_both"] == 1


def test_a_false_detection_that_both_make_is_no_change():
    stray, moved, other = square(300, 300, 20), square(302, 300, 20), MEDIUM
    result = changes(
        found([stray, square(500, 500, 40)]),
        found([moved, square(700, 700, 20), square(702, 700, 20), other]),
        objects=[FIRST],
    )
    assert result["small"]["false_added"] == 2
    assert result["small"]["false_removed"] == 0
    assert result["medium"]["false_added"] == 1
    assert result["medium"]["false_removed"] == 1
    # Of another class it is another one.
    result = changes(
        found([stray], classes=[1]),
        found([stray], classes=[2]),
        objects=[FIRST],
        class_ids=[1, 2],
    )
    assert result["all"]["false_added"] == result["all"]["false_removed"] == 1


def test_what_nobody_has_to_find_is_neither_added_nor_false():
    truths = [truth([FIRST, SECOND], difficult=[True, False])]
    result = find_changes(truths, [found()], [found([FIRST])], [1], (0.5, 0.5))
    assert {key: result["all"][key] for key in NONE} == NONE


def test_images_without_anything_have_no_changes():
    result = changes(found(), found(), objects=[])
    assert {key: result["all"][key] for key in NONE} == NONE


def test_the_table_has_a_column_for_each_size():
    figures = {**NONE, "added": 1200, "overlap_change": -0.0312}
    empty = {**NONE, "overlap_change": None}
    table = format_changes(
        {"small": figures, "medium": empty, "large": empty, "all": figures}
    )
    heads, added, *_, moved = table.splitlines()
    assert heads.split() == ["Small", "Medium", "Large", "Overall"]
    assert added.split()[-4:] == ["1,200", "0", "0", "1,200"]
    assert moved.split()[-4:] == ["-3.1", "-", "-", "-3.1"]
    assert len(set(map(len, table.splitlines()))) == 1
