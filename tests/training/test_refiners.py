"""What the stages train where nothing is generated, and behind a gate."""

import functools
from unittest import mock

import numpy as np
import pytest

from featsr_tf.model.refiner import Gate
from featsr_tf.training import checkpoints
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.checkpoints import StageCheckpoints
from tests.model.small import small_detector
from tests.training.steps import build
from tests.training.steps import changed
from tests.training.steps import gradients_of
from tests.training.steps import paths
from tests.training.steps import step
from tests.training.steps import values_of

EXTENSION = "model.feature_super_resolution"
WITHOUT_VARIABLES = ("NONE", "ZOOM")


@functools.cache
def make(refiner):
    return small_detector(f"{EXTENSION}.refiner={refiner}")


@pytest.mark.parametrize("refiner", WITHOUT_VARIABLES)
def test_stage_2_trains_the_small_predictor_alone(refiner):
    detector = make(refiner)
    stage = build(detector, SUPER_RESOLUTION)
    assert stage.discriminator is None
    assert not stage.needs_half_images
    expected = paths(detector.small_predictor)
    (gradients,), _ = gradients_of(stage)
    assert set(gradients) == expected
    before = values_of(stage)
    first, second = step(stage), step(stage)
    assert set(first) == {
        "loss",
        "classification",
        "localization",
        "gradient_norm",
    }
    assert second["loss"] < first["loss"]
    assert changed(before, values_of(stage)) == expected


def test_stage_2_trains_the_tail_but_not_the_extractor_it_was_copied_from():
    detector = make("TAIL_GENERATOR")
    stage = build(
        detector, SUPER_RESOLUTION, f"{EXTENSION}.supervision=MAGNIFIED"
    )
    before = values_of(stage)
    # In the first step only what joins the tail to the base has a gradient.
    history = [step(stage) for _ in range(3)]
    expected = paths(detector.refiner, detector.small_predictor)
    assert any("tail_base_conv" in path for path in expected)
    assert changed(before, values_of(stage)) == expected | paths(
        stage.discriminator
    )
    assert history[2]["content"] < history[0]["content"]


@pytest.mark.parametrize("refiner", WITHOUT_VARIABLES)
def test_stage_3_trains_both_predictors(refiner):
    detector = make(refiner)
    stage = build(detector, FINE_TUNE)
    before = values_of(stage)
    step(stage)
    assert changed(before, values_of(stage)) == paths(
        detector.small_predictor, detector.large_predictor
    )


@pytest.mark.parametrize("refiner", WITHOUT_VARIABLES)
def test_a_base_detector_serves_every_refiner(tmp_path, refiner):
    base = small_detector()
    base.large_predictor.classes.bias.assign([0.1, 0.2, 0.3])
    StageCheckpoints(str(tmp_path), BASE, {"detector": base}).save(1)
    other = small_detector(f"{EXTENSION}.refiner={refiner}")
    checkpoints.restore_detector(other, str(tmp_path), BASE)
    for name in ("extractor", "proposal_network", "large_predictor"):
        pairs = zip(
            getattr(other, name).get_weights(),
            getattr(base, name).get_weights(),
            strict=True,
        )
        for found, expected in pairs:
            np.testing.assert_array_equal(found, expected)


def test_behind_a_gate_stage_3_shows_small_proposals_to_both_predictors():
    detector = make("NONE")
    stage = build(detector, FINE_TUNE)
    with mock.patch.object(detector, "small_area_threshold", 1e9):
        assert step(stage)["large_classification"] == 0.0
        with mock.patch.object(detector, "gate", Gate(0.5)):
            logs = step(stage)
    assert logs["large_classification"] > 0.0
    assert logs["small_classification"] > 0.0
