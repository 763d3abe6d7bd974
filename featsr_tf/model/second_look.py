"""A second look: windows of the original frame through the same detector.

The first pass sees the whole frame, small. What it finds too small to judge
well is looked at again in enlarged windows that are cut from the original
pixels, and everything in these windows is searched anew.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from featsr_tf.geometry import boxes as box_ops
from featsr_tf.geometry.roi_align import RoiPooling
from featsr_tf.geometry.windows import STEP_TOLERANCE
from featsr_tf.geometry.windows import lay_windows
from featsr_tf.model.backbone import Backbone
from featsr_tf.model.postprocess import PostProcessing
from featsr_tf.model.postprocess import RawDetections
from featsr_tf.model.predictor import Predictor
from featsr_tf.model.proposal_network import ProposalNetwork
from featsr_tf.model.proposal_network import Proposals
from featsr_tf.model.proposal_network import ProposalSettings
from featsr_tf.model.proposal_network import choose_proposals
from featsr_tf.model.proposal_network import place_anchors
from featsr_tf.model.row_ops import Rows
from featsr_tf.model.row_ops import flatten_boxes
from featsr_tf.model.row_ops import gather_rows
from featsr_tf.model.row_ops import rows_by_image
from featsr_tf.model.row_ops import rows_where
from featsr_tf.model.views import OriginalFrames
from featsr_tf.model.views import Places
from featsr_tf.model.views import Views
from featsr_tf.model.views import enlarged_parts
from featsr_tf.model.views import no_views
from featsr_tf.model.views import render


@dataclasses.dataclass(frozen=True, kw_only=True)
class WindowSettings:
    """Where windows are laid, and how they are searched.

    Attributes:
        size: side of a window as the network sees it, px, a multiple of 32.
        magnifications: px of a window per px of the first pass, ascending.
        preferred_size: side, px of the window, that objects are brought to.
        maximum_enlargement: px of a window per px of the original, at most
            (and a little more, `STEP_TOLERANCE`).
        margin: least distance of what is looked at from the edge of its
            window, px of the window. What ends at less than half of it may go
            on behind the edge, and is left out.
        score_threshold: score in the first pass from which on a detection is
            looked at again.
        focus_threshold: probability from which on a peak of the focus map is
            looked at.
        certain_score: score in the first pass from which on nothing is looked
            at again; 1 = none is so high.
        maximum_share: most pixels of windows, as a share of those of the
            part of the frame that they lie in.
    """

    size: int = 192
    magnifications: tuple[float, ...] = (2.0, 3.0, 4.0)
    preferred_size: float = 48.0
    maximum_enlargement: float = 2.0
    margin: float = 32.0
    score_threshold: float = 0.05
    focus_threshold: float = 0.15
    certain_score: float = 1.0
    maximum_share: float = 1.0

    def magnifications_of(
        self, areas: tf.Tensor, scales: tf.Tensor
    ) -> tf.Tensor:
        """Says how much boxes are to be enlarged, by the steps that there are.

        Args:
            areas: `[n]`, px^2 of the first pass.
            scales: `[n, 2]` px of the first pass per px of the original.

        Returns:
            `[n]`, 0 where there is nothing to be gained.
        """
        sides = tf.sqrt(tf.maximum(areas, 1.0))
        wanted = tf.minimum(
            self.preferred_size / sides,
            self.maximum_enlargement / tf.sqrt(tf.reduce_prod(scales, axis=1)),
        )
        steps = tf.constant([0.0, *self.magnifications])
        is_reached = wanted[:, None] >= STEP_TOLERANCE * steps[1:]
        count = tf.reduce_sum(tf.cast(is_reached, tf.int32), axis=1)
        return tf.gather(steps, count)


@dataclasses.dataclass(kw_only=True, eq=False)
class SecondLook:
    """Searches enlarged windows of the original for small objects.

    It has no variables: all its parts are those of a detector.

    Attributes:
        proposal_settings: how proposals are made in windows.
        predictor: judges what windows show; the small predictor.
        can_skip: whether it may be left out of a batch that needs no window.
    """

    backbone: Backbone
    proposal_network: ProposalNetwork
    proposal_settings: ProposalSettings
    pool_base: RoiPooling
    predictor: Predictor
    postprocess: PostProcessing
    settings: WindowSettings
    can_skip: bool = True

    def __call__(
        self,
        first: RawDetections,
        is_small: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        frames: OriginalFrames,
        peaks: tuple[tf.Tensor, tf.Tensor],
    ) -> tuple[RawDetections, tf.Tensor]:
        """Looks again at what the first pass has found small.

        It does so in one image after the other: how windows are laid, and
        whether one view is better, depends on no other image of the batch.

        Args:
            first: of the first pass, `[B, P, ...]`.
            is_small: tells of boxes `[n, 4]`, px of the first pass, and their
                rows in the batch `[n]` which are small, `[n]` bool.
            peaks: boxes `[m, 4]` around further places, px of the first pass,
                and their rows in the batch `[m]`.

        Returns:
            The same, without what was looked at again, and with what was
            found then; and what was searched, see `DetectionBatch.windows`.
        """
        boxes, scores, valid, windows = (
            found.to_tensor()
            for found in tf.map_fn(
                lambda row: self._look_at(row, first, is_small, frames, peaks),
                tf.range(tf.shape(first.valid)[0]),
                fn_output_signature=tuple(
                    tf.RaggedTensorSpec([None, *shape], dtype, ragged_rank=0)
                    for shape, dtype in (
                        (first.boxes.shape[2:], tf.float32),
                        (first.scores.shape[2:], tf.float32),
                        ([], tf.bool),
                        ([5], tf.float32),
                    )
                ),
            )
        )
        return RawDetections(boxes, scores, valid), windows

    def _look_at(self, row, first, is_small, frames, peaks) -> tuple:
        """Does what `__call__` does in one image of the batch."""
        first = RawDetections(*(value[row, None] for value in first))
        frames = OriginalFrames(*(value[row, None] for value in frames))
        peaks = tf.boolean_mask(peaks[0], peaks[1] == row)
        places, scores = self.places_of(first, frames)
        is_valid = tf.reshape(first.valid, [-1])
        is_doubtful = is_valid & (scores >= self.settings.score_threshold)
        is_open = tf.ones_like(peaks[:, 0], tf.bool)
        if self.settings.certain_score < 1.0:
            is_certain = is_valid & (scores >= self.settings.certain_score)
            is_doubtful &= ~is_certain
            is_open = ~is_inside(peaks, places.boxes, is_certain)
        places = concatenate(
            places,
            self.as_places(peaks, tf.zeros_like(peaks[:, 0], tf.int32), frames),
        )
        is_chosen = (
            tf.concat([is_doubtful, is_open], axis=0)
            & (places.magnifications > 0.0)
            & is_small(places.boxes, places.image_indices + row)
        )

        def look() -> tuple[RawDetections, Views]:
            return self.look(first, frames, is_chosen, places)

        if self.can_skip:
            found, views = tf.cond(
                tf.reduce_any(is_chosen), look, lambda: (first, no_views())
            )
        else:
            found, views = look()
        windows = views.windows(frames.image_sizes)
        return tuple(value[0] for value in (*found, windows))

    def places_of(
        self, first: RawDetections, frames: OriginalFrames
    ) -> tuple[Places, tf.Tensor]:
        """Takes the best box of each candidate, and its score `[B * P]`."""
        class_scores = first.scores[..., 1:]
        boxes = first.boxes[:, :, 0]
        if first.boxes.shape[2] != 1:
            best = tf.argmax(class_scores, axis=2)
            boxes = tf.gather(first.boxes, best, batch_dims=2)
        boxes, image_indices = flatten_boxes(boxes)
        scores = tf.reshape(tf.reduce_max(class_scores, axis=2), [-1])
        return self.as_places(boxes, image_indices, frames), scores

    def as_places(
        self, boxes: tf.Tensor, image_indices: tf.Tensor, frames: OriginalFrames
    ) -> Places:
        """Adds to boxes `[n, 4]` how much they are to be enlarged."""
        scales = tf.gather(frames.scales, image_indices)
        magnifications = self.settings.magnifications_of(
            box_ops.area(boxes), scales
        )
        return Places(boxes, image_indices, magnifications)

    def look(
        self,
        first: RawDetections,
        frames: OriginalFrames,
        is_chosen: tf.Tensor,
        places: Places,
    ) -> tuple[RawDetections, Views]:
        """Lays windows around places, and judges what they show.

        Args:
            is_chosen: `[n]` bool, which places are looked at.
            places: of the candidates of the first pass, and any others.
        """
        rows = rows_where(is_chosen)
        chosen = Places(*gather_rows(rows, *places))
        # The row that stands for none has no magnification.
        least = self.settings.magnifications[0]
        chosen = chosen._replace(
            magnifications=tf.maximum(chosen.magnifications, least)
        )
        views, is_held = self.choose_views(chosen, frames.image_sizes)
        found = self.search(render(frames, views), views, frames)
        is_any = tf.reduce_any(is_chosen)
        found = found._replace(valid=found.valid & is_any)
        is_replaced = tf.scatter_nd(
            rows[:, None],
            tf.cast(is_held, tf.int32),
            [tf.size(is_chosen) + 1],
        )[: tf.size(first.valid)]
        is_replaced = tf.reshape(is_replaced > 0, tf.shape(first.valid))
        found = concatenate(
            first._replace(valid=first.valid & ~is_replaced), found, axis=1
        )
        # The view that stands for none is of no image.
        image_indices = tf.where(is_any, views.image_indices, -1)
        return found, views._replace(image_indices=image_indices)

    def choose_views(
        self, places: Places, image_sizes: tf.Tensor
    ) -> tuple[Views, tf.Tensor]:
        """Lays windows, or takes one view of each frame where these are many.

        Returns:
            The views, and which places `[n]` bool they hold.
        """
        settings = self.settings
        parts = enlarged_parts(
            places, image_sizes, margin=settings.margin, least=settings.size
        )
        most = settings.maximum_share * tf.cast(parts.num_pixels(), tf.float32)
        # One window more than there may be is enough to know.
        count = tf.cast(most / settings.size**2, tf.int32) + 1
        windows, is_held = self.lay_windows(places, image_sizes, count)
        is_dense = tf.cast(windows.num_pixels(), tf.float32) > most
        return tf.cond(
            is_dense,
            lambda: (parts, tf.ones_like(is_held)),
            lambda: (windows, is_held),
        )

    def lay_windows(
        self, places: Places, image_sizes: tf.Tensor, most: tf.Tensor
    ) -> tuple[Views, tf.Tensor]:
        """Lays few windows that hold all places; also tells which are held.

        Args:
            most: number of windows at which it stops, whatever is left.
        """
        settings = self.settings
        boxes, image_indices, magnifications = places
        sides = settings.size / magnifications[:, None]
        margins = settings.margin / magnifications[:, None]
        layout = lay_windows(
            boxes,
            sides,
            tf.gather(image_sizes, image_indices),
            margins,
            may_share=(image_indices[:, None] == image_indices)
            & (magnifications[:, None] == magnifications),
            most=most,
        )
        is_held = tf.reduce_any(layout.holds, axis=0)
        corners, magnifications, image_indices = gather_rows(
            rows_where(layout.is_taken),
            layout.corners,
            magnifications,
            image_indices,
        )
        size = tf.fill([2], settings.size)
        return Views(corners, size, magnifications, image_indices), is_held

    def search(
        self, images: tf.Tensor, views: Views, frames: OriginalFrames
    ) -> RawDetections:
        """Finds objects in views, of all of an image in one row."""
        features = self.backbone.extract(images)
        view_sizes = tf.cast(
            tf.repeat(views.size[None], tf.shape(images)[0], axis=0), tf.float32
        )
        proposals = self.propose(features, view_sizes)
        rows = rows_where(tf.reshape(proposals.valid, [-1]))
        boxes, view_rows = gather_rows(rows, *flatten_boxes(proposals.boxes))
        any_valid = tf.reduce_any(proposals.valid)
        predictions = self.predictor(
            self.pool_base(features["base"], boxes, view_rows)
        )
        boxes = box_ops.decode(predictions.box_deltas, boxes[:, None])
        scores = self.postprocess.scores(predictions.class_logits)
        is_whole = self.is_whole(boxes, views, view_rows, frames.image_sizes)
        boxes = views.to_frame(boxes, view_rows)
        # A cut object is no object of its class; another class may be whole.
        scores = tf.concat(
            [scores[:, :1], tf.where(is_whole, scores[:, 1:], 0.0)], axis=1
        )
        image_indices = tf.gather(views.image_indices, view_rows)
        image_indices = tf.where(any_valid, image_indices, -1)
        found = arrange_by_image(
            boxes, scores, image_indices, tf.shape(frames.scales)[0]
        )
        shape = tf.shape(found.boxes)
        flat = tf.reshape(found.boxes, [shape[0], -1, 4])
        return found._replace(
            boxes=tf.reshape(box_ops.clip(flat, frames.image_sizes), shape)
        )

    def propose(
        self, features: dict[str, tf.Tensor], view_sizes: tf.Tensor
    ) -> Proposals:
        """Finds regions of views that may hold an object.

        Args:
            features: maps of the views by layer.
            view_sizes: `[V, 2]` height and width, px.
        """
        logits, deltas = self.proposal_network(features["base"])
        anchors = place_anchors(
            features["base"], self.pool_base.cells, self.proposal_settings
        )
        return choose_proposals(
            logits, deltas, anchors, view_sizes, self.proposal_settings
        )

    def is_whole(self, boxes, views, rows, image_sizes) -> tf.Tensor:
        """Tells which boxes no edge of their view cuts, `[n, C]` bool.

        Args:
            boxes: `[n, C, 4]`, px of the view.
        """
        corners = tf.gather(views.corners, rows)
        size = tf.cast(views.size, tf.float32)
        ends = corners + size / tf.gather(views.magnifications, rows)[:, None]
        limits = tf.gather(tf.gather(image_sizes, views.image_indices), rows)
        # What the edge cuts seems to end before it, by a few pixels. The
        # frame's own edge cuts nothing.
        edge = self.settings.margin / 2
        is_first = (corners <= 0.0)[:, None]
        is_last = (ends >= limits - 0.01)[:, None]
        begins_whole = (boxes[..., :2] > edge) | is_first
        ends_whole = (boxes[..., 2:] < size - edge) | is_last
        return tf.reduce_all(begins_whole & ends_whole, axis=-1)


def is_inside(
    places: tf.Tensor, boxes: tf.Tensor, counts: tf.Tensor
) -> tf.Tensor:
    """Tells which places have their centre in a box.

    Args:
        places: `[m, 4]`.
        boxes: `[n, 4]`.
        counts: `[n]` bool, which of the boxes count.

    Returns:
        `[m]` bool.
    """
    centers = (places[:, None, :2] + places[:, None, 2:]) / 2
    is_within = (boxes[:, :2] <= centers) & (centers <= boxes[:, 2:])
    return tf.reduce_any(tf.reduce_all(is_within, axis=-1) & counts, axis=1)


def arrange_by_image(boxes, scores, image_indices, batch_size) -> RawDetections:
    """Lists candidates `[n, ...]` image by image, `[B, Q, ...]`."""
    boxes, scores, is_there = rows_by_image(
        [boxes, scores, tf.ones_like(image_indices)], image_indices, batch_size
    )
    return RawDetections(boxes, scores, is_there > 0)


def concatenate(first: Rows, second: Rows, axis: int = 0) -> Rows:
    """Joins tuples of tensors, such as the candidates of two looks."""
    return type(first)(
        *(
            tf.concat(pair, axis=axis)
            for pair in zip(first, second, strict=True)
        )
    )
