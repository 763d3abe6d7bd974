"""Figure 3 on a small detector: who judges what, and at which price."""

from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.model.predictor import Predictions
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.row_ops import flatten_boxes
from featsr_tf.model.row_ops import rows_where
from featsr_tf.model.row_ops import scatter_rows
from featsr_tf.model.row_ops import select_rows
from featsr_tf.prediction.data_set import detection_function
from tests.model.small import small_detector

SCALES = tf.ones([3, 2])
MASK = tf.constant([False, True, False, True])


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
    shared_detector.threshold_in_original_pixels = True
    shared_detector.proposal_settings.clip_anchors = False


def images(batch=3, height=64, width=96):
    generator = np.random.default_rng(0)
    values = generator.uniform(0, 255, (3, height, width, 3))
    return tf.constant(values[:batch], tf.float32)


def sizes(batch=3, height=64.0, width=96.0):
    return tf.tile([[height, width]], [batch, 1])


def retrain(predictor, seed=1):
    """Gives a predictor other weights, as training would."""
    generator = np.random.default_rng(seed)
    for variable in predictor.trainable_variables:
        noise = generator.normal(0.0, 0.3, variable.shape)
        variable.assign_add(tf.constant(noise, tf.float32))


def retrain_generator(detector):
    for variable in detector.refiner.trainable_variables:
        shape = variable.shape
        variable.assign(np.random.default_rng(2).normal(0.0, 0.3, shape))


def pooled_proposals(detector):
    """The valid proposals of three images, with features."""
    features = detector.extract(images())
    proposals = detector.propose(features, sizes())
    boxes, image_indices = flatten_boxes(proposals.boxes)
    is_valid = proposals.valid.numpy().ravel()
    boxes, image_indices = boxes[is_valid], image_indices[is_valid]
    base = detector.pool_base(features["base"], boxes, image_indices)
    return ChosenProposals(boxes, image_indices, base, features, images())


def spy(layer):
    """Records the calls of a layer."""
    return mock.patch.object(layer, "call", wraps=layer.call)


def assert_same(found, expected):
    for values, others in zip(found, expected, strict=True):
        np.testing.assert_array_equal(values, others)


def test_rows_are_those_where_the_mask_is_true():
    np.testing.assert_array_equal(rows_where(MASK), [1, 3])


def test_without_any_row_there_is_one_beyond_the_last():
    np.testing.assert_array_equal(rows_where(MASK & False), [4])


def test_chosen_proposals_keep_box_image_and_features_together():
    proposals = ChosenProposals(
        tf.reshape(tf.range(16.0), [4, 4]),
        tf.constant([0, 0, 1, 1]),
        tf.reshape(tf.range(4.0), [4, 1, 1, 1]),
        {"base": tf.zeros([2, 4, 4, 1])},
        tf.zeros([2, 64, 64, 3]),
    )
    chosen = proposals.take(tf.constant([3, 1]))
    np.testing.assert_array_equal(chosen.boxes[:, 0], [12, 4])
    np.testing.assert_array_equal(chosen.image_indices, [1, 0])
    np.testing.assert_array_equal(chosen.base[:, 0, 0, 0], [3, 1])
    assert chosen.features is proposals.features
    beyond = proposals.take(tf.constant([4]))
    np.testing.assert_array_equal(beyond.base[:, 0, 0, 0], [3])


def predictions(*values):
    numbers = tf.constant(values)
    return Predictions(
        tf.tile(numbers[:, None], [1, 3]),
        tf.tile(numbers[:, None, None], [1, 2, 4]),
    )


def test_scattered_predictions_stand_in_the_old_order_between_zeros():
    found = scatter_rows(tf.constant([3, 0]), predictions(30.0, 1.0), 4)
    np.testing.assert_array_equal(found.class_logits[:, 2], [1, 0, 0, 30])
    np.testing.assert_array_equal(found.box_deltas[:, 1, 3], [1, 0, 0, 30])


def test_the_row_beyond_the_last_is_dropped_when_scattering():
    nothing = scatter_rows(rows_where(MASK & False), predictions(7.0), 4)
    np.testing.assert_array_equal(nothing.class_logits[:, 0], [0, 0, 0, 0])
    found = scatter_rows(rows_where(MASK), predictions(5.0, 6.0), 4)
    np.testing.assert_array_equal(found.class_logits[:, 0], [0, 5, 0, 6])


def test_selected_rows_are_those_of_the_mask():
    found = select_rows(
        MASK, predictions(1.0, 2.0, 3.0, 4.0), predictions(5.0, 6.0, 7.0, 8.0)
    )
    np.testing.assert_array_equal(found.class_logits[:, 1], [5, 2, 7, 4])
    np.testing.assert_array_equal(found.box_deltas[:, 1, 2], [5, 2, 7, 4])


def test_it_is_not_saved_whole_and_says_what_to_do_instead(detector):
    for save in (lambda: detector.save("it.keras"), detector.get_config):
        with pytest.raises(NotImplementedError, match="save_weights"):
            save()


@pytest.mark.parametrize(
    "override", ["refiner=GENERATOR", "generator.block=NAF"]
)
def test_saved_weights_come_back(tmp_path, override):
    override = f"model.feature_super_resolution.{override}"
    saved = small_detector(override)
    retrain(saved.small_predictor)
    retrain_generator(saved)
    path = tmp_path / "it.weights.h5"
    saved.save_weights(path)
    restored = small_detector(override)
    restored.load_weights(path)
    for found, expected in zip(
        restored.variables, saved.variables, strict=True
    ):
        np.testing.assert_array_equal(found, expected, err_msg=found.path)


def test_boxes_of_a_batch_are_listed_image_by_image():
    boxes, image_indices = flatten_boxes(tf.reshape(tf.range(24.0), [2, 3, 4]))
    np.testing.assert_array_equal(boxes[:, 0], [0, 4, 8, 12, 16, 20])
    np.testing.assert_array_equal(image_indices, [0, 0, 0, 1, 1, 1])


# A box of 32 x 16 = 512 px^2, in images at scale 1, and at .5 by .25.
BOXES = tf.constant([[0.0, 0.0, 32.0, 16.0]] * 2)
TWO_SCALES = tf.constant([[1.0, 1.0], [0.5, 0.25]])


def test_areas_are_measured_in_original_pixels(detector):
    ratios = detector.area_over_threshold(
        BOXES, tf.constant([0, 1]), TWO_SCALES
    )
    # 512 / 1024, and 512 / (.5 * .25) / 1024.
    np.testing.assert_allclose(ratios, [0.5, 4.0])
    small = detector.is_small(BOXES, tf.constant([0, 1]), TWO_SCALES)
    np.testing.assert_array_equal(small, [True, False])


def test_areas_are_measured_in_resized_pixels_on_demand(detector):
    detector.threshold_in_original_pixels = False
    ratios = detector.area_over_threshold(
        BOXES, tf.constant([0, 1]), TWO_SCALES
    )
    np.testing.assert_allclose(ratios, [0.5, 0.5])


def test_a_box_as_large_as_the_threshold_is_large(detector):
    box = tf.constant([[0.0, 0.0, 32.0, 32.0]])
    assert not detector.is_small(box, tf.constant([0]), TWO_SCALES)[0]


def test_anchors_stand_on_the_true_centres_of_the_cells(detector):
    features = detector.extract(images())
    anchors = detector.anchors(features).numpy()
    # 4 strides of 2 without padding in front: (2^4 - 1) + 16 i, plus half a
    # pixel. Sides of 16 and 40 px.
    assert anchors.shape == (4 * 6 * 2, 4)
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    np.testing.assert_allclose(centres[:4, 1], [15.5, 15.5, 31.5, 31.5])
    np.testing.assert_allclose(centres[::12, 0], [15.5, 31.5, 47.5, 63.5])
    sides = anchors[:, 2:] - anchors[:, :2]
    np.testing.assert_allclose(sides[:2], [[16, 16], [40, 40]])


def test_a_feature_cell_looks_at_the_centre_of_its_anchors(detector):
    pixels = tf.Variable(images(1, 128, 128))
    with tf.GradientTape() as tape:
        cell = detector.extract(pixels)["base"][0, 3, 2]
        total = tf.reduce_sum(cell)
    seen = np.abs(tape.gradient(total, pixels)[0]).sum(axis=-1) > 0
    rows, columns = np.nonzero(seen)
    features = detector.extract(pixels)
    anchor = detector.anchors(features)[(3 * 8 + 2) * 2].numpy()
    np.testing.assert_allclose(
        (anchor[:2] + anchor[2:]) / 2,
        [
            (rows.min() + rows.max() + 1) / 2,
            (columns.min() + columns.max() + 1) / 2,
        ],
    )


def test_anchors_can_be_clipped_to_the_image(detector):
    detector.proposal_settings.clip_anchors = True
    anchors = detector.anchors(detector.extract(images())).numpy()
    assert anchors.min() == 0.0
    assert anchors[:, 2].max() == 64.0
    assert anchors[:, 3].max() == 96.0


def test_before_stage_2_super_resolution_changes_not_a_bit(detector):
    base = detector(images(), sizes(), SCALES, super_resolve=False)
    assert np.all(base.count > 0)
    assert_same(detector(images(), sizes(), SCALES), base)


@pytest.mark.parametrize("threshold", [1.0, 1e9])
def test_without_small_or_without_large_proposals_it_works_as_well(
    detector, threshold
):
    base = detector(images(), sizes(), SCALES, super_resolve=False)
    detector.small_area_threshold = threshold
    assert_same(detector(images(), sizes(), SCALES), base)


def test_without_any_proposal_nothing_is_detected(detector):
    for super_resolve in (True, False):
        found = detector(
            images(), sizes() * 0.0, SCALES, super_resolve=super_resolve
        )
        for values in found:
            assert not np.any(values)


def test_proposals_are_judged_by_the_predictor_of_their_size(detector):
    retrain(detector.small_predictor)
    retrain_generator(detector)
    chosen = pooled_proposals(detector)
    is_small = detector.is_small(chosen.boxes, chosen.image_indices, SCALES)
    found = detector.predict_by_size(chosen, is_small)
    by_large = detector.large_predictor(chosen.base)
    by_small = detector.small_predictor(detector.refiner(chosen))
    small, large = is_small.numpy(), ~is_small.numpy()
    assert small.any() and large.any()
    for values, smalls, larges in zip(found, by_small, by_large, strict=True):
        np.testing.assert_allclose(values[small], smalls[small], rtol=1e-4)
        np.testing.assert_allclose(values[large], larges[large], rtol=1e-4)
        assert not np.allclose(smalls[small], larges[small], rtol=1e-2)


def test_the_refiner_sees_the_small_proposals_and_no_others(detector):
    chosen = pooled_proposals(detector)
    small = detector.is_small(
        chosen.boxes, chosen.image_indices, SCALES
    ).numpy()
    with spy(detector.refiner) as refine:
        detector(images(), sizes(), SCALES)
    refine.assert_called_once()
    seen = refine.call_args.args[0]
    np.testing.assert_array_equal(seen.boxes, chosen.boxes[small])
    np.testing.assert_array_equal(
        seen.image_indices, chosen.image_indices[small]
    )
    np.testing.assert_array_equal(seen.base, chosen.base[small])


def test_the_base_detector_refines_nothing(detector):
    with spy(detector.refiner) as refine:
        detector(images(), sizes(), SCALES, super_resolve=False)
    refine.assert_not_called()


@pytest.mark.parametrize("super_resolve", [True, False])
def test_padding_costs_nothing(detector, super_resolve):
    only_first = sizes() * tf.constant([[1.0], [0.0], [0.0]])
    proposals = detector.propose(detector.extract(images()), only_first)
    count = np.count_nonzero(proposals.valid)
    assert 0 < count < np.size(proposals.valid)
    with spy(detector.small_predictor) as small:
        with spy(detector.large_predictor) as large:
            detector(images(), only_first, SCALES, super_resolve=super_resolve)
    calls = small.call_args_list + large.call_args_list
    assert sum(len(call.args[0]) for call in calls) == count
    assert len(calls) == (2 if super_resolve else 1)


def test_one_graph_serves_batches_and_frames_of_any_size(detector):
    retrain(detector.small_predictor)
    retrain_generator(detector)
    detect = detection_function(detector, super_resolve=True)
    alone = [
        detect(images()[i : i + 1], sizes(1), SCALES[:1]) for i in range(3)
    ]
    for batch in (2, 3):
        together = detect(images(batch), sizes(batch), SCALES[:batch])
        for row in range(batch):
            for values, others in zip(
                together[:4], alone[row][:4], strict=True
            ):
                np.testing.assert_allclose(values[row], others[0], atol=1e-3)
    other = detect(images(2, 96, 32), sizes(2, 96.0, 32.0), SCALES[:2])
    assert other.boxes.shape == together.boxes[:2].shape
    assert np.all(other.boxes[..., 3] <= 32.0)
    assert np.all(other.count > 0)
    assert detect.experimental_get_tracing_count() == 1


def test_pixels_of_the_padding_hold_no_detection(detector):
    found = detector(images(1), sizes(1, 50.0, 60.0), SCALES[:1])
    assert int(found.count[0]) > 0
    assert np.all(found.boxes[..., 2] <= 50.0)
    assert np.all(found.boxes[..., 3] <= 60.0)


def test_the_small_predictor_can_start_as_the_large_one(detector):
    retrain(detector.large_predictor)
    detector.start_small_predictor_from_large()
    for small, large in zip(
        detector.small_predictor.variables,
        detector.large_predictor.variables,
        strict=True,
    ):
        assert small is not large
        np.testing.assert_array_equal(small, large)
