"""Windows that hold boxes: as few as may be."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

# A window may be enlarged a little more than is wanted: the next lower step is
# farther off.
STEP_TOLERANCE = 0.9


def largest_scale(
    maximum_enlargement: float, magnifications: Sequence[float]
) -> float:
    """Tells how large a first pass may see frames that get windows.

    Args:
        maximum_enlargement: px of a window per px of the frame.
        magnifications: px of a window per px of the first pass, ascending.

    Returns:
        Px of the first pass per px of the frame.
    """
    return maximum_enlargement / (STEP_TOLERANCE * magnifications[0])


class Layout(NamedTuple):
    """Places for windows, one around each of n boxes.

    Attributes:
        corners: `[n, 2]`, row and column of the upper left corner, px.
        holds: `[n, n]` bool, whether the window at the place of a row holds
            the box of a column.
        is_taken: `[n]` bool, which places get a window.
    """

    corners: tf.Tensor
    holds: tf.Tensor
    is_taken: tf.Tensor


def lay_windows(
    boxes: tf.Tensor,
    sides: tf.Tensor,
    limits: tf.Tensor,
    margins: tf.Tensor | float,
    *,
    may_share: tf.Tensor | bool = True,
    step: float = 0.0,
    most: tf.Tensor | int | None = None,
) -> Layout:
    """Lays few windows that hold all boxes that a window can hold.

    Args:
        boxes: `[n, 4]`, px, n at least 1.
        sides: height and width of the window around each box, px, `[n, 2]` or
            what broadcasts to that.
        limits: likewise, those of its frame.
        margins: likewise, least distance of the box from the edges of its
            window, where these are not the frame's.
        may_share: `[n, n]` bool, which boxes may be in one window.
        step: corners are multiples of it, px; 0 = they are anywhere.
        most: see `choose_places`.
    """
    corners = (boxes[:, :2] + boxes[:, 2:] - sides) / 2
    if step:
        corners = tf.round(corners / step) * step
    corners = tf.clip_by_value(corners, 0.0, tf.maximum(limits - sides, 0.0))
    begins = tf.maximum(boxes[:, :2] - margins, 0.0)
    ends = tf.minimum(boxes[:, 2:] + margins, limits)
    is_before = corners[:, None] <= begins
    is_behind = ends <= (corners + sides)[:, None]
    holds = tf.reduce_all(is_before & is_behind, axis=-1) & may_share
    return Layout(corners, holds, choose_places(holds, most))


def choose_places(
    holds: tf.Tensor, most: tf.Tensor | int | None = None
) -> tf.Tensor:
    """Chooses few places, `[n]` bool, that hold all boxes any place holds.

    The place that holds most of the boxes that are left is taken first.

    Args:
        holds: `[n, n]` bool, whether the window at the place of a row holds
            the box of a column.
        most: number of places at which it stops, whatever is left. Default
            None, never.
    """

    def choose_next(left, chosen):
        counts = tf.reduce_sum(tf.cast(holds & left, tf.int32), axis=1)
        best = tf.argmax(counts, output_type=tf.int32)
        is_best = tf.range(tf.size(counts)) == best
        return left & ~tf.gather(holds, best), chosen | is_best

    left = tf.reduce_any(holds, axis=0)
    _, chosen = tf.while_loop(
        lambda left, chosen: tf.reduce_any(left),
        choose_next,
        (left, tf.zeros_like(left)),
        maximum_iterations=most,
    )
    return chosen
