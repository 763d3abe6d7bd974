"""Windows around proposals that hold all that their cells see."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from featsr_tf.errors import ConfigError

# Twice the stride: the twin takes no other sides, and its cells and phases
# lie in a window as in the frame where the window begins at a multiple.
STEP = 32


class Span(NamedTuple):
    """Cells of a map along one axis, and the pixels that they see.

    Attributes:
        first: index of the first cell.
        last: index of the last cell.
        begin: first pixel, which may lie before the frame.
        end: pixel behind the last one, which may lie behind the frame.
    """

    first: int
    last: int
    begin: int
    end: int


def draw_boxes(count: int, object_side: float, side: int) -> np.ndarray:
    """Draws square boxes `[count, 4]` in a square frame, px."""
    generator = np.random.default_rng(0)
    corners = generator.uniform(0, max(side - object_side, 0), [count, 2])
    ends = np.minimum(corners + object_side, side)
    return np.concatenate([corners, ends], axis=1)


def exact_window(field, object_side: float) -> int:
    """Tells the side of a window that holds all that a proposal sees.

    Pooling reads cells up to one stride away from the proposal, each of which
    sees a receptive field; windows begin at multiples of `STEP`.

    Args:
        field: receptive field of the twin.
        object_side: of the proposal, px.

    Returns:
        The side in px, a multiple of `STEP`.
    """
    pixels = object_side + 2 * field.stride + field.size
    return math.ceil((pixels + STEP - 1) / STEP) * STEP


def spans_of_box(field, box: np.ndarray, side: int) -> list[Span]:
    """Finds the cells that pooling reads for a box, and what they see.

    Args:
        field: receptive field of the twin.
        box: ymin, xmin, ymax, xmax in px of the frame.
        side: of the frame, px.

    Returns:
        Those of both axes.
    """
    last_cell = side // field.stride - 1
    reach = (field.size - 1) / 2
    spans = []
    for edges in zip(box[:2], box[2:], strict=True):
        # Pixels have their centres half a pixel further.
        offset = field.first_center + 0.5
        low, high = ((edge - offset) / field.stride for edge in edges)
        first = max(math.floor(low), 0)
        last = min(math.ceil(high), last_cell)
        seen = [n * field.stride + field.first_center for n in (first, last)]
        begin, end = math.floor(seen[0] - reach), math.ceil(seen[1] + reach) + 1
        spans.append(Span(first, last, begin, end))
    return spans


def place(spans: Sequence[Span], window: int, side: int) -> list[int]:
    """Lays a window around what the cells of a box see.

    Args:
        spans: of both axes.
        window: side of the window, px.
        side: of the frame, px.

    Returns:
        Row and column of its first pixel, multiples of `STEP`.
    """
    corner = []
    for span in spans:
        # Windows that are too small lie in the middle.
        spare = max(span.end - span.begin - window, 0) / 2
        start = math.floor((span.begin + spare) / STEP) * STEP
        corner.append(min(max(start, 0), side - window))
    return corner


def check_sides(
    flag: str, sides: Sequence[int], least: int, largest: int | None = None
) -> None:
    """Refuses sides that the twin does not take.

    Args:
        flag: that gives them.
        sides: in px.
        least: smallest side, px.
        largest: largest side, px. Default None, no limit.

    Raises:
        ConfigError: names the flag and the side.
    """
    limit = "on" if largest is None else f"to {largest}"
    for side in sides:
        is_large = largest is not None and side > largest
        if side % STEP or side < least or is_large:
            raise ConfigError(
                f"--{flag}: expected a multiple of {STEP} from {least} "
                f"{limit}, found {side}"
            )
