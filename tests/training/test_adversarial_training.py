"""What keeps the game of generator and discriminator steady."""

import functools

import numpy as np
import pytest

from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.checkpoints import StageCheckpoints
from tests.model.small import small_detector
from tests.training.steps import build
from tests.training.steps import changed
from tests.training.steps import paths
from tests.training.steps import step
from tests.training.steps import values_of

EXTENSION = "model.feature_super_resolution"
STAGE = f"{EXTENSION}.super_resolution_stage"
WEIGHT = f"{EXTENSION}.losses.generator_weight=2"
SPECTRAL = f"{EXTENSION}.discriminator.spectral_normalization=true"
ONE_STEP = f"{STAGE}.adversarial_warmup_steps=1"


def make(*overrides):
    return build(small_detector(), SUPER_RESOLUTION, WEIGHT, *overrides)


def share_of_generator_loss(logs):
    """Weight that L_gen had in the loss, all other weights being 1."""
    others = logs["content"] + logs["classification"] + logs["localization"]
    return (logs["loss"] - others) / logs["generator"]


@pytest.mark.parametrize("updates", [1, 2])
def test_the_generator_sees_its_rival_after_the_warm_up(updates):
    stage = make(
        f"{STAGE}.adversarial_warmup_steps=2",
        f"{STAGE}.generator_updates_per_discriminator_update={updates}",
    )
    shares = []
    for _ in range(3):
        before = values_of(stage)
        shares.append(share_of_generator_loss(step(stage)))
        moved = changed(before, values_of(stage))
        assert paths(stage.discriminator) <= moved
    np.testing.assert_allclose(shares, [0.0, 0.0, 2.0], atol=1e-4)


def test_there_is_no_warm_up_unless_told():
    shares = [share_of_generator_loss(step(make()))]
    np.testing.assert_allclose(shares, [2.0], rtol=1e-4)


@functools.cache
def made_two_steps():
    stage = make(ONE_STEP, SPECTRAL)
    return stage, values_of(stage), [step(stage), step(stage)]


def test_spectral_normalization_changes_its_singular_vectors_besides():
    stage, before, _ = made_two_steps()
    discriminator = stage.discriminator
    vectors = {v.path for v in discriminator.non_trainable_variables}
    assert len(vectors) == 3
    assert changed(before, values_of(stage)) == vectors | paths(
        stage.detector.refiner, stage.detector.small_predictor, discriminator
    )


def test_a_restart_neither_warms_up_nor_normalizes_anew(tmp_path):
    _, start, losses = made_two_steps()
    stage = make(ONE_STEP, SPECTRAL)
    give(stage, start)
    assert step(stage) == pytest.approx(losses[0], rel=1e-5)
    saved = StageCheckpoints(
        str(tmp_path), SUPER_RESOLUTION, stage.checkpointed()
    )
    saved.save(1)
    continued = make(ONE_STEP, SPECTRAL)
    other = StageCheckpoints(
        str(tmp_path), SUPER_RESOLUTION, continued.checkpointed()
    )
    assert other.restore() == 1
    logs = step(continued)
    assert logs == pytest.approx(losses[1], rel=1e-5)
    assert share_of_generator_loss(logs) == pytest.approx(2.0, rel=1e-4)


def give(stage, values):
    """Sets all variables of a stage, found by their paths."""
    for part in (stage.detector, stage.discriminator):
        for variable in part.variables:
            variable.assign(values[variable.path])
