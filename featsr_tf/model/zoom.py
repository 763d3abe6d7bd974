"""A second look: enlarged windows of the image through the same extractor."""

from typing import NamedTuple

import tensorflow as tf

from featsr_tf.data.resize import enlarged_image
from featsr_tf.geometry.roi_align import RoiPooling
from featsr_tf.geometry.windows import lay_windows
from featsr_tf.model.backbone import Backbone
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.refiner import Refiner
from featsr_tf.model.row_ops import gather_rows
from featsr_tf.model.row_ops import rows_where

# Pixels of an enlarged window per pixel of the image.
MAGNIFICATION = 2


class Windows(NamedTuple):
    """Windows of images, and the proposals that look through them.

    Attributes:
        corners: `[m, 2]` int32, row and column of the upper left pixel.
        size: `[2]` int32, height and width of all windows, px.
        image_indices: `[m]` int32, row of the batch of each window.
        of_boxes: `[n]` int32, the window of each box.
        is_held: `[n]` bool, whether that window holds the box.
    """

    corners: tf.Tensor
    size: tf.Tensor
    image_indices: tf.Tensor
    of_boxes: tf.Tensor
    is_held: tf.Tensor


class ZoomRefiner(Refiner):
    """Pools the features of small proposals from enlarged windows.

    As few windows as may be are laid around the proposals, enlarged twice and
    shown to the detector's own extractor, all in one call. There is nothing
    to learn, and no gradient flows to the extractor.

    A proposal that no window can hold, about as large as a window without its
    margins, keeps its plain features.

    Args:
        window_size: side of a window, px, a multiple of 16.
        margin: least distance of a proposal from the edge of its window,
            where it is not the edge of the image, px.
    """

    needs_training = False

    def __init__(
        self,
        backbone: Backbone,
        pool_base: RoiPooling,
        window_size: int = 64,
        margin: int = 8,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.backbone = backbone
        self.pool_base = pool_base
        self.window_size = window_size
        self.margin = margin

    def collect_inputs(self, chosen, image_scale=1.0):
        """Pools from the enlarged image; see `Refiner.collect_inputs`."""
        boxes = chosen.boxes * image_scale
        windows = self.place(boxes, chosen)
        enlarged = enlarged_image(cut(chosen.images, windows), MAGNIFICATION)
        features = self.backbone.extract(enlarged)
        corners = tf.gather(windows.corners, windows.of_boxes)
        zoomed = self.pool_base(
            tf.stop_gradient(features["base"]),
            boxes - tf.tile(tf.cast(corners, boxes.dtype), [1, 2]),
            windows.of_boxes,
            MAGNIFICATION,
        )
        is_held = windows.is_held[:, None, None, None]
        return (tf.where(is_held, zoomed, chosen.base),)

    def place(self, boxes: tf.Tensor, chosen: ChosenProposals) -> Windows:
        """Lays windows around boxes `[n, 4]`, px of `chosen.images`."""
        return place_windows(
            boxes,
            chosen.image_indices,
            tf.shape(chosen.images)[1:3],
            window_size=self.window_size,
            margin=self.margin,
            # Cells of all windows must lie where those of the image lie.
            step=self.pool_base.cells.stride // MAGNIFICATION,
        )

    def for_inference(self, backbone):
        """Looks with that backbone; see `Refiner.for_inference`."""
        return ZoomRefiner(
            backbone=backbone,
            pool_base=self.pool_base,
            window_size=self.window_size,
            margin=self.margin,
        )

    def refine(self, inputs):
        """Returns the pooled features: there is nothing to learn."""
        (zoomed,) = inputs
        return zoomed


def place_windows(
    boxes: tf.Tensor,
    image_indices: tf.Tensor,
    image_size: tf.Tensor,
    window_size: int,
    margin: float,
    step: int,
) -> Windows:
    """Lays windows around boxes, each around as many as it can hold.

    There is one place for a window around each box. The place whose window
    holds most of the boxes that are left is taken first.

    Args:
        boxes: `[n, 4]`, px of the images, n at least 1.
        image_indices: `[n]` int32, row of the batch of each box.
        image_size: `[2]` int32, height and width of the images, px.
        window_size: side of a window, px; the side of the image where that
            is shorter.
        margin: least distance of a box from the edge of its window, px.
        step: corners of windows are multiples of it, px.
    """
    size = tf.minimum(window_size, image_size)
    sides, limits = (tf.cast(x, boxes.dtype) for x in (size, image_size))
    layout = lay_windows(
        boxes,
        sides,
        limits,
        margin,
        may_share=image_indices[:, None] == image_indices,
        step=step,
    )
    holds, corners, image_indices = gather_rows(
        rows_where(layout.is_taken), layout.holds, layout.corners, image_indices
    )
    return Windows(
        tf.cast(corners, tf.int32),
        size,
        image_indices,
        tf.argmax(tf.cast(holds, tf.int32), axis=0, output_type=tf.int32),
        tf.reduce_any(holds, axis=0),
    )


def cut(images: tf.Tensor, windows: Windows) -> tf.Tensor:
    """Cuts m windows `[m, h, w, 3]` out of images `[B, H, W, 3]`."""
    rows, columns = (
        windows.corners[:, axis, None] + tf.range(windows.size[axis])
        for axis in range(2)
    )
    # Straight from the pixels of all images: a frame is not copied for each
    # of its windows.
    height, width = tf.unstack(tf.shape(images)[1:3])
    rows += windows.image_indices[:, None] * height
    pixels = rows[:, :, None] * width + columns[:, None]
    return tf.gather(tf.reshape(images, [-1, images.shape[-1]]), pixels)
