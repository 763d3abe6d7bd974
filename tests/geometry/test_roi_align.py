"""RoI align is where half pixels get lost: numbers, invariances, borders.

A half-pixel error here shifts every feature of a 16 px object by a share of
its size, and T^1.0 against F^0.5 by even more.
"""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.geometry.roi_align import roi_align
from featsr_tf.geometry.roi_align import sample_by_crops
from featsr_tf.geometry.roi_align import sample_by_gathering

RAMP = np.arange(25, dtype="float32").reshape(1, 5, 5, 1)
RAMP_BOX = [[1.0, 1.0, 3.0, 3.0]]
RAMP_SAMPLES = [
    [4.5, 5.0, 5.5, 6.0],
    [7.0, 7.5, 8.0, 8.5],
    [9.5, 10.0, 10.5, 11.0],
    [12.0, 12.5, 13.0, 13.5],
]


def align(features, boxes, crop_size=4, stride=1.0, first_center=0.0, **kwargs):
    boxes = tf.constant(boxes, tf.float32, shape=[len(boxes), 4])
    indices = kwargs.pop("indices", tf.zeros(len(boxes), tf.int32))
    features = tf.convert_to_tensor(features)
    return roi_align(
        features,
        boxes,
        indices,
        crop_size=crop_size,
        stride=stride,
        first_center=first_center,
        **kwargs,
    )


def slow_roi_align(
    features, boxes, indices, crop_size, stride, first_center, scale
):
    """The same in plain loops, one sample after the other."""
    height, width = features.shape[1:3]
    result = np.zeros((len(boxes), crop_size, crop_size, features.shape[3]))
    for n, (ymin, xmin, ymax, xmax) in enumerate(boxes):
        for i, j in np.ndindex(crop_size, crop_size):
            y = ymin + (ymax - ymin) * (i + 0.5) / crop_size
            x = xmin + (xmax - xmin) * (j + 0.5) / crop_size
            y = np.clip(
                (y * scale - 0.5 - first_center) / stride, 0, height - 1
            )
            x = np.clip((x * scale - 0.5 - first_center) / stride, 0, width - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            image = features[indices[n]].astype("float64")
            upper = image[top, left] * (1 - (x - left)) + image[top, right] * (
                x - left
            )
            lower = image[bottom, left] * (1 - (x - left)) + image[
                bottom, right
            ] * (x - left)
            result[n, i, j] = upper * (1 - (y - top)) + lower * (y - top)
    return result


def test_a_ramp_gives_the_numbers_of_detectron2():
    samples = align(RAMP, RAMP_BOX)[0, :, :, 0]
    np.testing.assert_allclose(samples, RAMP_SAMPLES, atol=1e-6)


def test_naive_normalized_boxes_would_give_other_numbers():
    naive = tf.image.crop_and_resize(
        RAMP, tf.constant(RAMP_BOX) / 5.0, tf.zeros(1, tf.int32), [4, 4]
    )[0, :, :, 0]
    np.testing.assert_allclose(naive[0, 0], 4.8, atol=1e-6)
    np.testing.assert_allclose(naive[3, 3], 14.4, atol=1e-6)
    assert np.abs(naive - RAMP_SAMPLES).max() > 0.8


@pytest.mark.parametrize("size", [1, 2, 7, 14])
def test_halving_image_and_box_changes_nothing(size):
    coordinates = np.arange(64, dtype="float32") + 0.5
    image = np.stack(np.meshgrid(coordinates, coordinates, indexing="ij"), -1)
    half = image.reshape(32, 2, 32, 2, 2).mean(axis=(1, 3))
    boxes = np.array([[8.3, 10.1, 50.7, 33.9], [4.0, 4.0, 9.0, 60.0]])
    whole = align(image[np.newaxis], boxes, size)
    by_scale = align(half[np.newaxis], boxes, size, scale=0.5)
    by_boxes = align(half[np.newaxis], boxes / 2, size)
    np.testing.assert_allclose(by_scale, whole, atol=1e-4)
    np.testing.assert_allclose(by_boxes, whole, atol=1e-4)


def test_cells_that_know_their_centre_give_back_the_point_they_look_at():
    stride, first_center = 16, 15
    centers = first_center + 0.5 + stride * np.arange(8, dtype="float32")
    features = np.stack(np.meshgrid(centers, centers, indexing="ij"), -1)
    box = [[20.0, 30.0, 84.0, 62.0]]
    points = align(features[np.newaxis], box, 2, stride, first_center)[0]
    np.testing.assert_allclose(points[:, 0, 0], [36.0, 68.0], atol=1e-4)
    np.testing.assert_allclose(points[0, :, 1], [38.0, 54.0], atol=1e-4)


@pytest.mark.parametrize("sample", [sample_by_crops, sample_by_gathering])
@pytest.mark.parametrize("height,width", [(5, 9), (1, 1), (1, 6)])
def test_random_boxes_agree_with_plain_loops_even_outside_the_image(
    height, width, sample
):
    generator = np.random.default_rng(0)
    features = generator.normal(size=(3, height, width, 2)).astype("float32")
    boxes = generator.uniform(-60, 200, size=(50, 4)).astype("float32")
    indices = generator.integers(0, 3, size=50).astype("int32")
    arguments = {"stride": 16, "first_center": 37.5, "scale": 0.5}
    samples = align(
        features, boxes, 3, indices=indices, sample=sample, **arguments
    )
    expected = slow_roi_align(
        features, boxes, indices, crop_size=3, **arguments
    )
    np.testing.assert_allclose(samples, expected, atol=1e-4)


def test_samples_beyond_the_border_take_the_outermost_cells():
    box = [[-100.0, -100.0, -90.0, -90.0], [90.0, 90.0, 100.0, 100.0]]
    samples = align(RAMP, box)
    np.testing.assert_array_equal(samples[0], np.zeros((4, 4, 1)))
    np.testing.assert_array_equal(samples[1], np.full((4, 4, 1), 24.0))


def test_the_last_pixel_row_is_not_lost_to_rounding():
    for size in range(2, 40):
        box = [[size - 0.5, size - 0.5, size - 0.5, size - 0.5]]
        ones = np.ones((1, size, size, 1), "float32")
        np.testing.assert_array_equal(align(ones, box), np.ones((1, 4, 4, 1)))


def test_empty_and_turned_boxes_give_finite_values():
    boxes = [[2.5, 2.5, 2.5, 2.5], [0.0, 0.0, 0.0, 0.0], [4.0, 4.0, 1.0, 1.0]]
    samples = align(RAMP, boxes)
    assert np.isfinite(samples).all()
    np.testing.assert_allclose(samples[0], np.full((4, 4, 1), 12.0), atol=1e-6)


def test_no_boxes_give_no_features_and_no_gradient():
    features = tf.Variable(RAMP)
    with tf.GradientTape() as tape:
        samples = align(features, np.zeros((0, 4)))
        total = tf.reduce_sum(samples)
    assert samples.shape == (0, 4, 4, 1)
    gradient = tf.convert_to_tensor(tape.gradient(total, features))
    np.testing.assert_array_equal(gradient, np.zeros_like(RAMP))


def test_the_gradient_is_that_of_finite_differences():
    generator = np.random.default_rng(1)
    weights = generator.normal(size=(2, 3, 3, 1)).astype("float32")
    boxes = [[0.2, -1.0, 3.7, 4.4], [1.0, 1.0, 6.0, 2.0]]

    def weighted_sum(features):
        return tf.reduce_sum(align(features, boxes, 3) * weights)

    theoretical, numerical = tf.test.compute_gradient(
        weighted_sum, [RAMP / 25], delta=1.0
    )
    np.testing.assert_allclose(theoretical[0], numerical[0], atol=1e-4)
    assert np.abs(theoretical[0]).max() > 0.1


def test_graph_mode_and_unknown_sizes_give_the_same():
    signature = [
        tf.TensorSpec([None, None, None, 1]),
        tf.TensorSpec([None, 4]),
        tf.TensorSpec([None], tf.int32),
    ]
    graph = tf.function(
        lambda features, boxes, indices: roi_align(
            features,
            boxes,
            indices,
            crop_size=4,
            stride=1.0,
            first_center=0.0,
        ),
        input_signature=signature,
    )
    samples = graph(RAMP, tf.constant(RAMP_BOX), tf.zeros(1, tf.int32))
    assert graph.get_concrete_function().output_shapes.as_list() == [
        None,
        4,
        4,
        1,
    ]
    np.testing.assert_allclose(samples, align(RAMP, RAMP_BOX), atol=1e-6)
