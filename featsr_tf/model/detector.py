"""The detector: Figure 3 of the paper in code."""

import inspect

import keras
import numpy as np
import tensorflow as tf

from featsr_tf.geometry import boxes as box_ops
from featsr_tf.geometry import nms
from featsr_tf.geometry.boxes import anchor_grid
from featsr_tf.model.backbone import Backbone
from featsr_tf.model.postprocess import Candidates
from featsr_tf.model.postprocess import PostProcessing
from featsr_tf.model.predictor import Predictions
from featsr_tf.model.predictor import Predictor
from featsr_tf.model.proposal_network import ProposalNetwork
from featsr_tf.model.proposal_network import Proposals
from featsr_tf.model.proposal_network import choose_proposals
from featsr_tf.model.proposal_rows import choose
from featsr_tf.model.proposal_rows import gather_rows
from featsr_tf.model.proposal_rows import merge
from featsr_tf.model.proposal_rows import prefer
from featsr_tf.model.proposal_rows import rows_where
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.refiner import Gate
from featsr_tf.model.refiner import Refiner
from featsr_tf.model.roi_pooling import RoiPooling
from featsr_tf.model.tail_generator import TailGenerator
from featsr_tf.model.zoom import ZoomRefiner


class ProposalSettings:
    """How proposals are made of the anchors.

    Args:
        cell_anchors: `[A, 4]`, px, around the origin.
        maximum: P, proposals per image. Default 300.
        iou_threshold: of the non-maximum suppression. Default 0.7.
        score_threshold: lowest objectness of a proposal. Default 0.0.
        clip_anchors: whether anchors are clipped to the image. Default False.
        suppress: one of `geometry/nms.py`. Default `nms.suppress`.
    """

    def __init__(
        self,
        cell_anchors: tf.Tensor,
        maximum: int = 300,
        iou_threshold: float = 0.7,
        score_threshold: float = 0.0,
        clip_anchors: bool = False,
        suppress: nms.Suppression = nms.suppress,
    ):
        # A constant of every graph; a tensor would be one more input of it.
        self.cell_anchors = np.asarray(cell_anchors)
        self.maximum = maximum
        self.iou_threshold = iou_threshold
        self.score_threshold = score_threshold
        self.clip_anchors = clip_anchors
        self.suppress = suppress


class Detector(keras.Model):
    """Faster R-CNN whose small proposals are super-resolved (Figure 3).

    1. The extractor makes feature maps of the image.
    2. The proposal network finds regions that may hold an object.
    3. The pooled features of small proposals are refined.
    4. The small predictor judges these, the large predictor the others.

    Args:
        backbone: extractor and preprocessing.
        proposal_network: scores the anchors.
        proposal_settings: how proposals are made of the anchors.
        pool_base: pooling of the base layer, F.
        refiner: makes S of the features of small proposals (`refiner.py`).
        large_predictor: judges large proposals; the base detector's only one.
        small_predictor: judges refined small proposals.
        postprocess: predictions to detections.
        small_area_threshold: proposals below this area are small, px^2.
        threshold_in_original_pixels: whether that area is measured in the
            original image rather than in I^1.0. Default True.
        gate: chooses the small proposals that are refined; None refines all
            of them, as the paper does. Default None.
        objectness_threshold: proposals below it are not judged where small
            ones are super-resolved. Default 0.0.
        can_skip: whether refiner and small predictor are left out of a batch
            in which there is nothing for them to do. It changes the time
            alone. Default True.
        compiles_parts: whether XLA compiles its parts; see `Compiled`.
            Default False.
    """

    def __init__(
        self,
        backbone: Backbone,
        proposal_network: ProposalNetwork,
        proposal_settings: ProposalSettings,
        pool_base: RoiPooling,
        refiner: Refiner,
        large_predictor: Predictor,
        small_predictor: Predictor,
        postprocess: PostProcessing,
        small_area_threshold: float,
        threshold_in_original_pixels: bool = True,
        gate: Gate | None = None,
        objectness_threshold: float = 0.0,
        can_skip: bool = True,
        compiles_parts: bool = False,
        **kwargs,
    ):
        # Sizes of images are among what it is called with.
        super().__init__(dtype="float32", **kwargs)
        self.backbone = backbone
        self.extractor = backbone.features
        self.proposal_network = proposal_network
        self.proposal_settings = proposal_settings
        self.pool_base = pool_base
        self.refiner = refiner
        self.large_predictor = large_predictor
        self.small_predictor = small_predictor
        self.postprocess = postprocess
        self.small_area_threshold = small_area_threshold
        self.threshold_in_original_pixels = threshold_in_original_pixels
        self.gate = gate
        self.objectness_threshold = objectness_threshold
        self.can_skip = can_skip
        self.compiles_parts = compiles_parts
        self.built = True

    def call(self, images, image_sizes, scales, super_resolve=True):
        """Detects objects (section 4.4).

        Args:
            images: `[B, H, W, 3]` RGB, 0..255, sides multiples of 32.
            image_sizes: `[B, 2]` height and width without padding, px.
            scales: `[B, 2]` px of I^1.0 per px of the original image.
            super_resolve: False gives the base detector. Default True.

        Returns:
            `Detections` in px of I^1.0.
        """
        return self.postprocess.suppress(
            self.find_candidates(images, image_sizes, scales, super_resolve)
        )

    def find_candidates(
        self, images, image_sizes, scales, super_resolve=True
    ) -> Candidates:
        """Does all of `call` but the suppression of duplicates (Figure 3).

        Args:
            images: `[B, H, W, 3]` RGB, 0..255, sides multiples of 32.
            image_sizes: `[B, 2]` height and width without padding, px.
            scales: `[B, 2]` px of I^1.0 per px of the original image.
            super_resolve: False gives the base detector. Default True.

        Returns:
            `Candidates` in px of I^1.0.
        """
        features = self.extract(images)
        proposals = self.propose(features, image_sizes)
        if super_resolve:
            proposals = proposals.above(self.objectness_threshold)
        is_valid = tf.reshape(proposals.valid, [-1])
        # From here on padding costs nothing.
        rows = rows_where(is_valid)
        boxes, image_indices = gather_rows(rows, *flatten(proposals.boxes))
        pooled = self.pool_base(features["base"], boxes, image_indices)
        chosen = ChosenProposals(boxes, image_indices, pooled, features, images)
        if super_resolve:
            is_small = self.is_small(boxes, image_indices, scales)
            predictions = self.predict_by_size(chosen, is_small)
        else:
            predictions = self.large_predictor(pooled)
        return self.postprocess.decode(
            merge([(rows, predictions)], tf.size(is_valid)),
            proposals,
            image_sizes,
        )

    def extract(self, images, training=False):
        """Makes feature maps `{"base", "sub"}` of images `[B, H, W, 3]`."""
        return self.backbone.extract(images, training=training)

    def propose(self, features, image_sizes) -> Proposals:
        """Finds regions that may hold an object."""
        logits, deltas = self.proposal_network(features["base"])
        return self.choose_proposals(
            logits, deltas, self.anchors(features), image_sizes
        )

    def choose_proposals(self, logits, deltas, anchors, image_sizes):
        """Turns outputs of the proposal network into `Proposals`."""
        settings = self.proposal_settings
        return choose_proposals(
            logits,
            deltas,
            anchors,
            image_sizes,
            settings.maximum,
            settings.iou_threshold,
            settings.score_threshold,
            suppress=settings.suppress,
        )

    def anchors(self, features) -> tf.Tensor:
        """Places the anchors `[N, 4]`, px, on the base feature map's cells."""
        base = features["base"]
        cells = self.pool_base.cells
        height = base.shape[1] or tf.shape(base)[1]
        width = base.shape[2] or tf.shape(base)[2]
        anchors = anchor_grid(
            self.proposal_settings.cell_anchors,
            height,
            width,
            cells.stride,
            cells.first_center,
        )
        if self.proposal_settings.clip_anchors:
            sides = tf.cast(tf.stack([height, width]), tf.float32)
            anchors = box_ops.clip(anchors[None], sides[None] * cells.stride)[0]
        return anchors

    def predict_by_size(
        self, proposals: ChosenProposals, is_small
    ) -> Predictions:
        """Judges proposals by the predictor of their size (section 4.4).

        The refiner runs on the small proposals only.

        Args:
            proposals: n proposals, with pooled features.
            is_small: `[n]` bool.

        Returns:
            `Predictions` of the n proposals in their order.
        """
        if self.gate is not None:
            return self.predict_behind_gate(proposals, is_small)
        large = rows_where(~is_small)
        predictions = self.large_predictor(choose(proposals, large).base)
        return self.judge_refined(
            proposals,
            is_small,
            merge([(large, predictions)], tf.size(is_small)),
        )

    def predict_behind_gate(
        self, proposals: ChosenProposals, is_small
    ) -> Predictions:
        """Judges all proposals first, then again those that the gate chooses.

        Args:
            proposals: n proposals, with pooled features.
            is_small: `[n]` bool.

        Returns:
            `Predictions` of the n proposals in their order.
        """
        first = self.large_predictor(proposals.base)
        is_chosen = self.gate(
            self.postprocess.scores(first.class_logits),
            is_small,
            proposals.image_indices,
            tf.shape(proposals.images)[0],
        )
        return self.judge_refined(proposals, is_chosen, first)

    def judge_refined(
        self, proposals: ChosenProposals, is_chosen, others: Predictions
    ) -> Predictions:
        """Judges some proposals by their refined features.

        Args:
            proposals: n proposals, with pooled features.
            is_chosen: `[n]` bool, those to be refined.
            others: of the n proposals, what counts for the other ones.

        Returns:
            `Predictions` of the n proposals.
        """

        def judge() -> Predictions:
            rows = rows_where(is_chosen)
            refined = self.refiner(choose(proposals, rows))
            found = merge(
                [(rows, self.small_predictor(refined))], tf.size(is_chosen)
            )
            return prefer(found, others, is_chosen)

        if not self.can_skip:
            return judge()
        return tf.cond(tf.reduce_any(is_chosen), judge, lambda: others)

    def area_over_threshold(self, boxes, image_indices, scales):
        """Measures proposals in units of the small threshold.

        Args:
            boxes: `[n, 4]`, px of I^1.0.
            image_indices: `[n]` int32.
            scales: `[B, 2]` px of I^1.0 per px of the original image.

        Returns:
            `[n]` area over the threshold; below 1 is small.
        """
        areas = box_ops.area(boxes)
        if self.threshold_in_original_pixels:
            areas /= tf.gather(tf.reduce_prod(scales, axis=1), image_indices)
        return areas / self.small_area_threshold

    def is_small(self, boxes, image_indices, scales):
        """Tells which boxes are small proposals, `[n]` bool (section 4)."""
        return self.area_over_threshold(boxes, image_indices, scales) < 1.0

    @property
    def refines_untrained(self) -> bool:
        """Whether the refiner is of use before stage 2."""
        return isinstance(self.refiner, ZoomRefiner)

    def with_large_predictor(self, large_predictor: Predictor) -> "Detector":
        """Makes a detector that shares all but the large predictor.

        Args:
            large_predictor: for instance that of stage 1, with which the base
                detector can be had beside the super-resolved one.

        Returns:
            The other detector, of the same variables but for the predictor's.
        """
        return self._with_parts(large_predictor=large_predictor)

    def for_inference(self) -> "Detector":
        """Makes a detector that does the same faster, and cannot be trained.

        Its convolutions are copies of what they are now, the other variables
        are this detector's: make it anew once this detector has learnt more.

        Returns:
            A detector whose batch normalization is folded into its
            convolutions.
        """
        backbone = self.backbone.for_inference()
        return self._with_parts(
            backbone=backbone,
            refiner=self.refiner.for_inference(backbone),
            large_predictor=self.large_predictor.for_inference(),
            small_predictor=self.small_predictor.for_inference(),
        )

    def _with_parts(self, **parts) -> "Detector":
        names = inspect.signature(Detector).parameters.keys() - {"kwargs"}
        own = {name: getattr(self, name) for name in names}
        return Detector(**(own | parts))

    def start_small_predictor_from_large(self) -> None:
        """Copies the large predictor's weights (section 4.3)."""
        self.small_predictor.set_weights(self.large_predictor.get_weights())

    def start_tail_from_extractor(self) -> None:
        """Copies the extractor's weights to a generator that is its tail."""
        generator = getattr(self.refiner, "generator", None)
        if isinstance(generator, TailGenerator):
            generator.start_from(self.extractor)


def flatten(boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Lists the boxes of a batch one after the other.

    Args:
        boxes: `[B, P, 4]`, px.

    Returns:
        boxes `[B * P, 4]` and their rows in the batch `[B * P]` int32.
    """
    batch, count = tf.unstack(tf.shape(boxes)[:2])
    if None not in boxes.shape[:2]:
        batch, count = boxes.shape[:2]
    indices = tf.repeat(tf.range(batch), count)
    return tf.reshape(boxes, [batch * count, 4]), indices
