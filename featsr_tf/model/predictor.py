"""The box predictor: second stage of Faster R-CNN, one for each size."""

from typing import NamedTuple

import keras
import tensorflow as tf
from keras import ops

from featsr_tf.geometry import sampling
from featsr_tf.model import speed


@keras.saving.register_keras_serializable("featsr_tf")
class SeededDropout(keras.layers.Layer):
    """Drops a share of the features, by the seeds of their images.

    The masks of Keras' own depend on the number of devices and of steps made.
    """

    def __init__(self, rate: float, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, features, seeds=None):
        """Drops features, and divides what is left by its share.

        Args:
            features: `[B * K, C]`, K of each image.
            seeds: `[B, 2]` int32 of the images; None = nothing is dropped.
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


class Predictions(NamedTuple):
    """What a predictor says of each proposal.

    Attributes:
        class_logits: `[n, C + 1]`, column 0 is background.
        box_deltas: `[n, C, 4]`, or `[n, 1, 4]` shared by all classes.
    """

    class_logits: tf.Tensor
    box_deltas: tf.Tensor


class Predictor(keras.Model):
    """Classifies and localises proposals from their pooled features.

    The detector has two: the large predictor of the base detector, and the
    small predictor, which starts as its copy and sees super-resolved features
    (section 4, "small predictor").

    Args:
        second_stage: functional model, pooled features `[n, k, k, C]` to
            `[n, k', k', C']`.
        kernel_initializer: of both dense layers; None = small normal values.
        jit_compile: whether XLA compiles the second stage.
    """

    def __init__(
        self,
        second_stage: keras.Model,
        num_classes: int,
        *,
        share_box_across_classes: bool = False,
        kernel_initializer=None,
        kernel_regularizer=None,
        dropout_rate: float = 0.0,
        jit_compile: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.box_classes = 1 if share_box_across_classes else num_classes
        self.second_stage = second_stage
        self._jit_compile = jit_compile
        self._call_second_stage = speed.FoldedCall(second_stage, jit_compile)
        # What comes after the second stage is little, and is to be exact.
        self.pool = keras.layers.GlobalAveragePooling2D(dtype="float32")
        self.dropout = SeededDropout(dropout_rate, dtype="float32")

        def dense(units: int, deviation: float, name: str):
            initializer = keras.initializers.RandomNormal(stddev=deviation)
            if kernel_initializer is not None:
                # One initializer gives every layer the same values.
                initializer = kernel_initializer.clone()
            return keras.layers.Dense(
                units,
                kernel_initializer=initializer,
                kernel_regularizer=kernel_regularizer,
                dtype="float32",
                name=name,
            )

        self.classes = dense(num_classes + 1, 0.01, "classes")
        self.deltas = dense(4 * self.box_classes, 0.001, "deltas")

    def build(self, input_shape):
        """Makes the variables."""
        channels = self.second_stage.output_shape[-1]
        self.classes.build((None, channels))
        self.deltas.build((None, channels))
        self.built = True

    def call(self, features, training=False, seeds=None):
        """Predicts class and box of each proposal.

        Args:
            features: `[n, k, k, C]` pooled features.
            training: whether there is dropout, and trainable batch
                normalization uses batch statistics.
            seeds: `[B, 2]` int32 of the images whose proposals they are;
                None = no dropout.
        """
        hidden = self.pool(self._call_second_stage(features, training))
        hidden = self.dropout(hidden, seeds if training else None)
        deltas = ops.reshape(self.deltas(hidden), [-1, self.box_classes, 4])
        return Predictions(self.classes(hidden), deltas)

    def for_inference(self) -> "Predictor":
        """Copies the predictor without its batch normalization."""
        predictor = Predictor(
            speed.folded_copy(self.second_stage),
            self.num_classes,
            share_box_across_classes=self.box_classes != self.num_classes,
            jit_compile=self._jit_compile,
            name=self.name,
        )
        predictor.classes = self.classes
        predictor.deltas = self.deltas
        predictor.built = True
        return predictor
