"""Colours change as the steps' names say, within the range of pixels."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.augment import random_adjust_brightness
from featsr_tf.data.augment import random_adjust_contrast
from featsr_tf.data.augment import random_adjust_hue
from featsr_tf.data.augment import random_adjust_saturation
from featsr_tf.data.augment import random_distort_color
from featsr_tf.data.augment import random_pixel_value_scale
from featsr_tf.data.augment import random_rgb_to_gray
from tests.data.example_files import labeled
from tests.data.example_files import noise_image

SEED = tf.constant([1, 2])


def grey(value):
    return labeled(np.full((4, 4, 3), value, np.float32), [])


def test_brightness_shifts_all_values_by_one_number_within_its_bounds():
    shifts = []
    for seed in range(50):
        changed = random_adjust_brightness(grey(100), [0, seed], 0.2).image
        assert np.ptp(changed) == 0
        shifts.append(float(changed[0, 0, 0]) - 100)
    assert -51 <= min(shifts) < -40
    assert 40 < max(shifts) <= 51


def test_contrast_scales_the_distance_from_the_mean():
    image = np.full((2, 2, 3), 90, np.float32)
    image[0] = 110
    changed = random_adjust_contrast(labeled(image, []), SEED, 0.5, 0.5).image
    np.testing.assert_allclose(changed[:, 0, 0], [105, 95], rtol=1e-6)


def test_saturation_and_hue_work_on_values_up_to_255():
    image = np.full((1, 1, 3), [200, 100, 100], np.float32)
    paler = random_adjust_saturation(labeled(image, []), SEED, 0.5, 0.5).image
    np.testing.assert_allclose(paler[0, 0], [200, 150, 150], rtol=1e-4)
    turned = random_adjust_hue(labeled(image, []), SEED, 0.02).image.numpy()
    assert turned.max() == pytest.approx(200, rel=1e-4)
    assert turned.min() == pytest.approx(100, rel=1e-4)
    assert 0 < np.abs(turned - image).max() <= 0.02 * 6 * 100 * 1.001


def test_each_value_has_a_factor_of_its_own_within_the_bounds():
    factors = random_pixel_value_scale(grey(100), SEED, 0.5, 1.5).image / 100
    assert len(np.unique(factors)) == 4 * 4 * 3
    assert 0.5 <= factors.numpy().min() < 0.7
    assert 1.3 < factors.numpy().max() <= 1.5


def test_taking_the_colour_away_keeps_the_luminance_and_three_channels():
    image = np.full((1, 1, 3), [200, 100, 50], np.float32)
    grey_image = random_rgb_to_gray(labeled(image, []), SEED, 1.0).image
    luminance = 0.2989 * 200 + 0.587 * 100 + 0.114 * 50
    np.testing.assert_allclose(grey_image, [[[luminance] * 3]], rtol=1e-3)
    kept = random_rgb_to_gray(labeled(image, []), SEED, 0.0).image
    np.testing.assert_array_equal(kept, image)


def test_the_two_orders_of_distortion_differ_in_where_contrast_stands():
    image = noise_image(8, 8).astype(np.float32) * 0.2 + 100
    brightness, contrast, saturation, hue = tf.unstack(
        tf.random.experimental.stateless_split(SEED, 4)
    )
    for ordering in (0, 1):
        expected = random_adjust_brightness(
            labeled(image, []), brightness, 32 / 255
        )
        if ordering == 1:
            expected = random_adjust_contrast(expected, contrast, 0.5, 1.5)
        expected = random_adjust_saturation(expected, saturation, 0.5, 1.5)
        expected = random_adjust_hue(expected, hue, 0.2)
        if ordering == 0:
            expected = random_adjust_contrast(expected, contrast, 0.5, 1.5)
        found = random_distort_color(labeled(image, []), SEED, ordering)
        np.testing.assert_array_equal(found.image, expected.image)
