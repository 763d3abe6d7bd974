"""Enlarged rectangles of frames, cut out of their original pixels."""

from typing import NamedTuple

import tensorflow as tf

from featsr_tf.data.resize import SIDE_MULTIPLE
from featsr_tf.geometry import boxes as box_ops
from featsr_tf.model.row_ops import rows_by_image


class OriginalFrames(NamedTuple):
    """A batch of frames, as they are and as the first pass sees them.

    Attributes:
        originals: `[B, H, W, 3]` RGB, 0..255, padded at the right and bottom.
        image_sizes: `[B, 2]` height and width in the first pass, px.
        scales: `[B, 2]` px of the first pass per px of the originals.
    """

    originals: tf.Tensor
    image_sizes: tf.Tensor
    scales: tf.Tensor


class Places(NamedTuple):
    """What is to be looked at again, in px of the first pass.

    Attributes:
        boxes: `[n, 4]`.
        image_indices: `[n]` int32, row of the batch.
        magnifications: `[n]`, px of the second look per px of the first.
    """

    boxes: tf.Tensor
    image_indices: tf.Tensor
    magnifications: tf.Tensor


class Views(NamedTuple):
    """Rectangles of the frames that the second look sees, enlarged.

    Attributes:
        corners: `[m, 2]` upper left corner, px of the first pass.
        size: `[2]` int32, height and width of each, px of the view.
        magnifications: `[m]`, px of the view per px of the first pass.
        image_indices: `[m]` int32, row of the batch; -1 = of no image.
    """

    corners: tf.Tensor
    size: tf.Tensor
    magnifications: tf.Tensor
    image_indices: tf.Tensor

    def from_frame(self, boxes: tf.Tensor) -> tf.Tensor:
        """Moves boxes `[m, M, 4]`, px of the first pass, into their views."""
        corners = tf.tile(self.corners, [1, 2])[:, None]
        return (boxes - corners) * self.magnifications[:, None, None]

    def num_pixels(self) -> tf.Tensor:
        """Counts the pixels of all views."""
        return tf.size(self.image_indices) * tf.reduce_prod(self.size)

    def to_frame(self, boxes: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Moves boxes `[n, C, 4]`, px of views `[n]`, to the first pass."""
        corners = tf.tile(tf.gather(self.corners, rows), [1, 2])
        scales = tf.gather(self.magnifications, rows)
        return boxes / scales[:, None, None] + corners[:, None]

    def windows(self, image_sizes: tf.Tensor) -> tf.Tensor:
        """Tells what each image is looked at in; see `DetectionBatch.windows`.

        Args:
            image_sizes: `[B, 2]` height and width in the first pass, px.
        """
        scales = self.magnifications[:, None]
        ends = self.corners + tf.cast(self.size, tf.float32) / scales
        (found,) = rows_by_image(
            [tf.concat([self.corners, ends, scales], axis=1)],
            self.image_indices,
            tf.shape(image_sizes)[0],
        )
        # A view may reach beyond its frame.
        return tf.concat(
            [box_ops.clip(found[..., :4], image_sizes), found[..., 4:]], axis=2
        )


def no_views() -> Views:
    """Makes views of nothing."""
    return Views(
        tf.zeros([0, 2]),
        tf.ones([2], tf.int32),
        tf.zeros([0]),
        tf.zeros([0], tf.int32),
    )


def enlarged_frames(places: Places, image_sizes: tf.Tensor) -> Views:
    """Makes a view of each whole frame, as most places want it enlarged."""
    steps = tf.sort(places.magnifications)
    step = steps[tf.size(steps) // 2]
    size = tf.math.ceil(tf.reduce_max(image_sizes, axis=0) * step)
    count = tf.shape(image_sizes)[0]
    return Views(
        tf.zeros([count, 2]),
        (tf.cast(size, tf.int32) + SIDE_MULTIPLE - 1)
        // SIDE_MULTIPLE
        * SIDE_MULTIPLE,
        tf.fill([count], step),
        tf.range(count),
    )


def render(frames: OriginalFrames, views: Views) -> tf.Tensor:
    """Cuts views out of the original frames, `[m, h, w, 3]` float32.

    Pixels beyond the frame are 0, as in the padding of frames.
    """
    scales = tf.gather(frames.scales, views.image_indices)
    # Original px per px of the view.
    steps = 1.0 / (scales * views.magnifications[:, None])
    # Where a view shrinks the original, the mean of some samples is taken.
    samples = tf.cast(tf.math.ceil(tf.reduce_max(steps) - 0.01), tf.int32)
    samples = tf.maximum(samples, 1)
    begins = views.corners / scales
    lengths = tf.cast(views.size, tf.float32) * steps
    inset = 0.5 * steps / tf.cast(samples, tf.float32) - 0.5
    last = tf.cast(tf.shape(frames.originals)[1:3] - 1, tf.float32)
    last = tf.maximum(last, 1.0)
    height, width = tf.unstack(views.size)
    images = tf.image.crop_and_resize(
        frames.originals,
        tf.concat(
            [(begins + inset) / last, (begins + lengths - 1.0 - inset) / last],
            axis=-1,
        ),
        views.image_indices,
        views.size * samples,
    )
    return tf.cond(
        samples > 1,
        lambda: tf.reduce_mean(
            tf.reshape(images, [-1, height, samples, width, samples, 3]),
            axis=[2, 4],
        ),
        lambda: images,
    )
