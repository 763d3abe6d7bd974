"""Configs of the API load as they are and mean what they mean there."""

import numpy as np
import pytest

from featsr_tf.config import find_warnings
from featsr_tf.config import load_pipeline
from featsr_tf.config import parse_pipeline
from featsr_tf.config import to_text
from featsr_tf.data.build import build_resizer
from featsr_tf.data.resize import resized_size
from featsr_tf.errors import ConfigError
from featsr_tf.model.build import build_detector
from featsr_tf.training.build import build_stage
from featsr_tf.training.build import num_steps
from featsr_tf.training.optimizers import build_learning_rate
from tests.model.small import small_backbone
from tests.odapi.configs import FIRST_GENERATION
from tests.odapi.configs import GENERATIONS
from tests.odapi.configs import SECOND_GENERATION

OFFICIAL = (
    "faster_rcnn_resnet50_coco.config",
    "faster_rcnn_resnet101_voc07.config",
    "faster_rcnn_resnet50_v1_640x640_coco17_tpu-8.config",
)
# The layers of the backbone play no part in what is asked here.
SMALL = (
    "model.faster_rcnn.feature_extractor.type=faster_rcnn_mobilenet_v1",
    "model.feature_super_resolution.generator.hidden_channels=8",
)


def parse(text, *overrides):
    return parse_pipeline(text.encode(), "stock.config", overrides)


@pytest.mark.parametrize("text", GENERATIONS.values(), ids=GENERATIONS)
def test_every_generation_loads_and_prints_into_an_equal_one(text):
    pipeline = parse(text)
    assert parse(to_text(pipeline)) == pipeline


@pytest.mark.parametrize("text", GENERATIONS.values(), ids=GENERATIONS)
def test_only_what_cannot_matter_here_is_without_effect(text):
    allowed = (
        "train_config.fine_tune_checkpoint",
        "train_config.from_detection_checkpoint",
        "model.faster_rcnn.use_",
        "train_config.sync_replicas",
        "train_config.startup_delay_steps",
        "train_config.replicas_to_aggregate",
        "train_config.unpad_groundtruth_tensors",
        "train_config.use_bfloat16",
        "model.faster_rcnn.second_stage_classification_loss.weighted_sigmoid."
        "anchorwise_output",
        "eval_config.",
        "eval_input_reader.0.",
    )
    for warning in find_warnings(parse(text)):
        named = warning.removeprefix("without effect here: ").split(" (")[0]
        for path in named.split(", "):
            assert path.startswith(allowed), warning


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_configs_build_a_stage(name, shared):
    pipeline = load_pipeline(shared / "data" / "odapi" / name, SMALL)
    with small_backbone():
        detector = build_detector(pipeline)
    stage = build_stage(pipeline, "base", detector)
    assert stage.optimizer.momentum == 0.9
    assert len(detector.proposal_settings.cell_anchors) == 12
    assert detector.postprocess.maximum_total == 300
    assert stage.predictor_loss.localization_weight == 2.0
    assert stage.anchor_localization_weight == 2.0


@pytest.fixture(scope="module")
def detector():
    with small_backbone():
        return build_detector(parse(SECOND_GENERATION, *SMALL))


def test_initializers_have_the_spread_that_the_config_says(detector):
    network, predictor = detector.proposal_network, detector.large_predictor
    # A normal distribution cut at two deviations has 0.88 of them.
    for layer in (network.convolution, network.objectness, network.deltas):
        kernel = layer.kernel.numpy()
        assert np.abs(kernel).max() <= 0.0200001
        assert kernel.std() == pytest.approx(0.0088, rel=0.1)
    for layer in (predictor.classes, predictor.deltas):
        inputs, outputs = layer.kernel.shape
        # factor 1 and FAN_AVG, uniform: sqrt(3 / mean of both).
        limit = np.sqrt(6.0 / (inputs + outputs))
        kernel = np.abs(layer.kernel.numpy())
        assert 0.8 * limit < kernel.max() <= limit


def test_no_two_layers_begin_with_the_same_values(detector):
    network = detector.proposal_network
    first = network.objectness.kernel.numpy().ravel()[:100]
    second = network.deltas.kernel.numpy().ravel()[:100]
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.5


def test_regularizers_count_half_the_squares(detector):
    network = detector.proposal_network
    squares = sum(
        float(np.square(layer.kernel.numpy()).sum())
        for layer in (network.convolution, network.objectness, network.deltas)
    )
    found = sum(
        float(variable.regularizer(variable))
        for variable in network.trainable_variables
        if variable.regularizer is not None
    )
    assert found == pytest.approx(0.5 * 0.00004 * squares, rel=1e-4)
    assert detector.large_predictor.classes.kernel_regularizer is None


def test_numbers_of_the_second_stage_arrive(detector):
    assert detector.large_predictor.dropout.rate == pytest.approx(0.2)
    assert detector.large_predictor.box_classes == 1
    assert detector.proposal_settings.clip_anchors
    assert detector.proposal_settings.iou_threshold == 0.699999988079


def test_the_learning_rate_is_that_of_the_api():
    options = parse(SECOND_GENERATION).train_config.optimizer
    rate = build_learning_rate(options.momentum_optimizer.learning_rate)
    found = [float(rate(step)) for step in (0, 1000, 2000, 13500, 25000)]
    expected = [0.013333, (0.013333 + 0.04) / 2, 0.04, 0.02, 0]
    np.testing.assert_allclose(found, expected, atol=1e-7)
    options = parse(FIRST_GENERATION).train_config.optimizer
    rate = build_learning_rate(options.momentum_optimizer.learning_rate)
    found = [float(rate(step)) for step in (0, 1, 499999, 500000)]
    np.testing.assert_allclose(found, [1e-4, 1e-4, 1e-4, 1e-5], rtol=1e-5)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 640), (480, 640)),
        ((1200, 800), (640, 427)),
        ((90, 60), (640, 427)),
    ],
)
def test_frames_get_the_size_that_the_api_gives_them(size, expected):
    assert resized_size(*size, build_resizer(parse(SECOND_GENERATION))) == (
        expected
    )


def test_training_without_end_asks_for_a_number_of_steps():
    pipeline = parse(FIRST_GENERATION)
    with pytest.raises(ConfigError, match=r"stock.config:\d+:1: .*--set train"):
        num_steps(pipeline, "base")
    pipeline = parse(FIRST_GENERATION, "train_config.num_steps=7")
    assert num_steps(pipeline, "base") == 7
