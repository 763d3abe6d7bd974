"""Stages learn alike with numbers of 16 and of 32 bits."""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.training import feature_cache
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.distribution import default_strategy
from featsr_tf.training.stage import DISCRIMINATOR_GRADIENT_NORM
from featsr_tf.training.stage import GRADIENT_NORM
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.steps import build
from tests.training.steps import step
from tests.training.steps import variables_of
from tests.training.test_distribution import OVERRIDES
from tests.training.test_distribution import SINGLE
from tests.training.test_distribution import train_by_one_step

EXTENSION = "model.feature_super_resolution"
# Tolerance of a loss, as a share of it.
PRECISIONS = {"MIXED_BFLOAT16": 0.05, "MIXED_FLOAT16": 0.01}
NUM_STEPS = 3


def of(precision):
    return f"{EXTENSION}.precision={precision}"


@functools.cache
def losses_of(name, precision, *overrides):
    """Losses of the first steps, and the stage behind them."""
    keras.utils.set_random_seed(0)
    overrides = (of(precision), *overrides)
    stage = build(small_detector(*overrides), name, *overrides)
    return [step(stage) for _ in range(NUM_STEPS)], stage


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param(
            *(name, precision),
            marks=[pytest.mark.slow]
            if name != BASE and precision == "MIXED_FLOAT16"
            else [],
        )
        for name in STAGES
        for precision in PRECISIONS
    ],
)
def test_losses_and_norms_are_near_those_of_32_bits(name, precision):
    expected, _ = losses_of(name, "FLOAT32")
    found, stage = losses_of(name, precision)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            # Norms hold the noise of all weights.
            tolerance = PRECISIONS[precision] * (3 if "norm" in key else 1)
            assert ours[key] == pytest.approx(value, tolerance, 0.01), key
    variables = [*variables_of(stage).values(), *stage.optimizer.variables]
    kinds = {keras.backend.standardize_dtype(v.dtype) for v in variables}
    assert not kinds & {"float16", "bfloat16"}


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "override",
    [
        f"{EXTENSION}.refiner=TAIL_GENERATOR",
        f"{EXTENSION}.refiner=ZOOM",
        f"{EXTENSION}.supervision=MAGNIFIED",
        f"{EXTENSION}.generator.block=NAF",
        f"{EXTENSION}.discriminator.spectral_normalization=true",
    ],
)
def test_stage_2_is_near_that_of_32_bits_whatever_refines(precision, override):
    expected, _ = losses_of(SUPER_RESOLUTION, "FLOAT32", override)
    found, _ = losses_of(SUPER_RESOLUTION, precision, override)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["loss"] == pytest.approx(
            theirs["loss"], PRECISIONS[precision]
        )


def test_a_gradient_beyond_16_bits_is_no_error_but_a_smaller_scale():
    _, stage = losses_of(SUPER_RESOLUTION, "MIXED_FLOAT16")
    before = [v.numpy() for v in stage.trained_variables]
    stage.optimizer.dynamic_scale.assign(2.0**40)
    scale = float(stage.adversarial.minimizer.optimizer.dynamic_scale)
    logs = step(stage)
    assert all(map(math.isfinite, logs.values()))
    assert logs[GRADIENT_NORM] == 0.0
    assert logs[DISCRIMINATOR_GRADIENT_NORM] > 0.0
    assert float(stage.optimizer.dynamic_scale) == 2.0**39
    assert float(stage.adversarial.minimizer.optimizer.dynamic_scale) == scale
    for found, expected in zip(stage.trained_variables, before, strict=True):
        np.testing.assert_array_equal(found, expected)
    stage.optimizer.dynamic_scale.assign(2.0**15)
    assert step(stage)[GRADIENT_NORM] > 0.0


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", [BASE, SUPER_RESOLUTION])
def test_two_replicas_take_the_step_of_one(name, precision):
    (ours, our_variables), (theirs, their_variables) = (
        train_by_one_step(strategy, name, (*OVERRIDES, of(precision)))
        for strategy in (SINGLE, default_strategy())
    )
    assert theirs[0] == pytest.approx(ours[0], rel=0.02, abs=0.01)
    for path, value in our_variables.items():
        # Steps are clipped to a norm of 0.1 and of a rate of 0.01.
        np.testing.assert_allclose(
            their_variables[path], value, atol=2e-5, err_msg=path
        )


@pytest.mark.parametrize(
    ("field", "is_another"),
    [("precision=MIXED_BFLOAT16", True), ("jit_compile=true", False)],
)
def test_another_precision_has_a_feature_cache_of_its_own(field, is_another):
    class Source:
        paths = ()

    class Crops:
        needs_originals = False

    cache = f"{EXTENSION}.feature_cache.num_images=4"
    plain, changed = (
        feature_cache._key(
            small_pipeline(cache, *more), Source, Crops, "small", ""
        )
        for more in ((), (f"{EXTENSION}.{field}",))
    )
    assert (plain != changed) == is_another


def test_no_loss_is_scaled_where_nothing_overflows():
    for precision in ("FLOAT32", "MIXED_BFLOAT16"):
        _, stage = losses_of(BASE, precision)
        assert float(stage.optimizer.scale_loss(tf.constant(3.0))) == 3.0
