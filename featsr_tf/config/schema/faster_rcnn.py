"""The base detector: Faster R-CNN."""

import enum

from featsr_tf.config.fields import BASE
from featsr_tf.config.fields import CACHE
from featsr_tf.config.fields import INFERENCE
from featsr_tf.config.fields import config_message
from featsr_tf.config.fields import field
from featsr_tf.config.fields import message
from featsr_tf.config.fields import optional


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


@config_message
class L1Regularizer:
    """Sum of absolute weights."""

    weight: float = field(1.0, "Factor of the sum.")


@config_message
class L2Regularizer:
    """Half the sum of squared weights."""

    weight: float = field(1.0, "Factor of half the sum.")


@config_message
class Regularizer:
    """Loss on the kernels of layers; not set = none."""

    l1_regularizer: L1Regularizer | None = optional(
        "Absolute weights.", oneof="regularizer_oneof"
    )
    l2_regularizer: L2Regularizer | None = optional(
        "Squared weights.", oneof="regularizer_oneof"
    )


@config_message
class NormalInitializer:
    """Weights drawn from a normal distribution."""

    mean: float = field(0.0, "Mean.", limits=(-100, 100))
    stddev: float = field(1.0, "Standard deviation.", limits=(0, 100))


@config_message
class VarianceScalingInitializer:
    """Weights whose variance follows from the size of the layer."""

    factor: float = field(2.0, "Factor of the variance.", limits=(1e-9, 1e9))
    uniform: bool = field(
        False, "Uniform rather than truncated normal distribution."
    )
    mode: FanMode = field(
        FanMode.FAN_IN, "Number of inputs, outputs, or their mean."
    )


@config_message
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


@config_message
class Hyperparams:
    """Regularizer, initializer and activation of layers."""

    op: Operation = field(
        Operation.CONV,
        "Kind of layer, which the place of the message says.",
        BASE | CACHE,
    )
    regularizer: Regularizer | None = optional(
        "Regularizer of the kernels.", BASE | CACHE
    )
    initializer: Initializer | None = optional(
        "Initializer of the kernels.", BASE | CACHE
    )
    activation: Activation = field(
        Activation.RELU,
        "Activation of the proposal convolution; dense layers have none.",
    )


# Bilinear interpolation skips pixels where an image shrinks, and with them
# the small objects that this package is made for.
_METHOD = (
    "Interpolation; AREA shrinks by area and enlarges bilinearly (in the API "
    "the default is BILINEAR, which skips pixels)."
)


class ResizeType(enum.StrEnum):
    """Interpolation of an image resizer."""

    BILINEAR = "BILINEAR"
    NEAREST_NEIGHBOR = "NEAREST_NEIGHBOR"
    BICUBIC = "BICUBIC"
    AREA = "AREA"


@config_message
class KeepAspectRatioResizerOptions:
    """Resizes the shorter side, but never beyond a longest side."""

    min_dimension: int = field(
        600, "Shorter side in pixels.", limits=(32, 16384)
    )
    max_dimension: int = field(
        1024,
        "Longer side in pixels; when it would be more, it decides instead.",
        limits=(32, 16384),
    )
    resize_method: ResizeType = field(ResizeType.AREA, _METHOD)
    pad_to_max_dimension: bool = field(
        False, "Whether to pad to a square of `max_dimension`."
    )


@config_message
class FixedShapeResizerOptions:
    """Resizes to one shape, whatever the aspect ratio of the image."""

    height: int = field(300, "Height in pixels.", limits=(32, 16384))
    width: int = field(300, "Width in pixels.", limits=(32, 16384))
    resize_method: ResizeType = field(ResizeType.AREA, _METHOD)


@config_message
class ImageResizer:
    """How a frame becomes the input of the network; exactly one way."""

    keep_aspect_ratio_resizer: KeepAspectRatioResizerOptions | None = optional(
        "Keeps the aspect ratio.", oneof="image_resizer_oneof"
    )
    fixed_shape_resizer: FixedShapeResizerOptions | None = optional(
        "Gives every image the same shape.", oneof="image_resizer_oneof"
    )


class ScoreConverter(enum.StrEnum):
    """How class logits become scores."""

    IDENTITY = "IDENTITY"
    SIGMOID = "SIGMOID"
    SOFTMAX = "SOFTMAX"


@config_message
class BatchNonMaxSuppression:
    """Non-maximum suppression of the detections, class by class."""

    score_threshold: float = field(
        0.0, "Detections with a lower score are dropped.", limits=(0, 1)
    )
    iou_threshold: float = field(
        0.6, "Overlap above which the weaker of two is dropped.", limits=(0, 1)
    )
    max_detections_per_class: int = field(
        100, "Detections kept per class.", limits=(1, 100000)
    )
    max_total_detections: int = field(
        100, "Detections kept per image.", limits=(1, 100000)
    )


@config_message
class PostProcessingOptions:
    """From class logits and boxes to detections."""

    batch_non_max_suppression: BatchNonMaxSuppression = message(
        BatchNonMaxSuppression, "Non-maximum suppression."
    )
    # Where windows of a second look are laid depends on the scores.
    score_converter: ScoreConverter = field(
        ScoreConverter.SOFTMAX,
        "How class logits become scores: SOFTMAX goes with weighted_softmax, "
        "SIGMOID with weighted_sigmoid, IDENTITY leaves logits as they are "
        "(in the API the default is IDENTITY).",
        INFERENCE | CACHE,
    )
    logit_scale: float = field(
        1.0,
        "Divisor of the logits before that.",
        INFERENCE | CACHE,
        limits=(1e-6, 1e6),
    )


@config_message
class SoftmaxLoss:
    """Cross entropy of the softmax over the classes."""

    logit_scale: float = field(
        1.0, "Divisor of the logits in training.", limits=(1e-6, 1e6)
    )


@config_message
class SigmoidLoss:
    """Sum of the cross entropies of the sigmoid of every class."""


@config_message
class ClassificationLoss:
    """Classification loss of the second stage; not set = weighted_softmax."""

    weighted_softmax: SoftmaxLoss | None = optional(
        "Softmax cross entropy.", oneof="classification_loss"
    )
    weighted_sigmoid: SigmoidLoss | None = optional(
        "Sigmoid cross entropy.", oneof="classification_loss"
    )


@config_message
class FeatureExtractor:
    """The backbone."""

    type: str = field(
        "",
        "Backbone: faster_rcnn_mobilenet_v1, faster_rcnn_resnet50 or "
        "faster_rcnn_resnet101, each also with the ending _keras or _v1; "
        "faster_rcnn_efficientnet_lite0; faster_rcnn_keras: what "
        "feature_super_resolution.backbone.name or factory says.",
    )
    first_stage_features_stride: int = field(
        16,
        "Pixels of the frame per feature cell: 16, or 8 for a ResNet, whose "
        "fourth group of blocks is dilated then.",
    )
    batch_norm_trainable: bool = field(
        False,
        "Whether batch normalization learns its statistics in stage 1.",
        BASE | CACHE,
    )


@config_message
class GridAnchorGenerator:
    """Anchors of every scale and aspect ratio at every feature cell."""

    height: int = field(256, "Height in pixels of scale 1.", limits=(1, 16384))
    width: int = field(256, "Width in pixels of scale 1.", limits=(1, 16384))
    height_stride: int = field(
        16, "Vertical stride in pixels, as first_stage_features_stride."
    )
    width_stride: int = field(
        16, "Horizontal stride in pixels, as first_stage_features_stride."
    )
    scales: list[float] = field(
        [0.25, 0.5, 1.0, 2.0],
        "Sides as multiples of `height` and `width`.",
        limits=(1e-4, 1000),
    )
    aspect_ratios: list[float] = field(
        [0.5, 1.0, 2.0], "Width by height.", limits=(0.01, 100)
    )


@config_message
class AnchorGenerator:
    """The anchors of the region proposal network."""

    grid_anchor_generator: GridAnchorGenerator = message(
        GridAnchorGenerator, "The only generator that is built."
    )


@config_message
class MaskRCNNBoxPredictor:
    """Class scores and boxes from the pooled features of a proposal."""

    fc_hyperparams: Hyperparams | None = optional(
        "Initializer and regularizer of the dense layers; not set = small "
        "normal values and no regularizer.",
        BASE | CACHE,
    )
    use_dropout: bool = field(
        False, "Dropout before the dense layers, in stage 1."
    )
    dropout_keep_probability: float = field(
        0.5, "Share that dropout keeps.", limits=(0.01, 1)
    )
    share_box_across_classes: bool = field(
        False, "Whether all classes share one box instead of one box each."
    )


@config_message
class BoxPredictor:
    """The second stage."""

    mask_rcnn_box_predictor: MaskRCNNBoxPredictor = message(
        MaskRCNNBoxPredictor, "The only predictor that is built."
    )


@config_message
class FasterRcnn:
    """The base detector, a two-stage Faster R-CNN."""

    num_classes: int = field(
        0,
        "Number of classes; the ids of the label map are 1 to this number.",
        limits=(1, 100000),
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
    first_stage_box_predictor_conv_hyperparams: Hyperparams | None = optional(
        "Initializer, regularizer and activation of the region proposal "
        "network; not set = He and small normal values, no regularizer, RELU."
    )
    first_stage_box_predictor_kernel_size: int = field(
        3, "Kernel of the proposal convolution.", limits=(1, 15)
    )
    first_stage_box_predictor_depth: int = field(
        512, "Channels of the proposal convolution.", limits=(1, 8192)
    )
    first_stage_minibatch_size: int = field(
        256,
        "Anchors per image in the losses.",
        BASE | CACHE,
        limits=(1, 100000),
    )
    first_stage_positive_balance_fraction: float = field(
        0.5,
        "Share of positive anchors among them.",
        BASE | CACHE,
        limits=(0, 1),
    )
    first_stage_nms_score_threshold: float = field(
        0.0,
        "Proposals with a lower score are dropped.",
        BASE | CACHE | INFERENCE,
        limits=(0, 1),
    )
    first_stage_nms_iou_threshold: float = field(
        0.7,
        "Overlap above which the weaker proposal is dropped.",
        BASE | CACHE | INFERENCE,
        limits=(0, 1),
    )
    first_stage_max_proposals: int = field(
        300,
        "Proposals kept per image.",
        BASE | CACHE | INFERENCE,
        limits=(1, 100000),
    )
    first_stage_localization_loss_weight: float = field(
        1.0, "Weight of the box loss of the first stage.", BASE | CACHE
    )
    first_stage_objectness_loss_weight: float = field(
        1.0, "Weight of the objectness loss of the first stage.", BASE | CACHE
    )
    initial_crop_size: int = field(
        14, "Cells per side cut out of the features.", limits=(1, 64)
    )
    maxpool_kernel_size: int = field(
        2, "Max-pooling of the crop: kernel.", limits=(1, 64)
    )
    maxpool_stride: int = field(
        2, "Max-pooling of the crop: stride.", limits=(1, 64)
    )
    second_stage_box_predictor: BoxPredictor = message(
        BoxPredictor, "The second stage."
    )
    second_stage_batch_size: int = field(
        64,
        "Proposals per image in its losses.",
        BASE | CACHE,
        limits=(1, 100000),
    )
    second_stage_balance_fraction: float = field(
        0.25, "Share of objects among them.", BASE | CACHE, limits=(0, 1)
    )
    second_stage_post_processing: PostProcessingOptions = message(
        PostProcessingOptions,
        "From class logits and boxes to detections.",
        INFERENCE,
    )
    second_stage_localization_loss_weight: float = field(
        1.0, "Weight of the box loss of the second stage.", BASE | CACHE
    )
    second_stage_classification_loss_weight: float = field(
        1.0,
        "Weight of the classification loss of the second stage.",
        BASE | CACHE,
    )
    second_stage_classification_loss: ClassificationLoss = message(
        ClassificationLoss,
        "Classification loss of the second stage.",
        BASE | CACHE,
    )
    clip_anchors_to_image: bool = field(
        False, "Whether anchors are clipped to the image."
    )
