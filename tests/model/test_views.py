"""Views of a second look show what lies in the original frame."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.model.views import OriginalFrames
from featsr_tf.model.views import Views
from featsr_tf.model.views import enlarged_parts
from featsr_tf.model.views import no_views
from featsr_tf.model.views import render
from tests.model.test_second_look import places
from tests.model.test_second_look import squares


def test_what_pads_a_frame_does_not_show():
    """In a batch, frames of several sizes are padded to the largest."""
    pixels = np.random.default_rng(0).integers(100, 255, (40, 50, 3), np.uint8)
    # One more row and column as input pipelines have it, and anything else.
    padded = np.full((1, 47, 57, 3), 77, np.uint8)
    padded[0, :41, :51] = np.pad(
        pixels, [(0, 1), (0, 1), (0, 0)], mode="symmetric"
    )
    corners = tf.constant([[10.0, 15.0], [0.0, 0.0]])
    views = Views(
        corners,
        tf.constant([64, 64]),
        tf.fill([2], 4.0),
        tf.zeros([2], tf.int32),
    )
    alone, in_batch = (
        render(
            OriginalFrames(
                tf.constant(originals),
                tf.constant([[20.0, 25.0]]),
                tf.constant([[0.5, 0.5]]),
            ),
            views,
        ).numpy()
        for originals in (pixels[None], padded)
    )
    np.testing.assert_allclose(in_batch, alone, atol=0.01)
    # 2 px of the view per px of the original: the first ends after 40 px.
    assert alone[0, :40, :40].min() > 50 and not alone[0, 41:].any()


def test_a_view_without_scaling_is_a_cut():
    pixels = np.random.default_rng(0).integers(0, 255, (2, 40, 50, 3), np.uint8)
    frames = OriginalFrames(
        tf.constant(pixels),
        tf.constant([[20.0, 25.0]] * 2),
        tf.fill([2, 2], 0.5),
    )
    views = Views(
        tf.constant([[2.0, 3.0], [4.0, 9.0]]),
        tf.constant([32, 32]),
        tf.constant([2.0, 2.0]),
        tf.constant([1, 0]),
    )
    images = render(frames, views)
    assert images.shape == (2, 32, 32, 3)
    np.testing.assert_allclose(images[0], pixels[1, 4:36, 6:38], atol=1e-3)
    np.testing.assert_allclose(images[1], pixels[0, 8:40, 18:50], atol=1e-3)


@pytest.mark.parametrize("magnification", [0.5, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("place", [[0.0, 0.0], [0.3, 0.4], [1.0, 1.0]])
def test_a_view_shows_what_lies_there(magnification, place):
    # Each pixel holds the place of its centre; a quarter of the original size.
    rows, columns = np.mgrid[:160, :160] + 0.5
    pixels = np.stack([rows, columns, rows], axis=-1)[None]
    frames = OriginalFrames(
        tf.constant(pixels, tf.float32),
        tf.constant([[40.0, 40.0]]),
        tf.fill([1, 2], 0.25),
    )
    corner = np.array(place) * (40.0 - 16 / magnification)
    view = Views(
        tf.constant(corner[None], tf.float32),
        tf.constant([16, 16]),
        tf.constant([magnification]),
        tf.constant([0]),
    )
    image = render(frames, view)[0].numpy()
    # As far as its edge the frame is as at the centres of its edge's pixels; a
    # view that shrinks it shows means.
    count = max(round(np.ceil(4 / magnification)), 1)
    samples = (np.arange(16 * count) + 0.5) / (magnification * count)
    expected_rows, expected_columns = (
        np.clip((begin + samples) / 0.25, 0.5, 159.5)
        .reshape(16, count)
        .mean(axis=1)
        for begin in corner
    )
    np.testing.assert_allclose(image[:, 3, 0], expected_rows, atol=1e-2)
    np.testing.assert_allclose(image[3, :, 1], expected_columns, atol=1e-2)


def test_a_shrinking_view_is_a_mean_and_no_choice_of_pixels():
    pixels = np.zeros((1, 64, 64, 3), np.uint8)
    pixels[:, ::2, ::2] = 200
    frames = OriginalFrames(
        tf.constant(pixels), tf.constant([[16.0, 16.0]]), tf.fill([1, 2], 0.25)
    )
    view = Views(
        tf.zeros([1, 2]), tf.constant([16, 16]), tf.ones([1]), tf.constant([0])
    )
    np.testing.assert_allclose(render(frames, view), 50.0, atol=1e-3)


def test_windows_are_told_image_by_image_and_end_with_the_frame():
    views = Views(
        tf.constant([[2.0, 3.0], [4.0, 0.0], [0.0, 0.0], [6.0, 6.0]]),
        tf.constant([64, 64]),
        tf.constant([2.0, 4.0, 4.0, 2.0]),
        tf.constant([1, 2, 1, -1]),
    )
    windows = views.windows(tf.constant([[50.0, 60.0]] * 2 + [[10.0, 60.0]]))
    np.testing.assert_array_equal(
        windows,
        [
            [[0, 0, 0, 0, 0]] * 2,
            [[2, 3, 34, 35, 2], [0, 0, 16, 16, 4]],
            [[4, 0, 10, 16, 4], [0, 0, 0, 0, 0]],
        ],
    )
    assert no_views().windows(tf.constant([[9.0, 9.0]] * 2)).shape[0] == 2


def test_where_objects_are_dense_the_view_is_that_part_of_the_frame():
    corners = [(y, x, 12) for y in range(110, 188, 13) for x in (80, 104, 128)]
    dense = places(
        squares(*corners, (20, 30, 12)), [2] * 18 + [3], [1] * 18 + [0]
    )
    views = enlarged_parts(
        dense,
        tf.constant([[200.0, 300.0], [200.0, 300.0], [150.0, 300.0]]),
        margin=4,
        least=64,
    )
    # Of the second frame rows 110 to 187 and columns 80 to 140, with 2 px
    # around them: 81 x 64 px, enlarged twice.
    np.testing.assert_array_equal(views.size, [192, 128])
    np.testing.assert_array_equal(views.magnifications, [2, 2, 2])
    np.testing.assert_array_equal(views.image_indices, [0, 1, 2])
    # It would end behind its frame; the third frame has no places.
    np.testing.assert_array_equal(
        views.corners, [[18, 28], [200 - 96, 78], [150 - 96, 300 - 64]]
    )


def test_a_part_of_a_frame_is_never_smaller_than_a_window():
    views = enlarged_parts(
        places(squares((3, 290, 8)), [2]),
        tf.constant([[200.0, 300.0]]),
        margin=4,
        least=64,
    )
    np.testing.assert_array_equal(views.size, [64, 64])
    np.testing.assert_array_equal(views.corners, [[1, 300 - 32]])


def test_what_a_view_shows_depends_on_no_other_view():
    pixels = np.random.default_rng(0).integers(0, 255, (1, 80, 80, 3), np.uint8)
    frames = OriginalFrames(
        tf.constant(pixels), tf.constant([[40.0, 40.0]]), tf.fill([1, 2], 0.5)
    )

    def views(*magnifications):
        count = len(magnifications)
        return Views(
            tf.fill([count, 2], 4.0),
            tf.constant([32, 32]),
            tf.constant(magnifications),
            tf.zeros([count], tf.int32),
        )

    # The first shrinks the original, so that it takes means of samples.
    together = render(frames, views(1.0, 2.0, 3.0))
    for image, magnification in zip(together, (1.0, 2.0, 3.0), strict=True):
        np.testing.assert_allclose(
            image, render(frames, views(magnification))[0], atol=1e-3
        )


@pytest.mark.parametrize("magnification", [1.0, 2.0, 4.0])
def test_edges_of_a_frame_are_not_black(magnification):
    frames = OriginalFrames(
        tf.fill([1, 64, 64, 3], 200.0),
        tf.constant([[32.0, 32.0]]),
        tf.fill([1, 2], 0.5),
    )
    size = round(32 * magnification)
    view = Views(
        tf.zeros([1, 2]),
        tf.constant([size, size]),
        tf.constant([magnification]),
        tf.constant([0]),
    )
    np.testing.assert_allclose(render(frames, view), 200.0, atol=1e-2)
