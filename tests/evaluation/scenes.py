"""Small scenes of objects and detections for the evaluation tests."""

import numpy as np

from featsr_tf.evaluation.detections import Detections
from featsr_tf.evaluation.detections import GroundTruth


def square(top, left, side):
    return [top, left, top + side, left + side]


def truth(boxes=(), classes=None, ignored=None, image_id=1):
    count = len(boxes)
    return GroundTruth(
        image_id,
        f"{image_id}.jpg",
        1000,
        1000,
        np.reshape(boxes, [count, 4]),
        [1] * count if classes is None else classes,
        [False] * count if ignored is None else ignored,
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
    """Draws objects, and detections that often hit them."""
    truths, detections = [], []
    for image_id in range(1, num_images + 1):
        count = generator.integers(0, 6)
        corners = generator.integers(0, 300, [count, 2])
        sides = generator.integers(8, 140, [count, 2])
        boxes = np.concatenate([corners, corners + sides], axis=1)
        classes = generator.integers(1, num_classes + 1, count)
        ignored = generator.uniform(size=count) < 0.15
        truths.append(truth(boxes, classes, ignored, image_id))
        copies = np.repeat(np.arange(count), 3)
        moved = boxes[copies] + generator.integers(-6, 7, [len(copies), 4])
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        strays = generator.integers(0, 300, [4, 2])
        strays = np.concatenate([strays, strays + 40], axis=1)
        labels = np.concatenate(
            [classes[copies], generator.integers(1, num_classes + 1, 4)]
        )
        # Two decimals make ties between scores likely.
        scores = generator.uniform(size=len(labels)).round(2)
        detections.append(
            found(np.concatenate([moved, strays]), scores, labels, image_id)
        )
    return truths, detections
