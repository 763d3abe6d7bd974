"""Pooled features on a ramp, where every number is a coordinate."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.geometry.roi_align import RoiPooling

# Cell i is centred on pixel 1.5 + 4 i, at the coordinate 2 + 4 i.
CELLS = ReceptiveField(size=7, stride=4, first_center=1.5)
BOX = tf.constant([[8.0, 8.0, 24.0, 24.0]])
FIRST = tf.constant([0])


def ramp(batch=1):
    """Features whose value is the x coordinate of their cell's centre."""
    x = tf.range(2.0, 34.0, 4.0)
    return tf.tile(x[None, None, :, None], [batch, 8, 1, 1])


@pytest.mark.parametrize(
    "crop_size, kernel, stride, size",
    [(7, 1, 1, 7), (14, 2, 2, 7), (6, 3, 2, 2)],
)
def test_the_output_size_is_that_of_the_output(crop_size, kernel, stride, size):
    pooling = RoiPooling(
        CELLS,
        crop_size,
        maxpool_kernel_size=kernel,
        maxpool_stride=stride,
    )
    assert pooling.output_size == size
    assert pooling(ramp(), BOX, FIRST).shape == (1, size, size, 1)


def test_samples_lie_in_the_middle_of_the_bins():
    pooled = RoiPooling(CELLS, 4)(ramp(), BOX, FIRST)
    for row in pooled[0, :, :, 0]:
        np.testing.assert_allclose(row, [10, 14, 18, 22], rtol=1e-6)


def test_the_max_pool_works_on_the_samples():
    pooled = RoiPooling(CELLS, 4, maxpool_kernel_size=2, maxpool_stride=2)(
        ramp(), BOX, FIRST
    )
    for row in pooled[0, :, :, 0]:
        np.testing.assert_allclose(row, [14, 22], rtol=1e-6)


def test_boxes_stay_in_full_pixels_when_the_image_is_half_as_large():
    pooled = RoiPooling(CELLS, 4)(ramp(), BOX, FIRST, image_scale=0.5)
    for row in pooled[0, :, :, 0]:
        np.testing.assert_allclose(row, [5, 7, 9, 11], rtol=1e-6)


def test_each_box_is_pooled_from_its_own_image():
    features = ramp(2) * tf.constant([1.0, -1.0])[:, None, None, None]
    boxes = tf.concat([BOX, BOX], axis=0)
    pooled = RoiPooling(CELLS, 4)(features, boxes, tf.constant([1, 0]))
    np.testing.assert_array_equal(pooled[0], -pooled[1])
    assert np.all(pooled[1] > 0)


def test_crops_are_those_of_tensorflow_for_boxes_relative_to_the_image():
    # 11 cells of 4 px are more than the 42 px of the image.
    generator = np.random.default_rng(0)
    features = generator.normal(size=(2, 11, 8, 3)).astype("float32")
    boxes = np.array([[3, 2, 40, 31.5], [0, 0, 42, 32], [7, 9, 8, 30.0]])
    size = np.array([42, 32])
    rows = tf.constant([1, 0, 1])
    pooled = RoiPooling(CELLS, 5, crops=True)(
        features, tf.constant(boxes, tf.float32), rows, image_size=size
    )
    expected = tf.image.crop_and_resize(
        features, boxes / np.tile(size, 2), rows, (5, 5)
    )
    np.testing.assert_allclose(pooled, expected, rtol=1e-4, atol=1e-5)


def test_crops_reach_from_edge_to_edge():
    # x of the 32 px lies at cell x / 32 * 7, whose value is 2 + 4 x / 32 * 7.
    pooled = RoiPooling(CELLS, 3, crops=True)(ramp(), BOX, FIRST)
    np.testing.assert_allclose(pooled[0, 1, :, 0], [9, 16, 23], rtol=1e-6)


def test_targets_are_sampled_where_the_crop_at_half_scale_looks():
    halved = 2.0 * ramp()[:, :, :4]
    pooled = RoiPooling(CELLS, 5, crops=True)(halved, BOX, FIRST, 0.5)
    # Cells of the twin look elsewhere: values tell the place all the same.
    twin = ReceptiveField(size=14, stride=4, first_center=3.5)
    targets = RoiPooling(twin, 5, crops=True, halved_cells=CELLS)(
        ramp() + 2.0, BOX, FIRST
    )
    np.testing.assert_allclose(targets[0, 0, :, 0], pooled[0, 0, :, 0])
