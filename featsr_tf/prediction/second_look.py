"""A second look at small objects, from outside of any detector.

The whole frame is looked at first. A detection in it is looked at again if it

- is small: both sides are shorter than the part that neighbouring tiles
  share, so that tiles would show it whole; and
- is in doubt: its score is at least `LOWEST_SCORE` and below `CERTAIN`.

Windows of the size of a tile, cut out of the frame's own pixels, are laid so
that few hold all of these. Of what they show, small objects that no edge cuts
are merged with those of the whole frame as tiles are: larger ones are left to
the whole frame. Where more windows than tiles would be needed the tiles are
looked at, so that it never takes longer than they do.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from featsr_tf.geometry.windows import lay_windows
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import long_sides
from featsr_tf.prediction.tiling import BORDER
from featsr_tf.prediction.tiling import ImageFunction
from featsr_tf.prediction.tiling import Tiling
from featsr_tf.prediction.tiling import Window
from featsr_tf.prediction.tiling import is_cut
from featsr_tf.prediction.tiling import look_into
from featsr_tf.prediction.tiling import merge
from featsr_tf.prediction.tiling import views

LOWEST_SCORE = 0.05
CERTAIN = 0.99


class Plan(NamedTuple):
    """What is looked at again in a frame.

    Attributes:
        windows: ymin, xmin, ymax, xmax of each, px.
        limit: px; objects with a longer side are left to the whole frame.
            None = the windows are tiles, whose objects all count.
        magnification: about how much larger the detector sees objects in
            windows than in the frame, as it resizes both to its own size.
    """

    windows: list[Window]
    limit: float | None
    magnification: float


def look_twice(
    function: ImageFunction,
    images: Sequence[np.ndarray],
    batch_size: int,
    tiling: Tiling,
) -> list[Detections]:
    """Detects objects in images of any sizes, as this module says.

    Args:
        images: `[H, W, 3]` uint8 RGB.
        tiling: of the tiles that windows are as large as.

    Returns:
        Detections of each image in its px.
    """
    wholes = [(0, 0, *image.shape[:2]) for image in images]
    firsts = look_into(function, images, [[it] for it in wholes], batch_size)
    plans = [
        make_plan(first, whole[2:], tiling.of_frame(*whole[2:]))
        for (first,), whole in zip(firsts, wholes, strict=True)
    ]
    windows = [plan.windows for plan in plans]
    seconds = look_into(function, images, windows, batch_size)
    merged = []
    for first, second, plan, whole in zip(
        firsts, seconds, plans, wholes, strict=True
    ):
        found = [*_usable(second, plan, whole[2:]), *first]
        found = merge(found, [*plan.windows, whole])
        shown = [[*window, plan.magnification] for window in plan.windows]
        windows = np.concatenate([found.windows, np.reshape(shown, [-1, 5])])
        merged.append(replace(found, windows=windows))
    return merged


def make_plan(found: Detections, size: tuple[int, int], tiling: Tiling) -> Plan:
    """Lays windows around what is small and in doubt, or takes all tiles.

    Args:
        found: in the whole frame, px.
        size: height and width of the frame, px.
    """
    limit = tiling.overlap * tiling.side
    tiles = views(*size, tiling)[:-1]
    lengths = long_sides(found.boxes)
    is_chosen = (found.scores >= LOWEST_SCORE) & (found.scores < CERTAIN)
    is_chosen &= lengths < limit
    if not tiles or not is_chosen.any():
        return Plan([], limit, 1.0)
    boxes, lengths = found.boxes[is_chosen], lengths[is_chosen, None]
    frame = np.array(size)
    sides = np.minimum(tiling.side, frame)
    magnification = max(1.0, min(size) / tiling.side)
    # As far as there is room, half of an object around it: boxes of the first
    # look may be inaccurate.
    room = (tiling.side - lengths) / 2 - 1
    layout = lay_windows(
        boxes,
        sides.astype(boxes.dtype),
        frame.astype(boxes.dtype),
        np.minimum(BORDER + lengths / 2, room),
        step=1.0,
        most=len(tiles) + 1,
    )
    chosen = layout.corners.numpy()[layout.is_taken.numpy()].astype(int)
    if len(chosen) > len(tiles):
        return Plan(tiles, None, magnification)
    windows = np.concatenate([chosen, chosen + sides], axis=1)
    return Plan(list(map(tuple, windows.tolist())), limit, magnification)


def _usable(
    found: Sequence[Detections], plan: Plan, size: tuple[int, int]
) -> Sequence[Detections]:
    """Leaves out what is large, and what an edge of a window may cut."""
    if plan.limit is None:
        return found
    usable = []
    for item, window in zip(found, plan.windows, strict=True):
        placed = {
            "box": item.boxes + [*window[:2], *window[:2]],
            "region": np.array([window]),
        }
        kept = ~is_cut(placed, np.array(size))
        kept &= long_sides(item.boxes) < plan.limit
        usable.append(item.take(kept))
    return usable
