"""Boxes of others that were probably written in another way than is read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featsr_tf.errors import DataError
from featsr_tf.metrics.detection_columns import tell
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth

# Detectors of others do not always clip their boxes.
_SLACK = 2
_FEW = 0.1


def question_boxes(
    path: str | Path, found: Sequence[Detections], truths: Sequence[GroundTruth]
) -> None:
    """Says on stderr where boxes were probably written as two corners.

    Args:
        path: the file of the detections, for messages.

    Raises:
        DataError: all boxes are fractions of their images.
    """
    sizes = {truth.image_id: (truth.height, truth.width) for truth in truths}
    known = [item for item in found if min(sizes[item.image_id]) > 1]
    boxes = np.concatenate([np.zeros((0, 4)), *(i.boxes for i in known)])
    extents = np.repeat(
        np.array([sizes[i.image_id] for i in known]).reshape(-1, 2),
        [len(item.boxes) for item in known],
        axis=0,
    )
    if not len(boxes):
        return
    if boxes.min() >= 0 and boxes.max() <= 1 and (boxes % 1).any():
        raise DataError(
            f"{path}: all {len(boxes)} boxes lie within 0 to 1, as fractions of"
            " the image do; expected pixels: multiply x and width by the width"
            " of the image, y and height by its height"
        )
    beyond = (boxes[:, 2:] > extents + _SLACK).any(axis=1)
    corners, others = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    fits = (others > corners).all(axis=1)
    fits &= (others <= extents + _SLACK).all(axis=1)
    if beyond.mean() > _FEW and fits.all():
        tell(
            f"{path}: {beyond.sum()} of {len(boxes)} boxes reach beyond their"
            " images; all would fit if they were written as two corners, where"
            " x, y, width and height are expected"
        )
