"""Anchors stand at the true centres of cells, in the API's shapes."""

import numpy as np

from featsr_tf.geometry.boxes import anchor_grid
from featsr_tf.geometry.boxes import anchors_of_one_cell


def test_cell_anchors_have_the_shapes_of_the_object_detection_api():
    anchors = anchors_of_one_cell(256, 256, [0.5, 1.0], [0.5, 2.0]).numpy()
    heights = anchors[:, 2] - anchors[:, 0]
    widths = anchors[:, 3] - anchors[:, 1]
    root = np.sqrt(2.0)
    np.testing.assert_allclose(
        heights, [128 * root, 128 / root, 256 * root, 256 / root], rtol=1e-5
    )
    np.testing.assert_allclose(
        widths, [128 / root, 128 * root, 256 / root, 256 * root], rtol=1e-5
    )
    np.testing.assert_allclose(anchors[:, :2], -anchors[:, 2:], rtol=1e-5)


def test_anchors_stand_at_the_centres_of_cells():
    cell = anchors_of_one_cell(10, 10, [1.0], [1.0])
    grid = anchor_grid(cell, 2, 3, stride=16, first_center=15.0).numpy()
    centers = (grid[:, :2] + grid[:, 2:]) / 2
    expected = [[y, x] for y in (15.5, 31.5) for x in (15.5, 31.5, 47.5)]
    np.testing.assert_allclose(centers, expected, rtol=1e-5)


def test_all_anchors_of_a_cell_stand_together():
    cell = anchors_of_one_cell(10, 20, [1.0, 3.0], [1.0])
    grid = anchor_grid(cell, 1, 2, stride=8, first_center=-0.5).numpy()
    np.testing.assert_allclose(
        grid,
        [
            [-5, -10, 5, 10],
            [-15, -30, 15, 30],
            [-5, -2, 5, 18],
            [-15, -22, 15, 38],
        ],
        atol=1e-4,
    )


def test_anchors_are_those_of_the_object_detection_api_moved_to_the_centres():
    """The API: scale / sqrt(ratio) by scale * sqrt(ratio) at index * stride."""
    scales, ratios = [0.25, 0.5, 1.0, 2.0], [0.5, 1.0, 2.0]
    expected = []
    for row in range(2):
        for column in range(3):
            for scale in scales:
                for ratio in ratios:
                    height = scale / np.sqrt(ratio) * 256 / 2
                    width = scale * np.sqrt(ratio) * 256 / 2
                    y, x = row * 16, column * 16
                    expected.append([y - height, x - width])
                    expected[-1] += [y + height, x + width]
    cell = anchors_of_one_cell(256, 256, scales, ratios)
    # Cells whose centre is the middle of pixel 0: half a pixel from its
    # border, where the API puts its centres.
    grid = anchor_grid(cell, 2, 3, stride=16, first_center=0.0).numpy()
    order = np.lexsort(np.round(grid, 3).T[::-1])
    reference = np.array(expected)
    reference_order = np.lexsort(np.round(reference, 3).T[::-1])
    np.testing.assert_allclose(
        grid[order] - 0.5, reference[reference_order], atol=1e-3
    )
