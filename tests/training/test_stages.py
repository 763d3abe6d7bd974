"""Which variables a stage changes, by which losses, and at which price.

Steps are called without a graph: tracing one takes as long as ten steps.
"""

import functools

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import ConfigError
from featsr_tf.geometry.sampling import SampledProposals
from featsr_tf.model.predictor import Predictions
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.losses import PredictorLoss
from tests.model.small import small_detector
from tests.training.batches import LARGE
from tests.training.batches import make_batch
from tests.training.steps import build
from tests.training.steps import changed
from tests.training.steps import gradients_of
from tests.training.steps import paths
from tests.training.steps import spy_on_extractor
from tests.training.steps import step
from tests.training.steps import values_of

MODEL = "model.faster_rcnn"
EXTENSION = "model.feature_super_resolution"
TWO_UPDATES = (
    f"{EXTENSION}.super_resolution_stage"
    ".generator_updates_per_discriminator_update=2"
)
# One image with nothing on it, one with a crowd and padding.
NO_OBJECTS = make_batch([], [LARGE], ignored=[LARGE])


@pytest.fixture(scope="module")
def shared_detector():
    return small_detector()


@pytest.fixture
def detector(shared_detector):
    """The detector, which is as it was when the next test gets it."""
    weights = shared_detector.get_weights()
    threshold = shared_detector.small_area_threshold
    yield shared_detector
    shared_detector.set_weights(weights)
    shared_detector.small_area_threshold = threshold


def moving_statistics(*parts):
    return {
        variable.path
        for part in parts
        for variable in part.non_trainable_variables
        if "moving" in variable.path
    }


@functools.cache
def trained(name, *overrides):
    """A stage after two steps, what they changed, the losses of each."""
    stage = build(small_detector(*overrides), name, *overrides)
    before = values_of(stage)
    history = [step(stage) for _ in range(2)]
    return stage, changed(before, values_of(stage)), history


FREEZE_FIRST = "train_config.freeze_variables=['^first_']"
FREEZE_STATISTICS = f"{MODEL}.feature_extractor.batch_norm_trainable=false"


def test_stage_1_trains_extractor_proposal_network_and_large_predictor():
    stage, changes, _ = trained(BASE, FREEZE_FIRST)
    parts = (
        stage.detector.extractor,
        stage.detector.proposal_network,
        stage.detector.large_predictor,
    )
    expected = {path for path in paths(*parts) if not path.startswith("first_")}
    assert len(expected) == len(paths(*parts)) - 3
    assert {v.path for v in stage.trained_variables} == expected
    assert changes == expected | moving_statistics(*parts)


def test_stage_1_leaves_frozen_batch_normalization_alone():
    stage, changes, _ = trained(BASE, FREEZE_STATISTICS)
    expected = {variable.path for variable in stage.trained_variables}
    assert not any("_bn" in path for path in expected)
    assert changes == expected


def test_stage_2_trains_generator_small_predictor_and_discriminator():
    stage, changes, _ = trained(SUPER_RESOLUTION)
    detector = stage.detector
    expected = paths(detector.refiner, detector.small_predictor)
    assert {v.path for v in stage.trained_variables} == expected
    assert changes == expected | paths(stage.discriminator)


def test_stage_3_trains_both_predictors():
    stage, changes, _ = trained(FINE_TUNE)
    detector = stage.detector
    expected = paths(detector.small_predictor, detector.large_predictor)
    assert {v.path for v in stage.trained_variables} == expected
    assert changes == expected


@pytest.mark.parametrize(
    "name, override",
    [
        (BASE, FREEZE_FIRST),
        (BASE, FREEZE_STATISTICS),
        (SUPER_RESOLUTION, None),
        (FINE_TUNE, None),
    ],
)
def test_losses_fall_on_a_batch_seen_again(name, override):
    _, _, history = trained(name, *[override] * bool(override))
    first, second = history
    assert second["loss"] < first["loss"]


def test_no_gradient_reaches_what_a_stage_has_frozen(detector):
    predictors = (detector.small_predictor, detector.large_predictor)
    stage = build(detector, SUPER_RESOLUTION)
    (generator, discriminator), _ = gradients_of(stage)
    assert set(generator) == paths(
        detector.refiner, detector.small_predictor, stage.discriminator
    )
    assert set(discriminator) == paths(stage.discriminator)
    (fine_tune,), _ = gradients_of(build(detector, FINE_TUNE))
    assert set(fine_tune) == paths(*predictors)


@pytest.mark.parametrize("name", STAGES)
def test_images_without_objects_cost_exactly_no_box_loss(detector, name):
    seen, logs = gradients_of(build(detector, name), NO_OBJECTS)
    assert np.all(np.isfinite(list(logs.values())))
    assert any("localization" in key for key in logs)
    for key, value in logs.items():
        if "localization" in key:
            assert value == 0.0, key
        if "classification" in key or key == "objectness":
            assert value > 0.0, key
    deltas = [path for path in seen[0] if "deltas/" in path]
    assert len(deltas) == (2 if name == SUPER_RESOLUTION else 4)
    for gradients in seen:
        for path, gradient in gradients.items():
            assert np.all(np.isfinite(gradient)), path
            if path in deltas:
                assert not np.any(gradient), path


def test_without_small_proposals_the_generator_gets_exactly_no_gradient(
    detector,
):
    detector.small_area_threshold = 1.0
    stage = build(detector, SUPER_RESOLUTION)
    (generator, discriminator), logs = gradients_of(stage)
    assert paths(detector.refiner) < set(generator)
    for path, gradient in (generator | discriminator).items():
        assert not np.any(gradient), path
    assert set(logs.values()) == {0.0}


def test_pairs_alone_train_the_generator_but_not_the_small_predictor(detector):
    detector.small_area_threshold = 1.0
    stage = build(
        detector, SUPER_RESOLUTION, f"{EXTENSION}.maximum_pair_area_ratio=1e6"
    )
    (gradients, _), logs = gradients_of(stage)
    for path in paths(detector.small_predictor):
        assert not np.any(gradients[path]), path
    # Before its first step only the last convolution has one.
    second = detector.refiner.generator.blocks[-1].second.kernel.path
    assert np.any(gradients[second])
    assert logs["classification"] == logs["localization"] == 0.0
    assert logs["content"] > 0.0


def test_without_pairs_the_losses_on_pairs_are_exactly_zero(detector):
    stage = build(
        detector,
        SUPER_RESOLUTION,
        f"{EXTENSION}.minimum_pair_area_ratio=1e6",
        f"{EXTENSION}.maximum_pair_area_ratio=1e7",
    )
    before = values_of(stage)
    logs = step(stage)
    for name in ("content", "generator", "discriminator", "target_mean"):
        assert logs[name] == 0.0, name
    np.testing.assert_allclose(
        logs["loss"], logs["classification"] + logs["localization"], rtol=1e-6
    )
    assert not changed(before, values_of(stage)) & paths(stage.discriminator)


@pytest.mark.parametrize(
    "threshold, idle, busy",
    [
        (1.0, "small_predictor", "large_predictor"),
        (1e9, "large_predictor", "small_predictor"),
    ],
)
def test_stage_3_trains_each_predictor_on_proposals_of_its_size_only(
    detector, threshold, idle, busy
):
    detector.small_area_threshold = threshold
    stage = build(detector, FINE_TUNE)
    before = values_of(stage)
    with spy_on_extractor(detector) as extract:
        logs = step(stage)
    extract.assert_called_once()
    prefix = idle.removesuffix("predictor")
    assert logs[f"{prefix}classification"] == 0.0
    assert logs[f"{prefix}localization"] == 0.0
    changes = changed(before, values_of(stage))
    assert changes == paths(getattr(detector, busy))


def test_fewer_candidates_than_asked_for_are_all_used(detector):
    stage = build(
        detector,
        BASE,
        f"{MODEL}.first_stage_minibatch_size=1000",
        f"{MODEL}.first_stage_max_proposals=1000",
        f"{MODEL}.second_stage_batch_size=1000",
    )
    assert np.isfinite(step(stage)["loss"])
    stage = build(
        detector,
        SUPER_RESOLUTION,
        f"{EXTENSION}.pairs_per_image=1000",
        f"{EXTENSION}.rois_per_image=1000",
    )
    assert np.isfinite(step(stage)["loss"])


def test_the_loss_is_the_weighted_sum_of_its_parts(detector):
    stage = build(
        detector,
        SUPER_RESOLUTION,
        f"{EXTENSION}.losses.generator_weight=2",
        f"{EXTENSION}.losses.content_weight=3",
        f"{EXTENSION}.losses.classification_weight=5",
        f"{EXTENSION}.losses.localization_weight=7",
    )
    logs = step(stage)
    expected = (
        2 * logs["generator"]
        + 3 * logs["content"]
        + 5 * logs["classification"]
        + 7 * logs["localization"]
    )
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)
    stage = build(
        detector,
        BASE,
        f"{MODEL}.first_stage_objectness_loss_weight=2",
        f"{MODEL}.first_stage_localization_loss_weight=3",
        f"{MODEL}.second_stage_classification_loss_weight=5",
        f"{MODEL}.second_stage_localization_loss_weight=7",
    )
    logs = step(stage)
    expected = (
        2 * logs["objectness"]
        + 3 * logs["anchor_localization"]
        + 5 * logs["classification"]
        + 7 * logs["localization"]
    )
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)


# A proposal of class 2 whose object lies 1 px lower: a delta of
# 1 / 10 / .1 = 1, which costs .5; a background one; one without weight.
SAMPLE = SampledProposals(
    boxes=tf.constant([[[0.0, 0, 10, 10], [20, 20, 40, 40], [0, 0, 9, 9]]]),
    classes=tf.constant([[2, 0, 1]]),
    target_boxes=tf.constant(
        [[[1.0, 0, 11, 10], [20, 20, 40, 40], [5, 5, 9, 9]]]
    ),
    weights=tf.constant([[1.0, 1.0, 0.0]]),
)


@pytest.mark.parametrize("box_classes", [2, 1])
def test_a_predictor_is_judged_by_class_and_by_the_box_of_that_class(
    box_classes,
):
    loss = PredictorLoss(classification_weight=10.0, localization_weight=100.0)
    # Boxes of the other class are far off and cost nothing.
    deltas = np.full((3, box_classes, 4), 50.0, "float32")
    deltas[0, box_classes - 1] = 0.0
    total, logs = loss(
        Predictions(tf.zeros([3, 3]), tf.constant(deltas)), SAMPLE
    )
    np.testing.assert_allclose(logs["classification"], np.log(3), rtol=1e-6)
    np.testing.assert_allclose(logs["localization"], 0.25, rtol=1e-4)
    np.testing.assert_allclose(total, 10 * np.log(3) + 25.0, rtol=1e-4)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_says_what_to_save_in_its_place(detector, name, tmp_path):
    stage = build(detector, name)
    for save in (lambda: stage.save(tmp_path / "s.keras"), stage.get_config):
        with pytest.raises(NotImplementedError) as refused:
            save()
        message = str(refused.value)
        assert message.startswith(f"{name}_stage: a stage is ")
        assert "StageCheckpoints" in message and "\n" not in message
    assert not list(tmp_path.iterdir())


def test_no_step_computes_before_it_noted_that_its_data_had_arrived(detector):
    step_function = tf.function(build(detector, BASE).train_step)
    graph = step_function.get_concrete_function(make_batch([LARGE])).graph
    convolutions = [op for op in graph.get_operations() if op.type == "Conv2D"]
    assert convolutions
    assert all("PyFunc" in types_before(op) for op in convolutions)


def types_before(operation):
    """Types of the operations that have to be over before this one begins."""
    found, waiting = set(), [operation]
    while waiting:
        one = waiting.pop()
        before = {tensor.op for tensor in one.inputs} | {*one.control_inputs}
        waiting.extend(before - found)
        found |= before
    return {one.type for one in found}


def test_patterns_that_no_variable_has_in_its_name_are_told(detector):
    with pytest.warns(match="no variable has 'Conv2d_99' in its name"):
        build(detector, BASE, "train_config.freeze_variables=['Conv2d_99']")


def test_patterns_that_leave_nothing_to_train_are_refused(detector):
    with pytest.raises(ConfigError, match="leave no variable"):
        build(detector, BASE, "train_config.freeze_variables=['.*']")
