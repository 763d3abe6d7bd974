"""Dropout whose masks depend on the image and on nothing else."""

import keras
import tensorflow as tf

from featsr_tf.geometry import sampling


@keras.saving.register_keras_serializable("featsr_tf")
class SeededDropout(keras.layers.Layer):
    """Drops features by the seeds of their images.

    The masks of Keras' own depend on the number of devices and of steps made.

    Args:
        rate: share of the features that are dropped.
    """

    def __init__(self, rate: float, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, features, seeds=None):
        """Drops.

        Args:
            features: `[B * K, C]`, K of each image.
            seeds: `[B, 2]` int32 of the images; None = nothing is dropped.

        Returns:
            `[B * K, C]`, what is left divided by its share.
        """
        if seeds is None or not self.rate:
            return features
        per_image = tf.shape(features)[0] // tf.shape(seeds)[0]
        shape = [per_image, features.shape[-1]]
        numbers = tf.reshape(
            sampling.uniform(seeds, shape, salt=4), tf.shape(features)
        )
        kept = tf.cast(features, tf.float32) / (1.0 - self.rate)
        dropped = tf.where(numbers < self.rate, 0.0, kept)
        return tf.cast(dropped, features.dtype)

    def compute_output_shape(self, features_shape, *_):
        """Tells the shape of the outputs."""
        return features_shape

    def get_config(self):
        """Gives the constructor's arguments, for saving."""
        return {**super().get_config(), "rate": self.rate}
