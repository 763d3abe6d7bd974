"""What stages 2 and 3 see of a second look: windows, as inference lays them."""

import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.geometry import boxes as box_ops
from featsr_tf.geometry import sampling
from featsr_tf.geometry.sampling import SampledProposals
from featsr_tf.model.detector import Detector
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.row_ops import flatten_boxes
from featsr_tf.model.views import OriginalFrames
from featsr_tf.model.views import Places
from featsr_tf.model.views import Views
from featsr_tf.model.views import render
from featsr_tf.training.stage import ProposalSampler
from featsr_tf.training.stage import mask_padding_examples

# Share of the windows that are laid for objects, found or not.
_OBJECT_FRACTION = 0.75
# An object of which the window shows less is cut: neither truth nor background.
_WHOLE = 0.99
# How far places and magnifications vary: parts of a window's side, and a ratio.
_LARGEST_SHIFT = 0.25
_LARGEST_FACTOR = 1.25


class WindowSampler:
    """Samples what the small predictor learns from in windows.

    Windows are laid for small objects, also for those that the first pass has
    missed, and for what it has taken for objects. Their places and
    magnifications vary.

    Args:
        sampler: of the proposals within each window.
        count: windows per image. Default 4.
    """

    def __init__(
        self, detector: Detector, sampler: ProposalSampler, count: int = 4
    ):
        self.detector = detector
        self.second_look = detector.second_look
        self.sampler = sampler
        self.count = count

    def sample(
        self, batch, features: dict[str, tf.Tensor] | None = None
    ) -> tuple[SampledProposals, ChosenProposals]:
        """Samples proposals of windows of each image, and pools them.

        Args:
            batch: whole frames with their originals, see `Batch`.
            features: maps of the frames, where these are known.

        Returns:
            Proposals `[B, count * K]`, px of their windows, and all of them as
            `ChosenProposals` of a batch of windows.
        """
        batch_size = batch[Batch.IMAGES].shape[0]
        windows = self.cut(batch, features)
        # Those that the second look judges: others are easy background.
        proposals = self.sampler.propose(windows, self.second_look.propose)
        sample = self.sampler.sample(
            windows, proposals.boxes, allowed=proposals.valid
        )
        chosen = self.sampler.pool(
            sample, proposals.features, windows[Batch.IMAGES]
        )
        by_image = tf.nest.map_structure(
            lambda x: tf.reshape(x, [batch_size, -1, *x.shape[2:]]), sample
        )
        return by_image, chosen

    def cut(self, batch, features=None) -> dict[str, tf.Tensor]:
        """Makes a batch of windows, `count` of each image; see `Batch`."""
        frames = frames_of(batch)
        views, is_there = self.lay(batch, frames, features)
        size = self.second_look.settings.size
        count = batch[Batch.IMAGES].shape[0] * self.count
        return {
            **show_views(batch, frames, views, (count, size, size)),
            Batch.IMAGE_SIZES: tf.fill([count, 2], float(size)),
            Batch.SEEDS: self.seeds(batch),
            Batch.EXAMPLE_MASK: is_there,
        }

    def seeds(self, batch) -> tf.Tensor:
        """Gives each window a seed, `[B * count, 2]`."""
        numbers = tf.range(self.count) + 1
        # Far from the numbers that `sampling.uniform` adds.
        offsets = tf.stack([numbers * 1009, tf.zeros_like(numbers)], axis=1)
        seeds = batch[Batch.SEEDS][:, None] + offsets
        return tf.reshape(seeds, [-1, 2])

    def lay(
        self, batch, frames: OriginalFrames, features=None
    ) -> tuple[Views, tf.Tensor]:
        """Lays windows around sampled places, each somewhat aside.

        Returns:
            The windows `[B * count]`, and which of them count, 0 or 1.
        """
        places, is_there = self.sample_places(batch, frames, features)
        settings = self.second_look.settings
        draws = sampling.uniform(batch[Batch.SEEDS], [self.count, 3], salt=6)
        draws = tf.reshape(2.0 * draws - 1.0, [-1, 3])
        magnifications = places.magnifications * tf.pow(
            _LARGEST_FACTOR, draws[:, 0]
        )
        sides = settings.size / magnifications[:, None]
        centers = (places.boxes[:, :2] + places.boxes[:, 2:]) / 2
        corners = centers - sides / 2 + _LARGEST_SHIFT * sides * draws[:, 1:]
        limits = tf.gather(frames.image_sizes, places.image_indices)
        corners = tf.clip_by_value(
            corners, 0.0, tf.maximum(limits - sides, 0.0)
        )
        size = tf.fill([2], settings.size)
        views = Views(corners, size, magnifications, places.image_indices)
        return tf.nest.map_structure(tf.stop_gradient, views), is_there

    def sample_places(
        self, batch, frames: OriginalFrames, features=None
    ) -> tuple[Places, tf.Tensor]:
        """Samples small objects, and what the first pass takes for some.

        Returns:
            The places `[B * count]`, and which of them there are, 0 or 1.
        """
        look, batch_size = self.second_look, batch[Batch.IMAGES].shape[0]
        first, _ = self.detector.look(
            batch[Batch.IMAGES],
            frames.image_sizes,
            frames.scales,
            super_resolve=False,
            features=features,
        )
        first = first.clip(frames.image_sizes)
        found, scores = look.places_of(first, frames)
        scores = tf.reshape(scores, [batch_size, -1])
        is_found = first.valid & (scores >= look.settings.score_threshold)
        is_object = (batch[Batch.CLASSES] > 0) & ~batch[Batch.IGNORED]
        labels = tf.concat(
            [
                tf.where(is_found, sampling.NEGATIVE, sampling.NEITHER),
                tf.where(is_object, sampling.POSITIVE, sampling.NEITHER),
            ],
            axis=1,
        )
        boxes = tf.concat(
            [tf.reshape(found.boxes, [batch_size, -1, 4]), batch[Batch.BOXES]],
            axis=1,
        )
        flat, rows = flatten_boxes(boxes)
        magnifications = look.as_places(flat, rows, frames).magnifications
        is_wanted = (magnifications > 0.0) & self.detector.is_small(
            flat, rows, frames.scales
        )
        magnifications, is_wanted = (
            tf.reshape(x, [batch_size, -1]) for x in (magnifications, is_wanted)
        )
        labels = tf.where(is_wanted, labels, sampling.NEITHER)
        # Where there are fewer candidates than windows, some stand for none.
        labels = _at_least(self.count, labels, sampling.NEITHER)
        boxes = _at_least(self.count, boxes, 0.0)
        magnifications = _at_least(self.count, magnifications, 0.0)
        numbers = sampling.uniform(
            batch[Batch.SEEDS], [tf.shape(labels)[1]], salt=5
        )
        best = tf.math.top_k(
            sampling.balanced_ranks(
                labels, numbers, self.count, _OBJECT_FRACTION
            ),
            self.count,
        )
        boxes, magnifications = (
            tf.gather(x, best.indices, batch_dims=1)
            for x in (boxes, magnifications)
        )
        is_there = tf.cast(best.values > 0.0, tf.float32)
        flat, rows = flatten_boxes(boxes)
        # What stands for none has no magnification.
        magnifications = tf.maximum(
            tf.reshape(magnifications, [-1]), look.settings.magnifications[0]
        )
        return Places(flat, rows, magnifications), tf.reshape(
            mask_padding_examples(batch, is_there), [-1]
        )


def _at_least(count: int, values: tf.Tensor, filler) -> tf.Tensor:
    """Adds columns to `[B, N, ...]` so that N is at least `count`."""
    missing = tf.maximum(count - tf.shape(values)[1], 0)
    paddings = [[0, 0], [0, missing]] + [[0, 0]] * (values.shape.rank - 2)
    return tf.pad(values, paddings, constant_values=filler)


def frames_of(batch) -> OriginalFrames:
    """Takes the originals out of a batch that holds them, see `Batch`."""
    return OriginalFrames(
        batch[Batch.ORIGINALS], batch[Batch.IMAGE_SIZES], batch[Batch.SCALES]
    )


def show_views(
    batch, frames: OriginalFrames, views: Views, shape: tuple[int, int, int]
) -> dict[str, tf.Tensor]:
    """Makes a batch of views of which the frames and objects are known.

    Args:
        batch: whole frames, see `Batch`.
        shape: how many views there are, their height and width.

    Returns:
        Images, scales and objects; see `Batch`.
    """
    return {
        Batch.IMAGES: tf.ensure_shape(render(frames, views), [*shape, 3]),
        Batch.SCALES: tf.gather(frames.scales, views.image_indices)
        * views.magnifications[:, None],
        **truth_in_views(batch, views),
    }


def truth_in_views(batch, views: Views) -> dict[str, tf.Tensor]:
    """Moves the objects of the images into views of them."""
    boxes, classes, ignored = (
        tf.gather(batch[key], views.image_indices)
        for key in (Batch.BOXES, Batch.CLASSES, Batch.IGNORED)
    )
    boxes = views.from_frame(boxes)
    shown = box_ops.clip(
        boxes, tf.ones_like(views.corners) * tf.cast(views.size, tf.float32)
    )
    areas, shown_areas = box_ops.area(boxes), box_ops.area(shown)
    is_shown = shown_areas >= 1.0
    is_cut = is_shown & (shown_areas < _WHOLE * areas)
    return {
        Batch.BOXES: tf.where(is_shown[..., None], shown, 0.0),
        Batch.CLASSES: tf.where(is_shown, classes, 0),
        Batch.IGNORED: ignored | is_cut,
    }
