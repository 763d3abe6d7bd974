"""What this package adds to the API: feature super-resolution."""

import enum
import math

from featsr_tf.config.fields import BASE
from featsr_tf.config.fields import CACHE
from featsr_tf.config.fields import INFERENCE
from featsr_tf.config.fields import MODEL
from featsr_tf.config.fields import TRAINING
from featsr_tf.config.fields import Affects
from featsr_tf.config.fields import config_message
from featsr_tf.config.fields import field
from featsr_tf.config.fields import message
from featsr_tf.config.fields import optional
from featsr_tf.config.schema.training import FeatureCacheOptions
from featsr_tf.config.schema.training import FineTuneStageOptions
from featsr_tf.config.schema.training import LossWeights
from featsr_tf.config.schema.training import SuperResolutionStageOptions
from featsr_tf.config.schema.training import ValidationOptions


class AreaFrame(enum.StrEnum):
    """Frame in whose pixels the area of a proposal is measured."""

    ORIGINAL = "ORIGINAL"
    RESIZED = "RESIZED"


class Supervision(enum.StrEnum):
    """Source of the target features of the generator (Table 4)."""

    ATROUS = "ATROUS"
    NAIVE = "NAIVE"
    PLACEBO = "PLACEBO"
    MAGNIFIED = "MAGNIFIED"
    NONE = "NONE"


class RefinerType(enum.StrEnum):
    """What refines the pooled features of small proposals."""

    GENERATOR = "GENERATOR"
    TAIL_GENERATOR = "TAIL_GENERATOR"
    ZOOM = "ZOOM"
    SECOND_LOOK = "SECOND_LOOK"
    NONE = "NONE"


class GeneratorBlock(enum.StrEnum):
    """What the generator is made of."""

    RESIDUAL = "RESIDUAL"
    BOTTLENECK = "BOTTLENECK"
    NAF = "NAF"
    CHANNEL_ATTENTION = "CHANNEL_ATTENTION"


class TwinPooling(enum.StrEnum):
    """What stands for the stride of a strided layer in the twin (4.1)."""

    PAPER = "PAPER"
    AVERAGE = "AVERAGE"
    STRIDE = "STRIDE"
    ROOT_MAX = "ROOT_MAX"


class Geometry(enum.StrEnum):
    """Where anchors stand and what is sampled."""

    TRUE_CENTERS = "TRUE_CENTERS"
    OBJECT_DETECTION_API = "OBJECT_DETECTION_API"


class Precision(enum.StrEnum):
    """Numbers that the networks compute with."""

    FLOAT32 = "FLOAT32"
    MIXED_BFLOAT16 = "MIXED_BFLOAT16"
    MIXED_FLOAT16 = "MIXED_FLOAT16"


@config_message
class BackboneOptions:
    """Weights and shape of the feature extractor."""

    weights: str = field(
        "",
        'First values: "imagenet", the path of a .weights.h5 or .keras file, '
        "a SavedModel or a checkpoint, or nothing for random values.",
        BASE | CACHE,
    )
    alpha: float = field(
        1.0,
        "Width multiplier of MobileNet.",
        MODEL | BASE | CACHE,
        limits=(0.01, 4),
    )
    name: str = field(
        "",
        "Network of keras.applications, such as MobileNetV2, for "
        "feature_extractor.type faster_rcnn_keras.",
        MODEL | BASE | CACHE,
    )
    factory: str = field(
        "",
        "Instead of `name`: package.module:function of an installed package, "
        "which gives a functional keras.Model of RGB images 0..255.",
        MODEL | BASE | CACHE,
    )
    base_layer: str = field(
        "",
        "Keras layer that gives F, at stride 16; nothing = the default of the "
        "backbone or, of faster_rcnn_keras, a proposal from its graph.",
        MODEL | BASE | CACHE,
    )
    sub_layer: str = field(
        "",
        "Keras layer that gives F_sub (section 4.2); nothing likewise.",
        MODEL | CACHE,
    )
    head_from: str = field(
        "",
        "First layer of the second stage; nothing = the one behind the base "
        "layer.",
        MODEL | BASE | CACHE,
    )
    dense_second_stage: bool = field(
        False,
        "Whether strides in the second stage become 1, as they do in ResNets.",
        MODEL | BASE | CACHE,
    )


@config_message
class TrainingCropOptions:
    """A piece of the rescaled frame, on which training works instead of it."""

    height: int = field(
        0, "Height in pixels, a multiple of 32.", limits=(64, 16384)
    )
    width: int = field(
        0, "Width in pixels, a multiple of 32.", limits=(64, 16384)
    )
    minimum_scale: float = field(
        1.0,
        "Least pixels of the crop per pixel of the frame.",
        limits=(0.01, 16),
    )
    maximum_scale: float = field(
        1.0,
        "Most pixels of the crop per pixel of the frame.",
        limits=(0.01, 16),
    )
    log_uniform_scale: bool = field(
        False,
        "Whether the logarithm of the scale is drawn evenly between the two, "
        "rather than the scale: as many crops from 0.5 to 1 as from 1 to 2.",
    )
    object_probability: float = field(
        0.9, "Share of crops that are placed around an object.", limits=(0, 1)
    )


@config_message
class GeneratorOptions:
    """The super-resolution feature generator (section 4.2, Figure 5)."""

    block: GeneratorBlock = field(
        GeneratorBlock.RESIDUAL,
        "RESIDUAL: two convolutions, as in Figure 5; BOTTLENECK: one, between "
        "two of kernel 1, several times cheaper; CHANNEL_ATTENTION: RESIDUAL "
        "with weighted channels, as in RCAN; NAF: gates instead of "
        "activations, as in NAFNet.",
    )
    residual_blocks: int = field(2, "Number of blocks.", limits=(1, 64))
    hidden_channels: int = field(
        0,
        "Channels inside a block; 0 = as wide as its input, as in Figure 5.",
        limits=(0, 16384),
    )
    kernel_size: int = field(
        3,
        "Kernel of the convolutions over cells; an odd number.",
        limits=(1, 15),
    )


@config_message
class ZoomOptions:
    """Enlarged windows through the same extractor, the refiner ZOOM."""

    window_size: int = field(
        64,
        "Side of a window in pixels of the input, a multiple of 16.",
        limits=(32, 16384),
    )
    margin: int = field(
        8,
        "Least pixels between a proposal and the edge of its window.",
        limits=(0, 8192),
    )


@config_message
class SecondLookOptions:
    """Windows of the original frame, searched anew: SECOND_LOOK."""

    first_pass_scale: float = field(
        1.0,
        "Size of the frame in the first pass, as a share of what "
        "`image_resizer` makes for the base detector; see "
        "`maximum_enlargement`.",
        MODEL | INFERENCE | CACHE,
        limits=(0.05, 1),
    )
    window_size: int = field(
        192,
        "Side of a window in pixels of the network's input, a multiple of 32.",
        limits=(64, 4096),
    )
    magnifications: list[float] = field(
        [2.0, 3.0, 4.0],
        "Pixels of a window per pixel of the first pass, ascending; each "
        "window has one of them.",
        limits=(1, 64),
    )
    preferred_size: float = field(
        48.0,
        "Side of the square, in pixels of the window, as large as which "
        "objects are wanted. What has about this size already is left alone.",
        limits=(1, 4096),
    )
    maximum_enlargement: float = field(
        2.0,
        "Most pixels of a window per pixel of the original frame, and up to a "
        "ninth more where a magnification fits so. A frame of which the first "
        "pass would see too many pixels for any window is seen in the size for "
        "the base detector instead; with 0 all are: no second look.",
        limits=(0, 64),
    )
    margin: int = field(
        32,
        "Least pixels of a window between its edge and what it is laid for. "
        "What ends at less than half of it may be cut, and is left out.",
        limits=(0, 1024),
    )
    maximum_window_share: float = field(
        1.0,
        "Most pixels that windows may have, as a share of those of the "
        "enlarged part of the frame that all of them lie in; where they would "
        "have more, the whole part is searched instead. Less than 1 finds "
        "more in crowds, and takes longer.",
        limits=(0.01, 1),
    )
    objectness_threshold: float = field(
        0.1, "Least objectness of proposals in windows.", limits=(0, 1)
    )
    focus_channels: int = field(
        64,
        "Channels of the head that finds places for windows where the first "
        "pass has no proposal; 0 = without.",
        MODEL,
        limits=(0, 4096),
    )
    focus_threshold: float = field(
        0.15,
        "Places are looked at whose probability in the map of that head is "
        "above this; 1 = none is.",
        limits=(0, 1),
    )
    certain_score: float = field(
        1.0,
        "Score in the first pass from which on an object is sure, and no "
        "window is laid for it; 1 = none is. What windows for others show of "
        "it counts all the same.",
        INFERENCE,
        limits=(0, 1),
    )


@config_message
class DiscriminatorOptions:
    """The discriminator: a multi-layer perceptron (section 4.2)."""

    hidden_units: list[int] = field(
        [512, 256], "Units of the hidden layers.", limits=(1, 65536)
    )
    spectral_normalization: bool = field(
        False,
        "Divide the weights of each layer by their greatest singular value.",
    )


@config_message
class FeatureSuperResolution:
    """Feature super-resolution of small proposals (section 4)."""

    small_area_threshold: float = field(
        1024.0,
        "Proposals with a smaller area in square pixels are small: 32 x 32 "
        "for TT100K, 96 x 96 for VOC and COCO in the paper.",
        MODEL | CACHE,
        limits=(1, 1e9),
    )
    small_area_frame: AreaFrame = field(
        AreaFrame.ORIGINAL,
        "Pixels of the ORIGINAL frame or of the RESIZED input.",
        MODEL | CACHE,
    )
    minimum_pair_area_ratio: float = field(
        1.0,
        "Pairs F^0.5 / T^1.0: least area by `small_area_threshold`.",
        MODEL | CACHE,
    )
    maximum_pair_area_ratio: float = field(
        4.0,
        "Pairs F^0.5 / T^1.0: the area stays below this ratio.",
        MODEL | CACHE,
    )
    geometry: Geometry = field(
        Geometry.TRUE_CENTERS,
        "TRUE_CENTERS: anchors and samples stand where feature cells look; "
        "OBJECT_DETECTION_API: pixels, pooling, anchors, crops, second stage "
        "and suppression are those of the API, for its checkpoints, see "
        "docs/object_detection_api.md.",
        MODEL | BASE | CACHE,
    )
    backbone: BackboneOptions = message(
        BackboneOptions, "Weights of the extractor."
    )
    training_crop: TrainingCropOptions | None = optional(
        "Crops to train on; not set = whole frames through `image_resizer`.",
        BASE | CACHE,
    )
    supervision: Supervision = field(
        Supervision.ATROUS,
        "Targets of the generator: ATROUS twin, NAIVE extractor, its own "
        "input as a PLACEBO, features of the twice enlarged image for truly "
        "small proposals (MAGNIFIED), or NONE. Without effect where the "
        "refiner has nothing to learn.",
        MODEL | Affects.PAIR_WEIGHTS | Affects.TARGETS,
    )
    twin_pooling: TwinPooling = field(
        TwinPooling.PAPER,
        "What stands for strides in the twin.",
        MODEL | BASE | Affects.TARGETS,
    )
    twin_aware_weight: float = field(
        0.0,
        "Weight, in stage 1, of the large predictor's losses on features of "
        "the ATROUS twin, so that the shared weights learn for both; 0 = "
        "without, as in the paper.",
        BASE | CACHE,
    )
    refiner: RefinerType = field(
        RefinerType.GENERATOR,
        "What refines small proposals: the GENERATOR of the paper, a "
        "trainable copy of the extractor behind its sub layer on a denser "
        "grid (TAIL_GENERATOR), a second look through enlarged windows "
        "(ZOOM), the same through windows of the original frame that are "
        "searched anew (SECOND_LOOK), or NONE: two predictors, one for each "
        "size.",
        MODEL | Affects.SMALL_INPUTS | Affects.PAIR_INPUTS,
    )
    gate_objectness_threshold: float = field(
        0.0,
        "Proposals of the super-resolved detector whose objectness is below "
        "this are not judged at all, which saves time; the base detector "
        "judges them. 0 = all are judged, as in the paper.",
        MODEL | INFERENCE,
        limits=(0, 1),
    )
    gate_score_threshold: float = field(
        0.0,
        "Small proposals are refined whose score before is at least this; "
        "the others keep what the large predictor says.",
        MODEL | INFERENCE | Affects.LARGE | Affects.LARGE_FEATURES,
        limits=(0, 1),
    )
    gate_maximum: int = field(
        0,
        "Small proposals per image that are refined, those of the best "
        "scores before; 0 = all. With both at 0 there is no first look, as "
        "in the paper. Without effect on a SECOND_LOOK.",
        MODEL | INFERENCE | Affects.LARGE | Affects.LARGE_FEATURES,
        limits=(0, 100000),
    )
    generator: GeneratorOptions = message(
        GeneratorOptions, "The generator.", MODEL
    )
    zoom: ZoomOptions = message(
        ZoomOptions,
        "The windows of ZOOM.",
        MODEL
        | INFERENCE
        | Affects.SMALL_INPUTS
        | Affects.PAIR_INPUTS
        | Affects.TARGETS,
    )
    second_look: SecondLookOptions = message(
        SecondLookOptions,
        "The windows of SECOND_LOOK.",
        MODEL
        | INFERENCE
        | Affects.SMALL
        | Affects.SMALL_INPUTS
        | Affects.FOCUS_TARGETS,
    )
    discriminator: DiscriminatorOptions = message(
        DiscriminatorOptions, "The discriminator.", MODEL
    )
    losses: LossWeights = message(
        LossWeights, "Loss weights of stage 2.", TRAINING
    )
    super_resolution_stage: SuperResolutionStageOptions = message(
        SuperResolutionStageOptions, "Stage 2.", TRAINING
    )
    fine_tune_stage: FineTuneStageOptions = message(
        FineTuneStageOptions, "Stage 3.", TRAINING
    )
    feature_cache: FeatureCacheOptions | None = optional(
        "Stages 2 and 3 see a fixed number of images again and again, whose "
        "features are computed once; not set = each step sees new crops.",
        TRAINING,
    )
    validation: ValidationOptions | None = optional(
        "Average precision over the steps, and the best checkpoint; not set = "
        "the newest checkpoint of a stage is its result.",
        BASE | TRAINING,
    )
    rois_per_image: int = field(
        32,
        "Proposals per image, or per window of a second look, in the losses "
        "of stages 2 and 3.",
        TRAINING | CACHE,
        limits=(1, 100000),
    )
    pairs_per_image: int = field(
        16,
        "Pairs F^0.5 / T^1.0 per image in stage 2.",
        TRAINING | CACHE,
        limits=(1, 100000),
    )
    jittered_boxes_per_object: int = field(
        4,
        "Jittered true boxes added to the proposals.",
        BASE | CACHE,
        limits=(0, 1000),
    )
    precision: Precision = field(
        Precision.FLOAT32,
        "Numbers that the networks compute with, in all stages and in exported "
        "SavedModels; weights, outputs and losses are 32-bit floats in any "
        "case, so that a trained detector can be used with another precision. "
        "MIXED_FLOAT16 trains with a loss scale.",
        BASE | CACHE | INFERENCE,
    )
    jit_compile: bool = field(
        False,
        "Whether XLA compiles the networks where the shapes of their inputs "
        "are known: all in training, the extractor in evaluation. On one "
        "device; each size of images is compiled anew.",
        TRAINING | INFERENCE,
    )
    seed: int = field(
        0,
        "Seed of all randomness.",
        BASE | CACHE,
        # Later stages add 1 and 2 to it.
        limits=(0, 2**31 - 3),
    )
    checkpoint_interval: int = field(
        250,
        "Steps between two checkpoints and lines of progress.",
        TRAINING,
        limits=(1, math.inf),
        old_name="steps_per_epoch",
    )
    keep_checkpoints: int = field(
        2,
        "Newest checkpoints of each stage that are kept; with only one, its "
        "damage would lose the stage.",
        TRAINING,
        limits=(1, 1000000),
    )
