"""Mosaics and copies: pixels, boxes and both scales belong together."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.augment_mixing import random_copy_paste
from featsr_tf.data.augment_mixing import random_mosaic
from featsr_tf.data.resize import half_image
from tests.data.example_files import labeled
from tests.data.example_files import noise_image

SEEDS = [tf.constant([7, number]) for number in range(6)]


def plain(value, boxes=(), size=(40, 80)):
    """An image of one value."""
    return labeled(np.full((*size, 3), value, np.float32), boxes)


def marked(boxes, size=(40, 80), background=10.0, ignored=None):
    """An image whose objects have the values 101, 102 ... and a dark rim."""
    image = np.full((*size, 3), background, np.float32)
    for number, (top, left, bottom, right) in enumerate(boxes, start=101):
        image[top - 1 : bottom + 1, left - 1 : right + 1] = 5
        image[top:bottom, left:right] = number
    return labeled(image, boxes, ignored)


def values_in(found, position):
    top, left, bottom, right = np.array(found.boxes[position]).astype(int)
    return set(found.image.numpy()[top:bottom, left:right].ravel())


def split_of(image):
    """Finds where the four values of a mosaic of plain images meet."""
    rows = np.flatnonzero(image[:, 0, 0] != image[0, 0, 0])
    columns = np.flatnonzero(image[0, :, 0] != image[0, 0, 0])
    return rows[0], columns[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mosaic_has_four_images_that_meet_in_the_middle_half(seed):
    found = random_mosaic(
        plain(1.0), seed, 1.0, partner=lambda k: plain([2.0, 3.0, 4.0][k])
    )
    image = found.image.numpy()
    row, column = split_of(image)
    assert 10 <= row < 30
    assert 20 <= column < 60
    expected = np.ones((40, 80))
    expected[:row, column:] = 2
    expected[row:, :column] = 3
    expected[row:, column:] = 4
    np.testing.assert_array_equal(image[..., 0], expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_part_of_a_mosaic_holds_an_object_as_a_whole(seed):
    source = marked([[20, 30, 26, 38]])
    found = random_mosaic(source, seed, 1.0, partner=lambda k: source)
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    np.testing.assert_array_equal(sides, [[6, 8]] * 4)
    np.testing.assert_array_equal(found.classes, [1] * 4)
    for position in range(4):
        assert values_in(found, position) == {101}
    # Nothing of an object is where no box is.
    assert (found.image.numpy()[..., 0] == 101).sum() == 4 * 6 * 8


@pytest.mark.parametrize("seed", SEEDS)
def test_objects_that_a_part_cuts_are_clipped_ignored_or_dropped(seed):
    grid = [[y, x, y + 8, x + 8] for y in (2, 15, 28) for x in range(2, 72, 12)]
    source = marked(grid)
    found = random_mosaic(source, seed, 1.0, partner=lambda k: source)
    areas = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
    np.testing.assert_array_equal(found.ignored, areas < 8 * 8 / 2)
    assert np.any(found.ignored)
    for position, number in enumerate(found.classes.numpy()):
        assert values_in(found, position) == {100.0 + number}
    image = found.image.numpy()[..., 0]
    assert areas.sum() == (image > 100).sum()


def test_a_small_image_leaves_the_rest_of_its_part_black():
    found = random_mosaic(
        plain(9.0), SEEDS[0], 1.0, partner=lambda k: plain(7.0, size=(2, 3))
    )
    image = found.image.numpy()
    row, column = split_of(image)
    assert (image[..., 0] == 7).sum() == 3 * 2 * 3
    assert (image[:row, :column] == 9).all()
    assert (image[..., 0] == 9).sum() == row * column


def test_the_other_images_are_not_decoded_where_there_is_no_mosaic():
    def partner(number):
        image = tf.io.decode_image(b"no image", expand_animations=False)
        return plain(1.0)._replace(image=image)

    @tf.function(autograph=False)
    def step(labeled_image, seed):
        return random_mosaic(labeled_image, seed, 0.0, partner=partner)

    source = plain(3.0, [[1, 2, 5, 9]])
    for value, expected in zip(step(source, SEEDS[0]), source, strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_copy_brings_its_pixels_box_and_class_and_covers_nothing(seed):
    source = marked([[10, 10, 14, 16]])
    found = random_copy_paste(source, seed, 1.0, 3, 32.0, 0.0)
    np.testing.assert_array_equal(found.boxes[0], source.boxes[0])
    np.testing.assert_array_equal(found.classes, [1] * 4)
    assert not np.any(found.ignored)
    image = found.image.numpy()[..., 0]
    for position in range(4):
        assert values_in(found, position) == {101}
    # Four objects that do not overlap, and no rim without a margin.
    assert (image == 101).sum() == 4 * 4 * 6
    assert (image == 5).sum() <= 6 * 8 - 4 * 6


@pytest.mark.parametrize("seed", SEEDS)
def test_the_margin_is_copied_along(seed):
    other = marked([[10, 10, 14, 18]], background=200.0)
    found = random_copy_paste(
        plain(1.0), seed, 1.0, 1, 32.0, 0.25, 1.0, partner=lambda k: other
    )
    # A quarter of 8 px on each side: 8 x 12 px, of which the rim is 6 x 10.
    image = found.image.numpy()[..., 0]
    assert (image == 101).sum() == 4 * 8
    assert (image == 5).sum() == 6 * 10 - 4 * 8
    assert (image == 200).sum() == 8 * 12 - 6 * 10
    assert values_in(found, 0) == {101}


@pytest.mark.parametrize(
    ("boxes", "ignored", "copied"),
    [
        # Root of the area 6 and 8; at most 7 are copied.
        ([[4, 4, 10, 10], [20, 40, 28, 48]], None, {1}),
        ([[4, 4, 10, 10], [20, 40, 26, 46]], [True, False], {2}),
        # The second is within the margin of the first, and the other way.
        ([[4, 4, 10, 10], [4, 12, 10, 18], [25, 60, 31, 66]], None, {3}),
        ([], None, set()),
    ],
)
def test_only_small_objects_that_stand_alone_are_copied(boxes, ignored, copied):
    source = marked(boxes, ignored=ignored)
    seen = set()
    for seed in SEEDS:
        found = random_copy_paste(source, seed, 1.0, 2, 7.0, 0.5, 0.0)
        seen |= set(found.classes.numpy()[len(boxes) :])
    assert seen == copied


def test_a_copy_without_a_free_place_is_left_out():
    source = marked([[1, 1, 9, 9]], size=(12, 12))
    for seed in SEEDS:
        found = random_copy_paste(source, seed, 1.0)
        np.testing.assert_array_equal(found.image, source.image)
        assert len(found.boxes) == 1


def test_copies_come_from_other_images_as_often_as_asked():
    own, other = marked([[10, 10, 14, 16]]), marked([[10, 10, 14, 14]])
    other = other._replace(classes=tf.constant([9]))
    for share, expected in ((0.0, 1), (1.0, 9)):
        found = random_copy_paste(
            own, SEEDS[0], 1.0, 2, 32.0, 0.0, share, partner=lambda k: other
        )
        np.testing.assert_array_equal(found.classes, [1, expected, expected])


@pytest.mark.parametrize("step", [random_mosaic, random_copy_paste])
def test_the_half_image_shows_what_was_mixed(step):
    """I^0.5 is made of the mixed image: half a box has its object's pixels."""
    boxes = [[8, 8, 16, 20]]
    source = marked(boxes)
    other = marked(boxes, background=60.0)
    found = step(source, SEEDS[1], 1.0, partner=lambda k: other)
    assert len(found.boxes) > 1
    half = half_image(found.image[None])[0].numpy()
    blocks = found.image.numpy().reshape(20, 2, 40, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(half, blocks, rtol=1e-6)
    for box in np.array(found.boxes) / 2:
        inner = np.concatenate([np.ceil(box[:2]), np.floor(box[2:])])
        top, left, bottom, right = inner.astype(int)
        np.testing.assert_allclose(half[top:bottom, left:right], 101)


def test_a_step_is_the_same_for_the_same_seed_and_changes_its_share():
    source = labeled(noise_image(40, 80).astype(np.float32), [[2, 3, 9, 12]])
    for step in (random_mosaic, random_copy_paste):
        changed = 0
        for number in range(16):
            seed = tf.constant([3, number])
            first, again = (step(source, seed, 0.5) for _ in range(2))
            np.testing.assert_array_equal(first.image, again.image)
            changed += bool(np.any(first.image != source.image))
        # 8 are expected; 2 and 14 are three deviations away.
        assert 2 < changed < 14
