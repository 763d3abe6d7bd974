"""A backbone cut in two must still be the network of `keras.applications`."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.config.backbones import BACKBONES
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.model.backbone import build_backbone
from tests.model.small import small_backbone

BASE_CHANNELS = {"mobilenet_v1": 512, "resnet50": 1024, "resnet101": 1024}
SUB_SHAPES = {
    "mobilenet_v1": (1, 8, 12, 256),
    "resnet50": (1, 16, 24, 256),
    "resnet101": (1, 16, 24, 256),
}
SECOND_STAGE_SHAPES = {
    "mobilenet_v1": (5, 3, 3, 1024),
    "resnet50": (5, 7, 7, 2048),
    "resnet101": (5, 7, 7, 2048),
}


@functools.cache
def whole_backbone(name):
    return build_backbone(name)


@pytest.fixture(scope="module")
def mobilenet():
    return build_backbone("mobilenet_v1", alpha=0.25)


def whole_network(tmp_path, alpha=0.25):
    """The uncut network with random weights, and the file they are in."""
    network = keras.applications.MobileNet(
        include_top=False,
        weights=None,
        alpha=alpha,
        input_shape=(None, None, 3),
    )
    generator = np.random.default_rng(0)
    for variable in network.weights:
        low = 0.5 if "variance" in variable.path else -0.5
        variable.assign(generator.uniform(low, 0.8, variable.shape))
    path = str(tmp_path / "mobilenet.weights.h5")
    network.save_weights(path)
    return network, path


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v1",
        pytest.param("resnet50", marks=pytest.mark.slow),
        pytest.param("resnet101", marks=pytest.mark.slow),
    ],
)
def test_strides_and_channels_are_those_of_the_paper(name):
    backbone = whole_backbone(name)
    images = tf.random.uniform([1, 64, 96, 3], 0, 255)
    outputs = backbone.features(backbone.preprocess(images), training=False)
    assert sorted(outputs) == ["base", "sub"]
    assert outputs["base"].shape == (1, 4, 6, BASE_CHANNELS[name])
    assert outputs["sub"].shape == SUB_SHAPES[name]
    pooled = tf.zeros([5, 7, 7, BASE_CHANNELS[name]])
    second_stage = backbone.second_stage("large_predictor")
    assert second_stage(pooled).shape == SECOND_STAGE_SHAPES[name]


def test_cut_and_joined_again_it_is_the_network_whose_weights_it_read(tmp_path):
    network, path = whole_network(tmp_path)
    backbone = build_backbone("mobilenet_v1", 0.25, weights=path)
    images = tf.random.uniform([2, 64, 96, 3], -1, 1)
    expected = network(images, training=False)
    base = backbone.features(images, training=False)["base"]
    joined = backbone.second_stage("predictor")(base, training=False)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(joined, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_resnets_second_stage_is_conv5_without_its_stride():
    backbone = whole_backbone("resnet50")
    second_stage = backbone.second_stage("predictor")
    strides = {
        layer.strides
        for layer in second_stage.layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    assert strides == {(1, 1)}
    network = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    network.set_weights(
        backbone.features.get_weights() + second_stage.get_weights()
    )
    images = tf.random.uniform([1, 16, 16, 3])  # a single cell, so no stride
    base = backbone.features(images, training=False)["base"]
    np.testing.assert_allclose(
        second_stage(base, training=False),
        network(images, training=False),
        rtol=1e-4,
    )


def test_second_stages_start_equal_and_share_no_variable(mobilenet):
    large = mobilenet.second_stage("large_predictor")
    small = mobilenet.second_stage("small_predictor")
    for one, other in zip(large.variables, small.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    large.variables[0].assign_add(tf.ones_like(large.variables[0]))
    changed = np.abs(large.variables[0] - small.variables[0])
    np.testing.assert_allclose(changed, 1.0, atol=1e-6)
    again = mobilenet.second_stage("again").variables[0]
    np.testing.assert_array_equal(again, small.variables[0])


def test_layers_and_variables_carry_the_name_of_their_second_stage(mobilenet):
    second_stage = mobilenet.second_stage("small_predictor")
    assert second_stage.name == "small_predictor"
    names = [layer.name for layer in second_stage.layers[1:]]
    assert names[0] == "small_predictor_conv_pad_12"
    assert names[-1] == "small_predictor_conv_pw_13_relu"
    for variable in second_stage.variables:
        assert variable.path.startswith("small_predictor_conv_")


def test_preprocessing_is_the_one_the_weights_were_trained_with(mobilenet):
    images = tf.constant([[[[0, 127, 255]]]], tf.uint8)
    np.testing.assert_allclose(
        mobilenet.preprocess(images)[0, 0, 0],
        [-1.0, -0.5 / 127.5, 1.0],
        atol=1e-6,
    )
    caffe = keras.applications.resnet.preprocess_input(
        tf.cast(images, tf.float32)
    )
    np.testing.assert_allclose(
        caffe[0, 0, 0],
        [255 - 103.939, 127 - 116.779, 0 - 123.68],
        atol=1e-4,
    )


def test_the_shared_weights_load_and_keep_the_signal_alive(shared):
    path = str(shared / "weights" / "mobilenet_v1_0.25_notop.weights.h5")
    backbone = build_backbone("mobilenet_v1", 0.25, weights=path)
    images = tf.random.uniform([1, 64, 64, 3], 0, 255)
    base = backbone.features(backbone.preprocess(images), training=False)
    assert 0.05 < np.mean(base["base"]) < 3.0


def test_another_sub_layer_can_be_chosen():
    with small_backbone():
        backbone = build_backbone("mobilenet_v1", sub_layer="third")
    outputs = backbone.features(tf.zeros([1, 64, 64, 3]))
    assert outputs["sub"].shape == (1, 8, 8, 10)


def test_it_is_built_once_for_all_replicas():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope(), small_backbone():
        backbone = build_backbone("mobilenet_v1")
        second_stage = backbone.second_stage("predictor")
    kernel = second_stage.variables[0].value
    assert len(strategy.experimental_local_results(kernel)) == 2


@pytest.mark.parametrize(
    "arguments,message",
    [
        ({"name": "resnet18"}, "mobilenet_v1, resnet50, resnet101"),
        ({"name": "resnet50", "alpha": 0.5}, "one width only"),
        ({"alpha": 0.01}, "at least 1/32"),
        ({"alpha": 0.3, "weights": "imagenet"}, "0.25, 0.5, 0.75, 1.0"),
        ({"sub_layer": "thirt"}, "nearest name is 'third'"),
        ({"sub_layer": "last"}, "no such layer up to base"),
    ],
)
def test_what_does_not_exist_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message), small_backbone():
        build_backbone(**{"name": "mobilenet_v1", "alpha": 0.25, **arguments})


def test_missing_and_mismatching_weights_are_named_in_one_line(tmp_path):
    other = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)]
    )
    path = str(tmp_path / "other.weights.h5")
    other.save_weights(path)
    (tmp_path / "text.weights.h5").write_text("no weights")
    for weights in (path, str(tmp_path / "text.weights.h5"), "nowhere.h5"):
        with pytest.raises(DataError) as error, small_backbone():
            build_backbone("mobilenet_v1", 0.25, weights=weights)
        assert weights in str(error.value)
        assert "expected" in str(error.value)
        assert "\n" not in str(error.value)


def test_a_failing_download_is_reported_in_one_line(monkeypatch):
    def fail(*args, **kwargs):
        raise Exception("URL fetch failure on https://nowhere\nsecond line")

    entry = dataclasses.replace(BACKBONES["resnet50"], constructor=fail)
    monkeypatch.setitem(BACKBONES, "resnet50", entry)
    with pytest.raises(DataError, match="https://nowhere") as error:
        build_backbone("resnet50", weights="imagenet")
    assert "\n" not in str(error.value)
