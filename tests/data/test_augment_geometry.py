"""Boxes move with the pixels under them, whatever is done to the image."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.augment_geometry import random_crop_image
from featsr_tf.data.augment_geometry import random_horizontal_flip
from featsr_tf.data.augment_geometry import random_image_scale
from featsr_tf.data.augment_geometry import random_rotation90
from featsr_tf.data.augment_geometry import random_square_crop_by_scale
from featsr_tf.data.augment_geometry import random_vertical_flip
from tests.data.example_files import labeled
from tests.data.example_files import noise_image

SEED = tf.constant([1, 2])


def test_flip_mirrors_boxes_exactly():
    image = noise_image(10, 20)

    flipped = random_horizontal_flip(labeled(image, [[1, 2, 5, 9]]), SEED, 1.0)

    np.testing.assert_array_equal(flipped.boxes, [[1, 11, 5, 18]])
    np.testing.assert_array_equal(flipped.image, image[:, ::-1])


def test_flip_of_probability_zero_changes_nothing():
    source = labeled(noise_image(10, 20), [[1, 2, 5, 9]])
    kept = random_horizontal_flip(source, SEED, 0.0)
    np.testing.assert_array_equal(kept.boxes, source.boxes)
    np.testing.assert_array_equal(kept.image, source.image)


def test_a_vertical_flip_mirrors_boxes_exactly():
    image = noise_image(10, 20)
    flipped = random_vertical_flip(labeled(image, [[1, 2, 5, 9]]), SEED, 1.0)
    np.testing.assert_array_equal(flipped.boxes, [[5, 2, 9, 9]])
    np.testing.assert_array_equal(flipped.image, image[::-1])


def test_a_rotation_turns_image_boxes_and_scales_counter_clockwise():
    image = noise_image(10, 20)
    source = labeled(image, [[1, 2, 5, 9]])._replace(
        scale=tf.constant([2.0, 3])
    )
    turned = random_rotation90(source, SEED, 1.0)
    np.testing.assert_array_equal(turned.image, np.rot90(image))
    # The right border, 20, becomes the upper one.
    np.testing.assert_array_equal(turned.boxes, [[11, 1, 18, 5]])
    np.testing.assert_array_equal(turned.scale, [3, 2])


def test_four_rotations_change_nothing():
    source = labeled(noise_image(10, 20), [[1, 2, 5, 9]])
    turned = source
    for _ in range(4):
        turned = random_rotation90(turned, SEED, 1.0)
    for value, expected in zip(turned, source, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_scaling_keeps_boxes_on_their_objects_and_says_so():
    source = labeled(noise_image(40, 60), [[10, 20, 30, 40]])
    scaled = random_image_scale(source, SEED, 0.5, 0.5)
    assert scaled.image.shape == (20, 30, 3)
    np.testing.assert_array_equal(scaled.boxes, [[5, 10, 15, 20]])
    np.testing.assert_array_equal(scaled.scale, [0.5, 0.5])
    heights = [
        random_image_scale(source, [0, seed], 0.5, 2.0).image.shape[0]
        for seed in range(60)
    ]
    assert 20 <= min(heights) < 26
    assert 72 < max(heights) <= 80


# An image whose pixel values are 100, but for one object of 255.
def marked_frame(height=100, width=150, box=(40, 60, 60, 90)):
    image = np.full((height, width, 3), 100, np.uint8)
    image[box[0] : box[2], box[1] : box[3]] = 255
    return labeled(image, [box])


def test_a_crop_covers_the_object_and_keeps_its_pixels_under_its_box():
    sizes = set()
    for number in range(60):
        crop = random_crop_image(marked_frame(), [0, number])
        y1, x1, y2, x2 = crop.boxes[0].numpy().astype(int)
        assert (y2 - y1, x2 - x1) == (20, 30)
        pixels = crop.image.numpy()
        assert pixels[y1:y2, x1:x2].min() == 255
        assert (pixels == 255).all(axis=-1).sum() == 600
        height, width = pixels.shape[:2]
        assert 0.74 <= width / height <= 1.35
        assert 0.09 <= height * width / 15000 <= 1
        sizes.add((height, width))
    assert len(sizes) > 20


def test_objects_mostly_cut_off_by_a_crop_are_ignored():
    seen = set()
    for number in range(100):
        crop = random_crop_image(
            marked_frame(),
            [0, number],
            min_object_covered=0.1,
            min_area=0.02,
            max_area=0.1,
            overlap_thresh=0.6,
        )
        for box, ignored in zip(crop.boxes.numpy(), crop.ignored, strict=True):
            share = (box[2] - box[0]) * (box[3] - box[1]) / 600
            assert bool(ignored) == (share < 0.6)
            seen.add(bool(ignored))
    assert seen == {False, True}


def test_a_crop_is_left_out_as_often_as_said():
    whole = [
        random_crop_image(
            marked_frame(), [0, number], max_area=0.5, random_coef=0.25
        ).image.shape[0]
        == 100
        for number in range(200)
    ]
    assert np.mean(whole) == pytest.approx(0.25, abs=0.1)


def test_a_crop_of_a_frame_without_objects_is_possible():
    assert random_crop_image(labeled(noise_image(20, 30), []), SEED).image.ndim


def test_square_crops_are_black_beyond_the_image():
    sides = set()
    for number in range(100):
        crop = random_square_crop_by_scale(marked_frame(), [0, number])
        pixels = crop.image.numpy()
        assert pixels.shape[0] == pixels.shape[1]
        sides.add(pixels.shape[0])
        inside = (pixels > 0).all(axis=-1)
        rows, columns = inside.any(axis=1).sum(), inside.any(axis=0).sum()
        assert inside.sum() == rows * columns
        assert rows <= 100
        assert columns <= 150
        objects = (pixels == 255).all(axis=-1).sum()
        areas = [
            (box[2] - box[0]) * (box[3] - box[1]) for box in crop.boxes.numpy()
        ]
        assert sum(areas) == objects
        assert not np.any(crop.ignored)
    # Eight factors from 0.6 to 1.3 of 150 px, made even.
    assert sides == {90, 104, 120, 134, 150, 164, 180, 194}


def test_square_crops_are_centred_away_from_the_border():
    # The border of 128 px is halved until half of the image holds it: 32 px.
    centers = []
    for number in range(200):
        crop = random_square_crop_by_scale(
            labeled(np.full((100, 100, 3), 9, np.uint8), []),
            [0, number],
            scale_min=2.0,
            scale_max=2.0,
            num_scales=1,
        )
        first_row = np.argmax(crop.image.numpy()[:, :, 0].max(axis=1) > 0)
        centers.append(100 - first_row)
    assert min(centers) == 32
    assert max(centers) == 68


def test_every_step_keeps_its_meaning_in_a_graph():
    source = marked_frame()
    for step in (random_crop_image, random_square_crop_by_scale):
        found = tf.function(step)(source, SEED)
        for value, expected in zip(found, step(source, SEED), strict=True):
            np.testing.assert_array_equal(value, expected)
