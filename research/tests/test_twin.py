"""The twin's forms: equal maps, and windows that are exact or too small."""

import argparse

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import ConfigError
from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.geometry.receptive_field import receptive_field
from featsr_tf.model.target_extractor import build_target_extractor
from research.twin import __main__ as command
from research.twin import forms
from research.twin import windows
from tests.model.small import small_backbone
from tests.model.small import small_detector
from tests.model.small import small_pipeline

SIDE = 320
OBJECT_SIDE = 40.0
FROZEN = "model.faster_rcnn.feature_extractor.batch_norm_trainable=false"


@pytest.fixture(scope="module")
def made():
    """The twin of a small extractor, its forms, its map of a noise frame."""
    detector = small_detector(FROZEN)
    twin = build_target_extractor(detector.extractor)
    functions = forms.make_forms(detector.backbone, twin)
    images = forms.noise(SIDE)
    return twin, functions, images, functions[forms.PHASES](images)


def measure(made, window):
    twin, functions, images, whole = made
    field = receptive_field(twin, "base")
    boxes = windows.draw_boxes(4, OBJECT_SIDE, SIDE)
    spans = [windows.spans_of_box(field, box, SIDE) for box in boxes]
    corners = [windows.place(pair, window, SIDE) for pair in spans]
    cut = forms.cut(images, corners, window)
    found = functions[forms.PHASES](cut)
    return forms.window_deviation(whole, found, spans, corners, field.stride)


def test_both_forms_of_the_twin_give_the_same_map(made):
    _, functions, images, whole = made
    assert forms.deviation(functions[forms.DILATION](images), whole) < 1e-5
    assert forms.deviation(functions[forms.EXTRACTOR](images), whole) > 0.01


def test_windows_are_exact_from_the_side_on_that_is_told(made):
    field = receptive_field(made[0], "base")
    exact = windows.exact_window(field, OBJECT_SIDE)
    assert exact < SIDE
    assert measure(made, exact) < 1e-6


def test_windows_that_do_not_hold_the_receptive_field_deviate(made):
    assert measure(made, 128) > 0.01


def test_a_deviation_is_a_share_of_the_largest_value():
    expected = tf.constant([1.0, -4.0])
    assert forms.deviation(expected, tf.constant([2.0, -4.0])) == 0.25


def test_no_convolution_of_the_twin_is_the_extractors(made):
    said = forms.shared_layers(made[0])
    assert "could share: none; first_conv is the first" in said
    assert said.endswith("4 of 4 are")


def test_pointwise_convolutions_before_the_first_dilated_one_are_shared():
    inputs = keras.Input([None, None, 3])
    outputs = keras.layers.Conv2D(4, 1, name="mix")(inputs)
    outputs = keras.layers.Conv2D(4, 3, padding="same", name="look")(outputs)
    network = keras.Model(inputs, {"base": outputs})
    said = forms.shared_layers(build_target_extractor(network))
    assert "could share: mix; look is the first that is dilated" in said
    assert said.endswith("1 of 2 are")


def test_cells_and_pixels_of_a_box_are_those_that_pooling_reads():
    # Cells of 16 px that see 33 px; the first is centred on pixel 8.
    field = ReceptiveField(33, 16, 8.0)
    rows, columns = windows.spans_of_box(
        field, np.array([40.0, 0.0, 60.0, 20.0]), 128
    )
    # Pixel 40 lies between the centres of the cells 1 and 2, at 24.5 and 40.5.
    assert rows == windows.Span(1, 4, 24 - 16, 72 + 16 + 1)
    # Beyond the first cell there is none.
    assert columns == windows.Span(0, 1, 8 - 16, 24 + 16 + 1)


def test_windows_begin_at_multiples_within_the_frame():
    spans = [windows.Span(3, 5, 50, 150), windows.Span(0, 2, -20, 80)]
    assert windows.place(spans, 160, 512) == [32, 0]
    ends = [windows.Span(30, 31, 420, 540)] * 2
    assert windows.place(ends, 160, 512) == [352, 352]


def test_an_exact_window_holds_every_box_wherever_it_lies():
    field = ReceptiveField(101, 16, 7.5)
    side = windows.exact_window(field, OBJECT_SIDE)
    generator = np.random.default_rng(0)
    for corner in generator.uniform(0, 1024 - OBJECT_SIDE, [50, 2]):
        box = np.concatenate([corner, corner + OBJECT_SIDE])
        spans = windows.spans_of_box(field, box, 1024)
        starts = windows.place(spans, side, 1024)
        for span, start in zip(spans, starts, strict=True):
            assert start % 32 == 0
            assert start <= max(span.begin, 0)
            assert min(span.end, 1024) <= start + side


def test_the_side_is_that_of_the_crop():
    crop = "model.feature_super_resolution.training_crop"
    pipeline = small_pipeline(f"{crop}.height=64", f"{crop}.width=96")
    assert command.crop_side(pipeline) == 96
    with pytest.raises(ConfigError, match="--side: expected"):
        command.crop_side(small_pipeline())


@pytest.mark.parametrize("side", [48, 0, 416])
def test_sides_that_the_twin_does_not_take_are_refused(side):
    with pytest.raises(ConfigError, match=f"from 32 to 384, found {side}"):
        windows.check_sides("windows", [64, side], 32, 384)


def test_a_frame_may_be_as_large_as_one_likes():
    windows.check_sides("side", [8192], 32)
    with pytest.raises(ConfigError, match="--side: .* from 32 on, found 100"):
        windows.check_sides("side", [100], 32)


def test_windows_too_small_for_a_proposal_are_refused():
    field = ReceptiveField(452, 16, 7.5)
    assert command.window_sides([192], field, 64.0, 384) == [192]
    assert command.window_sides([192], field, 64.0, 1024) == [192, 608]
    with pytest.raises(ConfigError, match="from 160 to 384, found 128"):
        command.window_sides([128], field, 64.0, 384)


def test_it_prints_times_and_deviations(capsys):
    arguments = argparse.Namespace(windows=[], rounds=5, busy=False)
    with small_backbone():
        command.run(small_pipeline(), 256, arguments)
    printed = capsys.readouterr().out
    assert "one frame of 256 x 256 px" in printed
    assert "twin by phases: deviates by" in printed
