"""Windows that hold boxes: as few as may be."""

import tensorflow as tf


def choose_places(holds: tf.Tensor, most: int | None = None) -> tf.Tensor:
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
