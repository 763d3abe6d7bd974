"""Losses against numbers worked out by hand."""

import numpy as np
import tensorflow as tf

from featsr_tf.training import losses

LOG_2 = np.log(2.0)


def test_weighted_mean_counts_what_has_a_weight():
    values = tf.constant([1.0, 2.0, 100.0])
    mean = losses.weighted_mean(values, tf.constant([1.0, 1.0, 0.0]))
    assert float(mean) == 1.5


def test_no_weight_gives_exactly_zero_and_no_gradient_even_of_nan():
    values = tf.constant([np.nan, np.inf])
    with tf.GradientTape() as tape:
        tape.watch(values)
        mean = losses.weighted_mean(values, tf.zeros(2))
    assert float(mean) == 0.0
    np.testing.assert_array_equal(tape.gradient(mean, values), [0.0, 0.0])


def test_objectness_loss():
    loss = losses.objectness_loss(
        tf.constant([0.0, 0.0, np.log(3.0)]), tf.constant([1.0, 0.0, 0.0])
    )
    np.testing.assert_allclose(loss, [LOG_2, LOG_2, np.log(4.0)], rtol=1e-6)


def test_classification_loss():
    logits = tf.constant([[0.0, 0.0], [np.log(3.0), 0.0]], tf.float32)
    loss = losses.classification_loss(logits, tf.constant([1, 0]))
    np.testing.assert_allclose(loss, [LOG_2, np.log(4 / 3)], rtol=1e-6)


def test_box_loss_is_quadratic_near_zero_and_linear_far_away():
    deltas = tf.constant([[0.5, 0.0, 0.0, 0.0], [3.0, -2.0, 0.0, 0.0]])
    loss = losses.box_loss(deltas, tf.zeros([2, 4]))
    np.testing.assert_allclose(loss, [0.125, 2.5 + 1.5])


def test_content_loss_is_the_mean_squared_distance():
    targets = tf.ones([2, 2, 2, 3])
    refined = tf.stack([tf.ones([2, 2, 3]), 3.0 * tf.ones([2, 2, 3])])
    np.testing.assert_allclose(
        losses.content_loss(targets, refined), [0.0, 4.0]
    )


def test_no_gradient_flows_into_the_targets():
    targets = tf.Variable(tf.ones([1, 1, 1, 1]))
    with tf.GradientTape() as tape:
        loss = losses.content_loss(targets, tf.zeros([1, 1, 1, 1]))
    assert tape.gradient(loss, targets) is None


def test_generator_loss_is_minus_log_of_the_discriminator():
    # sigmoid(log 3) = 3/4.
    loss = losses.generator_loss(tf.constant([0.0, np.log(3.0)], tf.float32))
    np.testing.assert_allclose(loss, [LOG_2, -np.log(0.75)], rtol=1e-6)


def test_discriminator_loss_has_both_terms():
    loss = losses.discriminator_loss(
        tf.constant([np.log(3.0)], tf.float32), tf.constant([0.0])
    )
    np.testing.assert_allclose(loss, [-np.log(0.75) + LOG_2], rtol=1e-6)


def test_sigmoid_loss_sums_the_cross_entropies_of_all_classes():
    logits = tf.constant([[0.0, 2.0, -1.0], [1.0, 0.0, 0.0]])
    # log(1 + e^-x) for the class of the proposal, log(1 + e^x) for the others.
    expected = [
        np.log(2) + np.log1p(np.exp(-2)) + np.log1p(np.exp(-1)),
        np.log1p(np.exp(-1)) + 2 * np.log(2),
    ]
    found = losses.sigmoid_classification_loss(logits, tf.constant([1, 0]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
