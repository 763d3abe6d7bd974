"""The base detector: Faster R-CNN."""

import dataclasses
import enum

from featsr_tf.config.fields import message
from featsr_tf.config.fields import optional
from featsr_tf.config.fields import refused
from featsr_tf.config.fields import setting
from featsr_tf.config.fields import unused

_NORMALIZATION = "The added layers have no normalization."


class Operation(enum.StrEnum):
    """Kind of layer to which hyperparameters belong; the API counts from 1."""

    UNKNOWN = "UNKNOWN"
    CONV = "CONV"
    FC = "FC"


class Activation(enum.StrEnum):
    """Activation after a layer."""

    NONE = "NONE"
    RELU = "RELU"
    RELU_6 = "RELU_6"
    SWISH = "SWISH"


class FanMode(enum.StrEnum):
    """Fan by which a variance scaling initializer divides."""

    FAN_IN = "FAN_IN"
    FAN_OUT = "FAN_OUT"
    FAN_AVG = "FAN_AVG"


@dataclasses.dataclass
class L1Regularizer:
    """Sum of absolute weights."""

    weight: float = setting(1.0, "Factor of the sum.")


@dataclasses.dataclass
class L2Regularizer:
    """Half the sum of squared weights."""

    weight: float = setting(1.0, "Factor of half the sum.")


@dataclasses.dataclass
class Regularizer:
    """Loss on the kernels of layers; not set = none."""

    l1_regularizer: L1Regularizer | None = optional(
        "Absolute weights.", oneof="regularizer_oneof"
    )
    l2_regularizer: L2Regularizer | None = optional(
        "Squared weights.", oneof="regularizer_oneof"
    )


@dataclasses.dataclass
class NormalInitializer:
    """Weights drawn from a normal distribution."""

    mean: float = setting(0.0, "Mean.", minimum=-100, maximum=100)
    stddev: float = setting(1.0, "Standard deviation.", maximum=100)


@dataclasses.dataclass
class VarianceScalingInitializer:
    """Weights whose variance follows from the size of the layer."""

    factor: float = setting(2.0, "Factor of the variance.", 1e-9, 1e9)
    uniform: bool = setting(
        False, "Uniform rather than truncated normal distribution."
    )
    mode: FanMode = setting(
        FanMode.FAN_IN, "Number of inputs, outputs, or their mean."
    )


@dataclasses.dataclass
class Initializer:
    """First values of kernels; not set = those of this package."""

    truncated_normal_initializer: NormalInitializer | None = optional(
        "Normal distribution cut at two deviations.", oneof="initializer_oneof"
    )
    variance_scaling_initializer: VarianceScalingInitializer | None = optional(
        "Variance from the size of the layer.", oneof="initializer_oneof"
    )
    random_normal_initializer: NormalInitializer | None = optional(
        "Normal distribution.", oneof="initializer_oneof"
    )


@dataclasses.dataclass
class BatchNorm:
    """Batch normalization after a layer."""

    decay: float = unused(0.999, _NORMALIZATION)
    center: bool = unused(True, _NORMALIZATION)
    scale: bool = unused(False, _NORMALIZATION)
    epsilon: float = unused(0.001, _NORMALIZATION)
    train: bool = unused(True, _NORMALIZATION)


@dataclasses.dataclass
class GroupNorm:
    """Group normalization after a layer."""


@dataclasses.dataclass
class Hyperparams:
    """Regularizer, initializer and activation of layers."""

    op: Operation = setting(
        Operation.CONV, "Kind of layer, which the place of the message says."
    )
    regularizer: Regularizer | None = optional("Regularizer of the kernels.")
    initializer: Initializer | None = optional("Initializer of the kernels.")
    activation: Activation = setting(
        Activation.RELU,
        "Activation of the proposal convolution; dense layers have none.",
    )
    batch_norm: BatchNorm | None = unused(
        None, _NORMALIZATION, oneof="normalizer_oneof"
    )
    group_norm: GroupNorm | None = unused(
        None, _NORMALIZATION, oneof="normalizer_oneof"
    )
    regularize_depthwise: bool = unused(
        False, "No added layer is a depthwise convolution."
    )
    force_use_bias: bool = unused(False, "The added layers have a bias.")


# Bilinear interpolation skips pixels where an image shrinks, and with them
# the small objects that this package is made for.
_METHOD = (
    "Interpolation; AREA shrinks by area and enlarges bilinearly (in the API "
    "the default is BILINEAR, which skips pixels)."
)
_BUILT = "keep_aspect_ratio_resizer and fixed_shape_resizer are built."


class ResizeType(enum.StrEnum):
    """Interpolation of an image resizer."""

    BILINEAR = "BILINEAR"
    NEAREST_NEIGHBOR = "NEAREST_NEIGHBOR"
    BICUBIC = "BICUBIC"
    AREA = "AREA"


@dataclasses.dataclass
class KeepAspectRatioResizer:
    """Resizes the shorter side, but never beyond a longest side."""

    min_dimension: int = setting(
        600, "Shorter side in pixels.", minimum=32, maximum=16384
    )
    max_dimension: int = setting(
        1024,
        "Longer side in pixels; when it would be more, it decides instead.",
        minimum=32,
        maximum=16384,
    )
    resize_method: ResizeType = setting(ResizeType.AREA, _METHOD)
    pad_to_max_dimension: bool = setting(
        False, "Whether to pad to a square of `max_dimension`."
    )
    convert_to_grayscale: bool = refused(
        False, "Images of one channel; images have three here."
    )
    per_channel_pad_value: list[float] = unused(
        [], "The padding is black; no box or proposal lies on it."
    )


@dataclasses.dataclass
class FixedShapeResizer:
    """Resizes to one shape, whatever the aspect ratio of the image."""

    height: int = setting(300, "Height in pixels.", minimum=32, maximum=16384)
    width: int = setting(300, "Width in pixels.", minimum=32, maximum=16384)
    resize_method: ResizeType = setting(ResizeType.AREA, _METHOD)
    convert_to_grayscale: bool = refused(
        False, "Images of one channel; images have three here."
    )


@dataclasses.dataclass
class IdentityResizer:
    """Leaves images as they are, which is not built here."""


@dataclasses.dataclass
class ConditionalShapeResizer:
    """Resizes some images only, which is not built here."""


@dataclasses.dataclass
class PadToMultipleResizer:
    """Pads to a multiple, which is not built here."""


@dataclasses.dataclass
class ImageResizer:
    """How a frame becomes the input of the network; exactly one way."""

    keep_aspect_ratio_resizer: KeepAspectRatioResizer | None = optional(
        "Keeps the aspect ratio.", oneof="image_resizer_oneof"
    )
    fixed_shape_resizer: FixedShapeResizer | None = optional(
        "Gives every image the same shape.", oneof="image_resizer_oneof"
    )
    identity_resizer: IdentityResizer | None = refused(
        None, f"Images as they are; {_BUILT}", oneof="image_resizer_oneof"
    )
    conditional_shape_resizer: ConditionalShapeResizer | None = refused(
        None,
        f"Resizing of some images only; {_BUILT}",
        oneof="image_resizer_oneof",
    )
    pad_to_multiple_resizer: PadToMultipleResizer | None = refused(
        None, f"Padding without resizing; {_BUILT}", oneof="image_resizer_oneof"
    )


_TPU = "For TPUs; results do not depend on it."
_HARD_NMS = "Suppression is always hard, class by class, in one operation."
_DEPRECATED = "Deprecated in the API."
MINER = (
    "Proposals are sampled at random, by second_stage_batch_size and "
    "second_stage_balance_fraction."
)
_LOSSES = "weighted_softmax and weighted_sigmoid are built."


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
    use_static_shapes: bool = unused(False, _TPU)
    use_class_agnostic_nms: bool = refused(
        False, "Suppression across classes; it is made class by class."
    )
    max_classes_per_detection: int = unused(
        1, "Belongs to class-agnostic suppression."
    )
    soft_nms_sigma: float = refused(
        0.0, "Soft suppression; only the hard one is built."
    )
    use_partitioned_nms: bool = unused(False, _TPU)
    use_combined_nms: bool = unused(False, _HARD_NMS)
    change_coordinate_frame: bool = unused(
        True, "Boxes are in pixels of the image throughout."
    )
    use_hard_nms: bool = unused(False, _HARD_NMS)
    use_cpu_nms: bool = unused(False, _HARD_NMS)


@dataclasses.dataclass
class Calibration:
    """Calibration of scores, which is not built here."""


@dataclasses.dataclass
class PostProcessing:
    """From class logits and boxes to detections."""

    batch_non_max_suppression: BatchNonMaxSuppression = message(
        BatchNonMaxSuppression, "Non-maximum suppression."
    )
    score_converter: ScoreConverter = setting(
        ScoreConverter.SOFTMAX,
        "How class logits become scores: SOFTMAX goes with weighted_softmax, "
        "SIGMOID with weighted_sigmoid, IDENTITY leaves logits as they are "
        "(in the API the default is IDENTITY).",
    )
    logit_scale: float = setting(
        1.0, "Divisor of the logits before that.", 1e-6, 1e6
    )
    calibration_config: Calibration | None = refused(
        None, "Calibration of scores; scores are given as they are."
    )


@dataclasses.dataclass
class HardExampleMiner:
    """Choice of the proposals that enter the losses by their loss."""

    num_hard_examples: int = unused(64, MINER)
    iou_threshold: float = unused(0.7, MINER)
    loss_type: MinedLoss = unused(MinedLoss.BOTH, MINER)
    max_negatives_per_positive: int = unused(0, MINER)
    min_negatives_per_image: int = unused(0, MINER)


@dataclasses.dataclass
class SoftmaxLoss:
    """Cross entropy of the softmax over the classes."""

    anchorwise_output: bool = unused(False, _DEPRECATED)
    logit_scale: float = setting(
        1.0, "Divisor of the logits in training.", 1e-6, 1e6
    )


@dataclasses.dataclass
class SigmoidLoss:
    """Sum of the cross entropies of the sigmoid of every class."""

    anchorwise_output: bool = unused(False, _DEPRECATED)


@dataclasses.dataclass
class LogitsSoftmaxLoss:
    """Cross entropy against logits, which is not built here."""


@dataclasses.dataclass
class BootstrappedSigmoidLoss:
    """Bootstrapped cross entropy, which is not built here."""


@dataclasses.dataclass
class SigmoidFocalLoss:
    """Focal loss, which is not built here."""


@dataclasses.dataclass
class LogisticFocalLoss:
    """Penalty-reduced focal loss, which is not built here."""


@dataclasses.dataclass
class ClassificationLoss:
    """Classification loss of the second stage; not set = weighted_softmax."""

    weighted_softmax: SoftmaxLoss | None = optional(
        "Softmax cross entropy.", oneof="classification_loss"
    )
    weighted_sigmoid: SigmoidLoss | None = optional(
        "Sigmoid cross entropy.", oneof="classification_loss"
    )
    weighted_logits_softmax: LogitsSoftmaxLoss | None = refused(
        None,
        f"Cross entropy against logits; {_LOSSES}",
        oneof="classification_loss",
    )
    bootstrapped_sigmoid: BootstrappedSigmoidLoss | None = refused(
        None,
        f"Bootstrapped cross entropy; {_LOSSES}",
        oneof="classification_loss",
    )
    weighted_sigmoid_focal: SigmoidFocalLoss | None = refused(
        None, f"Focal loss; {_LOSSES}", oneof="classification_loss"
    )
    penalty_reduced_logistic_focal_loss: LogisticFocalLoss | None = refused(
        None,
        f"Penalty-reduced focal loss; {_LOSSES}",
        oneof="classification_loss",
    )


_MASKS = "Belongs to instance masks, which are not built."
_PYRAMID = "Belongs to feature pyramids, which are not built."
_OUTPUTS = "The API's predictor gives more outputs with it."
_ANCHORS = "grid_anchor_generator is built."
_PREDICTORS = "mask_rcnn_box_predictor is built."
_CENTRES = "Anchors always stand at the true centres of feature cells."


@dataclasses.dataclass
class FeaturePyramid:
    """A feature pyramid network, which is not built here."""


@dataclasses.dataclass
class FeatureExtractor:
    """The backbone."""

    type: str = setting(
        "",
        "Backbone: faster_rcnn_mobilenet_v1, faster_rcnn_resnet50 or "
        "faster_rcnn_resnet101, each also with the ending _keras or _v1.",
    )
    first_stage_features_stride: int = refused(
        16, "Stride of the features in pixels; 16 is built."
    )
    batch_norm_trainable: bool = setting(
        False, "Whether batch normalization learns its statistics in stage 1."
    )
    conv_hyperparams: Hyperparams | None = unused(None, _PYRAMID)
    override_base_feature_extractor_hyperparams: bool = unused(False, _PYRAMID)
    pad_to_multiple: int = unused(
        32, "Sides of inputs are always padded to multiples of 32."
    )
    fpn: FeaturePyramid | None = refused(
        None, "Feature pyramid network; one feature map of stride 16 is built."
    )


@dataclasses.dataclass
class GridAnchorGenerator:
    """Anchors of every scale and aspect ratio at every feature cell."""

    height: int = setting(
        256, "Height in pixels of scale 1.", minimum=1, maximum=16384
    )
    width: int = setting(
        256, "Width in pixels of scale 1.", minimum=1, maximum=16384
    )
    height_stride: int = refused(16, "Vertical stride in pixels; 16 is built.")
    width_stride: int = refused(16, "Horizontal stride in pixels; 16 is built.")
    height_offset: int = unused(0, _CENTRES)
    width_offset: int = unused(0, _CENTRES)
    scales: list[float] = setting(
        [0.25, 0.5, 1.0, 2.0],
        "Sides as multiples of `height` and `width`.",
        minimum=1e-4,
        maximum=1000,
    )
    aspect_ratios: list[float] = setting(
        [0.5, 1.0, 2.0], "Width by height.", minimum=0.01, maximum=100
    )


@dataclasses.dataclass
class SsdAnchorGenerator:
    """Anchors of SSD, which are not built here."""


@dataclasses.dataclass
class MultiscaleAnchorGenerator:
    """Anchors of feature pyramids, which are not built here."""


@dataclasses.dataclass
class FlexibleGridAnchorGenerator:
    """Several grids of anchors, which are not built here."""


@dataclasses.dataclass
class AnchorGenerator:
    """The anchors of the region proposal network."""

    grid_anchor_generator: GridAnchorGenerator = message(
        GridAnchorGenerator, "The only generator that is built."
    )
    ssd_anchor_generator: SsdAnchorGenerator | None = refused(
        None, f"Anchors of SSD; {_ANCHORS}"
    )
    multiscale_anchor_generator: MultiscaleAnchorGenerator | None = refused(
        None, f"Anchors of feature pyramids; {_ANCHORS}"
    )
    flexible_grid_anchor_generator: FlexibleGridAnchorGenerator | None = (
        refused(None, f"Several grids of anchors; {_ANCHORS}")
    )


@dataclasses.dataclass
class MaskRCNNBoxPredictor:
    """Class scores and boxes from the pooled features of a proposal."""

    fc_hyperparams: Hyperparams | None = optional(
        "Initializer and regularizer of the dense layers; not set = small "
        "normal values and no regularizer."
    )
    use_dropout: bool = setting(
        False, "Dropout before the dense layers, in stage 1."
    )
    dropout_keep_probability: float = setting(
        0.5, "Share that dropout keeps.", 0.01, 1
    )
    box_code_size: int = refused(4, "Numbers per box; 4 are built.")
    conv_hyperparams: Hyperparams | None = unused(None, _MASKS)
    predict_instance_masks: bool = refused(
        False, "Instance masks; boxes are built."
    )
    mask_prediction_conv_depth: int = unused(256, _MASKS)
    predict_keypoints: bool = refused(False, "Keypoints; boxes are built.")
    mask_height: int = unused(15, _MASKS)
    mask_width: int = unused(15, _MASKS)
    mask_prediction_num_conv_layers: int = unused(2, _MASKS)
    masks_are_class_agnostic: bool = unused(False, _MASKS)
    share_box_across_classes: bool = setting(
        False, "Whether all classes share one box instead of one box each."
    )
    convolve_then_upsample_masks: bool = unused(False, _MASKS)


@dataclasses.dataclass
class ConvolutionalBoxPredictor:
    """Predictor of SSD, which is not built here."""


@dataclasses.dataclass
class RfcnBoxPredictor:
    """Predictor of R-FCN, which is not built here."""


@dataclasses.dataclass
class WeightSharedConvolutionalBoxPredictor:
    """Predictor of RetinaNet, which is not built here."""


@dataclasses.dataclass
class BoxPredictor:
    """The second stage."""

    mask_rcnn_box_predictor: MaskRCNNBoxPredictor = message(
        MaskRCNNBoxPredictor, "The only predictor that is built."
    )
    convolutional_box_predictor: ConvolutionalBoxPredictor | None = refused(
        None, f"Predictor of SSD; {_PREDICTORS}"
    )
    rfcn_box_predictor: RfcnBoxPredictor | None = refused(
        None, f"Predictor of R-FCN; {_PREDICTORS}"
    )
    weight_shared_convolutional_box_predictor: (
        WeightSharedConvolutionalBoxPredictor | None
    ) = refused(None, f"Predictor of RetinaNet; {_PREDICTORS}")


@dataclasses.dataclass
class ContextRcnn:
    """Features of other images, which are not built here."""


@dataclasses.dataclass
class FasterRcnn:
    """The base detector, a two-stage Faster R-CNN."""

    number_of_stages: int = refused(
        2,
        "Stages of the detector; 2 are built (1 is a proposal network alone, "
        "3 adds instance masks).",
    )
    first_stage_only: bool = refused(
        False, "Region proposals alone; both stages are built."
    )
    num_classes: int = setting(
        0,
        "Number of classes; the ids of the label map are 1 to this number.",
        minimum=1,
        maximum=100000,
    )
    image_resizer: ImageResizer = message(
        ImageResizer, "How a frame becomes the input of the network."
    )
    feature_extractor: FeatureExtractor = message(
        FeatureExtractor, "The backbone."
    )
    first_stage_anchor_generator: AnchorGenerator = message(
        AnchorGenerator, "Anchors of the region proposal network."
    )
    first_stage_atrous_rate: int = refused(
        1, "Dilation of the proposal convolution; 1 is built."
    )
    first_stage_box_predictor_conv_hyperparams: Hyperparams | None = optional(
        "Initializer, regularizer and activation of the region proposal "
        "network; not set = He and small normal values, no regularizer, RELU."
    )
    first_stage_box_predictor_kernel_size: int = setting(
        3, "Kernel of the proposal convolution.", minimum=1, maximum=15
    )
    first_stage_box_predictor_depth: int = setting(
        512, "Channels of the proposal convolution.", minimum=1, maximum=8192
    )
    first_stage_minibatch_size: int = setting(
        256, "Anchors per image in the losses.", minimum=1, maximum=100000
    )
    first_stage_positive_balance_fraction: float = setting(
        0.5, "Share of positive anchors among them.", maximum=1
    )
    first_stage_nms_score_threshold: float = setting(
        0.0, "Proposals with a lower score are dropped.", maximum=1
    )
    first_stage_nms_iou_threshold: float = setting(
        0.7, "Overlap above which the weaker proposal is dropped.", maximum=1
    )
    first_stage_max_proposals: int = setting(
        300, "Proposals kept per image.", minimum=1, maximum=100000
    )
    first_stage_localization_loss_weight: float = setting(
        1.0, "Weight of the box loss of the first stage."
    )
    first_stage_objectness_loss_weight: float = setting(
        1.0, "Weight of the objectness loss of the first stage."
    )
    initial_crop_size: int = setting(
        14, "Cells per side cut out of the features.", minimum=1, maximum=64
    )
    maxpool_kernel_size: int = setting(
        2, "Max-pooling of the crop: kernel.", minimum=1, maximum=64
    )
    maxpool_stride: int = setting(
        2, "Max-pooling of the crop: stride.", minimum=1, maximum=64
    )
    second_stage_box_predictor: BoxPredictor = message(
        BoxPredictor, "The second stage."
    )
    second_stage_batch_size: int = setting(
        64, "Proposals per image in its losses.", minimum=1, maximum=100000
    )
    second_stage_balance_fraction: float = setting(
        0.25, "Share of objects among them.", maximum=1
    )
    second_stage_post_processing: PostProcessing = message(
        PostProcessing, "From class logits and boxes to detections."
    )
    second_stage_localization_loss_weight: float = setting(
        1.0, "Weight of the box loss of the second stage."
    )
    second_stage_classification_loss_weight: float = setting(
        1.0, "Weight of the classification loss of the second stage."
    )
    second_stage_mask_prediction_loss_weight: float = unused(1.0, _MASKS)
    hard_example_miner: HardExampleMiner | None = unused(None, MINER)
    second_stage_classification_loss: ClassificationLoss = message(
        ClassificationLoss, "Classification loss of the second stage."
    )
    inplace_batchnorm_update: bool = unused(False, _TPU)
    use_matmul_crop_and_resize: bool = unused(False, _TPU)
    clip_anchors_to_image: bool = setting(
        False, "Whether anchors are clipped to the image."
    )
    use_matmul_gather_in_matcher: bool = unused(False, _TPU)
    use_static_balanced_label_sampler: bool = unused(False, _TPU)
    use_static_shapes: bool = unused(False, _TPU)
    resize_masks: bool = unused(True, _MASKS)
    use_static_shapes_for_eval: bool = unused(False, _TPU)
    use_partitioned_nms_in_first_stage: bool = unused(True, _TPU)
    use_combined_nms_in_first_stage: bool = unused(False, _TPU)
    return_raw_detections_during_predict: bool = unused(False, _OUTPUTS)
    output_final_box_features: bool = unused(False, _OUTPUTS)
    output_final_box_rpn_features: bool = unused(False, _OUTPUTS)
    context_config: ContextRcnn | None = refused(
        None, "Context R-CNN; each image is judged by itself."
    )
