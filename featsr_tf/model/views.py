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


def enlarged_parts(
    places: Places, image_sizes: tf.Tensor, *, margin: float, least: int
) -> Views:
    """Makes a view of the part of each frame that all its places are in.

    They are enlarged as most of them want it.

    Args:
        places: at least one.
        image_sizes: `[B, 2]` height and width in the first pass, px.
        margin: least distance of places from the edge of their view where
            that is not the frame's, px of the view.
        least: height and width of the smallest view, px.
    """
    steps = tf.sort(places.magnifications)
    step = steps[tf.size(steps) // 2]
    count = tf.shape(image_sizes)[0]
    limits = image_sizes[:, None]
    is_of_image = (tf.range(count)[:, None] == places.image_indices)[..., None]
    begins = places.boxes[:, :2] - margin / step
    ends = places.boxes[:, 2:] + margin / step
    corners = tf.reduce_min(tf.where(is_of_image, begins, limits), axis=1)
    ends = tf.reduce_max(tf.where(is_of_image, ends, 0.0), axis=1)
    corners = tf.maximum(corners, 0.0)
    ends = tf.minimum(ends, image_sizes)
    size = tf.math.ceil(tf.reduce_max((ends - corners) * step, axis=0))
    size = tf.maximum(tf.cast(size, tf.int32), least)
    size = (size + SIDE_MULTIPLE - 1) // SIDE_MULTIPLE * SIDE_MULTIPLE
    last = image_sizes - tf.cast(size, tf.float32) / step
    return Views(
        tf.clip_by_value(corners, 0.0, tf.maximum(last, 0.0)),
        size,
        tf.fill([count], step),
        tf.range(count),
    )


def render(frames: OriginalFrames, views: Views) -> tf.Tensor:
    """Cuts views out of the original frames, `[m, h, w, 3]` float32.

    Pixels beyond the frame are 0, whatever its padding holds. What a view
    shows does not depend on the others.
    """
    scales = tf.gather(frames.scales, views.image_indices)
    # Original px per px of the view.
    steps = 1.0 / (scales * views.magnifications[:, None])
    # Where a view shrinks the original, the mean of some samples is taken.
    samples = tf.cast(
        tf.math.ceil(tf.reduce_max(steps, axis=1) - 0.01), tf.int32
    )
    samples = tf.maximum(samples, 1)
    begins = views.corners / scales
    originals = frames.originals
    # px of the original with its edge: the centres of the last ones.
    edges = 1.0 + tf.round(
        tf.gather(frames.image_sizes / frames.scales, views.image_indices)
    )
    # As far as its edge a frame is as at the centres of its outermost pixels.
    for axis in (1, 2):
        first, last = (
            tf.gather(originals, [number], axis=axis)
            for number in (0, tf.shape(originals)[axis] - 1)
        )
        originals = tf.concat([first, originals, last], axis=axis)

    def cut(rows: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        begin, step = (tf.gather(value, rows) for value in (begins, steps))
        step /= tf.cast(count, tf.float32)
        counts = views.size * count
        # px of the original with its edge.
        first = begin + 0.5 + 0.5 * step
        last = first + step * tf.cast(counts - 1, tf.float32)
        sides = tf.cast(tf.shape(originals)[1:3] - 1, tf.float32)
        pixels = tf.image.crop_and_resize(
            originals,
            tf.concat([first, last], axis=1) / tf.tile(sides, [2]),
            tf.gather(views.image_indices, rows),
            counts,
        )
        ends = tf.gather(edges, rows)
        down, across = (
            first[:, axis, None]
            + step[:, axis, None] * tf.range(counts[axis], dtype=tf.float32)
            <= ends[:, axis, None]
            for axis in (0, 1)
        )
        is_inside = down[:, :, None] & across[:, None]
        return tf.where(is_inside[..., None], pixels, 0.0)

    def cut_one(row: tf.Tensor) -> tf.Tensor:
        count = samples[row]
        height, width = tf.unstack(views.size)
        images = tf.reshape(
            cut(row[None], count), [height, count, width, count, 3]
        )
        return tf.reduce_mean(images, axis=[1, 3])

    rows = tf.range(tf.size(samples))
    return tf.cond(
        tf.reduce_max(samples) > 1,
        lambda: tf.map_fn(
            cut_one,
            rows,
            fn_output_signature=tf.TensorSpec([None, None, 3], tf.float32),
        ),
        lambda: cut(rows, tf.constant(1)),
    )
