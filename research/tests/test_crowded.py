"""Frames that are filled with small objects."""

import types

import numpy as np
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from research.crowded import Patch
from research.crowded import collect
from research.crowded import crowd
from research.crowded import small_precision


def frame(value, *boxes):
    return types.SimpleNamespace(
        image=np.full((100, 200, 3), value, np.uint8),
        truth=GroundTruth(1, "frame.png", 100, 200, boxes, [7] * len(boxes)),
    )


def test_small_objects_are_cut_with_their_surroundings():
    small, large = (40.0, 50.0, 60.0, 58.0), (10.0, 10.0, 90.0, 90.0)
    frames = [frame(1, small), frame(2, large), frame(3), frame(4)]
    scenes, patches = collect(frames, 2)
    assert [scene.image[0, 0, 0] for scene in scenes] == [2, 3]
    (patch,) = patches
    # 20 x 8 px and a quarter of 20 px on every side.
    assert patch.pixels.shape == (30, 18, 3)
    assert patch.box.tolist() == [5.0, 5.0, 25.0, 13.0]
    assert patch.class_id == 7
    with pytest.raises(DataError, match="found 3 and 1"):
        collect(frames, 4)
    with pytest.raises(DataError, match="found 1 and 0"):
        collect(frames[1:2], 1)


def patch(value):
    box = np.array([2.0, 3.0, 18.0, 7.0])
    return Patch(np.full((20, value, 3), value, np.uint8), box, value)


def test_copies_do_not_cover_each_other_and_their_boxes_are_told():
    large = (10.0, 10.0, 90.0, 90.0)
    crowded, truth = crowd(frame(0, large), [patch(10), patch(20)], 50)
    counts = [(crowded[..., 0] == n).sum() for n in (10, 20)]
    assert counts == [25 * 20 * 10, 25 * 20 * 20]
    assert truth.classes.tolist() == [10, 20] * 25
    for (top, left, bottom, right), value in zip(
        truth.boxes.astype(int), truth.classes, strict=True
    ):
        assert (bottom - top, right - left) == (16, 4)
        assert (crowded[top:bottom, left:right] == value).all()
    crowded, truth = crowd(frame(0), [patch(10)], 0)
    assert not crowded.any()
    assert len(truth.boxes) == 0
    with pytest.raises(ConfigError, match="at most 50"):
        crowd(frame(0), [patch(20)], 51)


def test_precision_is_that_of_the_small_objects():
    large = (10.0, 10.0, 90.0, 90.0)
    crowds = [crowd(frame(0, large), [patch(10), patch(10)], 2)]
    ((_, truth),) = crowds

    def way(image):
        found = [*truth.boxes[:1], large]
        return Detections(1, found, [0.9, 0.8], [10, 10])

    # One of two, with one threshold of recall each hundredth.
    assert small_precision(crowds, way) == pytest.approx(51 / 101)
