"""Learning rates of the API's schedules by hand; clipping before the sum."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.config import parse_pipeline
from featsr_tf.training.optimizers import apply_gradients
from featsr_tf.training.optimizers import build_learning_rate
from featsr_tf.training.optimizers import build_optimizer
from tests.model.small import CONFIG
from tests.model.small import CONSTANT_OPTIMIZER

MANUAL = """
manual_step_learning_rate {
  initial_learning_rate: 0.1
  schedule { step: 4 learning_rate: 0.5 }
  schedule { step: 6 learning_rate: 0.05 }
  WARMUP
}
"""


def optimizer_options(text):
    content = CONFIG.replace(CONSTANT_OPTIMIZER, text)
    pipeline = parse_pipeline(content.encode(), "test.config")
    return pipeline.train_config.optimizer


def schedule(text):
    options = optimizer_options(
        f"momentum_optimizer {{ learning_rate {{ {text} }} }}"
    )
    return build_learning_rate(options.momentum_optimizer.learning_rate)


def rates(text, steps):
    made = schedule(text)
    return [float(made(tf.constant(step, tf.int64))) for step in steps]


def test_a_cosine_warms_up_holds_and_falls_to_zero():
    text = """
    cosine_decay_learning_rate {
      learning_rate_base: 1.0 total_steps: 110
      warmup_learning_rate: 0.2 warmup_steps: 10 hold_base_rate_steps: 20
    }
    """
    # Half way down at 70, the middle of 30 and 110; at 50 a quarter of the
    # way: (1 + cos 45) / 2.
    found = rates(text, [0, 5, 10, 29, 50, 70, 110, 200])
    expected = [0.2, 0.6, 1.0, 1.0, 0.853553, 0.5, 0.0, 0.0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_manual_steps_jump_at_their_step():
    text = MANUAL.replace("WARMUP", "")
    found = rates(text, [0, 3, 4, 5, 6, 100])
    np.testing.assert_allclose(
        found, [0.1, 0.1, 0.5, 0.5, 0.05, 0.05], rtol=1e-6
    )


def test_manual_steps_can_warm_up_to_the_rate_of_the_first_jump():
    text = MANUAL.replace("WARMUP", "warmup: true")
    found = rates(text, [0, 1, 2, 3, 4, 5, 6])
    np.testing.assert_allclose(
        found, [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.05], rtol=1e-6
    )


@pytest.mark.parametrize(
    "staircase, expected",
    [
        ("true", [0.8, 0.8, 0.4, 0.4, 0.2]),
        ("false", [0.8, 0.8 / 2**0.5, 0.4, 0.4 / 2**0.5, 0.2]),
    ],
)
def test_exponential_decay_falls_in_jumps_or_smoothly(staircase, expected):
    text = f"""
    exponential_decay_learning_rate {{
      initial_learning_rate: 0.8 decay_steps: 10 decay_factor: 0.5
      staircase: {staircase}
    }}
    """
    found = rates(text, [0, 5, 10, 15, 20])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_exponential_decay_begins_after_its_burn_in_and_has_a_floor():
    text = """
    exponential_decay_learning_rate {
      initial_learning_rate: 0.8 decay_steps: 10 decay_factor: 0.5
      burnin_learning_rate: 0.1 burnin_steps: 5 min_learning_rate: 0.15
    }
    """
    # Halved every ten steps, counted from step 5.
    found = rates(text, [0, 4, 5, 14, 15, 25, 35])
    # Even the burn-in does not fall below the least rate, as in the API.
    expected = [0.15, 0.15, 0.8, 0.8, 0.4, 0.2, 0.15]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_burn_in_without_a_rate_has_the_initial_one():
    text = """
    exponential_decay_learning_rate {
      initial_learning_rate: 0.8 decay_steps: 10 decay_factor: 0.5
      burnin_steps: 5
    }
    """
    found = rates(text, [0, 4, 5, 15])
    np.testing.assert_allclose(found, [0.8, 0.8, 0.8, 0.4], rtol=1e-6)


@pytest.mark.parametrize("warmup", ["", "warmup: true"])
def test_a_jump_at_step_0_takes_the_place_of_the_initial_rate(warmup):
    text = MANUAL.replace("step: 4", "step: 0").replace("WARMUP", warmup)
    found = rates(text, [0, 5, 6])
    np.testing.assert_allclose(found, [0.5, 0.5, 0.05], rtol=1e-6)


def test_a_constant_is_a_number():
    text = "constant_learning_rate { learning_rate: 0.25 }"
    assert schedule(text) == 0.25


@pytest.mark.parametrize(
    "text",
    [
        "cosine_decay_learning_rate { total_steps: 9 warmup_steps: 3 }",
        "exponential_decay_learning_rate { decay_steps: 2 burnin_steps: 3 "
        "burnin_learning_rate: 0.5 min_learning_rate: 0.0019 }",
        MANUAL.replace("WARMUP", "warmup: true"),
    ],
)
def test_our_schedules_survive_their_config(text):
    made = schedule(text)
    config = keras.saving.serialize_keras_object(made)
    copy = keras.saving.deserialize_keras_object(config)
    for step in (0, 2, 5, 8):
        assert float(copy(step)) == float(made(step))


def test_numbers_of_the_optimizers_arrive():
    rate = "learning_rate { constant_learning_rate { learning_rate: 0.5 } }"
    adam = build_optimizer(
        optimizer_options(f"adam_optimizer {{ {rate} epsilon: 0.25 }}")
    )
    assert isinstance(adam, keras.optimizers.Adam)
    assert (float(adam.learning_rate), adam.epsilon) == (0.5, 0.25)
    rms_prop = build_optimizer(
        optimizer_options(
            f"rms_prop_optimizer {{ {rate} momentum_optimizer_value: 0.75 "
            "decay: 0.5 epsilon: 2.0 }"
        )
    )
    assert isinstance(rms_prop, keras.optimizers.RMSprop)
    found = rms_prop.momentum, rms_prop.rho, rms_prop.epsilon
    assert found == (0.75, 0.5, 2.0)
    momentum = build_optimizer(
        optimizer_options(
            f"momentum_optimizer {{ {rate} momentum_optimizer_value: 0.25 }}"
        )
    )
    assert isinstance(momentum, keras.optimizers.SGD)
    assert (float(momentum.learning_rate), momentum.momentum) == (0.5, 0.25)


def test_a_schedule_counts_steps_where_each_has_several_updates():
    text = "cosine_decay_learning_rate { total_steps: 9 warmup_steps: 3 }"
    plain = schedule(text)
    options = optimizer_options(
        f"adam_optimizer {{ learning_rate {{ {text} }} }}"
    )
    rate = build_optimizer(options, updates=2)._learning_rate
    config = keras.saving.serialize_keras_object(rate)
    copy = keras.saving.deserialize_keras_object(config)
    for update in range(18):
        assert float(rate(update)) == float(plain(update // 2))
        assert float(copy(update)) == float(plain(update // 2))


def test_the_optimizer_follows_its_schedule():
    text = MANUAL.replace("WARMUP", "warmup: true")
    options = optimizer_options(
        f"momentum_optimizer {{ learning_rate {{ {text} }} "
        "momentum_optimizer_value: 0 }"
    )
    optimizer = build_optimizer(options)
    variable = keras.Variable(0.0)
    values = []
    for _ in range(3):
        apply_gradients(optimizer, [tf.constant(-1.0)], [variable], 0.0)
        values.append(float(variable))
    np.testing.assert_allclose(values, [0.1, 0.3, 0.6], rtol=1e-6)


@pytest.mark.parametrize(
    "clip_norm, expected",
    [
        # The norm of all gradients together is 5.
        (1.0, [-0.6, -0.8]),
        (10.0, [-3.0, -4.0]),
        (0.0, [-3.0, -4.0]),
    ],
)
def test_gradients_are_clipped_by_their_global_norm(clip_norm, expected):
    variables = [keras.Variable([0.0]), keras.Variable([0.0, 0.0])]
    gradients = [tf.constant([3.0]), tf.constant([4.0, 0.0])]
    optimizer = keras.optimizers.SGD(1.0)
    apply_gradients(optimizer, gradients, variables, clip_norm)
    found = [float(variables[0][0]), float(variables[1][0])]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
