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
    """

    def __init__(
        self,
        score_threshold: float = 0.0,
        maximum: int = 0,
    ):
        self.score_threshold = score_threshold
        self.maximum = maximum

    def __call__(
        self,
        scores: tf.Tensor,
        is_small: tf.Tensor,
        image_indices: tf.Tensor,
        batch_size: tf.Tensor,
    ) -> tf.Tensor:
        """Chooses.

        Args:
            scores: `[n, C + 1]`; column 0 is background.
            is_small: `[n]` bool, those that may be chosen.
            image_indices: `[n]` int32, row of the batch of each.
            batch_size: B, number of images.

        Returns:
            `[n]` bool.
        """
        best = tf.reduce_max(scores[:, 1:], axis=1)
        passed = is_small & (best >= self.score_threshold)
        if not self.maximum:
            return passed
        count = tf.size(best)
        is_of_image = image_indices == tf.range(batch_size)[:, None]
        _, chosen = tf.math.top_k(
            tf.where(is_of_image & passed, best, best.dtype.min),
            tf.minimum(self.maximum, count),
        )
        is_chosen = tf.reduce_any(
            tf.one_hot(chosen, count, True, False, dtype=tf.bool), axis=1
        )
        return passed & tf.reduce_any(is_chosen & is_of_image, axis=0)
