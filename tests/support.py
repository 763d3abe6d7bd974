"""What several tests share: the check that every layer has to pass."""

import json
import pathlib
import tempfile
from collections.abc import Callable, Sequence

import keras
import numpy as np
import pytest
import tensorflow as tf

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

requires_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"no shared material at {SHARED}"
)


def check_layer(
    make_layer: Callable[[], keras.layers.Layer],
    inputs: Sequence,
    expected_output_shape,
    expected_output_dtype: str = "float32",
) -> None:
    """Checks the promises that every layer of the package makes.

    Output shape and dtype, eager and symbolic; config round trip; a gradient
    that is finite and not zero for every trainable weight; equal outputs
    after its weights were saved and loaded into another instance.

    Args:
        make_layer: makes a new layer, not built yet.
        inputs: the positional arguments of the layer's call. A tuple of
            integers stands for random normal float32 numbers of that shape.
        expected_output_shape: a shape with its batch axis, or the outputs'
            own structure (tuple, dict) with a shape in each place.
        expected_output_dtype: of all outputs.
    """
    arrays = [_as_array(value) for value in inputs]
    layer = make_layer()
    outputs = layer(*arrays)
    _check_shapes(outputs, expected_output_shape, expected_output_dtype)
    _randomize(layer)
    check_gradients(layer, arrays)
    outputs = layer(*arrays)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/layer.weights.h5"
        _symbolic_model(layer, arrays, expected_output_shape).save_weights(path)
        for twin in (make_layer(), _through_config(layer)):
            model = _symbolic_model(twin, arrays, expected_output_shape)
            model.load_weights(path)
            _check_equal(twin(*arrays), outputs)


def check_gradients(layer: keras.layers.Layer, arrays: Sequence) -> None:
    """Checks that a random gradient of the outputs reaches every weight.

    Args:
        layer: a built layer. Weights that are zero would hide those before
            them from the gradient, so give it other ones.
        arrays: the positional arguments of its call.
    """
    generator = np.random.default_rng(1)
    with tf.GradientTape() as tape:
        loss = tf.add_n(
            [
                tf.reduce_sum(output * generator.normal(size=output.shape))
                for output in keras.tree.flatten(layer(*arrays))
            ]
        )
    weights = layer.trainable_variables
    for weight, gradient in zip(
        weights, tape.gradient(loss, weights), strict=True
    ):
        assert gradient is not None, f"no gradient for {weight.path}"
        assert np.all(np.isfinite(gradient)), f"not finite: {weight.path}"
        assert np.any(gradient != 0), f"zero gradient for {weight.path}"


def _as_array(value) -> np.ndarray:
    is_shape = isinstance(value, tuple) and all(
        isinstance(size, int) for size in value
    )
    if not is_shape:
        return np.asarray(value)
    return np.random.default_rng(0).normal(size=value).astype("float32")


def _shapes(outputs):
    return keras.tree.map_structure(lambda output: tuple(output.shape), outputs)


def _check_shapes(outputs, expected_shape, expected_dtype: str) -> None:
    assert _shapes(outputs) == expected_shape
    for output in keras.tree.flatten(outputs):
        dtype = keras.backend.standardize_dtype(output.dtype)
        assert dtype == expected_dtype


def _randomize(layer: keras.layers.Layer) -> None:
    generator = np.random.default_rng(2)
    for weight in layer.trainable_variables:
        weight.assign(generator.normal(0.0, 0.5, weight.shape))


def _through_config(layer: keras.layers.Layer) -> keras.layers.Layer:
    text = json.dumps(layer.get_config())
    copy = type(layer).from_config(json.loads(text))
    assert json.dumps(copy.get_config()) == text
    return copy


def _symbolic_model(
    layer: keras.layers.Layer, arrays: Sequence[np.ndarray], expected_shape
) -> keras.Model:
    inputs = [
        keras.Input(batch_shape=array.shape, dtype=array.dtype.name)
        for array in arrays
    ]
    outputs = layer(*inputs)
    assert _shapes(outputs) == expected_shape
    return keras.Model(inputs, outputs)


def _check_equal(outputs, expected) -> None:
    for output, value in zip(
        keras.tree.flatten(outputs), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(output, value, rtol=1e-6, atol=1e-6)
