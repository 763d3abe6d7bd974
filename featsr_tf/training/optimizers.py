"""Keras optimizers and learning rate schedules from their configuration."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from featsr_tf.config.schema import LearningRate
from featsr_tf.config.schema import Optimizer


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Lets Keras save the dataclasses below by their fields."""

    def get_config(self):
        """Gives the constructor's arguments."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
        }


@keras.saving.register_keras_serializable("featsr_tf")
@dataclasses.dataclass(frozen=True)
class WarmUpCosineDecay(_Schedule):
    """Linear warm-up, a plateau, then half a cosine wave down to zero.

    Keras' own CosineDecay has no plateau; the TF Object Detection API has.
    """

    base: float
    total_steps: int
    warmup: float = 0.0
    warmup_steps: int = 0
    hold_steps: int = 0

    def __call__(self, step):
        """Gives the learning rate of a step."""
        step = tf.cast(step, tf.float32)
        rise = self.warmup + (self.base - self.warmup) * step / max(
            self.warmup_steps, 1
        )
        begin = self.warmup_steps + self.hold_steps
        progress = (step - begin) / max(self.total_steps - begin, 1)
        progress = tf.clip_by_value(progress, 0.0, 1.0)
        decayed = 0.5 * self.base * (1.0 + tf.cos(3.14159265 * progress))
        return tf.where(step < self.warmup_steps, rise, decayed)


@keras.saving.register_keras_serializable("featsr_tf")
@dataclasses.dataclass(frozen=True)
class BurnInExponentialDecay(_Schedule):
    """Exponential decay that starts after a burn-in and ends at a minimum.

    Args:
        staircase: whether the rate falls in jumps. Default False.
        burn_in: learning rate of the burn-in; 0 = `initial`. Default 0.0.
        burn_in_steps: length of the burn-in, which does not count for the
            decay. Default 0.
        minimum: the rate never falls below. Default 0.0.
    """

    initial: float
    decay_steps: int
    decay_factor: float
    staircase: bool = False
    burn_in: float = 0.0
    burn_in_steps: int = 0
    minimum: float = 0.0

    def __call__(self, step):
        """Gives the learning rate of a step."""
        step = tf.cast(step, tf.float32) - self.burn_in_steps
        decay = keras.optimizers.schedules.ExponentialDecay(
            self.initial, self.decay_steps, self.decay_factor, self.staircase
        )
        rate = tf.where(
            step < 0.0,
            self.burn_in or self.initial,
            decay(tf.maximum(step, 0.0)),
        )
        return tf.maximum(rate, self.minimum)


@keras.saving.register_keras_serializable("featsr_tf")
@dataclasses.dataclass(frozen=True)
class LinearWarmUp(_Schedule):
    """Goes linearly to another schedule's value."""

    schedule: keras.optimizers.schedules.LearningRateSchedule
    start: float
    end: float
    steps: int

    def __call__(self, step):
        """Gives the learning rate of a step."""
        share = tf.cast(step, tf.float32) / max(self.steps, 1)
        rise = self.start + (self.end - self.start) * share
        return tf.where(share < 1.0, rise, self.schedule(step))

    @classmethod
    def from_config(cls, config):
        """Makes the schedule of `get_config`'s result."""
        return cls(**_with_schedule(config))


@keras.saving.register_keras_serializable("featsr_tf")
@dataclasses.dataclass(frozen=True)
class SeveralUpdates(_Schedule):
    """Counts the steps of another schedule where each has several updates."""

    schedule: keras.optimizers.schedules.LearningRateSchedule
    updates: int

    def __call__(self, step):
        """Gives the learning rate of an update."""
        return self.schedule(step // self.updates)

    @classmethod
    def from_config(cls, config):
        """Makes the schedule of `get_config`'s result."""
        return cls(**_with_schedule(config))


def _with_schedule(config: dict) -> dict:
    schedule = config["schedule"]
    if isinstance(schedule, dict):
        schedule = keras.saving.deserialize_keras_object(schedule)
    return {**config, "schedule": schedule}


def build_learning_rate(options: LearningRate, updates: int = 1):
    """Makes a number of a constant, a Keras schedule of anything else.

    Args:
        updates: how many updates a step has. Default 1.
    """
    rate = _build_learning_rate(options)
    if updates == 1 or not callable(rate):
        return rate
    return SeveralUpdates(rate, updates)


def _build_learning_rate(options: LearningRate):
    if options.constant_learning_rate is not None:
        return options.constant_learning_rate.learning_rate
    if options.exponential_decay_learning_rate is not None:
        decay = options.exponential_decay_learning_rate
        return BurnInExponentialDecay(
            initial=decay.initial_learning_rate,
            decay_steps=decay.decay_steps,
            decay_factor=decay.decay_factor,
            staircase=decay.staircase,
            burn_in=decay.burnin_learning_rate,
            burn_in_steps=decay.burnin_steps,
            minimum=decay.min_learning_rate,
        )
    if options.manual_step_learning_rate is not None:
        return _manual_steps(options.manual_step_learning_rate)
    cosine = options.cosine_decay_learning_rate
    return WarmUpCosineDecay(
        base=cosine.learning_rate_base,
        total_steps=cosine.total_steps,
        warmup=cosine.warmup_learning_rate,
        warmup_steps=cosine.warmup_steps,
        hold_steps=cosine.hold_base_rate_steps,
    )


def _manual_steps(options):
    if not options.schedule:
        return options.initial_learning_rate
    # Keras changes the rate after a boundary, the API at it.
    boundaries = [jump.step - 1 for jump in options.schedule]
    values = [jump.learning_rate for jump in options.schedule]
    jumps = keras.optimizers.schedules.PiecewiseConstantDecay(
        boundaries, [options.initial_learning_rate, *values]
    )
    if not options.warmup or options.schedule[0].step == 0:
        return jumps
    return LinearWarmUp(
        jumps,
        start=options.initial_learning_rate,
        end=values[0],
        steps=boundaries[0] + 1,
    )


def build_optimizer(
    options: Optimizer, scales_loss: bool = False, updates: int = 1
) -> keras.optimizers.Optimizer:
    """Makes Adam, RMSprop, or SGD with momentum.

    Args:
        updates: how many updates a step has, which its schedule counts once.
            Default 1.
        scales_loss: whether losses are scaled so that gradients of 16 bits
            neither vanish nor overflow. Default False.
    """
    if scales_loss:
        return keras.optimizers.LossScaleOptimizer(
            build_optimizer(options, updates=updates)
        )
    averages = {
        "use_ema": options.use_moving_average,
        "ema_momentum": options.moving_average_decay,
    }
    if options.adam_optimizer is not None:
        adam = options.adam_optimizer
        return keras.optimizers.Adam(
            build_learning_rate(adam.learning_rate, updates),
            epsilon=adam.epsilon,
            **averages,
        )
    if options.rms_prop_optimizer is not None:
        rms_prop = options.rms_prop_optimizer
        return keras.optimizers.RMSprop(
            build_learning_rate(rms_prop.learning_rate, updates),
            rho=rms_prop.decay,
            momentum=rms_prop.momentum_optimizer_value,
            epsilon=rms_prop.epsilon,
            **averages,
        )
    momentum = options.momentum_optimizer
    return keras.optimizers.SGD(
        build_learning_rate(momentum.learning_rate, updates),
        momentum=momentum.momentum_optimizer_value,
        **averages,
    )


class Minimizer:
    """Makes steps down the gradient of a loss.

    Args:
        clip_norm: largest global norm of the gradients; 0 = not clipped.
            Default 10.0.
    """

    def __init__(
        self, optimizer: keras.optimizers.Optimizer, clip_norm: float = 10.0
    ):
        self.optimizer = optimizer
        self.clip_norm = clip_norm

    def minimize(
        self,
        loss: Callable[[], tuple[tf.Tensor, Any]],
        variables: Sequence[keras.Variable],
    ) -> tuple[Any, tf.Tensor]:
        """Makes one step, if the gradient is finite.

        Returns:
            What the loss gave beside the scalar, such as what is to be logged;
            and the gradient's global norm, divided by the number of replicas,
            over which logs are summed.
        """
        with tf.GradientTape() as tape:
            total, others = loss()
            scaled = self.optimizer.scale_loss(total)
        gradients = tape.gradient(scaled, [v.value for v in variables])
        norm = apply_gradients(
            self.optimizer, gradients, variables, self.clip_norm
        )
        return others, norm / num_replicas()

    @property
    def keeps_averages(self) -> bool:
        """Whether the optimizer keeps moving averages of the variables."""
        return _inner(self.optimizer).use_ema

    def swap_averages(self) -> None:
        """Exchanges the variables' values with their averages, if any are kept.

        A second call puts all back, to the bit.
        """
        optimizer = _inner(self.optimizer)
        steps = int(tf.convert_to_tensor(optimizer.iterations))
        # Before the first step the averages are zero.
        if not self.keeps_averages or not steps:
            return
        for variable, average in zip(
            optimizer._trainable_variables,
            optimizer._model_variables_moving_average,
            strict=True,
        ):
            trained = variable.numpy()
            variable.assign(average.numpy())
            average.assign(trained)


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[keras.Variable],
    clip_norm: float,
) -> tf.Tensor:
    """Clips the global batch's gradients by their global norm, applies them.

    Keras clips before it sums over replicas; the sum must come first for two
    replicas to take the step that one would. Where the norm is not finite,
    neither variables nor optimizer change, but for the loss scale.

    Args:
        gradients: of this replica's part of the loss, as the optimizer's
            `scale_loss` has scaled it.
        clip_norm: largest global norm; 0 = not clipped.

    Returns:
        The global norm before clipping; 0 where it is not finite and a
        smaller loss scale can be tried in the next step.
    """
    scale = loss_scale(optimizer)
    if num_replicas() > 1:
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        # The optimizer would send them all around once more.
        _inner(optimizer)._all_reduce_sum_gradients = list
    scaled_norm = tf.linalg.global_norm(gradients)
    if clip_norm:
        gradients, _ = tf.clip_by_global_norm(
            gradients, clip_norm * scale, scaled_norm
        )
    is_finite = tf.math.is_finite(scaled_norm)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        # It leaves out what is not finite by itself, and halves its scale.
        optimizer.apply(gradients, variables)
    else:
        _apply_if(is_finite, optimizer, gradients, variables)
    return tf.where(is_finite | (scale <= 1.0), scaled_norm / scale, 0.0)


def loss_scale(optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
    """Tells by what an optimizer scales losses; 1 where it does not."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return tf.convert_to_tensor(optimizer.dynamic_scale)
    return tf.constant(1.0)


def _inner(optimizer: keras.optimizers.Optimizer) -> Any:
    """Takes what scales losses off an optimizer."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def num_replicas() -> int:
    """Counts the replicas that take each step together."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context is not None else 1


def _apply_if(is_finite, optimizer, gradients, variables) -> None:
    if num_replicas() == 1:
        tf.cond(
            is_finite,
            lambda: optimizer.apply(gradients, variables),
            lambda: None,
        )
        return

    def apply_in_all(strategy, is_finite, gradients):
        # The same in all replicas; each branch must hold all of them.
        first, *_ = strategy.experimental_local_results(is_finite)
        tf.cond(
            first,
            lambda: strategy.extended.call_for_each_replica(
                optimizer.apply, args=(gradients, variables)
            ),
            lambda: None,
        )

    context = tf.distribute.get_replica_context()
    context.merge_call(apply_in_all, args=(is_finite, gradients))
