"""Outputs in the order of the anchors; proposals that are boxes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.model.proposal_network import ProposalNetwork
from featsr_tf.model.proposal_network import ProposalSettings
from featsr_tf.model.proposal_network import choose_proposals
from featsr_tf.model.proposal_network import place_anchors
from tests.support import check_layer

# Boxes of 20 x 20: apart, half beyond the border, beyond it, near the first.
ANCHORS = [
    [10.0, 10.0, 30.0, 30.0],
    [50.0, 50.0, 70.0, 70.0],
    [80.0, 80.0, 99.0, 99.0],
    [11.0, 10.0, 31.0, 30.0],
]
SIZES = tf.constant([[60.0, 70.0]])


def settings(maximum=4, **changes):
    return ProposalSettings(
        cell_anchors=np.zeros([1, 4]), maximum=maximum, **changes
    )


def choose(logits, deltas=None, **changes):
    logits = tf.constant([logits], tf.float32)
    if deltas is None:
        deltas = np.zeros([4, 4])
    return choose_proposals(
        logits,
        tf.constant([deltas], tf.float32),
        tf.constant(ANCHORS),
        SIZES,
        settings(**changes),
    )


def test_a_proposal_network_keeps_the_promises_of_a_layer():
    check_layer(
        lambda: ProposalNetwork(3, depth=8),
        [(2, 4, 6, 5)],
        ((2, 72), (2, 72, 4)),
    )


def test_outputs_are_in_the_order_of_the_anchors():
    network = ProposalNetwork(2, depth=1, kernel_size=1)
    network.build((None, 2, 3, 1))
    network.convolution.kernel.assign(np.ones((1, 1, 1, 1)))
    network.objectness.kernel.assign(np.reshape([1.0, 100.0], (1, 1, 1, 2)))
    network.deltas.kernel.assign(np.reshape(np.arange(8.0), (1, 1, 1, 8)))
    rows_and_columns = np.reshape([1, 2, 3, 11, 12, 13], (1, 2, 3, 1))
    logits, deltas = network(rows_and_columns.astype("float32"))
    np.testing.assert_allclose(
        logits,
        [[1, 100, 2, 200, 3, 300, 11, 1100, 12, 1200, 13, 1300]],
        rtol=1e-6,
    )
    # The second anchor of the first cell of the second row.
    np.testing.assert_allclose(deltas[0, 7], [44, 55, 66, 77], rtol=1e-6)


def test_proposals_come_best_first_and_are_clipped_to_the_image():
    found = choose([0.0, 2.0, -1.0, -9.0])
    np.testing.assert_allclose(
        found.boxes[0],
        [[50, 50, 60, 70], [10, 10, 30, 30], [0, 0, 0, 0], [0, 0, 0, 0]],
    )
    np.testing.assert_array_equal(found.valid, [[True, True, False, False]])
    np.testing.assert_allclose(
        found.scores[0, :2], [1 / (1 + np.exp(-2.0)), 0.5], rtol=1e-6
    )


def test_what_lies_outside_the_image_is_no_proposal_however_sure():
    found = choose([-5.0, -5.0, 50.0, -5.0])
    boxes = found.boxes[0].numpy()[found.valid[0].numpy()]
    assert len(boxes) == 2
    assert not np.any(boxes[:, 0] > 60)


def test_of_near_duplicates_the_better_one_stays():
    found = choose([0.0, -8.0, -8.0, 1.0])
    np.testing.assert_allclose(found.boxes[0, 0], [11, 10, 31, 30])
    assert int(tf.reduce_sum(tf.cast(found.valid, tf.int32))) == 2


def test_deltas_move_and_stretch_anchors():
    # Half a height down, and twice as wide: variances .1 and .2.
    deltas = [[5.0, 0.0, 0.0, np.log(2.0) / 0.2]] + [[0.0] * 4] * 3
    found = choose([9.0, 0.0, 0.0, -50.0], deltas)
    np.testing.assert_allclose(found.boxes[0, 0], [20, 0, 40, 40], atol=1e-4)


def test_doubtful_anchors_and_surplus_ones_are_dropped():
    assert int(choose([1.0, 2.0, 3.0, -1.0], maximum=1).valid.shape[1]) == 1
    doubtful = choose([1.0, -1.0, 3.0, -1.0], score_threshold=0.4)
    np.testing.assert_array_equal(doubtful.valid, [[True] + [False] * 3])


def test_only_the_best_candidates_are_decoded():
    found = choose([1.0, 3.0, -9.0, -9.0], candidates=1)
    np.testing.assert_array_equal(found.valid, [[True] + [False] * 3])
    np.testing.assert_allclose(found.boxes[0, 0], [50, 50, 60, 70])


def test_no_gradient_flows_through_proposals():
    logits = tf.constant([[0.0, 1.0, 2.0, 3.0]])
    deltas = tf.zeros([1, 4, 4])
    with tf.GradientTape() as tape:
        tape.watch([logits, deltas])
        found = choose_proposals(
            logits, deltas, tf.constant(ANCHORS), SIZES, settings()
        )
        total = tf.reduce_sum(found.boxes) + tf.reduce_sum(found.scores)
    assert tape.gradient(total, [logits, deltas]) == [None, None]


def test_a_proposal_network_with_all_options_keeps_the_promises_of_a_layer():
    check_layer(
        lambda: ProposalNetwork(
            2,
            depth=4,
            activation="silu",
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.1),
            kernel_regularizer=keras.regularizers.L2(0.1),
        ),
        [(1, 4, 6, 5)],
        ((1, 48), (1, 48, 4)),
    )


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("relu", [0, 9]), ("relu6", [0, 6]), ("linear", [-1, 9])],
)
def test_the_shared_convolution_has_its_activation(activation, expected):
    network = ProposalNetwork(1, 1, 1, activation=activation)
    network.build((None, 1, 2, 1))
    for layer in (network.convolution, network.objectness):
        layer.kernel.assign(np.ones((1, 1, 1, 1)))
    logits, _ = network(np.reshape([-1.0, 9.0], (1, 1, 2, 1)))
    np.testing.assert_allclose(logits, [expected], rtol=1e-6)


def test_boxes_are_told_apart_before_they_are_clipped_where_asked():
    # Of the same 10 x 20 px within the image, but twice as tall outside.
    anchors = tf.constant([[50.0, 0, 70, 20], [50, 0, 90, 20], [70, 0, 90, 20]])

    def valid(**changes):
        found = choose_proposals(
            tf.constant([[2.0, 1.0, 0.0]]),
            tf.zeros([1, 3, 4]),
            anchors,
            SIZES,
            settings(**changes),
        )
        boxes = found.boxes[found.valid]
        np.testing.assert_allclose(boxes[0], [50, 0, 60, 20])
        return len(boxes)

    # The third one has no part in the image.
    assert valid() == 1
    assert valid(clips_last=True) == 2


def test_anchors_stand_at_multiples_of_the_stride_where_asked():
    anchors = place_anchors(
        tf.zeros([1, 2, 3, 1]),
        ReceptiveField(stride=16, first_center=3.0),
        ProposalSettings(
            cell_anchors=np.array([[-8.0, -4, 8, 4]], "float32"),
            anchors_at_corners=True,
            clip_anchors=True,
        ),
        image_size=tf.constant([20, 34]),
    )
    np.testing.assert_allclose(
        anchors,
        [
            [0, 0, 8, 4],
            [0, 12, 8, 20],
            [0, 28, 8, 34],
            [8, 0, 20, 4],
            [8, 12, 20, 20],
            [8, 28, 20, 34],
        ],
    )
