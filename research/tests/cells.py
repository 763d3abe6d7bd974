"""Kept cells made by hand."""

import numpy as np

from research.ablation.kept import Kept
from tests.metrics.scenes import found
from tests.metrics.scenes import square
from tests.metrics.scenes import truth

SMALL, MEDIUM = square(0, 0, 20), square(200, 0, 50)
STRAY = square(100, 100, 20)


def kept(*frames, scale=1.0, seconds=0.1, content=None):
    """Keeps frames, each a list of boxes, found boxes and their scores."""
    count = len(frames)
    return Kept(
        [truth(boxes, image_id=n) for n, (boxes, _, _) in enumerate(frames)],
        [
            found(boxes, scores, image_id=n)
            for n, (_, boxes, scores) in enumerate(frames)
        ],
        [found([SMALL], image_id=n) for n in range(count)],
        np.full([count, 2], scale),
        np.full(count, seconds),
        content,
    )
