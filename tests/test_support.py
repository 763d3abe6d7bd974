"""The layer check is only worth its name if broken layers fail it."""

import keras
import pytest

from tests.support import check_layer


class Scale(keras.layers.Layer):
    """Multiplies channels by a learned factor: the layer that is in order."""

    def __init__(self, start=1.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.factor = self.add_weight(
            name="factor",
            shape=input_shape[-1:],
            initializer=keras.initializers.Constant(self.start),
        )

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return {**super().get_config(), "start": self.start}


class ScaleWithDeadWeight(Scale):
    def build(self, input_shape):
        super().build(input_shape)
        self.dead = self.add_weight(name="dead", shape=(3,))


class ScaleWithUselessWeight(Scale):
    def build(self, input_shape):
        super().build(input_shape)
        self.useless = self.add_weight(name="useless", shape=())

    def call(self, inputs):
        return super().call(inputs) + 0.0 * self.useless


class ScaleWithForgetfulConfig(Scale):
    def get_config(self):
        return {**super().get_config(), "start": 1.0}

    def call(self, inputs):
        return super().call(inputs) * self.start


class SumAndDifference(keras.layers.Layer):
    def call(self, first, second):
        return {"sum": first + second, "parts": (first, first - second)}


def test_a_sound_layer_passes():
    check_layer(lambda: Scale(2.0), [(2, 5, 3)], (2, 5, 3))


def test_a_keras_layer_with_zero_initial_weights_passes():
    check_layer(
        lambda: keras.layers.Conv2D(4, 3, kernel_initializer="zeros"),
        [(1, 8, 8, 3)],
        (1, 6, 6, 4),
    )


def test_several_inputs_and_nested_outputs_pass():
    shape = (2, 3)
    check_layer(
        SumAndDifference,
        [shape, shape],
        {"sum": shape, "parts": (shape, shape)},
    )


def test_a_dead_weight_fails():
    with pytest.raises(AssertionError, match="no gradient for .*dead"):
        check_layer(ScaleWithDeadWeight, [(2, 3)], (2, 3))


def test_a_weight_without_effect_fails():
    with pytest.raises(AssertionError, match="zero gradient for .*useless"):
        check_layer(ScaleWithUselessWeight, [(2, 3)], (2, 3))


def test_a_forgotten_constructor_argument_fails():
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_layer(lambda: ScaleWithForgetfulConfig(2.0), [(2, 3)], (2, 3))


def test_another_output_shape_fails():
    with pytest.raises(AssertionError):
        check_layer(Scale, [(2, 3)], (2, 4))


def test_another_output_dtype_fails():
    with pytest.raises(AssertionError):
        check_layer(Scale, [(2, 3)], (2, 3), expected_output_dtype="float16")
