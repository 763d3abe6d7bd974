"""A second look through windows: where they lie, and what is seen in them."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.resize import enlarged_image
from featsr_tf.geometry.receptive_field import receptive_field
from featsr_tf.geometry.windows import choose_places
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.zoom import ZoomRefiner
from featsr_tf.model.zoom import cut
from featsr_tf.model.zoom import place_windows
from tests.model.small import small_detector

SIZE = tf.constant([128, 256])


def place(boxes, image_indices=None, window_size=64, margin=8, step=8):
    boxes = tf.constant(boxes, tf.float32)
    if image_indices is None:
        image_indices = [0] * len(boxes)
    return place_windows(
        boxes, tf.constant(image_indices), SIZE, window_size, margin, step
    )


def test_a_window_lies_around_its_box_on_the_grid_of_cells():
    # The centre 50, 100 asks for the corner 18, 68: 16, 64 or 72 on the grid.
    windows = place([[45, 95, 55, 105]])
    np.testing.assert_array_equal(windows.corners, [[16, 64]])
    np.testing.assert_array_equal(windows.size, [64, 64])
    np.testing.assert_array_equal(windows.is_held, [True])


def test_a_window_lies_within_the_image():
    windows = place([[0, 0, 10, 10], [118, 246, 128, 256]])
    np.testing.assert_array_equal(windows.corners, [[0, 0], [64, 192]])
    assert np.all(windows.is_held)


def test_a_window_is_no_larger_than_the_image():
    windows = place([[10, 100, 20, 110]], window_size=160, margin=24)
    np.testing.assert_array_equal(windows.size, [128, 160])
    np.testing.assert_array_equal(windows.corners, [[0, 24]])


def test_boxes_near_each_other_share_a_window():
    # The outer ones have windows that hold two, the middle one holds all.
    windows = place([[40, 40, 50, 50], [40, 60, 50, 70], [40, 78, 50, 88]])
    np.testing.assert_array_equal(windows.corners, [[16, 32]])
    np.testing.assert_array_equal(windows.of_boxes, [0, 0, 0])
    assert np.all(windows.is_held)


def test_boxes_of_other_images_have_windows_of_their_own():
    windows = place([[40, 40, 50, 50]] * 3, [1, 0, 1])
    assert len(windows.corners) == 2
    image_indices = tf.gather(windows.image_indices, windows.of_boxes)
    np.testing.assert_array_equal(image_indices, [1, 0, 1])


def test_a_box_with_its_margin_wider_than_a_window_is_held_by_none():
    windows = place([[40, 40, 50, 89], [40, 40, 50, 87]])
    np.testing.assert_array_equal(windows.is_held, [False, True])


def test_where_no_box_is_held_there_is_a_window_all_the_same():
    windows = place([[40, 40, 50, 120]])
    assert len(windows.corners) == 1
    np.testing.assert_array_equal(windows.is_held, [False])


def test_the_margin_ends_where_the_image_ends():
    windows = place([[60, 10, 70, 70]], window_size=64, margin=0)
    np.testing.assert_array_equal(windows.is_held, [True])
    windows = place([[0, 0, 56, 56], [1, 1, 57, 57]], margin=8)
    np.testing.assert_array_equal(windows.is_held, [True, False])


def test_the_place_that_holds_most_is_taken_first():
    holds = np.eye(5, dtype=bool)
    holds[1, :3] = True
    holds[2, [2, 3]] = True
    np.testing.assert_array_equal(
        choose_places(tf.constant(holds)), [False, True, True, False, True]
    )


def test_what_is_cut_out_are_the_pixels_of_the_window():
    images = np.random.default_rng(0).normal(size=(2, 128, 256, 3))
    windows = place([[45, 95, 55, 105], [0, 0, 10, 10]], [1, 0])
    found = cut(tf.constant(images), windows)
    for crop, (top, left), image in zip(
        found, windows.corners.numpy(), windows.image_indices, strict=True
    ):
        expected = images[image][top : top + 64, left : left + 64]
        np.testing.assert_array_equal(crop, expected)


@pytest.fixture(scope="module")
def detector():
    return small_detector()


def noise(batch=2, height=256, width=320):
    generator = np.random.default_rng(0)
    values = generator.uniform(0, 255, (batch, height, width, 3))
    return tf.constant(values, tf.float32)


# In the middle, at two borders, and one too long for any window.
BOXES = tf.constant(
    [
        [118.0, 131.5, 134.0, 150.0],
        [0.0, 100.0, 20.0, 120.0],
        [236.0, 300.0, 256.0, 320.0],
        [130.0, 20.0, 140.0, 230.0],
    ]
)
INDICES = tf.constant([1, 0, 1, 0])


def proposals(images, boxes=BOXES, indices=INDICES):
    base = tf.random.normal([len(boxes), 3, 3, 12])
    return ChosenProposals(boxes, indices, base, {}, images)


def zoom(detector, margin, window_size):
    return ZoomRefiner(
        detector.backbone, detector.pool_base, window_size, margin
    )


def magnified(detector, images, scale=1.0):
    """Features of the boxes on the whole image, enlarged twice."""
    features = detector.extract(enlarged_image(images))["base"]
    return detector.pool_base(features, BOXES * scale, INDICES, 2.0)


def test_beyond_the_receptive_field_it_is_the_enlarged_image_exactly(detector):
    # What a bin reads reaches half a field, and one cell, from its centre; the
    # interpolation at the edge of a window two pixels more.
    field = receptive_field(detector.extractor, "base")
    margin = (field.size // 2 + field.stride) // 2 + 2
    assert margin < 40
    images = noise()
    found = zoom(detector, margin, 128)(proposals(images))
    expected = magnified(detector, images)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(found[:3], expected[:3], rtol=1e-4, atol=1e-5)


def test_with_a_narrow_margin_it_is_the_enlarged_image_nearly(detector):
    images = noise()
    chosen = proposals(images)
    expected = magnified(detector, images)[0]
    plain = detector.pool_base(
        detector.extract(images)["base"], BOXES, INDICES
    )[0]

    def distance(features):
        return float(tf.norm(features - expected) / tf.norm(expected))

    found = zoom(detector, 0, 32)(chosen)[0]
    assert 1e-3 < distance(found) < distance(plain)


def test_what_no_window_holds_keeps_its_plain_features(detector):
    chosen = proposals(noise())
    found = zoom(detector, 16, 128)(chosen)
    np.testing.assert_array_equal(found[3], chosen.base[3])
    assert not np.allclose(found[0], chosen.base[0])


def test_on_a_half_image_boxes_lie_at_half_scale(detector):
    images = noise(2, 128, 160)
    found = zoom(detector, 38, 128)(proposals(images), image_scale=0.5)
    expected = magnified(detector, images, 0.5)
    np.testing.assert_allclose(found[:3], expected[:3], rtol=1e-4, atol=1e-5)


def test_it_has_no_variables_and_gives_no_gradient(detector):
    refiner = zoom(detector, 16, 96)
    assert not refiner.variables
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(refiner(proposals(noise())))
    kernel = detector.extractor.trainable_variables[0].value
    assert tape.gradient(total, kernel) is None


def test_one_graph_serves_any_number_of_boxes_and_any_size(detector):
    refiner = zoom(detector, 16, 96)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4]),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, None, None, 3]),
        ]
    )
    def look(boxes, indices, images):
        base = tf.zeros([tf.shape(boxes)[0], 3, 3, 12])
        chosen = ChosenProposals(boxes, indices, base, {}, images)
        return refiner(chosen)

    for size in ((256, 320), (64, 32)):
        images = noise(2, *size)
        boxes = BOXES * tf.constant([size[0] / 256, size[1] / 320] * 2)
        together = look(boxes, INDICES, images)
        assert together.shape == (4, 3, 3, 12)
        one = slice(0, 1)
        chosen = ChosenProposals(
            boxes[one], INDICES[one], tf.zeros([1, 3, 3, 12]), {}, images
        )
        alone = look(boxes[one], INDICES[one], images)
        np.testing.assert_allclose(alone, refiner(chosen), atol=1e-4)
