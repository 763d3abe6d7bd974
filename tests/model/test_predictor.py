"""A predictor: one logit more than classes, one box per class or for all."""

import keras
import numpy as np
import pytest

from featsr_tf.model.predictor import Predictor
from tests.support import check_gradients


def second_stage():
    inputs = keras.Input((None, None, 4))
    outputs = keras.layers.Conv2D(
        5, 3, 2, padding="same", activation="relu", name="convolution"
    )(inputs)
    return keras.Model(inputs, outputs)


def identity():
    inputs = keras.Input((None, None, 2))
    return keras.Model(inputs, keras.layers.Activation("linear")(inputs))


@pytest.mark.parametrize("shared, box_classes", [(False, 3), (True, 1)])
def test_outputs_have_a_column_per_class_and_a_box_per_class_or_for_all(
    shared, box_classes
):
    predictor = Predictor(second_stage(), 3, share_box_across_classes=shared)
    predictor.build((None, 6, 6, 4))
    predictions = predictor(np.ones((7, 6, 6, 4), "float32"))
    assert predictions.class_logits.shape == (7, 4)
    assert predictions.box_deltas.shape == (7, box_classes, 4)


def test_building_makes_all_variables_and_each_gets_a_gradient():
    predictor = Predictor(second_stage(), 3)
    predictor.build((None, 6, 6, 4))
    assert len(predictor.trainable_variables) == 6
    features = np.random.default_rng(0).normal(size=(7, 6, 6, 4))
    features = features.astype("float32")
    check_gradients(predictor, [features])
    assert len(predictor.trainable_variables) == 6


def test_features_are_averaged_over_their_cells():
    predictor = Predictor(identity(), 1)
    predictor.build((None, 1, 2, 2))
    predictor.classes.kernel.assign([[1.0, 0.0], [0.0, 1.0]])
    features = np.array([[[[1.0, 10.0], [3.0, 30.0]]]], "float32")
    logits = predictor(features).class_logits
    np.testing.assert_allclose(logits, [[2.0, 20.0]])


def test_the_four_deltas_of_a_class_stand_together():
    predictor = Predictor(identity(), 3)
    predictor.build((None, 1, 1, 2))
    predictor.deltas.bias.assign(np.arange(12.0))
    deltas = predictor(np.zeros((2, 1, 1, 2), "float32")).box_deltas
    np.testing.assert_array_equal(deltas[1, 1], [4.0, 5.0, 6.0, 7.0])


def test_a_new_predictor_finds_all_classes_about_equally_likely():
    predictor = Predictor(identity(), 3)
    predictor.build((None, 1, 1, 2))
    predictions = predictor(np.ones((1, 1, 1, 2), "float32"))
    assert np.abs(predictions.class_logits).max() < 0.1
    assert np.abs(predictions.box_deltas).max() < 0.01


def test_training_drops_channels_and_scales_up_the_others():
    predictor = Predictor(identity(), 1, dropout_rate=0.75)
    predictor.build((None, 1, 1, 2))
    predictor.classes.kernel.assign(np.eye(2))
    features = np.ones((4000, 1, 1, 2), "float32")
    kept = predictor(features).class_logits
    np.testing.assert_array_equal(kept, np.ones((4000, 2)))
    seeds = np.array([[7, image] for image in range(40)], "int32")
    logits = predictor(features, training=True, seeds=seeds).class_logits
    dropped = np.array(logits)
    assert set(np.unique(dropped)) == {0.0, 4.0}
    assert np.mean(dropped > 0) == pytest.approx(0.25, abs=0.03)
    for unseeded in (
        predictor(features, training=True),
        predictor(features, seeds=seeds),
    ):
        np.testing.assert_array_equal(unseeded.class_logits, kept)


def test_what_is_dropped_depends_on_the_image_alone():
    predictor = Predictor(identity(), 1, dropout_rate=0.5)
    predictor.build((None, 1, 1, 2))
    predictor.classes.kernel.assign(np.eye(2))
    features = np.ones((60, 1, 1, 2), "float32")
    seeds = np.array([[7, 1], [7, 2], [7, 3]], "int32")
    whole = predictor(features, training=True, seeds=seeds).class_logits
    last = predictor(features[40:], training=True, seeds=seeds[2:])
    np.testing.assert_array_equal(last.class_logits, whole[40:])
    assert np.any(whole[:20] != whole[20:40])
    assert len(predictor.dropout.variables) == 0


def test_initializer_and_regularizer_hold_for_both_dense_layers():
    predictor = Predictor(
        identity(),
        2,
        kernel_initializer=keras.initializers.RandomNormal(5.0, 0.1),
        kernel_regularizer=keras.regularizers.L2(0.5),
    )
    predictor.build((None, 1, 1, 2))
    for layer in (predictor.classes, predictor.deltas):
        assert np.mean(layer.kernel) == pytest.approx(5.0, abs=0.3)
        assert layer.kernel.regularizer.l2 == 0.5
        np.testing.assert_array_equal(layer.bias, np.zeros(layer.bias.shape))
