"""A loss scale follows the gradients, and is part of a checkpoint."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.config import parse_pipeline
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import StageCheckpoints
from featsr_tf.training.optimizers import apply_gradients
from featsr_tf.training.optimizers import build_optimizer
from featsr_tf.training.optimizers import loss_scale
from tests.model.small import CONFIG

FINITE = [3.0, 4.0]
OVERFLOWN = [3.0, math.inf]


def make(scales_loss=True, scale=1024.0, growth_steps=3):
    """An optimizer of one variable, with momentum and rate 0.01."""
    options = parse_pipeline(CONFIG.encode(), "test").train_config.optimizer
    options.momentum_optimizer.momentum_optimizer_value = 0.9
    variable = keras.Variable([1.0, 2.0])
    optimizer = build_optimizer(options, scales_loss)
    optimizer.build([variable])
    if scales_loss:
        optimizer.dynamic_growth_steps = growth_steps
        optimizer.dynamic_scale.assign(scale)
    return optimizer, variable


def take_step(optimizer, variable, gradient, clip_norm=0.0):
    scaled = optimizer.scale_loss(tf.constant(gradient))
    return float(apply_gradients(optimizer, [scaled], [variable], clip_norm))


@pytest.mark.parametrize("clip_norm", [0.0, 2.5])
def test_steps_and_norms_are_those_without_a_scale(clip_norm):
    scaled, plain = make(True), make(False)
    for gradient in (FINITE, [0.5, 0.0], [-6.0, 8.0]):
        norm = take_step(*scaled, gradient, clip_norm)
        assert norm == take_step(*plain, gradient, clip_norm)
        assert norm == np.hypot(*gradient)
    np.testing.assert_allclose(scaled[1], plain[1], rtol=1e-6)


@pytest.mark.parametrize("clip_norm", [0.0, 2.5])
def test_an_overflow_halves_the_scale_and_changes_nothing_else(clip_norm):
    optimizer, variable = make()
    take_step(optimizer, variable, FINITE, clip_norm)
    before = [v.numpy() for v in optimizer.inner_optimizer.variables]
    weights = variable.numpy()
    assert take_step(optimizer, variable, OVERFLOWN, clip_norm) == 0.0
    assert loss_scale(optimizer) == 512.0
    np.testing.assert_array_equal(variable, weights)
    for found, expected in zip(
        optimizer.inner_optimizer.variables, before, strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_good_steps_in_a_row_double_the_scale():
    optimizer, variable = make(growth_steps=3)
    scales = []
    for gradient in [FINITE] * 3 + [FINITE] * 2 + [OVERFLOWN] + [FINITE] * 3:
        take_step(optimizer, variable, gradient)
        scales.append(float(loss_scale(optimizer)))
    assert scales == [1024, 1024, 2048] + [2048] * 2 + [1024] * 3 + [2048]


def test_what_is_not_finite_without_a_scale_is_told():
    optimizer, variable = make(scale=2.0)
    norms = [take_step(optimizer, variable, OVERFLOWN) for _ in range(2)]
    assert norms[0] == 0.0
    assert not math.isfinite(norms[1])
    np.testing.assert_array_equal(variable, [1.0, 2.0])


def test_a_continued_training_goes_on_with_its_scale(tmp_path):
    def start():
        optimizer, variable = make(growth_steps=4)
        layer = keras.layers.Layer()
        layer.weight = variable
        objects = {"detector": layer, "optimizer": optimizer}
        return StageCheckpoints(str(tmp_path), BASE, objects), (
            optimizer,
            variable,
        )

    gradients = [FINITE, OVERFLOWN, *[FINITE] * 4, [1.0, 1.0]]
    saved, through = start()
    for number, gradient in enumerate(gradients):
        if number == 4:
            saved.save(4)
        take_step(*through, gradient)
    restored, continued = start()
    assert restored.restore() == 4
    assert loss_scale(continued[0]) == 512.0
    for gradient in gradients[4:]:
        take_step(*continued, gradient)
    assert loss_scale(continued[0]) == loss_scale(through[0]) == 1024.0
    np.testing.assert_array_equal(continued[1], through[1])
    for found, expected in zip(
        continued[0].variables, through[0].variables, strict=True
    ):
        np.testing.assert_array_equal(found, expected)
