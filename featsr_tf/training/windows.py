"""What stages 2 and 3 see of a second look: windows, as inference lays them."""

import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.geometry import boxes as box_ops
from featsr_tf.geometry import sampling
from featsr_tf.geometry.sampling import SampledProposals
from featsr_tf.model.detector import Detector
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.row_ops import flatten_boxes
from featsr_tf.model.second_look import Frames
from featsr_tf.model.second_look import Views
from featsr_tf.model.second_look import render
from featsr_tf.training.stage import ProposalSampler

# Share of the windows that are laid for objects, found or not.
_OBJECT_FRACTION = 0.75
# An object of which the window shows less is cut: neither truth nor background.
_WHOLE = 0.99


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

    def sample(self, batch) -> tuple[SampledProposals, ChosenProposals]:
        """Samples proposals of windows of each image, and pools them.

        Args:
            batch: whole frames with their originals, see `Batch`.

        Returns:
            Proposals `[B, count * K]`, px of their windows, and all of them as
            `ChosenProposals` of a batch of windows.
        """
        batch_size = batch[Batch.IMAGES].shape[0]
        windows = self.cut(batch)
        proposals = self.sampler.propose(windows)
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

    def cut(self, batch) -> dict[str, tf.Tensor]:
        """Makes a batch of windows, `count` of each image; see `Batch`."""
        frames = Frames(
            batch[Batch.ORIGINALS],
            batch[Batch.IMAGE_SIZES],
            batch[Batch.SCALES],
        )
        views, is_there = self.lay(batch, frames)
        size = self.second_look.settings.size
        images = tf.ensure_shape(
            render(frames, views),
            [len(views.image_indices), size, size, 3],
        )
        return {
            Batch.IMAGES: images,
            Batch.IMAGE_SIZES: tf.fill([images.shape[0], 2], float(size)),
            Batch.SCALES: tf.gather(frames.scales, views.image_indices)
            * views.magnifications[:, None],
            Batch.SEEDS: self.seeds(batch),
            Batch.EXAMPLE_MASK: is_there,
            **self.truth(batch, views),
        }

    def seeds(self, batch) -> tf.Tensor:
        """Gives each window a seed, `[B * count, 2]`."""
        numbers = tf.range(self.count) + 1
        # Far from the numbers that `sampling.uniform` adds.
        offsets = tf.stack([numbers * 1009, tf.zeros_like(numbers)], axis=1)
        seeds = batch[Batch.SEEDS][:, None] + offsets
        return tf.reshape(seeds, [-1, 2])

    def lay(self, batch, frames: Frames) -> tuple[Views, tf.Tensor]:
        """Lays windows `[B * count]`; also tells which count, 0 or 1."""
        look, settings = self.second_look, self.second_look.settings
        batch_size, seeds = batch[Batch.IMAGES].shape[0], batch[Batch.SEEDS]
        first = self.detector.find_raw_detections(
            batch[Batch.IMAGES],
            frames.image_sizes,
            frames.scales,
            super_resolve=False,
        )
        found, scores = look.places_of(first, frames)
        is_found = tf.reshape(first.valid, [-1])
        is_found &= scores >= settings.score_threshold
        is_object = (batch[Batch.CLASSES] > 0) & ~batch[Batch.IGNORED]
        boxes = tf.concat(
            [tf.reshape(found.boxes, [batch_size, -1, 4]), batch[Batch.BOXES]],
            axis=1,
        )
        flat, image_indices = flatten_boxes(boxes)
        magnifications = look.magnifications(
            flat, tf.gather(frames.scales, image_indices)
        )
        is_wanted = (magnifications > 0.0) & self.detector.is_small(
            flat, image_indices, frames.scales
        )
        labels = tf.concat(
            [
                tf.where(
                    tf.reshape(is_found, [batch_size, -1]),
                    sampling.NEGATIVE,
                    sampling.NEITHER,
                ),
                tf.where(is_object, sampling.POSITIVE, sampling.NEITHER),
            ],
            axis=1,
        )
        is_wanted = tf.reshape(is_wanted, [batch_size, -1])
        labels = tf.where(is_wanted, labels, sampling.NEITHER)
        numbers = sampling.uniform(seeds, [tf.shape(labels)[1]], salt=5)
        ranks = sampling.balanced_ranks(
            labels, numbers, self.count, _OBJECT_FRACTION
        )
        best = tf.math.top_k(ranks, self.count)
        is_there = tf.cast(best.values > 0.0, tf.float32)
        if Batch.EXAMPLE_MASK in batch:
            is_there *= batch[Batch.EXAMPLE_MASK][:, None]
        chosen, image_indices = flatten_boxes(
            tf.gather(boxes, best.indices, batch_dims=1)
        )
        magnifications = tf.gather(
            tf.reshape(magnifications, [batch_size, -1]),
            best.indices,
            batch_dims=1,
        )
        draws = sampling.uniform(seeds, [self.count, 3], salt=6)
        # From 1/1.25 to 1.25.
        factors = tf.pow(1.25, 2.0 * draws[..., 0] - 1.0)
        magnifications = tf.reshape(
            tf.maximum(magnifications, settings.magnifications[0]) * factors,
            [-1],
        )
        sides = settings.size / magnifications[:, None]
        shifts = 0.5 * sides * (tf.reshape(draws[..., 1:], [-1, 2]) - 0.5)
        corners = (chosen[:, :2] + chosen[:, 2:] - sides) / 2 + shifts
        limits = tf.gather(frames.image_sizes, image_indices)
        corners = tf.clip_by_value(
            corners, 0.0, tf.maximum(limits - sides, 0.0)
        )
        views = Views(
            corners, tf.fill([2], settings.size), magnifications, image_indices
        )
        return tf.nest.map_structure(tf.stop_gradient, views), tf.reshape(
            is_there, [-1]
        )

    def truth(self, batch, views: Views) -> dict[str, tf.Tensor]:
        """Moves the objects of the images into the windows."""
        boxes, classes, ignored = (
            tf.gather(batch[key], views.image_indices)
            for key in (Batch.BOXES, Batch.CLASSES, Batch.IGNORED)
        )
        corners = tf.tile(views.corners, [1, 2])[:, None]
        boxes = (boxes - corners) * views.magnifications[:, None, None]
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
