"""Losses of the second stage and what becomes of its outputs."""

import dataclasses
import enum

from featsr_tf.config.fields import message
from featsr_tf.config.fields import optional
from featsr_tf.config.fields import refused
from featsr_tf.config.fields import setting
from featsr_tf.config.fields import unused


class ScoreConverter(enum.StrEnum):
    """How class logits become scores."""

    IDENTITY = "IDENTITY"
    SIGMOID = "SIGMOID"
    SOFTMAX = "SOFTMAX"


class MinedLoss(enum.StrEnum):
    """Loss by which hard examples are chosen."""

    BOTH = "BOTH"
    CLASSIFICATION = "CLASSIFICATION"
    LOCALIZATION = "LOCALIZATION"


@dataclasses.dataclass
class BatchNonMaxSuppression:
    """Non-maximum suppression of the detections, class by class."""

    score_threshold: float = setting(
        0.0, "Detections with a lower score are dropped.", maximum=1
    )
    iou_threshold: float = setting(
        0.6, "Overlap above which the weaker of two is dropped.", maximum=1
    )
    max_detections_per_class: int = setting(
        100, "Detections kept per class.", minimum=1, maximum=100000
    )
    max_total_detections: int = setting(
        100, "Detections kept per image.", minimum=1, maximum=100000
    )
    use_static_shapes: bool = unused(False, "TPU switch.")
    use_class_agnostic_nms: bool = refused(False, "Suppression across classes.")
    max_classes_per_detection: int = unused(
        1, "Classes per detection of class-agnostic suppression."
    )
    soft_nms_sigma: float = unused(0.0, "Width of Soft-NMS.")
    use_partitioned_nms: bool = unused(False, "TPU switch.")
    use_combined_nms: bool = unused(False, "Speed switch.")
    change_coordinate_frame: bool = unused(
        True, "Whether boxes are relative to the clipping window."
    )
    use_hard_nms: bool = unused(False, "Speed switch.")
    use_cpu_nms: bool = unused(False, "Speed switch.")


@dataclasses.dataclass
class PostProcessing:
    """From class logits and boxes to detections."""

    batch_non_max_suppression: BatchNonMaxSuppression = message(
        BatchNonMaxSuppression, "Non-maximum suppression."
    )
    score_converter: ScoreConverter = refused(
        ScoreConverter.SOFTMAX,
        "How class logits become scores; only SOFTMAX goes with the loss "
        "(in the API the default is IDENTITY).",
    )
    logit_scale: float = unused(1.0, "Divisor of the logits.")


@dataclasses.dataclass
class HardExampleMiner:
    """Choice of the proposals that enter the losses by their loss."""

    num_hard_examples: int = unused(64, "Examples kept per image.")
    iou_threshold: float = unused(0.7, "Overlap of its suppression.")
    loss_type: MinedLoss = unused(MinedLoss.BOTH, "Loss that decides.")
    max_negatives_per_positive: int = unused(
        0, "Negatives per positive; 0 = no limit."
    )
    min_negatives_per_image: int = unused(0, "Least number of negatives.")


@dataclasses.dataclass
class SoftmaxLoss:
    """Cross entropy of the softmax over the classes."""

    anchorwise_output: bool = unused(False, "Deprecated in the API.")
    logit_scale: float = unused(1.0, "Divisor of the logits.")


@dataclasses.dataclass
class OtherLoss:
    """A classification loss that is not built here."""


@dataclasses.dataclass
class ClassificationLoss:
    """Classification loss of the second stage: softmax cross entropy."""

    weighted_softmax: SoftmaxLoss | None = optional(
        "Softmax cross entropy, as without this message.",
        oneof="classification_loss",
    )
    weighted_sigmoid: OtherLoss | None = refused(
        None, "Sigmoid cross entropy.", oneof="classification_loss"
    )
    weighted_logits_softmax: OtherLoss | None = refused(
        None, "Cross entropy against logits.", oneof="classification_loss"
    )
    bootstrapped_sigmoid: OtherLoss | None = refused(
        None, "Bootstrapped cross entropy.", oneof="classification_loss"
    )
    weighted_sigmoid_focal: OtherLoss | None = refused(
        None, "Focal loss.", oneof="classification_loss"
    )
