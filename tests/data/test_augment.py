"""Augmentation must move boxes with the pixels and keep objects in view."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.augment import AUGMENTATIONS
from featsr_tf.data.augment import TrainingCrop
from featsr_tf.data.augment import augment
from featsr_tf.data.augment import random_adjust_brightness
from featsr_tf.data.augment import random_adjust_contrast
from featsr_tf.data.augment import random_adjust_hue
from featsr_tf.data.augment import random_adjust_saturation
from featsr_tf.data.augment import random_horizontal_flip
from featsr_tf.data.augment import training_crop
from featsr_tf.data.decode import Frame
from featsr_tf.errors import ConfigError
from tests.data.example_files import frame
from tests.data.example_files import noise_image

SEED = tf.constant([1, 2])


FRAMES_OF_ANY_SIZE = Frame(
    image=tf.TensorSpec([None, None, 3], tf.uint8),
    boxes=tf.TensorSpec([None, 4]),
    classes=tf.TensorSpec([None], tf.int32),
    ignored=tf.TensorSpec([None], tf.bool),
    scale=tf.TensorSpec([2]),
    original_size=tf.TensorSpec([2], tf.int32),
    source_id=tf.TensorSpec([], tf.string),
)


@functools.cache
def crop_function(crop):
    return tf.function(
        lambda source, seed: training_crop(source, seed, crop),
        [FRAMES_OF_ANY_SIZE, tf.TensorSpec([2], tf.int32)],
    )


def crops(source, crop, num_seeds=200):
    crop_of = crop_function(crop)
    return [
        crop_of(source, tf.constant([0, seed])) for seed in range(num_seeds)
    ]


def test_flip_mirrors_boxes_exactly():
    image = noise_image(10, 20)

    flipped = random_horizontal_flip(frame(image, [[1, 2, 5, 9]]), SEED, 1.0)

    np.testing.assert_array_equal(flipped.boxes, [[1, 11, 5, 18]])
    np.testing.assert_array_equal(flipped.image, image[:, ::-1])


def test_flip_of_probability_zero_changes_nothing():
    source = frame(noise_image(10, 20), [[1, 2, 5, 9]])
    kept = random_horizontal_flip(source, SEED, 0.0)
    np.testing.assert_array_equal(kept.boxes, source.boxes)
    np.testing.assert_array_equal(kept.image, source.image)


def test_the_pixels_of_an_object_stay_under_its_box():
    image = np.zeros((100, 150, 3), np.uint8)
    image[40:50, 60:70] = 255
    source = frame(image, [[40, 60, 50, 70]])

    crop = TrainingCrop(64, 64, object_probability=1)
    for result in crops(source, crop, 100):
        result = random_horizontal_flip(result, SEED, 1.0)
        y1, x1, y2, x2 = result.boxes[0].numpy().astype(int)
        assert result.image[y1:y2, x1:x2].numpy().min() == 255
        assert result.image.numpy().sum() == 255 * 300


def test_the_chosen_object_lies_whole_inside_in_200_seeds():
    source = frame(noise_image(200, 300), [[150.4, 250.2, 170.9, 280.7]])
    crop = TrainingCrop(64, 96, 0.55, 1.3, object_probability=1)

    for result in crops(source, crop):
        assert result.image.shape == (64, 96, 3)
        assert result.boxes.shape == (1, 4)
        assert not result.ignored[0]
        sides = (result.boxes[0, 2:] - result.boxes[0, :2]) / result.scale
        np.testing.assert_allclose(sides, [20.5, 30.5], rtol=1e-4)


def test_objects_take_any_place_in_the_crop():
    source = frame(noise_image(200, 200), [[100, 100, 110, 110]])
    results = crops(source, TrainingCrop(64, 64, object_probability=1))
    tops = np.array([result.boxes[0, 0] for result in results])
    assert tops.min() < 5
    assert tops.max() > 49
    assert tops.mean() == pytest.approx(27, abs=4)


def test_every_object_is_chosen_now_and_then():
    source = frame(
        noise_image(200, 200),
        [[0, 0, 9, 9], [0, 190, 9, 199], [190, 0, 199, 9]],
    )
    results = crops(source, TrainingCrop(64, 64, object_probability=1), 60)
    seen = [int(result.classes[0]) for result in results]
    assert all(seen.count(label) >= 8 for label in (1, 2, 3))


def test_the_scale_is_drawn_from_its_range():
    source = frame(noise_image(300, 300), [])
    results = crops(source, TrainingCrop(96, 96, 0.5, 1.0))
    scales = np.array([result.scale for result in results])
    assert scales.min() == pytest.approx(0.5, abs=0.02)
    assert scales.max() == pytest.approx(1.0, abs=0.02)
    assert scales.mean() == pytest.approx(0.75, abs=0.03)


def test_a_crop_at_scale_one_is_cut_out_of_the_very_pixels():
    image = noise_image(50, 60)
    result = crops(frame(image, []), TrainingCrop(32, 32), 1)[0].image.numpy()
    places = [
        (y, x)
        for y in range(19)
        for x in range(29)
        if np.array_equal(result, image[y : y + 32, x : x + 32])
    ]
    assert len(places) == 1


def test_frames_smaller_than_the_crop_are_kept_whole():
    source = frame(noise_image(40, 200), [[10, 20, 30, 40]])

    for result in crops(source, TrainingCrop(64, 64, 0.5, 0.5, 1.0), 20):
        assert result.image.shape == (20, 64, 3)
        np.testing.assert_array_equal(result.scale, [0.5, 0.5])
        np.testing.assert_array_equal(result.boxes[0, ::2], [5, 15])


def test_an_object_larger_than_the_crop_fills_it():
    source = frame(noise_image(200, 200), [[20, 20, 180, 180]])
    for result in crops(source, TrainingCrop(64, 64, object_probability=1), 50):
        np.testing.assert_array_equal(result.boxes, [[0, 0, 64, 64]])
        np.testing.assert_array_equal(result.ignored, [True])


def test_cut_objects_are_clipped_and_ignored_below_half_of_their_area():
    # The first object fixes the crop at the left border of the frame.
    boxes = [
        [0, 0, 64, 64],
        [10, 60, 20, 68],
        [10, 59, 20, 71],
        [9, 63.5, 20, 70],
    ]
    source = frame(noise_image(64, 200), boxes)
    only_first = TrainingCrop(64, 64, object_probability=1)
    results = [
        result
        for result in crops(source, only_first, 40)
        if result.boxes[0, 3] == 64 and result.classes[0] == 1
    ]

    assert results
    np.testing.assert_array_equal(
        results[0].boxes, [[0, 0, 64, 64], [10, 60, 20, 64], [10, 59, 20, 64]]
    )
    np.testing.assert_array_equal(results[0].classes, [1, 2, 3])
    np.testing.assert_array_equal(results[0].ignored, [False, False, True])


def test_crops_are_never_placed_for_an_ignored_object():
    image = noise_image(64, 3000)
    source = frame(image, [[5, 5, 10, 10], [5, 2900, 10, 2905]], [True, False])
    for result in crops(source, TrainingCrop(64, 64, object_probability=1), 40):
        np.testing.assert_array_equal(result.classes, [2])


def test_a_frame_without_objects_is_cropped_evenly():
    results = crops(frame(noise_image(64, 128), []), TrainingCrop(64, 64))
    assert all(result.boxes.shape == (0, 4) for result in results)


def grey(value):
    return frame(np.full((4, 4, 3), value, np.float32), [])


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
    changed = random_adjust_contrast(frame(image, []), SEED, 0.5, 0.5).image
    np.testing.assert_allclose(changed[:, 0, 0], [105, 95], rtol=1e-6)


def test_saturation_and_hue_work_on_values_up_to_255():
    image = np.full((1, 1, 3), [200, 100, 100], np.float32)
    paler = random_adjust_saturation(frame(image, []), SEED, 0.5, 0.5).image
    np.testing.assert_allclose(paler[0, 0], [200, 150, 150], rtol=1e-4)
    turned = random_adjust_hue(frame(image, []), SEED, 0.02).image.numpy()
    assert turned.max() == pytest.approx(200, rel=1e-4)
    assert turned.min() == pytest.approx(100, rel=1e-4)
    assert 0 < np.abs(turned - image).max() <= 0.02 * 6 * 100 * 1.001


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_values_stay_within_0_and_255_and_follow_the_seed(name):
    source = frame(noise_image(16, 16).astype(np.float32), [])
    first, again, other = (
        augment(source, seed, [(name, {})]).image.numpy()
        for seed in ([3, 4], [3, 4], [3, 5])
    )
    assert first.min() >= 0
    assert first.max() <= 255
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_grey_stays_grey_whatever_the_colours_do():
    options = [(name, {}) for name in AUGMENTATIONS]
    changed = augment(grey(77), SEED, options).image.numpy()
    np.testing.assert_allclose(np.ptp(changed, axis=-1), 0, atol=1e-3)


def test_an_unknown_augmentation_names_the_known_ones():
    with pytest.raises(ConfigError, match="random_crop.*random_horizontal_"):
        augment(grey(1), SEED, [("random_crop", {})])
