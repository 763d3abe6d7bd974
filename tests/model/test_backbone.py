"""A backbone cut in two must still be the network of `keras.applications`."""

import dataclasses
import functools
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.config.backbones import BACKBONES
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.model.backbone import build_backbone
from featsr_tf.model.network_graph import propose_layers
from tests.model.small import small_backbone

LAYERS = keras.layers

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


@pytest.mark.parametrize(
    "name", ["MobileNet", pytest.param("ResNet50", marks=pytest.mark.slow)]
)
def test_layers_proposed_from_the_graph_are_those_of_the_table(name):
    network = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    entry = next(e for e in BACKBONES.values() if e.constructor == name)
    expected = (entry.base_layer, entry.sub_layer)
    assert propose_layers(network) == expected


def branched_network():
    """A network of one's own: a model inside, `x + y`, dropout."""
    images = keras.Input((None, None, 3))
    stem = keras.Sequential(
        [
            LAYERS.Conv2D(4, 3, 2, padding="same", activation="relu"),
            LAYERS.Conv2D(6, 3, 2, padding="same", name="four"),
        ]
    )
    maps = stem(LAYERS.Rescaling(1 / 255)(images))
    maps = LAYERS.Conv2D(6, 3, 2, "same", activation="relu", name="eight")(maps)
    maps = LAYERS.Conv2D(6, 3, 2, "same", activation="relu", name="cut")(maps)
    inside = LAYERS.Conv2D(6, 1, activation="relu", name="inside")(maps)
    maps = LAYERS.Dropout(0.5)(inside) + maps
    maps = LAYERS.Conv2D(8, 3, 2, padding="same", name="head")(maps)
    return keras.Model(images, LAYERS.ReLU()(maps))


OWN = f"{__name__}:branched_network"


def test_a_network_of_ones_own_is_cut_where_the_graph_allows_it():
    backbone = build_backbone(OWN)
    assert backbone.layers["sub"] == "eight"
    assert backbone.layers["base"] == backbone.features.layers[-1].name
    images = tf.random.uniform([1, 64, 64, 3], 0, 255)
    features = backbone.extract(images, training=True)  # without dropout
    again = backbone.extract(images, training=True)
    np.testing.assert_array_equal(features["base"], again["base"])
    assert features["base"].shape == (1, 4, 4, 6)
    assert backbone.second_stage("any")(tf.zeros([2, 7, 7, 6])).shape[1] == 4
    dense = build_backbone(OWN, base_layer="cut", dense_second_stage=True)
    assert dense.layers["base"] == "cut"
    assert dense.second_stage("any")(tf.zeros([2, 7, 7, 6])).shape[1] == 7


def test_a_second_stage_can_begin_further_behind():
    stage = build_backbone(OWN, base_layer="cut", head_from="head")
    names = [layer.name for layer in stage.second_stage("any").layers]
    assert names[1] == "any_head"


@pytest.mark.parametrize(
    "arguments,message",
    [
        ({"base_layer": "inside"}, "inside.* past it"),
        ({"base_layer": "cut", "head_from": "nothing"}, "head_from 'nothing'"),
        ({"base_layer": "eight", "sub_layer": "cut"}, "no such layer up to"),
        ({"head_from": "conv"}, "nearest name"),
        ({"alpha": 0.5}, "one width only"),
        ({"weights": "imagenet"}, "no weights 'imagenet'"),
    ],
)
def test_where_a_network_cannot_be_cut_is_said(arguments, message):
    error = DataError if "weights" in arguments else ConfigError
    with pytest.raises(error, match=message):
        build_backbone(OWN, **arguments)


def fails():
    raise KeyError("missing")


def fixed_size():
    images = keras.Input((32, 32, 3))
    return keras.Model(images, LAYERS.ReLU()(images))


def adapted():
    images = keras.Input((None, None, 3))
    return keras.Model(images, LAYERS.Normalization()(images))


def subclassed():
    return keras.Model()


@pytest.mark.parametrize(
    "name,message",
    [
        ("MobileNetV9", "nearest name is 'MobileNetV[23]"),
        (f"{__name__}:fails", "failed: KeyError"),
        (f"{__name__}:fixed_size", r"keras.Input\(\(None, None, 3\)\)"),
        (f"{__name__}:subclassed", "functional keras.Model"),
        (f"{__name__}:adapted", "normalization.* adapted"),
        (f"{__name__}:fan_out", "cannot be imported .*fan_out"),
        ("no_such_package:build", "installed package"),
        ("../evil:build", "package.module:function"),
    ],
)
def test_a_factory_that_gives_no_network_is_named(name, message):
    with pytest.raises(ConfigError, match=message) as error:
        build_backbone(name)
    assert "\n" not in str(error.value)


def test_code_of_the_working_folder_is_not_run(tmp_path, monkeypatch):
    (tmp_path / "evil_near.py").write_text("open('ran', 'w')\n")
    monkeypatch.chdir(tmp_path)
    # What `python -m` puts first, and an interactive Python.
    monkeypatch.setattr(sys, "path", [str(tmp_path), "", *sys.path])
    with pytest.raises(ConfigError, match="installed package"):
        build_backbone("evil_near:build")
    assert not (tmp_path / "ran").exists()
    assert sys.path[:2] == [str(tmp_path), ""]


@pytest.mark.slow
def test_efficientnets_pixels_are_normalized_without_their_weights():
    network = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    backbone = build_backbone("EfficientNetB0")
    assert backbone.features.layers[1].name == "stem_conv_pad"
    images = tf.constant([[[[0.485 * 255, 0.456 * 255, 255.0]]]])
    np.testing.assert_allclose(
        backbone.preprocess(images)[0, 0, 0],
        [0, 0, (1 - 0.406) / 0.225 / 0.225**0.5],
        atol=1e-5,
    )
    names = {layer.name for layer in network.layers}
    assert {layer.name for layer in backbone.features.layers[1:]} < names


@pytest.mark.parametrize(
    "name,file",
    [
        ("MobileNetV2", "mobilenet_v2_1.0"),
        ("efficientnet_lite0", "efficientnet_lite0"),
    ],
)
@pytest.mark.slow
def test_other_shared_weights_keep_the_signal_alive(name, file, shared):
    path = str(shared / "weights" / f"{file}_notop.weights.h5")
    backbone = build_backbone(name, weights=path)
    images = tf.random.uniform([1, 64, 64, 3], 0, 255)
    assert 0.05 < np.mean(backbone.extract(images)["base"]) < 3.0
