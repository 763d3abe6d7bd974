"""Scales decide which objects count as small: sizes must be exact."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.resize import AREA
from featsr_tf.data.resize import BICUBIC
from featsr_tf.data.resize import BILINEAR
from featsr_tf.data.resize import NEAREST
from featsr_tf.data.resize import FirstPassResizer
from featsr_tf.data.resize import FixedShapeResizer
from featsr_tf.data.resize import KeepAspectRatioResizer
from featsr_tf.data.resize import enlarged_image
from featsr_tf.data.resize import half_image
from featsr_tf.data.resize import largest_shape
from featsr_tf.data.resize import pad_to
from featsr_tf.data.resize import padded_size
from featsr_tf.data.resize import resize
from featsr_tf.data.resize import resize_image
from featsr_tf.data.resize import resized_size
from featsr_tf.data.resize import scaled
from featsr_tf.data.resize import size_in_graph
from featsr_tf.data.resize import static_shape
from tests.data.example_files import noise_image


@pytest.mark.parametrize(
    ("size", "dimensions", "expected"),
    [
        ((800, 1360), (600, 1024), (600, 1020)),
        ((1360, 800), (600, 1024), (1020, 600)),
        ((800, 1600), (600, 1024), (512, 1024)),
        ((100, 100), (600, 1024), (600, 600)),
        ((800, 1600), (600, 0), (600, 1200)),
        ((1, 1000), (600, 100), (1, 100)),
    ],
)
def test_the_shorter_side_is_scaled_unless_the_longer_gets_too_long(
    size, dimensions, expected
):
    assert resized_size(*size, KeepAspectRatioResizer(*dimensions)) == expected


def test_graph_and_plain_python_agree_on_every_size():
    generator = np.random.default_rng(0)
    for resizer in (
        KeepAspectRatioResizer(30, 52),
        KeepAspectRatioResizer(37, 45),
        FixedShapeResizer(20, 50),
        FirstPassResizer(
            KeepAspectRatioResizer(30, 52), KeepAspectRatioResizer(60, 104), 0.6
        ),
    ):
        resize_in_graph = tf.function(
            lambda image, resizer=resizer: resize(image, resizer),
            input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)],
        )
        for height, width in generator.integers(1, 130, (50, 2)).tolist():
            resized = resize_in_graph(np.zeros((height, width, 3), np.uint8))
            expected = resized_size(height, width, resizer)
            assert tuple(resized.shape) == (*expected, 3)


def test_reduction_takes_the_mean_over_the_area_of_each_new_pixel():
    row = np.array([0, 30, 60, 90], np.float32)
    image = np.tile(row[:, None, None], (1, 4, 3))

    reduced = resize_image(image, [3, 4])

    # Each new pixel covers 4/3 old ones, e.g. all of the first and a third
    # of the second.
    np.testing.assert_allclose(reduced[:, 0, 0], [7.5, 45, 82.5], rtol=1e-5)


def test_a_fine_pattern_becomes_grey_when_halved():
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    np.testing.assert_array_equal(
        resize_image(stripes, [4, 4]), np.full((4, 4, 3), 100)
    )


def test_enlargement_is_bilinear():
    image = np.zeros((1, 2, 3), np.float32)
    image[0, 1] = 40
    np.testing.assert_allclose(
        resize_image(image, [1, 4])[0, :, 0], [0, 10, 30, 40], atol=1e-5
    )


def test_an_image_of_the_right_size_is_left_alone():
    image = noise_image(6, 5)
    np.testing.assert_array_equal(resize_image(image, [6, 5]), image)


def test_one_side_may_shrink_while_the_other_grows():
    resized = resize_image(np.full((8, 4, 3), 7, np.uint8), [4, 8])
    np.testing.assert_allclose(resized, np.full((4, 8, 3), 7), rtol=1e-6)


def test_padded_sides_are_multiples_of_32_and_hold_all_images():
    resizer = KeepAspectRatioResizer(600, 1024)
    assert static_shape([(800, 1360)], resizer) == (608, 1024)
    assert static_shape([(800, 1360), (1360, 800)], resizer) == (1024, 1024)
    assert static_shape([(5, 5)], FixedShapeResizer(300, 320)) == (320, 320)


def test_padding_to_the_maximum_gives_a_square():
    resizer = KeepAspectRatioResizer(600, 1000, pad_to_max_dimension=True)
    assert static_shape([(800, 1360)], resizer) == (1024, 1024)


def test_padding_is_zero_at_the_bottom_and_at_the_right():
    padded = pad_to(tf.ones([2, 3, 3]), 4, 5).numpy()
    assert padded.shape == (4, 5, 3)
    assert padded[:2, :3].min() == 1
    assert padded[2:].max() == padded[:, 3:].max() == 0


def test_half_image_is_the_mean_of_each_block():
    images = np.stack([noise_image(64, 96, seed) for seed in range(2)])
    images = images.astype(np.float32)

    half = half_image(images)

    expected = images.reshape(2, 32, 2, 48, 2, 3).mean(axis=(2, 4))
    np.testing.assert_array_equal(half, expected)


def test_an_enlarged_image_has_each_point_where_the_factor_puts_it():
    # Rows and columns of a plane, whose pixel centres lie at .5, 1.5, ...
    rows, columns = np.meshgrid(np.arange(16), np.arange(24), indexing="ij")
    plane = (3.0 * (rows + 0.5) + 5.0 * (columns + 0.5)).astype(np.float32)

    enlarged = enlarged_image(plane[None, ..., None])

    rows, columns = np.meshgrid(np.arange(32), np.arange(48), indexing="ij")
    expected = 1.5 * (rows + 0.5) + 2.5 * (columns + 0.5)
    assert enlarged.shape == (1, 32, 48, 1)
    # The outermost pixels have no neighbours to be interpolated with.
    np.testing.assert_allclose(
        enlarged[0, 4:-4, 4:-4, 0], expected[4:-4, 4:-4], rtol=1e-5
    )


def test_an_enlarged_image_stays_within_the_range_of_pixels():
    edge = np.zeros([1, 8, 8, 1], np.float32)
    edge[:, :, 4:] = 255.0
    enlarged = np.asarray(enlarged_image(edge))
    assert enlarged.min() == 0.0
    assert enlarged.max() == 255.0


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # Four pixels become two: their mean, or the two next to each centre.
        (AREA, [25, 150]),
        (BILINEAR, [25, 150]),
        (NEAREST, [50, 200]),
    ],
)
def test_halving_by_each_method(method, expected):
    row = np.array([0, 50, 100, 200], np.float32)
    image = np.tile(row[None, :, None], (4, 1, 3))
    found = resize(image, FixedShapeResizer(2, 2, method))
    np.testing.assert_allclose(found[0, :, 0], expected, atol=1e-4)


def test_bilinear_interpolation_skips_pixels_where_area_does_not():
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, 3] = 240
    skipped = resize_image(stripes, [2, 2], BILINEAR)
    assert np.max(skipped) == 0
    assert np.max(resize_image(stripes, [2, 2])) == 60


def test_bicubic_interpolation_stays_within_the_range_of_pixels():
    image = np.zeros((6, 6, 3), np.uint8)
    image[:, 3:] = 255
    found = resize_image(image, [11, 11], BICUBIC).numpy()
    assert found.min() == 0
    assert found.max() == 255


@pytest.mark.parametrize(
    ("resizer", "expected"),
    [
        (KeepAspectRatioResizer(600, 1000), (1024, 1024)),
        (FixedShapeResizer(300, 500), (320, 512)),
    ],
)
def test_the_largest_shape_holds_frames_of_any_shape(resizer, expected):
    assert largest_shape(resizer) == expected
    for size in ((800, 1360), (1360, 800), (10, 1000), (700, 700)):
        resized = resized_size(*size, resizer)
        assert resized[0] <= expected[0]
        assert resized[1] <= expected[1]


@pytest.mark.parametrize(
    "method, expected", [(BILINEAR, [0, 1.5, 3]), (NEAREST, [0, 1, 3])]
)
def test_the_api_samples_from_the_corner_of_the_image_on(method, expected):
    # New pixel i lies at 6 / 4 i.
    image = tf.tile(tf.range(6.0)[None, :, None], [2, 1, 3])
    size = [2, 4]
    resized = resize_image(image, size, method, as_api=True)
    np.testing.assert_allclose(resized[0, :3, 0], expected)


def test_the_api_pads_to_what_was_asked_for_and_no_further():
    size = tf.constant([30, 50])
    resizer = KeepAspectRatioResizer(30, 51, as_api=True)
    assert padded_size(size, resizer).numpy().tolist() == [30, 50]
    resizer = dataclasses.replace(resizer, pad_to_max_dimension=True)
    assert padded_size(size, resizer).numpy().tolist() == [51, 51]
    resizer = dataclasses.replace(resizer, as_api=False)
    assert padded_size(size, resizer).numpy().tolist() == [64, 64]


def test_scaled_frames_are_larger_by_the_factor():
    twice = scaled(KeepAspectRatioResizer(600, 1020), 2)
    assert resized_size(800, 1360, twice) == (1200, 2040)
    fixed = scaled(FixedShapeResizer(300, 400), 1.5)
    assert resized_size(800, 1360, fixed) == (450, 600)
    first = scaled(
        FirstPassResizer(FixedShapeResizer(2, 3), FixedShapeResizer(4, 6), 1), 2
    )
    assert resized_size(4, 6, first) == (4, 6)
    assert resized_size(3, 6, first) == (8, 12)


FIRST_PASS = FirstPassResizer(
    KeepAspectRatioResizer(480, 816), KeepAspectRatioResizer(600, 1020), 1.0
)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((800, 1360), (480, 816)),
        ((480, 640), (480, 640)),
        ((479, 640), (600, 802)),
        ((375, 500), (600, 800)),
        # The longer side limits it.
        ((400, 1360), (240, 816)),
    ],
)
def test_a_first_pass_is_no_smaller_where_frames_are_small(size, expected):
    assert resized_size(*size, FIRST_PASS) == expected
    in_graph = size_in_graph(tf.constant(size), FIRST_PASS)
    assert tuple(in_graph.numpy()) == expected


def test_the_shape_of_a_first_pass_holds_frames_of_both_sizes():
    assert static_shape([(800, 1360)], FIRST_PASS) == (480, 832)
    assert static_shape([(800, 1360), (375, 500)], FIRST_PASS) == (608, 832)
    assert largest_shape(FIRST_PASS) == (1024, 1024)


def test_both_sizes_of_a_first_pass_are_padded_to_their_maximum():
    padding = dataclasses.replace(
        FIRST_PASS,
        small=KeepAspectRatioResizer(480, 816, pad_to_max_dimension=True),
        usual=KeepAspectRatioResizer(600, 1020, pad_to_max_dimension=True),
    )
    for size, expected in (([480, 816], 832), ([600, 1020], 1024)):
        sides = padded_size(tf.constant(size), padding)
        assert sides.numpy().tolist() == [expected] * 2
    assert static_shape([(800, 1360)], padding) == (832, 832)
    assert static_shape([(375, 500)], padding) == (1024, 1024)
