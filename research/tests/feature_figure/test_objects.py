"""Which objects and frames a figure shows must not depend on chance."""

import numpy as np
import pytest

from featsr_tf.data.records import scan_records
from research.feature_figure.objects import choose_objects
from research.feature_figure.objects import list_objects
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records

CLASSES = np.array([1, 1, 1, 1, 2, 2, 3])
ALL = np.ones(7, bool)
BOXES = [[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.25], [0, 0.5, 0.25, 1]]


@pytest.fixture
def source(tmp_path):
    """Images of 40 x 80 px: three boxes, one of them difficult; none; one."""
    encoded = encode(noise_image(40, 80))
    path = write_records(
        tmp_path / "val.record",
        [
            example(encoded, BOXES, [3, 1, 2], "a.png", difficult=[0, 1, 0]),
            example(encoded, source_id=""),
            example(encoded, BOXES[:1], [1], "c.png", is_crowd=[0]),
        ],
    )
    return scan_records([path], None)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [1]), (3, [1, 2, 3]), (4, [1, 1, 2, 3]), (5, [1, 1, 2, 2, 3])],
)
def test_objects_are_spread_over_the_classes(count, expected):
    chosen = choose_objects(CLASSES, ALL, count)
    assert CLASSES[chosen].tolist() == expected
    assert len(set(chosen)) == count


def test_all_objects_are_taken_where_there_are_fewer():
    assert sorted(choose_objects(CLASSES, ALL, 20)) == list(range(7))
    assert choose_objects(CLASSES, ~ALL, 20) == []


def test_only_allowed_objects_are_chosen():
    allowed = np.isin(np.arange(7), [1, 2, 6])
    assert sorted(choose_objects(CLASSES, allowed, 3)) == [1, 2, 6]


def test_the_choice_depends_on_the_seed_alone():
    classes = np.ones(100, int)
    allowed = np.ones(100, bool)
    first = choose_objects(classes, allowed, 5, seed=3)
    assert first == choose_objects(classes, allowed, 5, seed=3)
    assert first != choose_objects(classes, allowed, 5, seed=4)


def test_objects_that_do_not_count_are_left_out(source):
    objects = list_objects(source, lambda height, width: (80, 80))
    assert objects.frames.tolist() == [0, 0, 2]
    assert objects.places.tolist() == [0, 2, 0]
    assert objects.classes.tolist() == [3, 2, 1]
    assert objects.sizes.tolist() == [[20, 40], [10, 40], [20, 40]]
    assert objects.resized_sizes.tolist() == [[40, 40], [20, 40], [40, 40]]
