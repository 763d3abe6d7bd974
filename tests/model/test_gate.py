"""The gate: which proposals are refined, and what becomes of the others."""

from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.model.refiner import Gate
from tests.model.small import small_detector

# Background and two classes; three proposals in each of two images.
SCORES = tf.constant(
    [
        [0.1, 0.8, 0.1],
        [0.6, 0.1, 0.3],
        [0.5, 0.5, 0.0],
        [0.0, 0.1, 0.9],
        [0.7, 0.2, 0.1],
        [0.2, 0.4, 0.4],
    ]
)
SMALL = tf.constant([True, True, True, False, True, True])
IMAGES = tf.constant([0, 0, 0, 1, 1, 1])


def test_small_proposals_pass_by_their_best_score_of_an_object():
    passed = Gate(0.4)(SCORES, SMALL, IMAGES, 2)
    np.testing.assert_array_equal(
        passed, [True, False, True, False, False, True]
    )


def test_of_each_image_only_the_best_pass():
    passed = Gate(maximum=1)(SCORES, SMALL, IMAGES, 2)
    np.testing.assert_array_equal(passed, [1, 0, 0, 0, 0, 1])
    passed = Gate(maximum=2)(SCORES, SMALL, IMAGES, 2)
    np.testing.assert_array_equal(passed, [1, 0, 1, 0, 1, 1])


def test_an_image_gives_nothing_of_its_maximum_to_others():
    image_indices = tf.constant([0, 0, 0, 0, 0, 2])
    passed = Gate(maximum=2)(SCORES, SMALL, image_indices, 3)
    np.testing.assert_array_equal(passed, [1, 0, 1, 0, 0, 1])


def test_the_maximum_counts_among_those_above_the_threshold():
    passed = Gate(0.6, maximum=2)(SCORES, SMALL, IMAGES, 2)
    np.testing.assert_array_equal(passed, [1, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("maximum", [0, 3, 100])
def test_an_open_gate_lets_all_small_proposals_pass(maximum):
    passed = Gate(0.0, maximum)(SCORES, SMALL, IMAGES, 2)
    np.testing.assert_array_equal(passed, SMALL)


def test_among_equal_scores_no_more_than_the_maximum_pass():
    scores = tf.fill([4, 2], 0.5)
    passed = Gate(maximum=3)(
        scores, tf.fill([4], True), tf.zeros([4], tf.int32), 1
    )
    assert np.count_nonzero(passed) == 3


SIZES = tf.fill([2, 2], 96.0)
SCALES = tf.ones([2, 2])


def images():
    generator = np.random.default_rng(0)
    values = generator.uniform(0, 255, (2, 96, 96, 3))
    return tf.constant(values, tf.float32)


@pytest.fixture(scope="module")
def detector():
    """A detector whose small predictor and generator have learnt."""
    detector = small_detector()
    generator = np.random.default_rng(1)
    for part in (detector.small_predictor, detector.refiner):
        for variable in part.trainable_variables:
            noise = generator.normal(0.0, 0.3, variable.shape)
            variable.assign_add(tf.constant(noise, tf.float32))
    return detector


def find(detector, gate, **options):
    with mock.patch.object(detector, "gate", gate):
        return detector.look(images(), SIZES, SCALES, **options)[0]


def test_an_open_gate_changes_nothing(detector):
    expected = find(detector, None)
    for gate in (Gate(), Gate(maximum=1000)):
        found = find(detector, gate)
        for values, others in zip(found, expected, strict=True):
            np.testing.assert_allclose(values, others, rtol=1e-4, atol=1e-5)


def test_a_closed_gate_gives_the_base_detector_and_refines_nothing(detector):
    expected = find(detector, None, super_resolve=False)
    found = find(detector, Gate(1.0))
    for values, others in zip(found, expected, strict=True):
        np.testing.assert_allclose(values, others, rtol=1e-4, atol=1e-5)


def test_only_what_passes_is_refined_and_the_rest_keeps_its_first_score(
    detector,
):
    base = find(detector, None, super_resolve=False).scores.numpy()
    refined = find(detector, None).scores.numpy()
    gate = Gate(maximum=2)
    with mock.patch.object(
        detector.refiner, "call", wraps=detector.refiner.call
    ) as refine:
        found = find(detector, gate).scores.numpy()
    assert len(refine.call_args.args[0].boxes) == 4
    is_base = np.isclose(found, base, rtol=1e-4).all(axis=-1)
    is_refined = np.isclose(found, refined, rtol=1e-4).all(axis=-1)
    assert np.all(is_base | is_refined)
    np.testing.assert_array_equal(np.sum(~is_base, axis=1), [2, 2])


def test_proposals_below_the_objectness_threshold_are_not_judged(detector):
    expected = find(detector, Gate())
    proposals = detector.propose(detector.extract(images()), SIZES)
    threshold = float(np.median(proposals.scores[proposals.valid]))
    with mock.patch.object(detector, "objectness_threshold", threshold):
        found = find(detector, Gate())
        base = find(detector, Gate(), super_resolve=False)
    is_above = (proposals.scores >= threshold).numpy()
    is_judged = proposals.valid.numpy() & is_above
    assert 0 < np.sum(is_judged) < np.sum(proposals.valid)
    np.testing.assert_array_equal(found.valid, is_judged)
    np.testing.assert_array_equal(base.valid, proposals.valid)
    for values, others in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            values[is_judged], others[is_judged], rtol=1e-4, atol=1e-5
        )


def best_scores_of_small_proposals(detector):
    """The best first score in each image."""
    with mock.patch.object(Gate, "__call__", autospec=True) as choose:
        choose.side_effect = lambda gate, scores, is_small, *_: is_small
        find(detector, Gate())
    scores, is_small, image_indices, _ = choose.call_args.args[1:]
    best = np.where(is_small, np.max(scores[:, 1:], axis=1), 0.0)
    return [np.max(best[image_indices == image]) for image in range(2)]


@pytest.fixture(scope="module")
def between(detector):
    """A threshold that small proposals of only one of the images reach."""
    low, high = sorted(best_scores_of_small_proposals(detector))
    assert high - low > 1e-3
    return float(low + high) / 2


def test_to_skip_the_second_look_changes_not_a_bit(detector, between):
    for threshold in (0.0, between, 1.0):
        found = find(detector, Gate(threshold))
        with mock.patch.object(detector, "can_skip", False):
            expected = find(detector, Gate(threshold))
        for values, others in zip(found, expected, strict=True):
            np.testing.assert_array_equal(values, others)


def test_in_a_batch_a_frame_of_which_nothing_passes_is_as_in_the_base(
    detector, between
):
    base = find(detector, None, super_resolve=False).scores.numpy()
    found = find(detector, Gate(between)).scores.numpy()
    is_base = np.isclose(found, base, rtol=1e-4).all(axis=(1, 2))
    expected = np.less(best_scores_of_small_proposals(detector), between)
    np.testing.assert_array_equal(is_base, expected)


def count_second_looks(detector, gate, is_graph):
    """How often refiner and small predictor run."""
    runs = [tf.Variable(0), tf.Variable(0)]

    def counted(call, run):
        def count_and_call(*arguments, **options):
            run.assign_add(1)
            return call(*arguments, **options)

        return count_and_call

    refine = counted(detector.refiner.call, runs[0])
    predict = counted(detector.small_predictor.call, runs[1])
    with mock.patch.object(detector.refiner, "call", refine):
        with mock.patch.object(detector.small_predictor, "call", predict):
            run = tf.function(find) if is_graph else find
            run(detector, gate)
    return [int(run) for run in runs]


@pytest.mark.parametrize("is_graph", [False, True])
def test_where_nothing_passes_there_is_no_second_look(detector, is_graph):
    assert count_second_looks(detector, Gate(1.0), is_graph) == [0, 0]
    assert count_second_looks(detector, Gate(0.0), is_graph) == [1, 1]
    with mock.patch.object(detector, "can_skip", False):
        assert count_second_looks(detector, Gate(1.0), is_graph) == [1, 1]


@pytest.mark.parametrize("is_graph", [False, True])
@pytest.mark.parametrize("area, runs", [(0.0, 0), (1e6, 1)])
def test_without_small_proposals_nothing_is_refined(
    detector, is_graph, area, runs
):
    with mock.patch.object(detector, "small_area_threshold", area):
        assert count_second_looks(detector, None, is_graph) == [runs, runs]


@pytest.mark.parametrize("threshold, runs", [(1.0, 1), (0.0, 2)])
def test_a_zoom_runs_the_extractor_again_only_where_something_passes(
    threshold, runs
):
    detector = small_detector("model.feature_super_resolution.refiner=ZOOM")
    backbone = detector.backbone
    with mock.patch.object(backbone, "extract", wraps=backbone.extract) as spy:
        find(detector, Gate(threshold))
    assert spy.call_count == runs


def test_a_detector_with_another_large_predictor_has_the_same_gate(detector):
    with mock.patch.object(detector, "gate", Gate(0.5)):
        other = detector.with_large_predictor(detector.large_predictor)
        assert other.gate is detector.gate
