"""Where to look again: a map of places that may hold small objects.

Proposals need features of an object; a place needs but a hint of one, so that
the map finds objects of few pixels that no proposal covers.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.model import speed

# Probability that an untrained map gives every cell.
_PRIOR = 0.01


class FocusMap(NamedTuple):
    """What may be small in the cells of a map.

    Attributes:
        logits: `[B, h, w]`, of holding a part of a small object.
        sides: `[B, h, w]` root of the object's area, px of the image.
    """

    logits: tf.Tensor
    sides: tf.Tensor

    def peaks(
        self, threshold: float, cells: ReceptiveField, image_sizes: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Lists the cells that are likelier than those around them.

        Args:
            threshold: probability that a peak is above.
            cells: stride and first centre of the map, px.
            image_sizes: `[B, 2]` valid height and width, px.

        Returns:
            Squares `[n, 4]`, px, as large as the object may be, and their rows
            in the batch `[n]` int32; n may be 0.
        """
        scores = tf.sigmoid(self.logits)
        highest = tf.nn.max_pool2d(scores[..., None], 3, 1, "SAME")[..., 0]
        centers = cell_centers(cells, tf.shape(scores)[1:])
        is_peak = (
            (scores >= highest)
            & (scores > threshold)
            & is_inside(centers, image_sizes)
        )
        indices = tf.where(is_peak)
        centers = tf.gather_nd(centers, indices[:, 1:])
        halves = tf.gather_nd(self.sides, indices)[:, None] / 2
        boxes = tf.concat([centers - halves, centers + halves], axis=1)
        return boxes, tf.cast(indices[:, 0], tf.int32)


@keras.saving.register_keras_serializable("featsr_tf")
class FocusHead(keras.layers.Layer):
    """Makes a focus map of the feature maps of a frame.

    Args:
        channels: of its hidden layers.
        stride: px of the frame per cell of the sub features.
        base_stride: the same of the base features.
    """

    def __init__(self, channels: int, stride: int, base_stride: int, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.stride = stride
        self.base_stride = base_stride
        self.from_sub = speed.BiasedConv2D(channels, 1, name="from_sub")
        self.from_base = speed.BiasedConv2D(channels, 1, name="from_base")
        self.around = keras.layers.DepthwiseConv2D(
            3, padding="same", use_bias=False, name="around"
        )
        self.hidden = speed.BiasedConv2D(
            channels, 1, activation="relu", name="hidden"
        )
        self.outputs = speed.BiasedConv2D(
            2,
            1,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            dtype="float32",
            name="outputs",
        )

    def build(self, sub_shape, base_shape):
        """Makes the variables of maps of these shapes `(B, h, w, C)`."""
        self.from_sub.build(sub_shape)
        self.from_base.build(base_shape)
        shape = (*sub_shape[:-1], self.channels)
        for layer in (self.around, self.hidden, self.outputs):
            layer.build(shape)
        prior = float(tf.math.log(_PRIOR / (1.0 - _PRIOR)))
        self.outputs.bias.assign([prior, 0.0])
        self.built = True

    def call(self, features: dict[str, tf.Tensor]) -> FocusMap:
        """Looks for small objects.

        Args:
            features: `{"sub", "base"}` of a frame, `[B, h, w, C]` each.

        Returns:
            A map with the cells of the sub features, `[B, h, w]`.
        """
        hidden = self.from_sub(features["sub"])
        base = self.from_base(features["base"])
        # The 3 x 3 convolution learns where the finer cells lie in these.
        times = self.base_stride // self.stride
        base = tf.repeat(tf.repeat(base, times, axis=1), times, axis=2)
        height, width = tf.unstack(tf.shape(hidden)[1:3])
        hidden = tf.nn.relu(hidden + base[:, :height, :width])
        outputs = self.outputs(self.hidden(self.around(hidden)))
        sides = (
            2.0
            * self.stride
            * tf.exp(tf.clip_by_value(outputs[..., 1], -4.0, 4.0))
        )
        return FocusMap(outputs[..., 0], sides)

    def get_config(self):
        """Gives the constructor's arguments, for saving."""
        return {
            **super().get_config(),
            "channels": self.channels,
            "stride": self.stride,
            "base_stride": self.base_stride,
        }


def cell_centers(cells: ReceptiveField, shape: tf.Tensor) -> tf.Tensor:
    """Tells the middle of each cell of a map `[2]`, px, `[h, w, 2]`."""
    rows, columns = (
        cells.first_center + 0.5 + cells.stride * tf.range(count)
        for count in tf.unstack(tf.cast(shape, tf.float32))
    )
    return tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1)


def is_inside(centers: tf.Tensor, image_sizes: tf.Tensor) -> tf.Tensor:
    """Tells which points `[h, w, 2]` lie within the images, `[B, h, w]`."""
    return tf.reduce_all(centers < image_sizes[:, None, None], axis=-1)
