"""The atrous twin must be the extractor itself, only seen from twice as near.

Three things prove it: it has no variable of its own; with plain subsampling it
gives exactly the extractor's features of the subsampled image; and the paper's
form sees, at I^1.0, what the extractor sees at I^0.5, around the same points.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import ConfigError
from featsr_tf.geometry.receptive_field import receptive_field
from featsr_tf.geometry.roi_align import roi_align
from featsr_tf.model.backbone import build_backbone
from featsr_tf.model.network_graph import output_of
from featsr_tf.model.network_graph import plain_network
from featsr_tf.model.network_graph import propose_layers
from featsr_tf.model.speed import PolyphaseCall
from featsr_tf.model.target_extractor import POOLINGS
from featsr_tf.model.target_extractor import AtrousConvolution
from featsr_tf.model.target_extractor import AtrousGlobalPooling
from featsr_tf.model.target_extractor import AtrousMultiply
from featsr_tf.model.target_extractor import build_target_extractor

BACKBONES = [
    "mobilenet_v1",
    pytest.param("resnet50", marks=pytest.mark.slow),
    pytest.param("resnet101", marks=pytest.mark.slow),
]
# Wide enough for the twin's receptive field and a cell to each side.
WIDTHS = {"mobilenet_v1": 640, "resnet50": 704, "resnet101": 1856}
LAYERS = keras.layers


@functools.cache
def random_features(name):
    """An extractor whose batch normalization and biases do something."""
    alpha = 0.25 if name == "mobilenet_v1" else 1.0
    features = build_backbone(name, alpha).features
    randomize(features)
    return features


def randomize(features):
    generator = np.random.default_rng(0)
    for variable in features.variables:
        if "variance" in variable.path or "gamma" in variable.path:
            values = generator.uniform(0.5, 1.5, variable.shape)
        elif "kernel" in variable.path:
            values = generator.normal(0, 1, variable.shape)
            values /= np.sqrt(fan_in(variable))
        else:
            values = generator.normal(0, 0.1, variable.shape)
        variable.assign(values)


def fan_in(kernel):
    if len(kernel.shape) == 2:
        return kernel.shape[0]
    is_depthwise = kernel.shape[3] == 1
    return np.prod(kernel.shape[: 2 if is_depthwise else 3])


@functools.cache
def positive_features(name):
    """An extractor through which every pixel counts, and with equal right."""
    alpha = 0.25 if name == "mobilenet_v1" else 1.0
    features = build_backbone(name, alpha).features
    for variable in features.variables:
        if "kernel" in variable.path:
            ones = np.ones(variable.shape)
            variable.assign(ones / fan_in(variable))
    return features


@functools.cache
def random_twin(name, pooling):
    return build_target_extractor(random_features(name), pooling)


@functools.cache
def positive_twin(name, pooling):
    return build_target_extractor(positive_features(name), pooling)


def column_weights(function, width):
    """What each pixel column weighs in the sum of a function's outputs.

    A max-pool passes its gradient to the larger pixel only. A ramp that rises
    and one that falls lead it to both ends of every window in turn.

    Returns:
        [2, width], one row for each ramp.
    """
    ramp = np.linspace(0.1, 0.9, width, dtype="float32")
    ramps = np.stack([ramp, ramp[::-1]])[:, np.newaxis, :, np.newaxis]
    images = tf.constant(np.tile(ramps, (1, 32, 1, 3)))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(function(images))
    gradient = tape.gradient(total, images).numpy().astype("float64")
    return gradient.sum(axis=(1, 3))


def footprint(model, width, cell):
    """Width of what the cells in one column of the base features see."""

    def column(images):
        return model(images, training=False)["base"][:, :, cell]

    columns = np.flatnonzero(column_weights(column, width).any(axis=0))
    return columns[-1] - columns[0] + 1


def center_of_mass(model, key, x, width, scale=1.0):
    """The point that the feature sampled at (16, x) looks at."""
    cells = receptive_field(model, key)

    def sample(images):
        if scale == 0.5:
            images = tf.nn.avg_pool2d(images, 2, 2, "VALID")
        return sample_at(model(images, training=False)[key], x, cells, scale)

    weights = column_weights(sample, width)
    shares = (weights / weights.sum(axis=1, keepdims=True)).mean(axis=0)
    return np.sum(shares * (np.arange(width) + 0.5))


@functools.cache
def half_image_center(name, key, x):
    features = positive_features(name)
    return center_of_mass(features, key, x, WIDTHS[name], scale=0.5)


def sample_at(features, x, cells, scale=1.0):
    """Both images' features at (16, x), as the detector samples them."""
    return roi_align(
        features,
        tf.constant([[16.0, x, 16.0, x]] * 2),
        tf.constant([0, 1]),
        crop_size=1,
        stride=cells.stride,
        first_center=cells.first_center,
        scale=scale,
    )


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_variable_of_the_twin_is_the_extractors(name, pooling):
    features = random_features(name)
    twin = random_twin(name, pooling)
    own = [id(variable) for variable in features.variables]
    assert sorted(id(variable) for variable in twin.variables) == sorted(own)


@pytest.mark.parametrize("name", BACKBONES)
def test_with_subsampling_the_twin_repeats_the_extractor_exactly(name):
    features = random_features(name)
    twin = random_twin(name, "STRIDE")
    images = np.random.default_rng(1).normal(size=(1, 128, 192, 3))
    images = images.astype("float32")
    expected = features(images[:, ::2, ::2], training=False)
    outputs = twin(images, training=False)
    for key in ("base", "sub"):
        assert np.abs(expected[key]).max() > 0.1
        np.testing.assert_allclose(
            outputs[key][:, ::2, ::2], expected[key], atol=1e-5
        )


@pytest.mark.parametrize("name", BACKBONES)
def test_the_papers_twin_sees_twice_as_far_and_the_extractor_does_not(name):
    size = {"mobilenet_v1": 452, "resnet50": 582, "resnet101": 1670}[name]
    features, width = positive_features(name), WIDTHS[name]
    twin = positive_twin(name, "PAPER")
    assert footprint(twin, width, cell=width // 32) == size
    assert receptive_field(twin, "base").size == size
    naive = footprint(features, width, cell=width // 32)
    assert naive == receptive_field(features, "base").size
    assert abs(size - 2 * naive) <= 16
    assert naive < 0.51 * size


@pytest.mark.parametrize(
    "name,pooling",
    [
        *(("mobilenet_v1", pooling) for pooling in POOLINGS),
        *(
            pytest.param(name, pooling, marks=pytest.mark.slow)
            for name in ("resnet50", "resnet101")
            for pooling in POOLINGS
        ),
    ],
)
@pytest.mark.parametrize("key,offset", [("base", 11.3), ("sub", -2.0)])
def test_paired_samples_look_at_the_same_point(name, pooling, key, offset):
    twin = positive_twin(name, pooling)
    x = WIDTHS[name] / 2 + offset
    half_center = half_image_center(name, key, x)
    twin_center = center_of_mass(twin, key, x, WIDTHS[name])
    assert half_center == pytest.approx(x, abs=0.1)
    assert twin_center == pytest.approx(x, abs=0.1)


def test_the_twin_sampled_with_the_extractors_centres_would_be_off():
    twin = positive_twin("mobilenet_v1", "PAPER")
    cells = receptive_field(positive_features("mobilenet_v1"), "base")
    x = WIDTHS["mobilenet_v1"] / 2

    def sample(images):
        return sample_at(twin(images)["base"], x, cells)

    rising, falling = column_weights(sample, WIDTHS["mobilenet_v1"])
    columns = np.arange(len(rising)) + 0.5
    centers = [np.average(columns, weights=w) for w in (rising, falling)]
    assert np.mean(centers) - x == pytest.approx(22.5, abs=0.1)


@pytest.mark.parametrize(
    "pooling,first_center",
    [("PAPER", 37.5), ("AVERAGE", 37.5), ("ROOT_MAX", 37.5), ("STRIDE", 30.0)],
)
def test_mobilenets_first_cell_is_centred_where_the_pooling_puts_it(
    pooling, first_center
):
    twin = random_twin("mobilenet_v1", pooling)
    assert receptive_field(twin, "base").first_center == first_center


@pytest.mark.parametrize("pooling", POOLINGS)
def test_only_subsampling_is_blind_to_the_odd_pixels(pooling):
    twin = random_twin("mobilenet_v1", pooling)
    images = np.random.default_rng(2).normal(size=(1, 64, 64, 3))
    changed = images.copy()
    changed[:, 1::2, 1::2] += 1.0
    before = twin(images.astype("float32"))["base"]
    after = twin(changed.astype("float32"))["base"]
    is_equal = np.array_equal(before, after)
    assert is_equal == (pooling == "STRIDE")


def test_root_max_takes_the_maximum_once_and_averages_afterwards():
    twin = random_twin("mobilenet_v1", "ROOT_MAX")
    kinds = [
        type(layer)
        for layer in twin.layers
        if isinstance(layer, LAYERS.MaxPooling2D | LAYERS.AveragePooling2D)
    ]
    assert kinds == [LAYERS.MaxPooling2D] + 3 * [LAYERS.AveragePooling2D]


def test_the_twin_works_in_a_graph_on_two_replicas():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        features = small_network(
            LAYERS.Conv2D(4, 3, 2, padding="same"),
            LAYERS.BatchNormalization(),
            LAYERS.DepthwiseConv2D(3, 2, padding="same"),
        )
        twin = build_target_extractor(features)
    images = tf.random.uniform([1, 64, 96, 3])

    @tf.function
    def run(images):
        return strategy.run(
            lambda: twin(images, training=False)["base"], args=()
        )

    expected = twin(images, training=False)["base"]
    for output in strategy.experimental_local_results(run(images)):
        np.testing.assert_allclose(output, expected, atol=1e-6)


def excited_network(inputs=(None, None, 3)):
    """What networks of Keras have beyond MobileNet v1 and ResNets, in small.

    Patches, padded depthwise convolutions with a multiplier, groups, swish,
    layer normalization, dropout, squeeze-and-excite in both spellings, and
    `x + y`; strides 4, 8, 16 and 32.
    """
    images = keras.Input(inputs)
    maps = LAYERS.Conv2D(8, 4, 4, name="patches")(images)
    maps = LAYERS.LayerNormalization(name="norm")(maps)
    maps = LAYERS.Activation("silu", name="swish")(maps)
    for number, stride in (("8", 2), ("16", 2), ("mixed", 1), ("32", 2)):
        skip = maps
        maps = LAYERS.ZeroPadding2D(((1, stride), (1, stride)))(maps)
        maps = LAYERS.DepthwiseConv2D(
            4 if stride == 2 else 3, stride, depth_multiplier=2
        )(maps)
        maps = LAYERS.Conv2D(8, 3, padding="same", groups=2)(maps)
        maps = excite(maps, keepdims=number != "16")
        if stride == 1:
            maps = LAYERS.Dropout(0.5, noise_shape=(None, 1, 1, 1))(maps) + skip
        maps = LAYERS.Activation("gelu", name=f"stride{number}")(maps)
    return keras.Model(images, maps)


def excite(maps, keepdims):
    """Weighs channels by their means over the whole frame."""
    channels = maps.shape[-1]
    means = LAYERS.GlobalAveragePooling2D(keepdims=keepdims)(maps)
    if keepdims:
        means = LAYERS.Conv2D(4, 1, activation="silu")(means)
        gates = LAYERS.Conv2D(channels, 1, activation="sigmoid")(means)
    else:
        gates = LAYERS.Dense(channels, activation="sigmoid")(means)
        gates = LAYERS.Reshape((1, 1, channels))(gates)
    return LAYERS.Multiply()([maps, gates])


def excited_features():
    network = plain_network(excited_network())
    names = dict(zip(("base", "sub"), propose_layers(network), strict=True))
    outputs = {key: output_of(network, name) for key, name in names.items()}
    features = keras.Model(network.input, outputs)
    randomize(features)
    return features, names


def test_squeeze_and_excite_swish_groups_and_patches_have_an_exact_twin():
    features, names = excited_features()
    assert names == {"base": "stridemixed", "sub": "stride8"}
    images = np.random.default_rng(5).normal(size=(2, 64, 96, 3))
    images = images.astype("float32")
    expected = features(images[:, ::2, ::2], training=False)
    outputs = build_target_extractor(features, "STRIDE")(images)
    for key in ("base", "sub"):
        scale = np.abs(expected[key]).max()
        assert scale > 0.01
        np.testing.assert_allclose(
            outputs[key][:, ::2, ::2], expected[key], atol=1e-5 * scale
        )
    twin = build_target_extractor(features, "PAPER")
    expected = twin(images)
    for key, found in PolyphaseCall(twin)(images).items():
        np.testing.assert_allclose(found, expected[key], atol=1e-5)


def test_what_squeeze_and_excite_pools_is_the_mean_of_each_phase():
    maps = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    means = AtrousGlobalPooling()(maps)
    np.testing.assert_array_equal(means[0, :, :, 0], [[5, 6], [9, 10]])
    weighted = AtrousMultiply()([means, tf.constant(maps)])
    np.testing.assert_array_equal(
        weighted[0, 0, :, 0], [0 * 5, 1 * 6, 2 * 5, 3 * 6]
    )


def test_pooled_features_that_are_added_are_refused_by_layer():
    images = keras.Input((None, None, 3))
    means = LAYERS.GlobalAveragePooling2D(keepdims=True)(images)
    sums = LAYERS.Add(name="culprit")([images, means])
    with pytest.raises(ConfigError, match="culprit"):
        build_target_extractor(keras.Model(images, {"base": sums}))


# Receptive field of the extractor, and of the paper's twin.
APPLICATIONS = {
    "MobileNetV2": (267, 548),
    "EfficientNetB0": (339, 692),
    "DenseNet121": (1031, 2062),
    "ConvNeXtTiny": (1096, 2206),
    "efficientnet_lite0": (339, 692),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_networks_of_keras_have_exact_twins(name):
    features = build_backbone(name).features
    randomize(features)
    images = np.random.default_rng(1).normal(size=(1, 128, 192, 3))
    images = images.astype("float32")
    expected = features(images[:, ::2, ::2], training=False)
    outputs = build_target_extractor(features, "STRIDE")(images)
    for key in ("base", "sub"):
        assert np.abs(expected[key]).max() > 0.1
        np.testing.assert_allclose(
            outputs[key][:, ::2, ::2], expected[key], atol=1e-5
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_networks_of_keras_see_as_far_as_computed(name):
    features = build_backbone(name).features
    twin = build_target_extractor(features, "PAPER")
    sizes = APPLICATIONS[name]
    for model, size in zip((features, twin), sizes, strict=True):
        assert receptive_field(model, "base").size == size
    if name in ("ConvNeXtTiny", "DenseNet121"):
        # Layer normalization of equal channels has no gradient, and what comes
        # from the edge of DenseNet's field is below the least float.
        return
    let_every_pixel_count(features)
    width = 32 * (sizes[1] // 32 + 4)
    for model, size in zip((features, twin), sizes, strict=True):
        # Sums of residual branches must not reach the 6 of ReLU6.
        dark = functools.partial(call_darkly, model)
        assert footprint(dark, width, cell=width // 32) == size


def call_darkly(model, images, training):
    return model(1e-3 * images, training=training)


def let_every_pixel_count(features):
    """Positive kernels, and weights of channels that do not see the frame."""
    for layer in features._flatten_layers():
        if isinstance(layer, LAYERS.Rescaling):
            layer.scale, layer.offset = 1.0, 0.0
        for variable in layer.trainable_variables:
            if "kernel" in variable.path:
                is_gate = "_se_" in variable.path
                value = 0.0 if is_gate else 1.0 / fan_in(variable)
                variable.assign(np.full(variable.shape, value))


def small_network(*layers):
    inputs = keras.Input((None, None, 3))
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, {"base": outputs})


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [LAYERS.Conv2D(4, 3, padding="same", activation="relu")],
        lambda: [LAYERS.Conv2D(4, 4, padding="same")],
        lambda: [LAYERS.Conv2D(4, 4, 2, padding="same")],
        lambda: [LAYERS.Conv2D(4, 5, 2, padding="same")],
        lambda: [LAYERS.DepthwiseConv2D(3, 2, padding="same")],
        lambda: [LAYERS.Conv2D(4, 3, padding="same"), LAYERS.MaxPooling2D(2)],
        lambda: [LAYERS.Conv2D(4, 1), LAYERS.AveragePooling2D(2)],
        lambda: [LAYERS.ZeroPadding2D(1), LAYERS.Conv2D(4, 3)],
        lambda: [LAYERS.ZeroPadding2D(2), LAYERS.Conv2D(4, 5, 2)],
        lambda: [LAYERS.ZeroPadding2D(1), LAYERS.MaxPooling2D(3, 2)],
        lambda: [LAYERS.ReLU(), LAYERS.MaxPooling2D(3, 2, padding="same")],
    ],
)
def test_other_networks_have_an_exact_twin_as_well(layers):
    features = small_network(*layers(), LAYERS.Conv2D(2, 3, padding="same"))
    randomize(features)
    images = np.random.default_rng(3).normal(size=(2, 32, 40, 3))
    images = images.astype("float32")
    twin = build_target_extractor(features, "STRIDE")
    expected = features(images[:, ::2, ::2])["base"]
    outputs = twin(images)["base"]
    np.testing.assert_allclose(outputs[:, ::2, ::2], expected, atol=1e-5)
    paper = build_target_extractor(features, "PAPER")(images)["base"]
    assert paper.shape == outputs.shape


@pytest.mark.parametrize(
    "layers",
    [
        [LAYERS.Conv2DTranspose(4, 3, name="culprit")],
        [LAYERS.SeparableConv2D(4, 3, strides=2, name="culprit")],
        [LAYERS.Conv2D(4, 3, dilation_rate=2, name="culprit")],
        [LAYERS.Conv2D(4, 3, strides=3, name="culprit")],
        [LAYERS.Conv2D(4, 3, strides=2, name="culprit")],
        [LAYERS.Reshape((1, 1, -1), name="culprit")],
        [LAYERS.Conv2D(4, (1, 3), name="culprit")],
        [LAYERS.MaxPooling2D(3, 2, name="culprit")],
        [LAYERS.MaxPooling2D(3, 1, padding="same", name="culprit")],
        [LAYERS.UpSampling2D(name="culprit")],
        [LAYERS.ZeroPadding2D(3), LAYERS.Conv2D(4, 3, 2, name="culprit")],
    ],
)
def test_a_layer_without_a_rule_is_refused_by_name(layers):
    with pytest.raises(ConfigError, match="culprit"):
        build_target_extractor(small_network(*layers))


def test_an_unknown_pooling_is_refused():
    features = small_network(LAYERS.Conv2D(4, 3))
    with pytest.raises(ConfigError, match="PAPER, AVERAGE, STRIDE, ROOT_MAX"):
        build_target_extractor(features, "MEDIAN")


def test_an_atrous_convolution_survives_its_config():
    layer = AtrousConvolution(LAYERS.Conv2D(4, 3, activation="relu"), "same")
    images = np.random.default_rng(4).normal(size=(1, 8, 8, 3))
    expected = layer(images)
    copy = AtrousConvolution.from_config(layer.get_config())
    copy.build(images.shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_allclose(copy(images), expected, atol=1e-6)
