"""What each source of targets asks of a step of stage 2, and what it costs."""

from unittest import mock

import numpy as np
import pytest

from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.stage import StageInputs
from tests.model.small import small_detector
from tests.training.steps import BOTH
from tests.training.steps import build
from tests.training.steps import changed
from tests.training.steps import gradients_of
from tests.training.steps import paths
from tests.training.steps import spy_on_extractor
from tests.training.steps import step
from tests.training.steps import values_of

EXTENSION = "model.feature_super_resolution"
TWO_UPDATES = (
    f"{EXTENSION}.super_resolution_stage"
    ".generator_updates_per_discriminator_update=2"
)


@pytest.fixture(scope="module")
def shared_detector():
    return small_detector()


@pytest.fixture
def detector(shared_detector):
    """The detector, which is as it was when the next test gets it."""
    weights = shared_detector.get_weights()
    yield shared_detector
    shared_detector.set_weights(weights)


def build_supervised(detector, supervision, *overrides):
    return build(
        detector,
        SUPER_RESOLUTION,
        f"{EXTENSION}.supervision={supervision}",
        *overrides,
    )


LOGS = {"loss", "classification", "localization", "gradient_norm"}
PAIR_LOGS = {"content", "target_mean", "input_mean"}
DISCRIMINATOR_LOGS = {
    "generator",
    "discriminator",
    "discriminator_of_target",
    "discriminator_of_generated",
    "discriminator_gradient_norm",
}


@pytest.mark.parametrize(
    "override, extra_logs, scales",
    [
        ("supervision=ATROUS", PAIR_LOGS | DISCRIMINATOR_LOGS, 2),
        ("supervision=NAIVE", PAIR_LOGS | DISCRIMINATOR_LOGS, 2),
        ("supervision=PLACEBO", PAIR_LOGS | DISCRIMINATOR_LOGS, 2),
        ("supervision=MAGNIFIED", PAIR_LOGS | DISCRIMINATOR_LOGS, 2),
        ("supervision=NONE", set(), 1),
        ("losses.generator_weight=0", PAIR_LOGS, 2),
    ],
)
def test_a_supervision_has_its_losses_and_one_pass_per_image_and_scale(
    detector, override, extra_logs, scales
):
    stage = build(
        detector, SUPER_RESOLUTION, f"{EXTENSION}.{override}", TWO_UPDATES
    )
    with spy_on_extractor(detector) as extract:
        logs = step(stage)
    assert set(logs) == LOGS | extra_logs
    assert np.all(np.isfinite(list(logs.values())))
    assert extract.call_count == scales
    assert not any(
        call.kwargs.get("training") for call in extract.call_args_list
    )
    assert int(stage.optimizer.iterations) == 2
    if extra_logs & DISCRIMINATOR_LOGS:
        optimizer = stage.adversarial.minimizer.optimizer
        assert int(optimizer.iterations) == 1
    else:
        assert stage.discriminator is None


@pytest.mark.parametrize(
    "supervision, needed",
    [
        ("ATROUS", True),
        ("NAIVE", True),
        ("PLACEBO", True),
        ("MAGNIFIED", False),
        ("NONE", False),
    ],
)
def test_half_images_are_read_where_the_inputs_are_at_half_scale(
    detector, supervision, needed
):
    stage = build_supervised(detector, supervision)
    assert stage.needs_half_images == needed
    if not needed:
        step(stage, {k: v for k, v in BOTH.items() if k != "half_images"})
    for name in (BASE, FINE_TUNE):
        assert not build(detector, name).needs_half_images


def test_a_placebo_costs_nothing_before_the_generator_has_learnt(detector):
    stage = build_supervised(detector, "PLACEBO")
    first, second = step(stage), step(stage)
    assert first["content"] == 0.0
    assert second["content"] > 0.0
    assert first["target_mean"] == first["input_mean"] != 0.0


def test_the_magnified_target_is_followed_by_small_proposals_themselves(
    detector,
):
    stage = build_supervised(
        detector, "MAGNIFIED", f"{EXTENSION}.losses.generator_weight=0"
    )
    inputs = stage.compute_frozen(BOTH)
    assert StageInputs.PAIR_INPUTS not in inputs
    small, weights = inputs[StageInputs.SMALL], inputs[StageInputs.PAIR_WEIGHTS]
    np.testing.assert_array_equal(weights, small.weights)
    height, width = np.moveaxis(
        small.boxes[..., 2:] - small.boxes[..., :2], -1, 0
    )
    assert np.any(weights)
    assert np.all((height * width)[weights > 0] < 1024)
    refiner = detector.refiner
    with mock.patch.object(refiner, "refine", wraps=refiner.refine) as refine:
        logs = step(stage, inputs)
    refine.assert_called_once()
    # A new generator leaves its input as it is.
    base, _ = inputs[StageInputs.SMALL_INPUTS]
    means = np.mean((inputs[StageInputs.TARGETS] - base) ** 2, axis=(2, 3, 4))
    np.testing.assert_allclose(
        logs["content"], np.average(means, weights=weights), rtol=1e-4
    )


@pytest.mark.parametrize("supervision", ["PLACEBO", "MAGNIFIED"])
def test_another_target_trains_the_same_variables(detector, supervision):
    stage = build_supervised(detector, supervision)
    before = values_of(stage)
    # Before its first step only the last convolution has a gradient.
    step(stage)
    step(stage)
    expected = paths(detector.refiner, detector.small_predictor)
    expected |= paths(stage.discriminator)
    assert changed(before, values_of(stage)) == expected
    (generator, _), _ = gradients_of(stage)
    assert set(generator) == expected
