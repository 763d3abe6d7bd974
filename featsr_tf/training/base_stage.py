"""Stage 1 of the training: a plain Faster R-CNN (section 4.3)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.geometry import boxes as box_ops
from featsr_tf.geometry import sampling
from featsr_tf.model.detector import Detector
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.training import losses
from featsr_tf.training.stage import GRADIENT_NORM
from featsr_tf.training.stage import Stage
from featsr_tf.training.stage import mask_padding_examples
from featsr_tf.training.targets import TargetSource


@dataclass(frozen=True)
class AnchorSampling:
    """How anchors are labelled and sampled for the proposal network's losses.

    Attributes:
        count: anchors per image. Default 256.
        positive_fraction: largest share of objects. Default 0.5.
        negative_iou: anchors below it are background. Default 0.3.
        positive_iou: anchors at or above it are objects. Default 0.5.
    """

    count: int = 256
    positive_fraction: float = 0.5
    negative_iou: float = 0.3
    positive_iou: float = 0.5


class BaseStage(Stage):
    """Stage 1: extractor, proposal network and large predictor.

    Args:
        objectness_weight: weight of the objectness loss. Default 1.0.
        anchor_localization_weight: weight of the anchors' box loss.
            Default 1.0.
        frozen_patterns: regular expressions; variables whose path matches one
            are not trained. Default none.
        trained_patterns: regular expressions; only variables whose path
            matches one are trained. Default all.
        twin: makes T^1.0, on which the large predictor is trained too.
            Default none.
        twin_aware_weight: weight of its losses there. Default 0.0.
        **kwargs: see `Stage`.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        anchor_sampling: AnchorSampling,
        objectness_weight: float = 1.0,
        anchor_localization_weight: float = 1.0,
        frozen_patterns: Sequence[str] = (),
        trained_patterns: Sequence[str] = ("",),
        twin: TargetSource | None = None,
        twin_aware_weight: float = 0.0,
        **kwargs,
    ):
        super().__init__(detector, **kwargs)
        self.anchor_sampling = anchor_sampling
        self.objectness_weight = objectness_weight
        self.anchor_localization_weight = anchor_localization_weight
        self.frozen_patterns = tuple(frozen_patterns)
        self.trained_patterns = tuple(trained_patterns)
        self.twin = twin
        self.twin_aware_weight = twin_aware_weight

    @property
    def all_variables(self) -> list[keras.Variable]:
        """The trainable variables of the base detector, frozen ones too."""
        detector = self.detector
        return (
            detector.extractor.trainable_variables
            + detector.proposal_network.trainable_variables
            + detector.large_predictor.trainable_variables
        )

    @property
    def trained_variables(self):
        """Extractor (but for frozen layers), proposal network, predictor."""
        return [
            variable
            for variable in self.all_variables
            if _matches(variable, self.trained_patterns)
            and not _matches(variable, self.frozen_patterns)
        ]

    def compute_frozen(self, batch):
        """Nothing is frozen; see `Stage`."""
        return batch

    def update(self, inputs):
        """Makes one step of Faster R-CNN; see `Stage`."""
        logs, norm = self.minimizer.minimize(
            lambda: self.loss_of(inputs), self.trained_variables
        )
        return {**logs, GRADIENT_NORM: norm}

    def loss_of(self, batch):
        """Sums the losses of proposal network and large predictor."""
        features = self.detector.extract(batch[Batch.IMAGES], training=True)
        logits, deltas = self.detector.proposal_network(features["base"])
        anchors = self.detector.anchors(features)
        proposal_loss, logs = self.proposal_loss(batch, logits, deltas, anchors)
        proposals = self.detector.choose_proposals(
            logits, deltas, anchors, batch[Batch.IMAGE_SIZES]
        )
        boxes, valid = self.sampler.add_truth(batch, proposals)
        sample = self.sampler.sample(batch, boxes, allowed=valid)
        chosen = self.sampler.pool(sample, features, batch[Batch.IMAGES])
        predictions = self.detector.large_predictor(
            chosen.base, training=True, seeds=batch[Batch.SEEDS]
        )
        predictor_loss, predictor_logs = self.predictor_loss(
            predictions, sample
        )
        total = proposal_loss + predictor_loss
        logs |= predictor_logs
        if self.twin is not None:
            twin_loss, twin_logs = self.twin_loss(sample, chosen)
            total += self.twin_aware_weight * twin_loss
            logs |= twin_logs
        return self.add_regularization(total, logs)

    def twin_loss(self, sample, chosen: ChosenProposals):
        """Sums the large predictor's losses on T^1.0 of the same proposals.

        Batch normalization works as in stage 2: by the statistics of the
        plain extractor, which the twin does not change.
        """
        predictions = self.detector.large_predictor(self.twin(chosen, chosen))
        total, logs = self.predictor_loss(predictions, sample)
        return total, {f"twin_{name}": value for name, value in logs.items()}

    def proposal_loss(self, batch, logits, deltas, anchors):
        """Weighs objectness and box loss of sampled anchors."""
        options = self.anchor_sampling
        batched = tf.repeat(anchors[None], tf.shape(logits)[0], axis=0)
        matches = sampling.match(
            batched,
            batch[Batch.BOXES],
            batch[Batch.IGNORED],
            options.negative_iou,
            options.positive_iou,
            match_every_object=True,
        )
        weights = sampling.sample_anchors(
            matches.labels,
            batch[Batch.SEEDS],
            options.count,
            options.positive_fraction,
        )
        weights = mask_padding_examples(batch, weights)
        positive = matches.labels == sampling.POSITIVE
        is_object = tf.cast(positive, tf.float32)
        targets = tf.gather(batch[Batch.BOXES], matches.indices, batch_dims=1)
        targets = tf.where(positive[..., None], targets, batched)
        objectness = losses.weighted_mean(
            losses.objectness_loss(logits, is_object), weights
        )
        localization = losses.weighted_mean(
            losses.box_loss(deltas, box_ops.encode(targets, batched))
            * is_object,
            weights,
        )
        total = (
            self.objectness_weight * objectness
            + self.anchor_localization_weight * localization
        )
        return total, {
            "objectness": objectness,
            "anchor_localization": localization,
        }


def _matches(variable: keras.Variable, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, variable.path) for pattern in patterns)
