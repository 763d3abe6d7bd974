"""The gate before the refiner: only what may still become a detection."""

import tensorflow as tf


class Gate:
    """Chooses the small proposals that are worth refining.

    Most small proposals are background, and the score of their plain features
    shows it.

    Args:
        score_threshold: lowest score of a proposal that is refined.
            Default 0.0.
        maximum: proposals per image that are refined, those of the best
            scores; 0 = no limit. Default 0.
        can_skip: whether refiner and small predictor are left out of a batch
            of which nothing is chosen. It changes the time alone. Default
            True.
    """

    def __init__(
        self,
        score_threshold: float = 0.0,
        maximum: int = 0,
        can_skip: bool = True,
    ):
        self.score_threshold = score_threshold
        self.maximum = maximum
        self.can_skip = can_skip

    def __call__(
        self, scores: tf.Tensor, is_small: tf.Tensor, batch_size: tf.Tensor
    ) -> tf.Tensor:
        """Chooses.

        Args:
            scores: `[n, C + 1]` of all proposals, image by image; column 0 is
                background.
            is_small: `[n]` bool, those that may be chosen.
            batch_size: B, number of images.

        Returns:
            `[n]` bool.
        """
        best = tf.reduce_max(scores[:, 1:], axis=1)
        passed = is_small & (best >= self.score_threshold)
        if not self.maximum:
            return passed
        best = tf.where(passed, best, best.dtype.min)
        best = tf.reshape(best, [batch_size, -1])
        count = tf.shape(best)[1]
        _, chosen = tf.math.top_k(best, tf.minimum(self.maximum, count))
        is_chosen = tf.reduce_any(
            tf.one_hot(chosen, count, True, False, dtype=tf.bool), axis=1
        )
        return passed & tf.reshape(is_chosen, [-1])
