"""The stages of training: optimizers, learning rates, losses, validation."""

import enum
import math

from featsr_tf.config.fields import BASE
from featsr_tf.config.fields import CACHE
from featsr_tf.config.fields import config_message
from featsr_tf.config.fields import field
from featsr_tf.config.fields import message
from featsr_tf.config.fields import optional
from featsr_tf.config.schema.augmentation import PreprocessingStep


@config_message
class ConstantLearningRate:
    """The same learning rate at every step."""

    learning_rate: float = field(0.002, "Learning rate.", limits=(0, 100))


@config_message
class ExponentialDecayLearningRate:
    """A learning rate that is multiplied by a factor again and again."""

    initial_learning_rate: float = field(
        0.002, "Learning rate of the first step.", limits=(0, 100)
    )
    decay_steps: int = field(
        4000000, "Steps between two multiplications.", limits=(1, math.inf)
    )
    decay_factor: float = field(
        0.95, "Factor of each multiplication.", limits=(0, 1)
    )
    staircase: bool = field(
        True, "Whether the rate falls in jumps rather than smoothly."
    )
    burnin_learning_rate: float = field(
        0.0,
        "Learning rate of the burn-in steps; 0 = the initial one.",
        limits=(0, 100),
    )
    burnin_steps: int = field(
        0, "Steps before the first one that counts for the decay."
    )
    min_learning_rate: float = field(
        0.0, "The rate never falls below.", limits=(0, 100)
    )


@config_message
class LearningRateSchedule:
    """One jump of a manual schedule."""

    step: int = field(
        0, "First step with the new rate; at 0 it replaces the initial one."
    )
    learning_rate: float = field(0.002, "New learning rate.", limits=(0, 100))


@config_message
class ManualStepLearningRate:
    """A learning rate that jumps at given steps."""

    initial_learning_rate: float = field(
        0.002, "Learning rate of the first step.", limits=(0, 100)
    )
    schedule: list[LearningRateSchedule] = field(
        [], "The jumps, by increasing step."
    )
    warmup: bool = field(
        False,
        "Whether the rate goes linearly from its initial value to that of "
        "the first jump.",
    )


@config_message
class CosineDecayLearningRate:
    """A linear warm-up, then half a cosine wave down to zero."""

    learning_rate_base: float = field(
        0.002, "Learning rate after the warm-up.", limits=(0, 100)
    )
    total_steps: int = field(
        4000000, "Step at which the rate reaches zero.", limits=(1, math.inf)
    )
    warmup_learning_rate: float = field(
        0.0002, "Learning rate of the first step.", limits=(0, 100)
    )
    warmup_steps: int = field(10000, "Length of the warm-up in steps.")
    hold_base_rate_steps: int = field(
        0, "Steps at `learning_rate_base` between warm-up and decay."
    )


@config_message
class LearningRate:
    """The learning rate over the steps; exactly one schedule."""

    constant_learning_rate: ConstantLearningRate | None = optional(
        "The same rate at every step.", oneof="learning_rate"
    )
    exponential_decay_learning_rate: ExponentialDecayLearningRate | None = (
        optional("Repeated multiplication.", oneof="learning_rate")
    )
    manual_step_learning_rate: ManualStepLearningRate | None = optional(
        "Jumps at given steps.", oneof="learning_rate"
    )
    cosine_decay_learning_rate: CosineDecayLearningRate | None = optional(
        "Warm-up and cosine decay.", oneof="learning_rate"
    )


@config_message
class RMSPropOptimizer:
    """RMSProp."""

    learning_rate: LearningRate = message(LearningRate, "Learning rate.")
    momentum_optimizer_value: float = field(0.9, "Momentum.", limits=(0, 1))
    decay: float = field(
        0.9, "Decay of the mean of squared gradients.", limits=(0, 1)
    )
    epsilon: float = field(1.0, "Added to the denominator.")


@config_message
class MomentumOptimizer:
    """Stochastic gradient descent with momentum."""

    learning_rate: LearningRate = message(LearningRate, "Learning rate.")
    momentum_optimizer_value: float = field(0.9, "Momentum.", limits=(0, 1))


@config_message
class AdamOptimizer:
    """Adam."""

    learning_rate: LearningRate = message(LearningRate, "Learning rate.")
    epsilon: float = field(1e-8, "Added to the denominator.")


@config_message
class Optimizer:
    """How gradients change the variables; exactly one method."""

    rms_prop_optimizer: RMSPropOptimizer | None = optional(
        "RMSProp.", oneof="optimizer"
    )
    momentum_optimizer: MomentumOptimizer | None = optional(
        "Stochastic gradient descent with momentum.", oneof="optimizer"
    )
    adam_optimizer: AdamOptimizer | None = optional("Adam.", oneof="optimizer")
    use_moving_average: bool = field(
        False,
        "Whether exponential moving averages of the variables are what is "
        "validated, used and handed to the next stage (true by default in the "
        "API, which refuses it in TensorFlow 2).",
    )
    moving_average_decay: float = field(
        0.9999, "Share of the old average at every step.", limits=(0, 1)
    )


def constant_adam(learning_rate: float) -> Optimizer:
    """Makes the optimizer of a stage whose config names none."""
    constant = ConstantLearningRate(learning_rate)
    rate = LearningRate(constant_learning_rate=constant)
    return Optimizer(adam_optimizer=AdamOptimizer(rate))


@config_message
class TrainConfig:
    """Training of the base detector (stage 1)."""

    batch_size: int = field(
        32, "Images per step, over all devices.", limits=(1, 65536)
    )
    data_augmentation_options: list[PreprocessingStep] = field(
        [], "Steps of data augmentation, in this order."
    )
    optimizer: Optimizer = message(Optimizer, "Optimizer of stage 1.", BASE)
    gradient_clipping_by_norm: float = field(
        0.0, "Greatest norm of the gradient; 0 = no limit.", BASE
    )
    fine_tune_checkpoint: str = field(
        "",
        "First values of stage 1: a checkpoint of the API in TensorFlow 2, "
        "such as DIR/checkpoint/ckpt-0, and how its geometry is kept, see "
        "docs/object_detection_api.md.",
    )
    fine_tune_checkpoint_type: str = field(
        "",
        "What is taken of it: all that fits (detection or full, the default) "
        "or the extractor and the convolutions of the second stage "
        "(classification).",
    )
    num_steps: int = field(
        0,
        "Steps of stage 1; training needs at least one (0 is without end in "
        "the API).",
        BASE,
    )
    update_trainable_variables: list[str] = field(
        [],
        "Regular expressions: where set, only variables whose path matches "
        "one are trained.",
    )
    freeze_variables: list[str] = field(
        [],
        "Regular expressions: variables whose path matches one stay fixed in "
        "stage 1.",
    )
    add_regularization_loss: bool = field(
        True, "Whether the losses of regularizers are minimized, in all stages."
    )
    max_number_of_boxes: int = field(
        100,
        "Objects per image in training; what is cut beyond is counted and "
        "reported. Evaluation sees all of them.",
        BASE | CACHE,
        limits=(1, 100000),
    )
    class_balance_threshold: float = field(
        0.0,
        "Share t of images: one with a class that a smaller share f of images "
        "holds is seen max(1, sqrt(t / f)) times per epoch on average; 0 = "
        "every image once.",
        limits=(0, 1),
    )


@config_message
class LossWeights:
    """Weights of the generator's losses (section 4.3)."""

    generator_weight: float = field(
        0.01, "Weight of the adversarial loss (eq. 5)."
    )
    content_weight: float = field(1.0, "Weight of the content loss (eq. 4).")
    classification_weight: float = field(
        1.0, "Weight of the small predictor's classification loss."
    )
    localization_weight: float = field(
        1.0, "Weight of the small predictor's box loss."
    )


def _stage_two_optimizer() -> Optimizer:
    return constant_adam(5e-4)


def _focus_optimizer() -> Optimizer:
    return constant_adam(1e-3)


def _stage_three_optimizer() -> Optimizer:
    return constant_adam(1e-4)


@config_message
class SuperResolutionStageOptions:
    """Stage 2: generator and discriminator alternate (section 4.3)."""

    num_steps: int = field(1000, "Steps; 0 leaves the stage out.")
    generator_updates_per_discriminator_update: int = field(
        1,
        "Steps of the generator per step of the discriminator.",
        limits=(1, 1000),
    )
    adversarial_warmup_steps: int = field(
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
    focus_optimizer: Optimizer = message(
        _focus_optimizer,
        "Optimizer of the focus head of SECOND_LOOK; Adam at 1e-3 when not "
        "set.",
    )
    gradient_clipping_by_norm: float = field(
        10.0, "Greatest norm of the gradient; 0 = no limit."
    )


@config_message
class FineTuneStageOptions:
    """Stage 3: only the two predictors learn (section 4.3)."""

    num_steps: int = field(500, "Steps; 0 leaves the stage out.")
    optimizer: Optimizer = message(
        _stage_three_optimizer,
        "Optimizer of both predictors; Adam at 1e-4 when not set.",
    )
    gradient_clipping_by_norm: float = field(
        10.0, "Greatest norm of the gradient; 0 = no limit."
    )


@config_message
class FeatureCacheOptions:
    """What stages 2 and 3 see of images, computed once and kept in files."""

    num_images: int = field(
        2000,
        "Images, as crops and augmentation make them, which both stages see "
        "again and again.",
        limits=(1, 1e9),
    )
    maximum_gigabytes: float = field(
        8.0, "Most that the files may take; more is an error."
    )
    folder: str = field(
        "",
        "Where the files stay, for trainings that share them; nothing = in "
        "the model folder, until the training ends.",
    )


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


@config_message
class ValidationOptions:
    """Evaluation while training, on images of the first eval_input_reader."""

    interval: int = field(
        0,
        "Steps between two validations; 0 = one with each checkpoint. The end "
        "of a stage is validated as well.",
    )
    num_images: int = field(
        200, "Images, the first of the records; 0 = all of them."
    )
    best_by: BestBy = field(
        BestBy.AP50_SMALL,
        "Figure whose greatest value tells the best checkpoint of a stage. It "
        "is kept, the next stage begins with it, and evaluation, prediction "
        "and export use it; NONE: the newest one instead.",
    )
    patience: int = field(
        0,
        "Validations without a greater figure after which a stage ends early; "
        "0 = it makes all its steps.",
    )
