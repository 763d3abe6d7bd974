"""What the focus head learns in stage 2: where objects are that are small."""

from typing import NamedTuple

import keras
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.geometry import boxes as box_ops
from featsr_tf.geometry import sampling
from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.model.detector import Detector
from featsr_tf.model.focus import FocusMap
from featsr_tf.model.focus import cell_centers
from featsr_tf.model.focus import is_inside
from featsr_tf.model.row_ops import flatten_boxes
from featsr_tf.model.views import Views
from featsr_tf.training import losses
from featsr_tf.training.optimizers import Minimizer
from featsr_tf.training.stage import FOCUS_GRADIENT_NORM
from featsr_tf.training.windows import frames_of
from featsr_tf.training.windows import show_views


class FocusTargets(NamedTuple):
    """What a focus map should be.

    Attributes:
        labels: `[B, h, w]`, 1 where a small object is, else 0.
        weights: `[B, h, w]`, 0 where it does not matter.
        sides: `[B, h, w]` root of the object's area, px of the image.
    """

    labels: tf.Tensor
    weights: tf.Tensor
    sides: tf.Tensor


# How far the size varies at which frames are shown, in octaves.
_OCTAVES = 0.4


class FocusLearning:
    """Teaches the focus head of a second look, on frozen features.

    It sees frames somewhat smaller or larger than the first pass does: few
    objects in many sizes.
    """

    def __init__(self, detector: Detector, minimizer: Minimizer):
        self.detector = detector
        self.minimizer = minimizer

    def show(self, batch) -> dict[str, tf.Tensor]:
        """Shows each frame at another size, as large as the first pass has it.

        Args:
            batch: whole frames with their originals, see `Batch`.

        Returns:
            As many images of the same shape, of larger frames a part, and
            their objects; see `Batch`.
        """
        frames = frames_of(batch)
        count, *size, _ = batch[Batch.IMAGES].shape
        draws = sampling.uniform(batch[Batch.SEEDS], [3], salt=7)
        magnifications = tf.pow(2.0, _OCTAVES * (2.0 * draws[:, 0] - 1.0))
        shown = tf.constant(size, tf.float32) / magnifications[:, None]
        room = tf.maximum(frames.image_sizes - shown, 0.0)
        corners = room * draws[:, 1:]
        views = Views(
            corners, tf.constant(size), magnifications, tf.range(count)
        )
        ends = (frames.image_sizes - corners) * magnifications[:, None]
        images = {
            **show_views(batch, frames, views, (count, *size)),
            Batch.IMAGE_SIZES: tf.minimum(ends, tf.constant(size, tf.float32)),
        }
        if Batch.EXAMPLE_MASK in batch:
            images[Batch.EXAMPLE_MASK] = batch[Batch.EXAMPLE_MASK]
        return images

    def targets(self, batch, shape: tf.Tensor) -> FocusTargets:
        """Makes the targets of a map of `shape` `[2]` cells.

        Args:
            batch: images and objects, see `Batch`.
        """
        detector, boxes = self.detector, batch[Batch.BOXES]
        flat, rows = flatten_boxes(boxes)
        scales = batch[Batch.SCALES]
        is_wanted = detector.is_small(flat, rows, scales) & (
            detector.second_look.settings.magnifications_of(
                box_ops.area(flat), tf.gather(scales, rows)
            )
            > 0.0
        )
        is_object = (batch[Batch.CLASSES] > 0) & ~batch[Batch.IGNORED]
        targets = mark_objects(
            boxes,
            is_object & tf.reshape(is_wanted, tf.shape(is_object)),
            (batch[Batch.CLASSES] > 0),
            detector.focus_cells,
            shape,
        )
        centers = cell_centers(detector.focus_cells, shape)
        counts = is_inside(centers, batch[Batch.IMAGE_SIZES])
        if Batch.EXAMPLE_MASK in batch:
            counts &= batch[Batch.EXAMPLE_MASK][:, None, None] > 0.0
        return targets._replace(
            weights=targets.weights * tf.cast(counts, tf.float32)
        )

    def update(
        self, features: dict[str, tf.Tensor], targets: FocusTargets
    ) -> dict[str, tf.Tensor]:
        """Makes one step of the focus head.

        Args:
            features: frozen, `{"sub", "base"}` of whole frames.
        """
        head = self.detector.focus_head
        logs, norm = self.minimizer.minimize(
            lambda: focus_loss(head(features), targets),
            head.trainable_variables,
        )
        return {**logs, FOCUS_GRADIENT_NORM: norm}


def mark_objects(
    boxes: tf.Tensor,
    is_wanted: tf.Tensor,
    is_object: tf.Tensor,
    cells: ReceptiveField,
    shape: tf.Tensor,
) -> FocusTargets:
    """Marks the cells whose centre a wanted object covers, one at least.

    Args:
        boxes: `[B, M, 4]`, px.
        is_wanted: `[B, M]` bool.
        is_object: `[B, M]` bool; those that are not wanted do not matter.
        shape: `[2]` height and width of the map, cells.
    """
    centers = cell_centers(cells, shape)[None, :, :, None]
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2
    halves = tf.maximum((boxes[..., 2:] - boxes[..., :2]) / 2, cells.stride / 2)
    covers = tf.reduce_all(
        tf.abs(centers - middles[:, None, None]) <= halves[:, None, None],
        axis=-1,
    )
    is_marked = covers & is_wanted[:, None, None]
    labels = tf.reduce_any(is_marked, axis=-1)
    others = tf.reduce_any(covers & is_object[:, None, None], axis=-1)
    # Where two overlap, the smaller one is looked for.
    sides = tf.sqrt(tf.maximum(box_ops.area(boxes), 1.0))[:, None, None]
    least = tf.reduce_min(tf.where(is_marked, sides, boxes.dtype.max), axis=-1)
    return FocusTargets(
        labels=tf.cast(labels, tf.float32),
        weights=tf.cast(labels | ~others, tf.float32),
        sides=tf.where(labels, least, 1.0),
    )


def focus_loss(
    focus: FocusMap, targets: FocusTargets
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Compares a map with what it should be.

    The focal loss (Lin et al., ICCV 2017) of its cells, and a tenth of the
    distance of the logarithms of sides, both per marked cell.

    Returns:
        Their sum, a scalar; and both by name, to be logged.
    """
    # Keras averages over the last axis, which is none here.
    focal = keras.losses.binary_focal_crossentropy(
        targets.labels[..., None],
        focus.logits[..., None],
        apply_class_balancing=True,
        alpha=0.75,
        from_logits=True,
    )
    count = tf.reduce_sum(targets.labels * targets.weights)
    presence = losses.per_count(tf.reduce_sum(focal * targets.weights), count)
    side = losses.weighted_mean(
        tf.abs(tf.math.log(focus.sides / targets.sides)),
        targets.labels * targets.weights,
    )
    return presence + 0.1 * side, {"focus": presence, "focus_side": side}
