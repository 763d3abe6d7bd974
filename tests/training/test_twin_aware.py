"""Stage 1 with the atrous twin: shared weights learn for both, or as ever."""

import contextlib
import functools

import numpy as np
import pytest

from featsr_tf.training.checkpoints import BASE
from tests.model.small import small_detector
from tests.training.steps import build
from tests.training.steps import changed
from tests.training.steps import gradients_of
from tests.training.steps import paths
from tests.training.steps import spy
from tests.training.steps import step
from tests.training.steps import values_of

WEIGHT = "model.feature_super_resolution.twin_aware_weight"
STATISTICS = ("moving_mean", "moving_variance")


@functools.cache
def detector():
    return small_detector()


def make(weight):
    return build(detector(), BASE, f"{WEIGHT}={weight}")


@contextlib.contextmanager
def unchanged():
    """Gives back the statistics that every call in training moves."""
    weights = detector().get_weights()
    yield
    detector().set_weights(weights)


@functools.cache
def gradients(weight):
    with unchanged():
        (found,), logs = gradients_of(make(weight))
    return found, logs


def test_unless_told_there_is_no_twin():
    stage = build(detector(), BASE)
    assert stage.twin is None
    with unchanged():
        (found,), logs = gradients_of(stage)
    expected, expected_logs = gradients(0)
    assert set(logs) == set(expected_logs)
    assert not any("twin" in name for name in logs)
    for path, gradient in expected.items():
        np.testing.assert_allclose(found[path], gradient, err_msg=path)


def test_the_losses_on_the_twin_are_weighed_and_added():
    _, plain = gradients(0)
    _, logs = gradients(3)
    assert set(logs) - set(plain) == {
        "twin_classification",
        "twin_localization",
    }
    for name in set(plain) - {"loss"}:
        np.testing.assert_allclose(logs[name], plain[name], rtol=1e-5)
    added = logs["twin_classification"] + logs["twin_localization"]
    assert added > 0.0
    assert logs["loss"] == pytest.approx(plain["loss"] + 3 * added, rel=1e-5)


def test_they_reach_extractor_and_large_predictor_but_not_the_proposals():
    plain, _ = gradients(0)
    aware, _ = gradients(3)
    assert set(aware) == set(plain)
    different = {
        path
        for path in plain
        if not np.allclose(plain[path], aware[path], rtol=1e-4, atol=1e-7)
    }
    parts = detector()
    assert different <= paths(parts.extractor, parts.large_predictor)
    for name in ("first_conv", "sub_bn", "base_conv"):
        layer = parts.extractor.get_layer(name)
        assert paths(layer) <= different
    assert any("large_predictor" in path for path in different)


def test_the_gradient_grows_with_the_weight():
    plain, _ = gradients(0)
    aware, _ = gradients(3)
    half, _ = gradients(1.5)
    for path in plain:
        np.testing.assert_allclose(
            2 * (half[path] - plain[path]),
            aware[path] - plain[path],
            rtol=1e-3,
            atol=1e-4,
            err_msg=path,
        )


def test_a_step_changes_what_it_would_without_the_twin():
    moved, statistics = [], []
    for weight in (0, 3):
        with unchanged():
            stage = make(weight)
            before = values_of(stage)
            step(stage)
            after = values_of(stage)
        moved.append(changed(before, after))
        statistics.append(
            {p: v for p, v in after.items() if p.endswith(STATISTICS)}
        )
    assert moved[0] == moved[1]
    plain, aware = statistics
    for path, value in plain.items():
        np.testing.assert_allclose(aware[path], value, err_msg=path)


def test_the_twin_sees_the_sampled_proposals_of_the_same_image():
    stage = make(3)
    with unchanged(), spy(detector().large_predictor) as predict:
        step(stage)
    plain, twin = (call.args[0] for call in predict.call_args_list)
    assert plain.shape == twin.shape
    assert not np.allclose(plain, twin)
