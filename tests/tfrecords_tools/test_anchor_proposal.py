"""Coverage is compared with real anchors on a real grid, laid out in full."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.geometry.boxes import anchor_grid
from featsr_tf.geometry.boxes import anchors_of_one_cell
from featsr_tf.geometry.boxes import intersection_over_union
from tests.model.small import CONFIG
from tests.model.small import small_pipeline
from tfrecords_tools.proposals import AnchorGrid
from tfrecords_tools.proposals import ObjectShapes
from tfrecords_tools.proposals import coverage
from tfrecords_tools.proposals import limit
from tfrecords_tools.proposals import propose

GRID = AnchorGrid((0.125, 0.25), (0.5, 1.0, 2.0))


def shapes_of(sizes, **groups) -> ObjectShapes:
    return ObjectShapes(np.array(sizes, np.float64), groups)


def random_sizes(count: int) -> np.ndarray:
    return np.exp2(np.random.default_rng(0).uniform(3, 7, (count, 2)))


def best_ious_on_a_grid(sizes: np.ndarray, grid: AnchorGrid) -> np.ndarray:
    """Puts objects at random places and compares them with all anchors."""
    cell = anchors_of_one_cell(
        grid.height, grid.width, grid.scales, grid.aspect_ratios
    )
    anchors = anchor_grid(cell, 24, 24, 16, 7.5)
    centers = np.random.default_rng(1).uniform(160, 224, (len(sizes), 2))
    boxes = np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=1)
    boxes = tf.constant(boxes[None], tf.float32)
    ious = intersection_over_union(boxes, anchors[None])[0]
    return tf.reduce_max(ious, axis=1).numpy()


def test_shapes_are_those_of_the_anchors_that_training_uses():
    grid = AnchorGrid((0.5, 2.0), (0.5, 1.0, 3.0), height=64, width=32)
    boxes = anchors_of_one_cell(64, 32, (0.5, 2.0), (0.5, 1.0, 3.0)).numpy()
    np.testing.assert_allclose(
        grid.shapes, boxes[:, 2:] - boxes[:, :2], rtol=1e-5
    )


def test_coverage_is_that_of_objects_at_random_places_of_a_whole_grid():
    sizes = random_sizes(4000)
    best = best_ious_on_a_grid(sizes, GRID)
    small = sizes.prod(axis=1) < 1024
    found = coverage(ObjectShapes(sizes, {"small": small}), GRID)
    assert found.num_anchors == 6
    assert found.mean_iou == pytest.approx(best.mean(), abs=0.01)
    for iou, recall in found.recalls.items():
        assert recall == pytest.approx((best >= iou).mean(), abs=0.02)
    expected = (best[small] >= 0.5).mean()
    assert found.recalls_by_group["small"] == pytest.approx(expected, abs=0.03)


def test_the_overlap_of_two_squares_at_the_four_by_four_places():
    # Centres are 1, 3, 5 and 7 px apart in y and in x.
    overlaps = shapes_of([[32, 32]]).overlaps(np.array([[32.0, 32.0]]))
    first, last = 31 * 31, 25 * 25
    assert overlaps.shape == (1, 1, 16)
    assert overlaps[0, 0, 0] == pytest.approx(first / (2048 - first))
    assert overlaps[0, 0, -1] == pytest.approx(last / (2048 - last))


def test_no_anchors_surpass_the_limit():
    objects = shapes_of(random_sizes(500))
    sides = np.exp2(np.linspace(3, 8, 60))
    grid = AnchorGrid(tuple(sides / 256), (0.25, 0.5, 0.7, 1, 1.4, 2, 4))
    reached, bound = coverage(objects, grid), limit(objects)
    assert bound.mean_iou - 0.03 < reached.mean_iou <= bound.mean_iou + 0.002
    for iou, recall in reached.recalls.items():
        assert recall <= bound.recalls[iou] + 0.01


def test_a_small_object_meets_no_anchor_well_wherever_it_stands():
    # A 10 px square 5 px off in y and x: 15 x 15 px hold it, IoU 100 / 225.
    assert limit(shapes_of([[10, 10]])).recalls[0.5] < 0.45
    assert limit(shapes_of([[200, 200]])).recalls[0.7] == 1


def test_one_shape_of_object_needs_one_anchor():
    grid = propose(shapes_of([[128, 128]] * 5))
    assert len(grid.shapes) == 1
    assert grid.shapes[0] == pytest.approx([128, 128], rel=0.1)


def test_scales_go_where_the_objects_are():
    grid = propose(shapes_of([[48, 48]] * 50 + [[400, 400]] * 50))
    sides = np.array(grid.scales) * 256
    assert grid.aspect_ratios == (1.0,)
    assert np.abs(np.log2(sides / 48)).min() < 0.3
    assert np.abs(np.log2(sides / 400)).min() < 0.3
    assert not ((sides > 80) & (sides < 280)).any()


def test_aspect_ratios_follow_the_objects():
    grid = propose(shapes_of([[100, 300]] * 50 + [[300, 100]] * 50))
    assert min(grid.aspect_ratios) == pytest.approx(1 / 3, abs=0.05)
    assert max(grid.aspect_ratios) == pytest.approx(3, abs=0.3)
    tall = propose(shapes_of([[300, 100]] * 50))
    assert tall.aspect_ratios == pytest.approx([1 / 3], abs=0.05)


def test_a_proposal_beats_the_usual_anchors_with_fewer():
    objects = ObjectShapes(random_sizes(300) * 0.7, {})
    usual = AnchorGrid((0.0625, 0.125, 0.25, 0.5, 1.0, 2.0), (0.5, 1.0, 2.0))
    grid = propose(objects)
    assert len(grid.shapes) < len(usual.shapes)
    assert coverage(objects, grid).mean_iou > coverage(objects, usual).mean_iou


def test_the_same_objects_in_another_order_get_the_same_anchors():
    sizes = random_sizes(200)
    assert propose(ObjectShapes(sizes, {})) == propose(
        ObjectShapes(sizes[::-1], {})
    )


def test_objects_below_a_pixel_are_no_obstacle():
    assert propose(shapes_of([[0.0, 0.3], [40, 40]])).scales


def test_the_text_is_a_message_of_the_config():
    _, _, text = CONFIG.partition("first_stage_anchor_generator")
    old, _, _ = text.partition("first_stage_box_predictor_depth")
    name = "first_stage_anchor_generator"
    pipeline = small_pipeline(text=CONFIG.replace(name + old, GRID.to_text()))
    anchors = pipeline.model.faster_rcnn.first_stage_anchor_generator
    grid = anchors.grid_anchor_generator
    assert tuple(grid.scales) == GRID.scales
    assert tuple(grid.aspect_ratios) == GRID.aspect_ratios
    assert (grid.height, grid.width) == (256, 256)
