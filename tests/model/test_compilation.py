"""XLA compiles what has one shape; no optimizer changes a result."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import ConfigError
from featsr_tf.model.speed import FoldedCall
from featsr_tf.model.speed import XlaCall
from featsr_tf.prediction.data_set import detection_function
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.distribution import default_strategy
from tests.model.small import small_detector
from tests.training.steps import BOTH
from tests.training.steps import build

EXTENSION = "model.feature_super_resolution"
COMPILED = f"{EXTENSION}.jit_compile=true"


class Calls:
    """What has been compiled, by name of the network, and how often."""

    def __init__(self):
        self.parts = []

    def counts(self):
        counts = {
            name: function.experimental_get_tracing_count()
            for name, function in self.parts
        }
        return {name: count for name, count in counts.items() if count}


@pytest.fixture
def calls(monkeypatch):
    """Keeps all functions that XLA is to compile."""
    kept = Calls()

    initialize = XlaCall.__init__

    def initialize_and_keep(self, network, jit_compile):
        initialize(self, network, jit_compile)
        if jit_compile:
            kept.parts.append((network.name, self._compiled))

    monkeypatch.setattr(XlaCall, "__init__", initialize_and_keep)
    return kept


def twice(values):
    return 2.0 * values


@pytest.mark.parametrize("size, is_compiled", [(3, True), (None, False)])
def test_what_has_a_shape_is_compiled(size, is_compiled):
    function = XlaCall(twice, True)

    @tf.function(input_signature=[tf.TensorSpec([size, 2])])
    def call(values):
        return function(values)

    for count in (3, 3) if size else (3, 4, 5):
        np.testing.assert_array_equal(call(tf.ones([count, 2])), 2.0)
    count = function._compiled.experimental_get_tracing_count()
    assert count == int(is_compiled)


def test_without_the_flag_nothing_is_compiled():
    with mock.patch.object(tf, "function") as function:
        found = XlaCall(twice, False)(tf.ones([2]))
    np.testing.assert_array_equal(found, 2.0)
    function.assert_not_called()


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_gradients_and_statistics_are_those_without_xla(precision):
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(4, 3, use_bias=False, dtype=precision)(inputs)
    hidden = layers.BatchNormalization(dtype=precision)(hidden)
    network = keras.Model(inputs, layers.ReLU(dtype=precision)(hidden))
    weights = network.get_weights()
    values = tf.random.stateless_normal([2, 8, 8, 3], [1, 2])
    results = []
    for jit_compile in (False, True):
        network.set_weights(weights)
        folded = FoldedCall(network, jit_compile)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(folded(values, training=True)))
        trained = [v.value for v in network.trainable_variables]
        results.append([*tape.gradient(loss, trained), *network.get_weights()])
    for ours, theirs in zip(*results, strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, atol=1e-2 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_a_compiled_stage_learns_what_any_other_does(calls, name):
    steps = []
    for overrides in ((), (COMPILED,)):
        keras.utils.set_random_seed(0)
        stage = build(small_detector(*overrides), name, *overrides)
        train = tf.function(stage.train_step)
        logs = [train(BOTH) for _ in range(2)][-1]
        logs.pop("data_ready")
        steps.append(({k: float(v) for k, v in logs.items()}, stage))
    (expected, plain), (found, compiled) = steps
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)
    for ours, theirs in zip(
        compiled.trained_variables, plain.trained_variables, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-4, err_msg=ours.path)
    networks = {
        BASE: {"features", "large_predictor"},
        SUPER_RESOLUTION: {"features", "generator", "small_predictor"}
        | {"target_extractor", "discriminator"},
        FINE_TUNE: {"features", "generator"}
        | {"large_predictor", "small_predictor"},
    }[name]
    assert calls.counts().keys() == networks


def test_another_number_of_proposals_compiles_nothing_anew(calls):
    detector = small_detector(COMPILED)
    expected = small_detector()
    generator = np.random.default_rng(0)
    detect = detection_function(detector.for_inference(), super_resolve=True)
    for value in range(3):
        frame = generator.uniform(0, 100 * value, (1, 64, 64, 3))
        frame = tf.constant(frame, tf.float32)
        inputs = frame, tf.constant([[64.0, 64.0]]), tf.ones([1, 2])
        found = detect(*inputs)
        np.testing.assert_allclose(
            found.scores, expected(*inputs).scores, atol=1e-4
        )
    assert list(calls.counts().values()) == [1]
    assert detect.experimental_get_tracing_count() == 1


@pytest.fixture
def graph_optimizer():
    """The optimizer of graphs that users have; tests do without it."""
    options = tf.config.optimizer.get_experimental_options()
    assert options["disable_meta_optimizer"]
    tf.config.optimizer.set_experimental_options(
        {"disable_meta_optimizer": False}
    )
    yield
    tf.config.optimizer.set_experimental_options(options)


@pytest.mark.slow
@pytest.mark.parametrize("refiner", ["GENERATOR", "SECOND_LOOK"])
def test_the_graph_optimizer_changes_no_detection(graph_optimizer, refiner):
    detector = small_detector(f"{EXTENSION}.refiner={refiner}")
    pixels = np.random.default_rng(0).integers(0, 255, (2, 96, 128, 3))
    inputs = (
        tf.constant(pixels, tf.float32),
        tf.constant([[96.0, 128.0]] * 2),
        tf.ones([2, 2]),
    )
    originals = tf.constant(pixels, tf.uint8)
    expected = detector(*inputs, super_resolve=True, originals=originals)
    detect = detection_function(detector.for_inference(), super_resolve=True)
    with_originals = (originals,) if refiner == "SECOND_LOOK" else ()
    optimized = detect(*inputs, *with_originals)
    assert np.all(expected.count > 0)
    for found, wanted in zip(optimized[:4], expected[:4], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


def test_several_devices_are_refused():
    strategy = default_strategy()
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope(), pytest.raises(ConfigError) as error:
        small_detector(COMPILED)
    message = str(error.value)
    assert "jit_compile is true; expected false where 2 devices" in message
    assert "\n" not in message
