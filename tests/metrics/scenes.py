"""Small scenes of objects and detections for the evaluation tests."""

import numpy as np

from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth


def square(top, left, side):
    return [top, left, top + side, left + side]


def truth(
    boxes=(), classes=None, difficult=None, image_id=1, crowd=None, areas=None
):
    count = len(boxes)
    return GroundTruth(
        image_id,
        f"{image_id}.jpg",
        1000,
        1000,
        np.reshape(boxes, [count, 4]),
        [1] * count if classes is None else classes,
        crowd,
        difficult,
        areas,
    )


def found(boxes=(), scores=None, classes=None, image_id=1):
    count = len(boxes)
    return Detections(
        image_id,
        np.reshape(boxes, [count, 4]),
        [0.9] * count if scores is None else scores,
        [1] * count if classes is None else classes,
    )


def random_scene(generator, num_images=12, num_classes=3):
    """Draws objects, and detections that often hit them.

    Whole pixels, sizes at the borders of the ranges and two decimals of the
    scores make ties of all kinds likely; some images are empty.
    """
    truths, detections = [], []
    for image_id in range(1, num_images + 1):
        count = generator.integers(0, 6)
        corners = generator.integers(0, 300, [count, 2])
        sides = generator.choice([8, 20, 32, 40, 96, 120], [count, 2])
        boxes = np.concatenate([corners, corners + sides], axis=1)
        classes = generator.integers(1, num_classes + 1, count)
        crowd, difficult = generator.uniform(size=[2, count]) < 0.1
        outlines = np.prod(sides, axis=1) * generator.choice([0.7, 1], count)
        truths.append(
            truth(boxes, classes, difficult, image_id, crowd, outlines)
        )
        copies = np.repeat(np.arange(count), 3)
        moved = boxes[copies] + generator.integers(-6, 7, [len(copies), 4])
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        strays = generator.integers(0, 300, [4, 2])
        strays = np.concatenate([strays, strays + 32], axis=1)
        labels = np.concatenate(
            [classes[copies], generator.integers(1, num_classes + 1, 4)]
        )
        scores = generator.uniform(size=len(labels)).round(2)
        if image_id % 5:
            boxes = np.concatenate([moved, strays])
            detections.append(found(boxes, scores, labels, image_id))
    return truths, detections
