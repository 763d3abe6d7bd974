"""Augmentation must move boxes with the pixels and keep objects in view."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.augment import AUGMENTATIONS
from featsr_tf.data.augment import TrainingCrop
from featsr_tf.data.augment import augment
from featsr_tf.data.augment import count_before_resizing
from featsr_tf.data.augment import training_crop
from featsr_tf.data.augment_geometry import random_horizontal_flip
from featsr_tf.data.decode import LabeledImage
from featsr_tf.errors import ConfigError
from tests.data.example_files import labeled
from tests.data.example_files import noise_image

SEED = tf.constant([1, 2])


FRAMES_OF_ANY_SIZE = LabeledImage(
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


def test_the_pixels_of_an_object_stay_under_its_box():
    image = np.zeros((100, 150, 3), np.uint8)
    image[40:50, 60:70] = 255
    source = labeled(image, [[40, 60, 50, 70]])

    crop = TrainingCrop(64, 64, object_probability=1)
    for result in crops(source, crop, 100):
        result = random_horizontal_flip(result, SEED, 1.0)
        y1, x1, y2, x2 = result.boxes[0].numpy().astype(int)
        assert result.image[y1:y2, x1:x2].numpy().min() == 255
        assert result.image.numpy().sum() == 255 * 300


def test_the_chosen_object_lies_whole_inside_in_200_seeds():
    source = labeled(noise_image(200, 300), [[150.4, 250.2, 170.9, 280.7]])
    crop = TrainingCrop(64, 96, 0.55, 1.3, object_probability=1)

    for result in crops(source, crop):
        assert result.image.shape == (64, 96, 3)
        assert result.boxes.shape == (1, 4)
        assert not result.ignored[0]
        sides = (result.boxes[0, 2:] - result.boxes[0, :2]) / result.scale
        np.testing.assert_allclose(sides, [20.5, 30.5], rtol=1e-4)


def test_objects_take_any_place_in_the_crop():
    source = labeled(noise_image(200, 200), [[100, 100, 110, 110]])
    results = crops(source, TrainingCrop(64, 64, object_probability=1))
    tops = np.array([result.boxes[0, 0] for result in results])
    assert tops.min() < 5
    assert tops.max() > 49
    assert tops.mean() == pytest.approx(27, abs=4)


def test_every_object_is_chosen_now_and_then():
    source = labeled(
        noise_image(200, 200),
        [[0, 0, 9, 9], [0, 190, 9, 199], [190, 0, 199, 9]],
    )
    results = crops(source, TrainingCrop(64, 64, object_probability=1), 60)
    seen = [int(result.classes[0]) for result in results]
    assert all(seen.count(label) >= 8 for label in (1, 2, 3))


def test_the_scale_is_drawn_from_its_range():
    source = labeled(noise_image(300, 300), [])
    results = crops(source, TrainingCrop(96, 96, 0.5, 1.0))
    scales = np.array([result.scale for result in results])
    assert scales.min() == pytest.approx(0.5, abs=0.02)
    assert scales.max() == pytest.approx(1.0, abs=0.02)
    assert scales.mean() == pytest.approx(0.75, abs=0.03)


def test_a_crop_at_scale_one_is_cut_out_of_the_very_pixels():
    image = noise_image(50, 60)
    result = crops(labeled(image, []), TrainingCrop(32, 32), 1)[0].image.numpy()
    places = [
        (y, x)
        for y in range(19)
        for x in range(29)
        if np.array_equal(result, image[y : y + 32, x : x + 32])
    ]
    assert len(places) == 1


def test_frames_smaller_than_the_crop_are_kept_whole():
    source = labeled(noise_image(40, 200), [[10, 20, 30, 40]])

    for result in crops(source, TrainingCrop(64, 64, 0.5, 0.5, 1.0), 20):
        assert result.image.shape == (20, 64, 3)
        np.testing.assert_array_equal(result.scale, [0.5, 0.5])
        np.testing.assert_array_equal(result.boxes[0, ::2], [5, 15])


def test_an_object_larger_than_the_crop_fills_it():
    source = labeled(noise_image(200, 200), [[20, 20, 180, 180]])
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
    source = labeled(noise_image(64, 200), boxes)
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
    source = labeled(
        image, [[5, 5, 10, 10], [5, 2900, 10, 2905]], [True, False]
    )
    for result in crops(source, TrainingCrop(64, 64, object_probability=1), 40):
        np.testing.assert_array_equal(result.classes, [2])


def test_a_frame_without_objects_is_cropped_evenly():
    results = crops(labeled(noise_image(64, 128), []), TrainingCrop(64, 64))
    assert all(result.boxes.shape == (0, 4) for result in results)


def grey(value):
    return labeled(np.full((4, 4, 3), value, np.float32), [])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_values_stay_within_0_and_255_and_follow_the_seed(name):
    source = labeled(noise_image(32, 32), [[2, 3, 9, 12]])
    seen = set()
    for number in range(40):
        changed, again = (
            augment(source, [3, number], [(name, {})]).image.numpy()
            for _ in range(2)
        )
        np.testing.assert_array_equal(changed, again)
        assert changed.min() >= 0
        assert changed.max() <= 255
        seen.add((changed.shape, changed.tobytes()))
    assert len(seen) >= 2


def test_grey_stays_grey_whatever_the_steps_do():
    # Only this one treats the channels of a pixel differently.
    names = AUGMENTATIONS.keys() - {"random_pixel_value_scale"}
    options = [(name, {}) for name in sorted(names)]
    for number in range(5):
        changed = augment(grey(77), [1, number], options).image.numpy()
        np.testing.assert_allclose(np.ptp(changed, axis=-1), 0, atol=1e-3)


def test_a_step_has_the_seed_of_its_position():
    source = labeled(noise_image(8, 8), [])
    steps = [("random_adjust_hue", {}), ("random_adjust_contrast", {})]
    whole = augment(source, SEED, steps).image
    begun = augment(source, SEED, steps[:1])
    rest = augment(begun, SEED, steps[1:], first_position=1).image
    np.testing.assert_array_equal(rest, whole)


@pytest.mark.parametrize(
    ("names", "count"),
    [
        ([], 0),
        (["random_horizontal_flip", "random_adjust_hue"], 0),
        (["random_crop_image", "random_adjust_hue"], 1),
        (["random_adjust_hue", "random_rotation90", "random_adjust_hue"], 2),
        (["random_image_scale", "random_square_crop_by_scale"], 2),
        (["random_adjust_hue", "random_mosaic", "random_adjust_hue"], 2),
    ],
)
def test_what_changes_sizes_or_mixes_comes_before_resizing_as_in_the_api(
    names, count
):
    assert count_before_resizing([(name, {}) for name in names]) == count


def test_an_unknown_augmentation_names_the_known_ones():
    with pytest.raises(ConfigError, match="random_crop.*random_horizontal_"):
        augment(grey(1), SEED, [("random_crop", {})])
