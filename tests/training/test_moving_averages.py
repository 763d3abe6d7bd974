"""Moving averages are what is used; training goes on with the values."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import DataError
from featsr_tf.training import checkpoints
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.checkpoints import StageCheckpoints
from featsr_tf.training.optimizers import Minimizer
from featsr_tf.training.optimizers import build_optimizer
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.steps import build
from tests.training.steps import step

EXTENSION = "model.feature_super_resolution"
STAGES = {
    SUPER_RESOLUTION: f"{EXTENSION}.super_resolution_stage",
    FINE_TUNE: f"{EXTENSION}.fine_tune_stage",
}
SGD = (
    "momentum_optimizer { momentum_optimizer_value: 0 learning_rate {"
    " constant_learning_rate { learning_rate: 1 } } }"
)


def averaging(name, decay=0.5):
    path = f"{STAGES[name]}.optimizer"
    return (
        f"{path}.use_moving_average=true",
        f"{path}.moving_average_decay={decay}",
    )


def minimizer(text, scales_loss=False):
    pipeline = small_pipeline(f"train_config.optimizer={{ {text} }}")
    optimizer = build_optimizer(pipeline.train_config.optimizer, scales_loss)
    return Minimizer(optimizer, clip_norm=0.0)


def averaged_weight(scales_loss=False):
    """A weight of 0 and what minimizes by it, with a decay of 0.75."""
    made = minimizer(
        f"{SGD} use_moving_average: true moving_average_decay: 0.75",
        scales_loss,
    )
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    layer.build([1, 1])
    made.optimizer.build(layer.trainable_variables)
    return made, layer.kernel


def descend(made, weight, slope):
    made.minimize(lambda: (slope * tf.reduce_sum(weight.value), None), [weight])


def values(variables):
    return [variable.numpy().copy() for variable in variables]


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("scales_loss", [False, True])
def test_the_average_of_steps_is_that_of_a_hand(scales_loss):
    made, weight = averaged_weight(scales_loss)
    # Before the first step there is none.
    made.swap_averages()
    assert weight.numpy() == 0.0
    for _ in range(3):
        descend(made, weight, slope=-4.0)
    assert weight.numpy() == 12.0
    made.swap_averages()
    # 4 of the first step, 0.75 * 4 + 0.25 * 8 = 5, 0.75 * 5 + 0.25 * 12.
    assert weight.numpy() == 6.75
    made.swap_averages()
    assert weight.numpy() == 12.0


@pytest.mark.parametrize(
    "text", ["", "use_moving_average: false", "moving_average_decay: 0.5"]
)
def test_no_averages_are_kept_unless_the_config_says_so(text):
    made = minimizer(f"{SGD} {text}")
    assert not made.keeps_averages
    made.swap_averages()


def test_a_checkpoint_has_both_and_a_stage_goes_on_to_the_bit(tmp_path, eager):
    # Generator and discriminator have an optimizer each.
    name = SUPER_RESOLUTION
    options = averaging(name)
    stage = build(small_detector(), name, *options)
    saved = StageCheckpoints(str(tmp_path), name, stage.checkpointed())
    for _ in range(2):
        step(stage)
    trained = values(stage.trained_variables)
    with stage.averaged():
        averages = values(stage.trained_variables)
        saved.save(2)
    assert_equal(values(stage.trained_variables), trained)
    assert any(map(np.any, map(np.not_equal, averages, trained)))

    # What is used later.
    used = small_detector()
    checkpoints.restore_detector(used, str(tmp_path), name)
    other = build(used, name, *options)
    assert_equal(values(other.trained_variables), averages)

    # What goes on.
    again = StageCheckpoints(str(tmp_path), name, other.checkpointed())
    assert again.restore() == 2
    other.swap_averages()
    assert_equal(values(other.trained_variables), trained)
    assert step(other) == step(stage)
    for one in (other, stage):
        one.swap_averages()
    assert_equal(
        values(other.trained_variables), values(stage.trained_variables)
    )


@pytest.mark.parametrize("kept", [True, False])
def test_a_stage_that_began_without_averages_goes_on_without(
    tmp_path, kept, eager
):
    first, then = averaging(FINE_TUNE), ()
    if not kept:
        first, then = then, first
    stage = build(small_detector(), FINE_TUNE, *first)
    StageCheckpoints(str(tmp_path), FINE_TUNE, stage.checkpointed()).save(1)
    other = build(small_detector(), FINE_TUNE, *then)
    restored = StageCheckpoints(str(tmp_path), FINE_TUNE, other.checkpointed())
    with pytest.raises(DataError, match="the optimizers that it was trained"):
        restored.restore()


def test_averages_are_the_same_on_several_devices():
    devices = tf.config.list_logical_devices("CPU")[:2]
    # Collectives of another strategy in this process may have the same keys.
    strategy = tf.distribute.MirroredStrategy(
        [d.name for d in devices], tf.distribute.ReductionToOneDevice()
    )
    with strategy.scope():
        made, weight = averaged_weight()

    @tf.function
    def steps():
        for _ in range(2):
            strategy.run(lambda: descend(made, weight, slope=-2.0))

    steps()
    assert weight.numpy() == 8.0
    made.swap_averages()
    # Both devices: 0.75 * 4 + 0.25 * 8.
    parts = strategy.experimental_local_results(weight.value)
    assert [part.numpy().item() for part in parts] == [5.0] * 2
    made.swap_averages()
    assert weight.numpy() == 8.0
