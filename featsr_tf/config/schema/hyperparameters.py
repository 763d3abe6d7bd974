"""Regularizers and initializers of the API, none of which has effect here.

The layers bring their own initializers, and weight decay was zero in the
API's own Faster R-CNN configs.
"""

import dataclasses
import enum

from featsr_tf.config.fields import unused


class Operation(enum.StrEnum):
    """Kind of layer to which hyperparameters belong."""

    CONV = "CONV"
    FC = "FC"


class Activation(enum.StrEnum):
    """Activation after a layer."""

    NONE = "NONE"
    RELU = "RELU"
    RELU_6 = "RELU_6"


class FanMode(enum.StrEnum):
    """Fan by which a variance scaling initializer divides."""

    FAN_IN = "FAN_IN"
    FAN_OUT = "FAN_OUT"
    FAN_AVG = "FAN_AVG"


@dataclasses.dataclass
class L1Regularizer:
    """Sum of absolute weights."""

    weight: float = unused(1.0, "Factor of the sum.")


@dataclasses.dataclass
class L2Regularizer:
    """Sum of squared weights."""

    weight: float = unused(1.0, "Factor of the sum.")


@dataclasses.dataclass
class Regularizer:
    """Regularization of the weights of a layer."""

    l1_regularizer: L1Regularizer | None = unused(None, "Absolute weights.")
    l2_regularizer: L2Regularizer | None = unused(None, "Squared weights.")


@dataclasses.dataclass
class NormalInitializer:
    """Weights drawn from a normal distribution."""

    mean: float = unused(0.0, "Mean.")
    stddev: float = unused(1.0, "Standard deviation.")


@dataclasses.dataclass
class VarianceScalingInitializer:
    """Weights whose variance follows from the size of the layer."""

    factor: float = unused(2.0, "Factor of the variance.")
    uniform: bool = unused(False, "Uniform rather than normal distribution.")
    mode: FanMode = unused(FanMode.FAN_IN, "Size that divides the variance.")


@dataclasses.dataclass
class Initializer:
    """First values of the weights of a layer."""

    truncated_normal_initializer: NormalInitializer | None = unused(
        None, "Normal distribution cut at two deviations."
    )
    variance_scaling_initializer: VarianceScalingInitializer | None = unused(
        None, "Variance from the size of the layer."
    )
    random_normal_initializer: NormalInitializer | None = unused(
        None, "Normal distribution."
    )


@dataclasses.dataclass
class BatchNorm:
    """Batch normalization after a layer."""

    decay: float = unused(0.999, "Decay of the moving statistics.")
    center: bool = unused(True, "Whether an offset is learned.")
    scale: bool = unused(False, "Whether a scale is learned.")
    epsilon: float = unused(0.001, "Added to the variance.")
    train: bool = unused(True, "Whether the statistics are learned.")


@dataclasses.dataclass
class GroupNorm:
    """Group normalization after a layer."""


@dataclasses.dataclass
class Hyperparams:
    """Regularizer, initializer, activation and normalization of layers."""

    op: Operation = unused(Operation.CONV, "Kind of layer.")
    regularizer: Regularizer | None = unused(None, "Regularizer.")
    initializer: Initializer | None = unused(None, "Initializer.")
    activation: Activation = unused(Activation.RELU, "Activation.")
    batch_norm: BatchNorm | None = unused(None, "Batch normalization.")
    group_norm: GroupNorm | None = unused(None, "Group normalization.")
    regularize_depthwise: bool = unused(
        False, "Whether depthwise convolutions are regularized."
    )
    force_use_bias: bool = unused(False, "Whether a bias is always added.")
