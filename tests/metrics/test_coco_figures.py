"""Images that count several times count as their copies would."""

import dataclasses

import numpy as np
import pytest

from featsr_tf.metrics.coco import average_precision
from featsr_tf.metrics.coco import match_by_size
from tests.metrics.scenes import found
from tests.metrics.scenes import random_scene
from tests.metrics.scenes import square
from tests.metrics.scenes import truth

CLASSES = (1, 2, 3)
SMALL = square(0, 0, 20)


def copied(items, weights):
    """Repeats the items of images and numbers them anew."""
    chosen = [
        item for item, n in zip(items, weights, strict=True) for _ in range(n)
    ]
    return [
        dataclasses.replace(item, image_id=number)
        for number, item in enumerate(chosen)
    ]


@pytest.mark.parametrize("seed", range(8))
def test_a_weight_is_a_number_of_copies(seed):
    generator = np.random.default_rng(seed)
    truths, detections = random_scene(generator)
    # Copies of an image follow each other only if no other has their scores.
    detections = [
        dataclasses.replace(
            item, scores=generator.uniform(size=len(item.scores))
        )
        for item in detections
    ]
    by_id = {item.image_id: item for item in detections}
    shown = [
        by_id.get(t.image_id) or found(image_id=t.image_id) for t in truths
    ]
    weights = generator.integers(0, 4, len(truths))
    matches = match_by_size(truths, detections, CLASSES)
    ours = matches.figures(weights).by_size()
    expected = average_precision(
        copied(truths, weights), copied(shown, weights), CLASSES
    ).by_size()
    for size, figures in expected.items():
        for key, value in figures.items():
            np.testing.assert_allclose(ours[size][key], value, err_msg=key)


def test_of_a_found_and_a_missed_object_the_weights_decide():
    truths = [truth([SMALL], image_id=1), truth([SMALL], image_id=2)]
    matches = match_by_size(truths, [found([SMALL], image_id=1)], [1])
    for weights, share in (([1, 1], 51 / 101), ([3, 1], 76 / 101), ([0, 5], 0)):
        figures = matches.figures(np.array(weights)).by_size()["small"]
        assert figures["ap50"] == pytest.approx(share)
        assert figures["num_objects"] == sum(weights)
