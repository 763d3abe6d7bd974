"""What this package adds to the API: feature super-resolution."""

import dataclasses
import enum

from featsr_tf.config.fields import message
from featsr_tf.config.fields import optional
from featsr_tf.config.fields import setting
from featsr_tf.config.schema.optimizer import Optimizer
from featsr_tf.config.schema.optimizer import constant_adam


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


class Refiner(enum.StrEnum):
    """What refines the pooled features of small proposals."""

    GENERATOR = "GENERATOR"
    TAIL_GENERATOR = "TAIL_GENERATOR"
    ZOOM = "ZOOM"
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


class Precision(enum.StrEnum):
    """Numbers that the networks compute with."""

    FLOAT32 = "FLOAT32"
    MIXED_BFLOAT16 = "MIXED_BFLOAT16"
    MIXED_FLOAT16 = "MIXED_FLOAT16"


class BestBy(enum.StrEnum):
    """Figure of a validation: average precision, by size of the objects."""

    AP50_SMALL = "AP50_SMALL"
    AP50_MEDIUM = "AP50_MEDIUM"
    AP50_LARGE = "AP50_LARGE"
    AP50_ALL = "AP50_ALL"
    AP_SMALL = "AP_SMALL"
    AP_MEDIUM = "AP_MEDIUM"
    AP_LARGE = "AP_LARGE"
    AP_ALL = "AP_ALL"
    NONE = "NONE"


@dataclasses.dataclass
class Backbone:
    """Weights and shape of the feature extractor."""

    weights: str = setting(
        "",
        'First values: "imagenet", the path of a .weights.h5 file, or '
        "nothing for random values.",
    )
    alpha: float = setting(
        1.0, "Width multiplier of MobileNet.", minimum=0.01, maximum=4
    )
    sub_layer: str = setting(
        "",
        "Keras layer that gives F_sub (section 4.2); nothing = the default "
        "of the backbone.",
    )


@dataclasses.dataclass
class TrainingCrop:
    """A piece of the rescaled frame, on which training works instead of it."""

    height: int = setting(0, "Height in pixels, a multiple of 32.", 64, 16384)
    width: int = setting(0, "Width in pixels, a multiple of 32.", 64, 16384)
    minimum_scale: float = setting(
        1.0, "Least pixels of the crop per pixel of the frame.", 0.01, 16
    )
    maximum_scale: float = setting(
        1.0, "Most pixels of the crop per pixel of the frame.", 0.01, 16
    )
    object_probability: float = setting(
        0.9, "Share of crops that are placed around an object.", maximum=1
    )


@dataclasses.dataclass
class Generator:
    """The super-resolution feature generator (section 4.2, Figure 5)."""

    block: GeneratorBlock = setting(
        GeneratorBlock.RESIDUAL,
        "RESIDUAL: two convolutions, as in Figure 5; BOTTLENECK: one, between "
        "two of kernel 1, several times cheaper; CHANNEL_ATTENTION: RESIDUAL "
        "with weighted channels, as in RCAN; NAF: gates instead of "
        "activations, as in NAFNet.",
    )
    residual_blocks: int = setting(2, "Number of blocks.", 1, 64)
    hidden_channels: int = setting(
        0,
        "Channels inside a block; 0 = as wide as its input, as in Figure 5.",
        maximum=16384,
    )
    kernel_size: int = setting(
        3,
        "Kernel of the convolutions over cells; an odd number.",
        minimum=1,
        maximum=15,
    )


@dataclasses.dataclass
class Zoom:
    """Enlarged windows through the same extractor, the refiner ZOOM."""

    window_size: int = setting(
        64,
        "Side of a window in pixels of the input, a multiple of 16.",
        minimum=32,
        maximum=16384,
    )
    margin: int = setting(
        8,
        "Least pixels between a proposal and the edge of its window.",
        maximum=8192,
    )


@dataclasses.dataclass
class Discriminator:
    """The discriminator: a multi-layer perceptron (section 4.2)."""

    hidden_units: list[int] = setting(
        [512, 256], "Units of the hidden layers.", minimum=1, maximum=65536
    )
    spectral_normalization: bool = setting(
        False,
        "Divide the weights of each layer by their greatest singular value.",
    )


@dataclasses.dataclass
class LossWeights:
    """Weights of the generator's losses (section 4.3)."""

    generator_weight: float = setting(
        0.01, "Weight of the adversarial loss (eq. 5)."
    )
    content_weight: float = setting(1.0, "Weight of the content loss (eq. 4).")
    classification_weight: float = setting(
        1.0, "Weight of the small predictor's classification loss."
    )
    localization_weight: float = setting(
        1.0, "Weight of the small predictor's box loss."
    )


def _stage_two_optimizer() -> Optimizer:
    return constant_adam(5e-4)


def _stage_three_optimizer() -> Optimizer:
    return constant_adam(1e-4)


@dataclasses.dataclass
class SuperResolutionStage:
    """Stage 2: generator and discriminator alternate (section 4.3)."""

    num_steps: int = setting(1000, "Steps; 0 leaves the stage out.")
    generator_updates_per_discriminator_update: int = setting(
        1, "Steps of the generator per step of the discriminator.", 1, 1000
    )
    adversarial_warmup_steps: int = setting(
        0,
        "First steps, in which the discriminator learns but the adversarial "
        "loss of the generator has no weight.",
    )
    optimizer: Optimizer = message(
        _stage_two_optimizer,
        "Optimizer of generator and small predictor; Adam at 5e-4 when not "
        "set.",
    )
    discriminator_optimizer: Optimizer = message(
        _stage_two_optimizer,
        "Optimizer of the discriminator; Adam at 5e-4 when not set.",
    )
    gradient_clipping_by_norm: float = setting(
        10.0, "Greatest norm of the gradient; 0 = no limit."
    )


@dataclasses.dataclass
class FineTuneStage:
    """Stage 3: only the two predictors learn (section 4.3)."""

    num_steps: int = setting(500, "Steps; 0 leaves the stage out.")
    optimizer: Optimizer = message(
        _stage_three_optimizer,
        "Optimizer of both predictors; Adam at 1e-4 when not set.",
    )
    gradient_clipping_by_norm: float = setting(
        10.0, "Greatest norm of the gradient; 0 = no limit."
    )


@dataclasses.dataclass
class FeatureCache:
    """What stages 2 and 3 see of images, computed once and kept in files."""

    num_images: int = setting(
        2000,
        "Images, as crops and augmentation make them, which both stages see "
        "again and again.",
        minimum=1,
        maximum=1e9,
    )
    maximum_gigabytes: float = setting(
        8.0, "Most that the files may take; more is an error."
    )
    folder: str = setting(
        "",
        "Where the files stay, for trainings that share them; nothing = in "
        "the model folder, until the training ends.",
    )


@dataclasses.dataclass
class Validation:
    """Evaluation while training, on images of the first eval_input_reader."""

    interval: int = setting(
        0,
        "Steps between two validations; 0 = one with each checkpoint. The end "
        "of a stage is validated as well.",
    )
    num_images: int = setting(
        200, "Images, the first of the records; 0 = all of them."
    )
    best_by: BestBy = setting(
        BestBy.AP50_SMALL,
        "Figure whose greatest value tells the best checkpoint of a stage. It "
        "is kept, the next stage begins with it, and evaluation, prediction "
        "and export use it; NONE: the newest one instead.",
    )
    patience: int = setting(
        0,
        "Validations without a greater figure after which a stage ends early; "
        "0 = it makes all its steps.",
    )


@dataclasses.dataclass
class FeatureSuperResolution:
    """Feature super-resolution of small proposals (section 4)."""

    small_area_threshold: float = setting(
        1024.0,
        "Proposals with a smaller area in square pixels are small: 32 x 32 "
        "for TT100K, 96 x 96 for VOC and COCO in the paper.",
        minimum=1,
        maximum=1e9,
    )
    small_area_frame: AreaFrame = setting(
        AreaFrame.ORIGINAL,
        "Pixels of the ORIGINAL frame or of the RESIZED input.",
    )
    minimum_pair_area_ratio: float = setting(
        1.0, "Pairs F^0.5 / T^1.0: least area by `small_area_threshold`."
    )
    maximum_pair_area_ratio: float = setting(
        4.0, "Pairs F^0.5 / T^1.0: the area stays below this ratio."
    )
    backbone: Backbone = message(Backbone, "Weights of the extractor.")
    training_crop: TrainingCrop | None = optional(
        "Crops to train on; not set = whole frames through `image_resizer`."
    )
    supervision: Supervision = setting(
        Supervision.ATROUS,
        "Targets of the generator: ATROUS twin, NAIVE extractor, its own "
        "input as a PLACEBO, features of the twice enlarged image for truly "
        "small proposals (MAGNIFIED), or NONE. Without effect where the "
        "refiner has nothing to learn.",
    )
    twin_pooling: TwinPooling = setting(
        TwinPooling.PAPER, "What stands for strides in the twin."
    )
    twin_aware_weight: float = setting(
        0.0,
        "Weight, in stage 1, of the large predictor's losses on features of "
        "the ATROUS twin, so that the shared weights learn for both; 0 = "
        "without, as in the paper.",
    )
    refiner: Refiner = setting(
        Refiner.GENERATOR,
        "What refines small proposals: the GENERATOR of the paper, a "
        "trainable copy of the extractor behind its sub layer on a denser "
        "grid (TAIL_GENERATOR), a second look through enlarged windows "
        "(ZOOM), or NONE: two predictors, one for each size.",
    )
    gate_objectness_threshold: float = setting(
        0.0,
        "Proposals of the super-resolved detector whose objectness is below "
        "this are not judged at all, which saves time; the base detector "
        "judges them. 0 = all are judged, as in the paper.",
        maximum=1,
    )
    gate_score_threshold: float = setting(
        0.0,
        "Small proposals are refined whose score before is at least this; "
        "the others keep what the large predictor says.",
        maximum=1,
    )
    gate_maximum: int = setting(
        0,
        "Small proposals per image that are refined, those of the best "
        "scores before; 0 = all. With both at 0 there is no first look, as "
        "in the paper.",
        maximum=100000,
    )
    generator: Generator = message(Generator, "The generator.")
    zoom: Zoom = message(Zoom, "The windows of ZOOM.")
    discriminator: Discriminator = message(Discriminator, "The discriminator.")
    losses: LossWeights = message(LossWeights, "Loss weights of stage 2.")
    super_resolution_stage: SuperResolutionStage = message(
        SuperResolutionStage, "Stage 2."
    )
    fine_tune_stage: FineTuneStage = message(FineTuneStage, "Stage 3.")
    feature_cache: FeatureCache | None = optional(
        "Stages 2 and 3 see a fixed number of images again and again, whose "
        "features are computed once; not set = each step sees new crops."
    )
    validation: Validation | None = optional(
        "Average precision over the steps, and the best checkpoint; not set = "
        "the newest checkpoint of a stage is its result."
    )
    rois_per_image: int = setting(
        32, "Proposals per image in the losses of stages 2 and 3.", 1, 100000
    )
    pairs_per_image: int = setting(
        16, "Pairs F^0.5 / T^1.0 per image in stage 2.", 1, 100000
    )
    jittered_boxes_per_object: int = setting(
        4, "Jittered true boxes added to the proposals.", 0, 1000
    )
    precision: Precision = setting(
        Precision.FLOAT32,
        "Numbers that the networks compute with, in all stages and in exported "
        "SavedModels; weights, outputs and losses are 32-bit floats in any "
        "case, so that a trained detector can be used with another precision. "
        "MIXED_FLOAT16 trains with a loss scale.",
    )
    jit_compile: bool = setting(
        False,
        "Whether XLA compiles the networks where the shapes of their inputs "
        "are known: all in training, the extractor in evaluation. On one "
        "device; each size of images is compiled anew.",
    )
    seed: int = setting(0, "Seed of all randomness.")
    steps_per_epoch: int = setting(
        250, "Steps between two checkpoints and lines of progress.", minimum=1
    )
    keep_checkpoints: int = setting(
        2,
        "Newest checkpoints of each stage that are kept; with only one, its "
        "damage would lose the stage.",
        minimum=1,
        maximum=1000000,
    )
