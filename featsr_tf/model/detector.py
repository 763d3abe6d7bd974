"""The detector: Figure 3 of the paper in code."""

import dataclasses
import inspect
from typing import NoReturn

import keras
import tensorflow as tf

from featsr_tf.geometry import boxes as box_ops
from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.geometry.roi_align import RoiPooling
from featsr_tf.model.backbone import Backbone
from featsr_tf.model.focus import FocusHead
from featsr_tf.model.postprocess import DetectionBatch
from featsr_tf.model.postprocess import PostProcessing
from featsr_tf.model.postprocess import RawDetections
from featsr_tf.model.predictor import Predictions
from featsr_tf.model.predictor import Predictor
from featsr_tf.model.proposal_network import ProposalNetwork
from featsr_tf.model.proposal_network import Proposals
from featsr_tf.model.proposal_network import ProposalSettings
from featsr_tf.model.proposal_network import choose_proposals
from featsr_tf.model.proposal_network import place_anchors
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.refiner import Gate
from featsr_tf.model.refiner import Refiner
from featsr_tf.model.row_ops import flatten_boxes
from featsr_tf.model.row_ops import gather_rows
from featsr_tf.model.row_ops import rows_where
from featsr_tf.model.row_ops import scatter_rows
from featsr_tf.model.row_ops import select_rows
from featsr_tf.model.second_look import SecondLook
from featsr_tf.model.views import OriginalFrames


class Detector(keras.Model):
    """Faster R-CNN whose small proposals are super-resolved (Figure 3).

    1. The extractor makes feature maps of the image.
    2. The proposal network finds regions that may hold an object.
    3. The pooled features of small proposals are refined.
    4. The small predictor classifies these, the large predictor the others.

    With a second look the large predictor judges all proposals of a first
    pass, and the small predictor what windows of the original frame show.

    Keras cannot save it whole, as not all of its parts are Keras objects:
    `build_detector` makes it of a config, `save_weights` keeps its weights.

    Args:
        small_area_threshold: proposals below this area are small, px^2.
        threshold_in_original_pixels: whether that area is measured in the
            original image rather than in I^1.0.
        gate: chooses the small proposals that are refined; None refines all
            of them, as the paper does.
        objectness_threshold: proposals below it are left out where small ones
            are super-resolved.
        second_look: searches windows for small objects; None refines pooled
            features, as the paper does.
        focus_head: finds places for a second look that no proposal covers;
            None leaves these out.
        focus_cells: stride and first centre of its map, px.
        can_skip: whether refiner and small predictor are left out of a batch
            in which there is nothing for them to do. It changes the time
            alone.
        compiles_parts: whether XLA compiles its parts, each for every shape.
    """

    def __init__(
        self,
        *,
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
        second_look: SecondLook | None = None,
        focus_head: FocusHead | None = None,
        focus_cells: ReceptiveField | None = None,
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
        self.second_look = second_look
        self.focus_head = focus_head
        self.focus_cells = focus_cells
        self.can_skip = can_skip
        self.compiles_parts = compiles_parts
        self.built = True

    def call(
        self, images, image_sizes, scales, super_resolve=True, originals=None
    ) -> DetectionBatch:
        """Detects objects (section 4.4), boxes in px of I^1.0.

        Args:
            images: `[B, H, W, 3]` RGB, 0..255, sides multiples of 32.
            image_sizes: `[B, 2]` height and width without padding, px.
            scales: `[B, 2]` px of I^1.0 per px of the original image.
            super_resolve: False gives the base detector.
            originals: `[B, H', W', 3]` RGB, 0..255, the original images, which
                windows are cut out of. Default None, the images themselves.
        """
        found, _ = self.find_with_candidates(
            images, image_sizes, scales, super_resolve, originals
        )
        return found

    def find_with_candidates(
        self, images, image_sizes, scales, super_resolve=True, originals=None
    ) -> tuple[DetectionBatch, RawDetections]:
        """Does what `call` does, and gives what was there before it chose."""
        candidates, windows = self.look(
            images, image_sizes, scales, super_resolve, originals
        )
        found = self.postprocess.suppress(candidates, image_sizes)
        found = found._replace(windows=windows)
        return found, candidates.clip(image_sizes)

    def look(
        self,
        images,
        image_sizes,
        scales,
        super_resolve=True,
        originals=None,
        features=None,
    ) -> tuple[RawDetections, tf.Tensor | None]:
        """Finds candidates for detections (Figure 3).

        Args:
            features: maps of the images, where these are known.

        Returns:
            The candidates, and the windows of the second look; None without
            one.
        """
        if features is None:
            features = self.extract(images)
        padded_size = tf.shape(images)[1:3]
        proposals = self.propose(features, image_sizes, padded_size)
        if super_resolve:
            proposals = proposals.above(self.objectness_threshold)
        # From here on there are valid proposals alone: padding is not pooled.
        is_valid = tf.reshape(proposals.valid, [-1])
        rows = rows_where(is_valid)
        boxes, image_indices = gather_rows(
            rows, *flatten_boxes(proposals.boxes)
        )
        pooled = self.pool_base(
            features["base"], boxes, image_indices, image_size=padded_size
        )
        if super_resolve and self.second_look is None:
            predictions = self.predict_by_size(
                ChosenProposals(boxes, image_indices, pooled, features, images),
                self.is_small(boxes, image_indices, scales),
            )
        else:
            predictions = self.large_predictor(pooled)
        found = self.postprocess.decode(
            scatter_rows(rows, predictions, tf.size(is_valid)),
            proposals,
            image_sizes,
        )
        if super_resolve and self.second_look is not None:
            frames = OriginalFrames(originals, image_sizes, scales)
            if originals is None:
                frames = OriginalFrames(
                    images, image_sizes, tf.ones_like(scales)
                )
            return self.second_look(
                found.clip(image_sizes),
                lambda *boxes: self.is_small(*boxes, scales),
                frames,
                self.find_peaks(features, image_sizes),
            )
        return found, None

    def find_peaks(self, features, image_sizes) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds places that may hold a small object; see `FocusMap.peaks`."""
        if self.focus_head is None:
            return tf.zeros([0, 4]), tf.zeros([0], tf.int32)
        return self.focus_head(features).peaks(
            self.second_look.settings.focus_threshold,
            self.focus_cells,
            image_sizes,
        )

    def extract(self, images, training=False):
        """Makes feature maps `{"base", "sub"}` of images `[B, H, W, 3]`."""
        return self.backbone.extract(images, training=training)

    def propose(self, features, image_sizes, padded_size=None) -> Proposals:
        """Finds regions that may hold an object.

        Args:
            padded_size: see `place_anchors`.
        """
        logits, deltas = self.proposal_network(features["base"])
        return self.choose_proposals(
            logits, deltas, self.anchors(features, padded_size), image_sizes
        )

    def choose_proposals(
        self, logits, deltas, anchors, image_sizes
    ) -> Proposals:
        """Turns outputs of the proposal network into proposals."""
        return choose_proposals(
            logits, deltas, anchors, image_sizes, self.proposal_settings
        )

    def anchors(self, features, padded_size=None) -> tf.Tensor:
        """Places the anchors `[N, 4]`, px, on the base feature map's cells."""
        return place_anchors(
            features["base"],
            self.pool_base.cells,
            self.proposal_settings,
            padded_size,
        )

    def predict_by_size(
        self, proposals: ChosenProposals, is_small
    ) -> Predictions:
        """Predicts each proposal by the predictor of its size (section 4.4).

        Args:
            is_small: `[n]` bool.
        """
        if self.gate is not None:
            return self.predict_behind_gate(proposals, is_small)
        large = rows_where(~is_small)
        predictions = self.large_predictor(proposals.take(large).base)
        return self.predict_refined(
            proposals,
            is_small,
            scatter_rows(large, predictions, tf.size(is_small)),
        )

    def predict_behind_gate(
        self, proposals: ChosenProposals, is_small
    ) -> Predictions:
        """Predicts all proposals as large, then again those the gate chooses.

        Arguments and results are those of `predict_by_size`.
        """
        first = self.large_predictor(proposals.base)
        is_chosen = self.gate(
            self.postprocess.scores(first.class_logits),
            is_small,
            proposals.image_indices,
            tf.shape(proposals.images)[0],
        )
        return self.predict_refined(proposals, is_chosen, first)

    def predict_refined(
        self, proposals: ChosenProposals, is_chosen, others: Predictions
    ) -> Predictions:
        """Predicts the chosen ones of n proposals from refined features.

        Args:
            is_chosen: `[n]` bool, those to be refined.
        """

        def predict() -> Predictions:
            rows = rows_where(is_chosen)
            refined = self.refiner(proposals.take(rows))
            predictions = self.small_predictor(refined)
            return select_rows(
                is_chosen,
                scatter_rows(rows, predictions, tf.size(is_chosen)),
                others,
            )

        if not self.can_skip:
            return predict()
        return tf.cond(tf.reduce_any(is_chosen), predict, lambda: others)

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
        """Whether super-resolution is of use before stage 2."""
        return not self.refiner.needs_training or self.second_look is not None

    def with_large_predictor(self, large_predictor: Predictor) -> "Detector":
        """Makes a detector that shares all but the large predictor.

        With that of stage 1 the base detector can be had beside the
        super-resolved one, at the price of one predictor.
        """
        return self._with_parts(large_predictor=large_predictor)

    def for_inference(self) -> "Detector":
        """Makes a detector that does the same faster, and cannot be trained.

        Its batch normalization is folded into copies of the convolutions, the
        other variables are this detector's: make it anew once this detector
        has learnt more.
        """
        backbone = self.backbone.for_inference()
        small_predictor = self.small_predictor.for_inference()
        second_look = self.second_look
        if second_look is not None:
            second_look = dataclasses.replace(
                second_look, backbone=backbone, predictor=small_predictor
            )
        return self._with_parts(
            backbone=backbone,
            refiner=self.refiner.for_inference(backbone),
            large_predictor=self.large_predictor.for_inference(),
            small_predictor=small_predictor,
            second_look=second_look,
        )

    def _with_parts(self, **parts) -> "Detector":
        names = inspect.signature(Detector).parameters.keys() - {"kwargs"}
        own = {name: getattr(self, name) for name in names}
        return Detector(**(own | parts))

    def build_variables(self) -> None:
        """Makes every variable; the small predictor equals the large one."""
        base, sub = self.pooled_shape("base"), self.pooled_shape("sub")
        self.proposal_network.build((None, None, None, base[-1]))
        self.large_predictor.build(base)
        self.small_predictor.build(base)
        self.refiner.build_variables(base, sub)
        if self.focus_head is not None:
            self.focus_head.build(sub, base)
        self.start_small_predictor_from_large()

    def pooled_shape(self, layer: str) -> tuple:
        """Tells the shape `(None, k, k, C)` of pooled features of a layer."""
        size = self.pool_base.output_size
        return (None, size, size, self.extractor.output[layer].shape[-1])

    def start_small_predictor_from_large(self) -> None:
        """Copies the large predictor's weights (section 4.3)."""
        self.small_predictor.set_weights(self.large_predictor.get_weights())

    def save(self, *args, **kwargs) -> NoReturn:
        """Refuses: weights can be saved, and whole detectors exported."""
        raise NotImplementedError(
            "a Detector cannot be saved as one Keras file; expected "
            "`save_weights`, with `build_detector` of the same config and "
            "`load_weights` to have it back, or `python -m featsr_tf.export` "
            "for a SavedModel that runs without this package"
        )

    def get_config(self) -> NoReturn:
        """Refuses as `save` does."""
        self.save()
