"""Regularizers of the API's configs take part in what is minimized."""

import numpy as np
import pytest

from featsr_tf.training import losses
from featsr_tf.training.build import build_stage
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.batches import LARGE
from tests.training.batches import SMALL
from tests.training.batches import make_batch

DETECTOR = "model.faster_rcnn"
BATCH = make_batch([SMALL, LARGE], [LARGE])
PROPOSALS = f"{DETECTOR}.first_stage_box_predictor_conv_hyperparams"
DENSE = (
    f"{DETECTOR}.second_stage_box_predictor.mask_rcnn_box_predictor"
    ".fc_hyperparams"
)
SQUARES = f"{PROPOSALS}={{regularizer {{ l2_regularizer {{ weight: .5 }} }} }}"
ABSOLUTES = f"{DENSE}={{regularizer {{ l1_regularizer {{ weight: .25 }} }} }}"


def losses_of(name, *overrides):
    detector = small_detector(*overrides)
    stage = build_stage(small_pipeline(*overrides), name, detector)
    _, logs = stage.loss_of(BATCH)
    return detector, {key: float(value) for key, value in logs.items()}


def kernels(*layers):
    return [np.array(layer.kernel) for layer in layers]


def test_losses_of_regularizers_are_added_and_logged():
    _, plain = losses_of("base")
    detector, logs = losses_of("base", SQUARES, ABSOLUTES)
    network, predictor = detector.proposal_network, detector.large_predictor
    squares = sum(
        np.square(kernel).sum()
        for kernel in kernels(
            network.convolution, network.objectness, network.deltas
        )
    )
    absolutes = sum(
        np.abs(kernel).sum()
        for kernel in kernels(predictor.classes, predictor.deltas)
    )
    expected = 0.5 * squares / 2 + 0.25 * absolutes
    assert "regularization_loss" not in plain
    assert logs["regularization_loss"] == pytest.approx(expected, rel=1e-4)
    assert logs["loss"] - plain["loss"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "override",
    [
        "train_config.add_regularization_loss=false",
        "train_config.freeze_variables=proposal_network",
        "train_config.update_trainable_variables=large_predictor",
    ],
)
def test_only_what_is_trained_and_wanted_is_regularized(override):
    _, logs = losses_of("base", SQUARES, override)
    assert "regularization_loss" not in logs


def test_only_variables_that_match_are_trained():
    pattern = "train_config.update_trainable_variables=['objectness', 'delta']"
    frozen = "train_config.freeze_variables=bias"
    detector = small_detector()
    stage = build_stage(small_pipeline(pattern, frozen), "base", detector)
    assert sorted(variable.path for variable in stage.trained_variables) == [
        "large_predictor/deltas/kernel",
        "proposal_network/deltas/kernel",
        "proposal_network/objectness/kernel",
    ]


def test_the_sigmoid_loss_of_the_api_can_be_chosen():
    sigmoid = (
        f"{DETECTOR}.second_stage_classification_loss.weighted_sigmoid={{}}",
        f"{DETECTOR}.second_stage_post_processing.score_converter=SIGMOID",
    )
    stage = build_stage(small_pipeline(*sigmoid), "fine_tune", small_detector())
    assert (
        stage.predictor_loss.classification_loss
        is losses.sigmoid_classification_loss
    )


def test_logits_of_the_softmax_loss_can_be_scaled():
    scaled = (
        f"{DETECTOR}.second_stage_classification_loss="
        "{weighted_softmax { logit_scale: 2 }}"
    )
    stage = build_stage(small_pipeline(scaled), "base", small_detector())
    logits, classes = np.float32([[2.0, -1.0, 0.5]]), [1]
    np.testing.assert_allclose(
        stage.predictor_loss.classification_loss(logits, classes),
        losses.classification_loss(logits / 2, classes),
        rtol=1e-6,
    )
