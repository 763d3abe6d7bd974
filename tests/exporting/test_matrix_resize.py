"""Resizing by matrices gives what training's kernels give."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.resize import FixedShapeResizer
from featsr_tf.data.resize import KeepAspectRatioResizer
from featsr_tf.exporting.signatures import resize_by_matrices
from featsr_tf.exporting.signatures import resize_one_by_one
from tests.server.models import random_images


@pytest.mark.parametrize(
    "resizer",
    [
        KeepAspectRatioResizer(31, 60),
        KeepAspectRatioResizer(50, 70),
        KeepAspectRatioResizer(90, 100),
        KeepAspectRatioResizer(33, 40, method="bilinear"),
        FixedShapeResizer(20, 30),
        FixedShapeResizer(64, 30),
        FixedShapeResizer(20, 99),
        FixedShapeResizer(99, 150),
        FixedShapeResizer(64, 30, method="nearest"),
    ],
)
def test_it_equals_the_kernels(resizer):
    images = tf.constant(random_images(2, 50, 70))
    expected = resize_one_by_one(images, resizer)
    found = resize_by_matrices(images, resizer)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_image_halved_is_the_mean_of_four_pixels():
    image = np.zeros([1, 4, 4, 3], np.uint8)
    image[0, :2, :2, 0] = [[10, 20], [30, 40]]
    found = resize_by_matrices(image, FixedShapeResizer(2, 2))
    np.testing.assert_allclose(found[0, ..., 0], [[25, 0], [0, 0]], atol=1e-4)
