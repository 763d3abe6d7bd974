"""Overlaps must be those of every pair, whatever the number of pairs."""

import numpy as np
import pytest

from featsr_tf.metrics import matching
from featsr_tf.metrics.matching import find_overlaps
from featsr_tf.metrics.matching import tabulate
from tests.metrics.scenes import found
from tests.metrics.scenes import random_scene
from tests.metrics.scenes import square
from tests.metrics.scenes import truth


def overlaps_of(objects, shown, **options):
    return find_overlaps(*tabulate([objects], [shown]), 1e-9, **options)


def test_overlaps_have_no_pixel_added_to_the_widths():
    pairs, overlaps = overlaps_of(
        truth([[0, 0, 10, 10], [0, 0, 0, 0]]),
        found([[0, 5, 10, 15], [20, 20, 30, 30]]),
    )
    np.testing.assert_array_equal(pairs, [[0, 0]])
    np.testing.assert_allclose(overlaps, [50 / 150])


def test_the_overlap_with_a_crowd_is_the_share_of_the_detection():
    objects = truth([square(0, 0, 100)], crowd=[True])
    shown = found([square(90, 90, 20)])
    _, overlaps = overlaps_of(objects, shown, over_crowds=True)
    np.testing.assert_allclose(overlaps, [0.25])
    _, overlaps = overlaps_of(objects, shown)
    np.testing.assert_allclose(overlaps, [100 / (10_000 + 400 - 100)])


def test_other_images_and_other_classes_are_not_compared():
    truths = [truth([square(0, 0, 9)]), truth([square(0, 0, 9)], image_id=2)]
    shown = [found([square(0, 0, 9)] * 3, None, [1, 2, 0], image_id=2)]
    tables_ = tabulate(truths, shown)
    pairs, _ = find_overlaps(*tables_, 0.5)
    np.testing.assert_array_equal(pairs, [[1, 0]])
    pairs, _ = find_overlaps(*tables_, 0.5, same_class=False)
    np.testing.assert_array_equal(pairs, [[1, 0], [1, 1], [1, 2]])


@pytest.mark.parametrize("portion", [1, 3, 50])
def test_the_size_of_the_portions_changes_nothing(monkeypatch, portion):
    scene = tabulate(*random_scene(np.random.default_rng(0)))
    whole = find_overlaps(*scene, 0.1)
    monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", portion)
    parts = find_overlaps(*scene, 0.1)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)
