"""Section 3: the paper's numbers must come out of the layers themselves."""

import functools

import keras
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.geometry.receptive_field import absolute_receptive_field
from featsr_tf.geometry.receptive_field import receptive_field
from featsr_tf.geometry.receptive_field import relative_discrepancy
from featsr_tf.geometry.receptive_field import relative_receptive_field
from featsr_tf.model.backbone import build_backbone
from featsr_tf.model.target_extractor import build_target_extractor

LAYERS = keras.layers
RESNET50 = ReceptiveField(size=291, stride=16)


@functools.cache
def features_of(name):
    alpha = 0.25 if name == "mobilenet_v1" else 1.0
    return build_backbone(name, alpha).features


def field_through(*layers):
    inputs = keras.Input((None, None, 3))
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return receptive_field(keras.Model(inputs, outputs))


@pytest.mark.parametrize(
    "name,expected",
    [
        ("mobilenet_v1", ReceptiveField(219, 16, 15.0)),
        pytest.param(
            "resnet50",
            ReceptiveField(291, 16, 0.0),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "resnet101",
            ReceptiveField(835, 16, 0.0),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_backbones_see_what_the_paper_says(name, expected):
    assert receptive_field(features_of(name), "base") == expected


def test_the_sub_features_have_a_field_of_their_own():
    features = features_of("mobilenet_v1")
    assert receptive_field(features, "sub") == ReceptiveField(43, 8, 7.0)


def test_making_a_twin_leaves_the_extractors_field_as_it_was():
    features = features_of("mobilenet_v1")
    twin = build_target_extractor(features)
    assert receptive_field(features, "base") == ReceptiveField(219, 16, 15.0)
    assert receptive_field(twin, "base") == ReceptiveField(452, 16, 37.5)


@pytest.mark.parametrize(
    "layer,expected",
    [
        (LAYERS.Conv2D(1, 3), ReceptiveField(3, 1, 1.0)),
        (LAYERS.Conv2D(1, 3, padding="same"), ReceptiveField(3, 1, 0.0)),
        (LAYERS.Conv2D(1, 3, 2, "same"), ReceptiveField(3, 2, 1.0)),
        (LAYERS.Conv2D(1, 7, 2, "same"), ReceptiveField(7, 2, 1.0)),
        (LAYERS.Conv2D(1, 1, 2, "same"), ReceptiveField(1, 2, 0.0)),
        (LAYERS.Conv2D(1, 3, dilation_rate=2), ReceptiveField(5, 1, 2.0)),
        (LAYERS.DepthwiseConv2D(5), ReceptiveField(5, 1, 2.0)),
        (LAYERS.MaxPooling2D(2), ReceptiveField(2, 2, 0.5)),
        (LAYERS.ZeroPadding2D(3), ReceptiveField(1, 1, -3.0)),
        (LAYERS.ReLU(), ReceptiveField(1, 1, 0.0)),
    ],
)
def test_one_layer_changes_the_field_as_computed_by_hand(layer, expected):
    assert field_through(layer) == expected


def test_strides_before_a_layer_widen_its_window():
    field = field_through(LAYERS.MaxPooling2D(2), LAYERS.Conv2D(1, 3))
    assert field == ReceptiveField(size=2 + 2 * 2, stride=2, first_center=2.5)


def test_where_branches_meet_the_larger_field_counts():
    inputs = keras.Input((None, None, 3))
    branches = [
        LAYERS.Conv2D(3, 5, padding="same")(inputs),
        LAYERS.Conv2D(3, 3, padding="same")(inputs),
    ]
    model = keras.Model(inputs, LAYERS.Add()(branches))
    assert receptive_field(model) == ReceptiveField(5, 1, 0.0)


def test_branches_of_different_strides_are_refused():
    inputs = keras.Input((8, 8, 3))
    branches = [
        LAYERS.Conv2D(3, 2, 2)(inputs),
        LAYERS.Conv2D(3, 5)(inputs),
    ]
    model = keras.Model(inputs, LAYERS.Add(name="meeting")(branches))
    with pytest.raises(ConfigError, match="meeting"):
        receptive_field(model)


@pytest.mark.parametrize(
    "layer",
    [
        LAYERS.Conv2DTranspose(1, 3, name="culprit"),
        LAYERS.UpSampling2D(name="culprit"),
        LAYERS.Conv2D(1, (1, 3), name="culprit"),
        LAYERS.GlobalAveragePooling2D(keepdims=True, name="culprit"),
    ],
)
def test_a_layer_without_a_rule_is_named(layer):
    with pytest.raises(ConfigError, match="culprit"):
        field_through(layer)


def test_equation_1_and_2_on_numbers():
    assert absolute_receptive_field(RESNET50, 1) == 291
    assert absolute_receptive_field(RESNET50, 4) == 339
    assert relative_receptive_field(RESNET50, 4, 1600) == 339 / 1600


def test_the_papers_example_of_equation_3():
    assert relative_discrepancy(RESNET50, 4, 1600) == pytest.approx(
        1.811, abs=5e-4
    )


@pytest.mark.parametrize("width", [0.0, 1.0, 7.0, 100.0])
def test_equation_3_has_the_short_form_of_the_paper(width):
    c = 291 / 16 - 1
    assert relative_discrepancy(RESNET50, width, 1600) == pytest.approx(
        2 - width / (c + width)
    )


def test_the_twin_takes_the_discrepancy_away():
    twin = ReceptiveField(size=582, stride=16)
    for width in (1, 4, 50):
        discrepancy = relative_discrepancy(RESNET50, width, 1600, target=twin)
        assert discrepancy == pytest.approx(1.0, abs=0.03)
