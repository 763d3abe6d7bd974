"""From a config to models: every number of it arrives where it belongs."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.config import load_pipeline
from featsr_tf.errors import DataError
from featsr_tf.geometry import PORTABLE
from featsr_tf.geometry import TENSORFLOW
from featsr_tf.model.build import build_detector
from featsr_tf.model.build import build_discriminator
from featsr_tf.model.build import build_target_features
from tests.model.small import randomize
from tests.model.small import small_backbone
from tests.model.small import small_pipeline
from tests.support import REPOSITORY

MODEL = "model.faster_rcnn"
EXTENSION = "model.feature_super_resolution"
BATCH_NORM = f"{MODEL}.feature_extractor.batch_norm_trainable"


@functools.cache
def build(*overrides):
    with small_backbone():
        return build_detector(small_pipeline(*overrides))


@pytest.fixture
def detector():
    return build()


def test_every_variable_is_there_before_the_first_call(detector):
    count = len(detector.variables)
    images = tf.random.uniform([1, 64, 64, 3], 0, 255)
    detector(images, tf.constant([[64.0, 64.0]]), tf.ones([1, 2]))
    assert len(detector.variables) == count
    parts = (
        detector.extractor,
        detector.proposal_network,
        detector.refiner,
        detector.large_predictor,
        detector.small_predictor,
    )
    assert sum(len(part.variables) for part in parts) == count


def test_no_two_variables_share_a_path(detector):
    paths = [variable.path for variable in detector.variables]
    assert len(set(paths)) == len(paths)


def test_the_predictors_begin_equal_and_share_nothing(detector):
    small = detector.small_predictor.variables
    large = detector.large_predictor.variables
    for one, other in zip(small, large, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not {id(one) for one in small} & {id(other) for other in large}


@pytest.mark.parametrize("trainable", [False, True])
def test_batch_normalization_is_trained_only_on_demand(trainable):
    detector = build(f"{BATCH_NORM}={str(trainable).lower()}")
    paths = [variable.path for variable in detector.trainable_variables]
    assert any("gamma" in path for path in paths) == trainable
    assert any("kernel" in path for path in paths)


def test_frozen_batch_normalization_keeps_its_statistics_in_training():
    detector = build(f"{BATCH_NORM}=false")
    images = tf.random.uniform([1, 64, 64, 3], 0, 255)
    features = detector.extract(images, training=True)
    expected = detector.extract(images, training=False)
    np.testing.assert_array_equal(features["base"], expected["base"])


def test_numbers_of_the_config_arrive():
    detector = build(
        f"{MODEL}.num_classes=5",
        f"{MODEL}.initial_crop_size=8",
        f"{MODEL}.maxpool_kernel_size=2",
        f"{MODEL}.maxpool_stride=2",
        f"{MODEL}.first_stage_max_proposals=17",
        f"{MODEL}.first_stage_nms_iou_threshold=0.6",
        f"{MODEL}.first_stage_nms_score_threshold=0.1",
        f"{MODEL}.clip_anchors_to_image=true",
        f"{MODEL}.second_stage_box_predictor.mask_rcnn_box_predictor"
        ".share_box_across_classes=true",
        f"{EXTENSION}.small_area_threshold=2304",
        f"{EXTENSION}.small_area_frame=RESIZED",
        f"{EXTENSION}.generator.residual_blocks=3",
    )
    assert detector.large_predictor.classes.units == 6
    assert detector.large_predictor.deltas.units == 4
    assert detector.pool_base.output_size == 4
    settings = detector.proposal_settings
    assert settings.maximum == 17
    assert settings.iou_threshold == 0.6
    assert settings.score_threshold == 0.1
    assert settings.clip_anchors
    np.testing.assert_allclose(
        settings.cell_anchors, [[-8, -8, 8, 8], [-20, -20, 20, 20]]
    )
    assert detector.small_area_threshold == 2304
    assert not detector.threshold_in_original_pixels
    assert len(detector.refiner.generator.blocks) == 3


def test_base_and_sub_features_are_pooled_at_their_own_strides(detector):
    assert detector.pool_base.cells.stride == 16
    assert detector.refiner.pool_sub.cells.stride == 4
    assert detector.refiner.pool_sub.output_size == 3


def test_the_sub_layer_can_be_chosen():
    detector = build(f"{EXTENSION}.backbone.sub_layer=third")
    assert detector.refiner.pool_sub.cells.stride == 8


@pytest.mark.parametrize("refiner", ["NONE", "ZOOM"])
def test_what_refines_without_learning_has_no_variables(refiner):
    detector = build(f"{EXTENSION}.refiner={refiner}")
    parts = (
        detector.extractor,
        detector.proposal_network,
        detector.large_predictor,
        detector.small_predictor,
    )
    owned = {id(v) for part in parts for v in part.variables}
    assert {id(v) for v in detector.variables} == owned
    assert build_discriminator(small_pipeline(), detector) is None


def test_the_windows_of_the_zoom_are_those_of_the_config():
    detector = build(
        f"{EXTENSION}.refiner=ZOOM",
        f"{EXTENSION}.zoom={{window_size: 160 margin: 24}}",
    )
    assert detector.refiner.window_size == 160
    assert detector.refiner.margin == 24
    assert detector.refiner.pool_base is detector.pool_base


def test_there_is_a_gate_only_on_demand(detector):
    assert detector.gate is None
    for override in ("gate_score_threshold=0.25", "gate_maximum=7"):
        gate = build(f"{EXTENSION}.{override}").gate
        name, value = override.removeprefix("gate_").split("=")
        assert getattr(gate, name) == float(value)


@pytest.mark.parametrize("operations", [TENSORFLOW, PORTABLE])
def test_a_detector_skips_only_where_a_graph_can_branch(operations):
    with small_backbone():
        detector = build_detector(small_pipeline(), operations=operations)
    assert detector.can_skip == operations.can_branch


def test_two_equal_predictors_without_a_refiner_are_the_base():
    detector = build(f"{EXTENSION}.refiner=NONE")
    randomize(detector)
    assert_equal_detectors(detector, 64, 96)


def test_a_detector_to_be_restored_needs_no_weights_file():
    override = f"{EXTENSION}.backbone.weights='/nowhere/weights.h5'"
    with small_backbone():
        pipeline = small_pipeline(override)
        with pytest.raises(DataError, match="/nowhere/weights.h5"):
            build_detector(pipeline)
        build_detector(pipeline, load_weights=False)


def test_the_target_extractor_owns_no_variable_and_has_stride_16():
    pipeline = small_pipeline(f"{EXTENSION}.twin_pooling=STRIDE")
    detector = build()
    twin, pool_target = build_target_features(pipeline, detector)
    owned = {id(variable) for variable in detector.extractor.variables}
    assert {id(variable) for variable in twin._network.variables} == owned
    assert pool_target.cells.stride == 16
    assert pool_target.output_size == detector.pool_base.output_size


@pytest.mark.parametrize(
    "override",
    [f"{EXTENSION}.supervision=NONE", f"{EXTENSION}.losses.generator_weight=0"],
)
def test_what_is_trained_without_a_discriminator_has_none(detector, override):
    assert build_discriminator(small_pipeline(override), detector) is None


def test_the_discriminator_has_the_layers_of_the_config(detector):
    discriminator = build_discriminator(small_pipeline(), detector)
    shapes = [tuple(weight.shape) for weight in discriminator.weights[::2]]
    assert shapes == [(3 * 3 * 12, 8), (8, 4), (4, 1)]


def assert_equal_detectors(detector, height, width):
    """Compares base and super-resolved detections bit for bit."""
    images = tf.random.uniform([2, height, width, 3], 0, 255)
    sizes = tf.constant([[height, width]] * 2, tf.float32)
    base = detector(images, sizes, tf.ones([2, 2]), super_resolve=False)
    found = detector(images, sizes, tf.ones([2, 2]))
    assert np.all(base.count > 0)
    assert np.std(base.scores) > 1e-3
    for values, others in zip(found, base, strict=True):
        np.testing.assert_array_equal(values, others)


def test_a_mobilenet_gives_the_base_detections_before_stage_2():
    pipeline = load_pipeline(REPOSITORY / "pipelines" / "toy.config")
    detector = build_detector(pipeline)
    randomize(detector)
    assert_equal_detectors(detector, 64, 96)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gtsdb_resnet50", "gtsdb_resnet101"])
def test_a_resnet_gives_the_base_detections_before_stage_2(name):
    pipeline = load_pipeline(
        REPOSITORY / "pipelines" / f"{name}.config",
        [f"{MODEL}.first_stage_max_proposals=64"],
    )
    detector = build_detector(pipeline, load_weights=False)
    randomize(detector, gain=0.5)
    assert_equal_detectors(detector, 128, 160)
