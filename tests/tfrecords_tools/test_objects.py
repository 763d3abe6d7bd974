"""Boxes end inside their image, and names of classes are known or named."""

import math

import pytest

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.example import clip_box
from tfrecords_tools.example import normalize
from tfrecords_tools.example import prepare_objects

HEIGHT, WIDTH = 60, 80
LABEL_MAP = LabelMap({1: "stop sign", 3: "yield"}, {1: "/m/stop"}, "map.pbtxt")


@pytest.mark.parametrize(
    ("box", "expected", "outcome"),
    [
        ((0, 0, 60, 80), (0, 0, 60, 80), None),
        ((59, 79, 60, 80), (59, 79, 60, 80), None),
        ((-5, 10, 20, 90), (0, 10, 20, 80), Outcome.BOX_CLIPPED),
        ((1, 2, 61, 3), (1, 2, 60, 3), Outcome.BOX_CLIPPED),
        # Sums of decimal fractions end a little outside.
        ((0, 0, 60 + 1e-9, 80), (0, 0, 60, 80), None),
        ((60, 0, 70, 10), None, Outcome.BOX_OUTSIDE),
        ((0, -9, 10, 0), None, Outcome.BOX_OUTSIDE),
        ((5, 5, 5, 9), None, Outcome.BOX_WITHOUT_AREA),
        ((9, 5, 5, 9), None, Outcome.BOX_WITHOUT_AREA),
        ((1, 20, 9, 20 + 1e-7), None, Outcome.BOX_WITHOUT_AREA),
        ((1, 2, math.nan, 4), None, Outcome.BOX_WITHOUT_AREA),
        ((1, 2, math.inf, 4), None, Outcome.BOX_WITHOUT_AREA),
        ((-math.inf, 2, 3, 4), None, Outcome.BOX_WITHOUT_AREA),
    ],
)
def test_a_box_has_one_outcome(box, expected, outcome):
    assert clip_box(box, HEIGHT, WIDTH) == (expected, outcome)


def test_coordinates_are_fractions_of_height_and_width():
    boxes = normalize([(15, 20, 30, 80)], HEIGHT, WIDTH)
    assert boxes.tolist() == [[0.25, 0.25, 0.5, 1]]
    assert normalize([], HEIGHT, WIDTH).shape == (0, 4)


def make_object(name: str, box=(1, 2, 3, 4)) -> AnnotatedObject:
    return AnnotatedObject(box, name, where="a.json: object 7")


def test_names_and_identifiers_of_the_label_map_are_known():
    objects = [make_object("yield"), make_object("/m/stop")]
    assert prepare_objects(objects, HEIGHT, WIDTH, LABEL_MAP) == (objects, [])


def test_an_unknown_class_is_an_error_that_names_the_nearest():
    message = "a.json: object 7: the class 'yeld' is not in map.pbtxt .*'yield'"
    with pytest.raises(DataError, match=message):
        prepare_objects([make_object("yeld")], HEIGHT, WIDTH, LABEL_MAP)


def test_objects_that_are_left_out_are_counted_one_by_one():
    objects = [
        make_object("bus"),
        make_object("yield", (50, 0, 70, 10)),
        make_object("yield", (90, 0, 99, 10)),
        make_object("bus"),
    ]
    kept, outcomes = prepare_objects(
        objects, HEIGHT, WIDTH, LABEL_MAP, skip_other_classes=True
    )
    assert [item.box for item in kept] == [(50, 0, 60, 10)]
    assert sorted(outcomes) == sorted(
        [
            Outcome.OTHER_CLASS,
            Outcome.BOX_CLIPPED,
            Outcome.BOX_OUTSIDE,
            Outcome.OTHER_CLASS,
        ]
    )
