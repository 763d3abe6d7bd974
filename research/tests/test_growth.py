"""Growth: exponents of known curves, and works of the sizes asked for."""

import numpy as np
import PIL.Image
import pytest

from featsr_tf.data.keys import Batch
from research.growth.figures import Curve
from research.growth.figures import plot
from research.growth.figures import table
from research.growth.parts import PARTS
from research.growth.parts import make_part
from research.growth.points import AXES
from research.growth.points import SUBJECTS
from research.growth.points import Point
from research.growth.points import make_work
from research.growth.points import points_of
from research.growth.points import random_batch
from research.growth.points import size
from tests.model.small import small_backbone
from tests.model.small import small_pipeline

SIZES = (1, 2, 4, 8)


def curve(values, unit="s", axis="batch"):
    return Curve("step", axis, SIZES, SIZES, values, unit)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5, 2.0])
def test_the_exponent_of_a_power_is_found(exponent):
    grown = curve([3.0 * value**exponent for value in SIZES])
    assert grown.exponent == pytest.approx(exponent)
    assert grown.last_exponent == pytest.approx(exponent)


def test_quadratic_growth_behind_a_constant_shows_at_the_end():
    grown = curve([20.0 + value**2 for value in SIZES])
    assert grown.exponent < 0.7
    # From 36 to 84.
    assert grown.last_exponent == pytest.approx(np.log2(84 / 36))


def test_a_table_has_a_line_for_each_curve():
    heading, time, memory = table(
        [
            curve([0.010, 0.020, 0.040, 0.080]),
            curve([100.0, 100.0, 100.0, 100.0], "MB"),
        ]
    ).splitlines()
    assert heading.split() == "batch 1 2 4 8 exponent at the end".split()
    assert time.split() == "step, ms 10 20 40 80 1.00 1.00".split()
    assert memory.split() == "step, MB 100 100 100 100 0.00 0.00".split()


def test_a_plot_has_a_panel_for_each_axis_and_unit(tmp_path):
    curves = [
        curve([1.0, 2.0, 3.0, 4.0], unit, axis)
        for unit in ("s", "MB")
        for axis in ("batch", "classes", "side")
    ]
    path = tmp_path / "growth.png"
    plot(curves, str(path))
    with PIL.Image.open(path) as picture:
        assert picture.size == (900, 600)


@pytest.mark.parametrize("axis", AXES)
def test_every_axis_begins_at_the_same_point(axis):
    first, *others = points_of(axis)
    assert first == Point()
    amounts = [size(point, axis) for point in (first, *others)]
    assert amounts == sorted(set(amounts))


def test_the_amount_of_an_image_is_its_pixels():
    assert size(Point(side=1024), "side") == 1024**2
    assert size(Point(batch=8), "batch") == 8


def test_random_objects_lie_within_their_images():
    point = Point(side=96, batch=2, classes=3, objects=50)
    batch = random_batch(point)
    boxes = batch[Batch.BOXES].numpy()
    assert boxes.shape == (2, 50, 4)
    assert boxes.min() >= 0 and boxes.max() <= 96
    assert (boxes[..., 2:] - boxes[..., :2] >= 10).all()
    assert set(batch[Batch.CLASSES].numpy().ravel()) == {1, 2, 3}
    assert len(np.unique(batch[Batch.SEEDS].numpy(), axis=0)) == 2


@pytest.mark.parametrize("subject", SUBJECTS)
def test_works_have_the_sizes_of_their_point(subject, eager):
    pipeline = small_pipeline()
    point = Point(side=64, proposals=20, batch=2, classes=5, objects=3)
    with small_backbone():
        found = make_work(pipeline, subject, point)()
    # The config itself stays as it is.
    assert pipeline.model.faster_rcnn.num_classes == 2
    if subject == "inference":
        assert found.classes.shape[0] == 2
        assert found.classes.numpy().max() == 5
    else:
        assert np.isfinite(found["loss"])


def test_all_points_have_the_same_random_weights(eager):
    point = Point(side=64, proposals=20)
    with small_backbone():
        one, other = (
            make_work(small_pipeline(), "inference", point)() for _ in range(2)
        )
    np.testing.assert_array_equal(one.scores, other.scores)
    assert np.ptp(one.scores.numpy()) > 0


@pytest.mark.parametrize("name", PARTS)
def test_every_part_does_what_its_name_says(name):
    found = make_part(name, min(PARTS[name]))()
    if name.startswith("matching"):
        assert found.labels.shape == (1, 8192)
        assert found.labels.numpy().max() == 1
    else:
        assert found.count.numpy() == 100
