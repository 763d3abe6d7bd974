"""Frames that are filled with small objects."""

import types

import numpy as np
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from research.crowded import collect
from research.crowded import crowd


def frame(value, *boxes):
    return types.SimpleNamespace(
        image=np.full((100, 200, 3), value, np.uint8),
        truth=types.SimpleNamespace(boxes=np.array(boxes).reshape(-1, 4)),
    )


def test_small_objects_are_cut_with_their_surroundings():
    small, large = (40.0, 50.0, 60.0, 58.0), (10.0, 10.0, 90.0, 90.0)
    scene, patches = collect([frame(1, small), frame(2, large), frame(3)])
    assert (scene == 2).all()
    # 20 x 8 px and a quarter of 20 px on every side.
    assert [patch.shape for patch in patches] == [(30, 18, 3)]
    with pytest.raises(DataError, match="without small objects"):
        collect([frame(1, small)])


def test_copies_do_not_cover_each_other():
    scene = np.zeros((100, 200, 3), np.uint8)
    patches = [np.full((20, n, 3), n, np.uint8) for n in (10, 20)]
    crowded = crowd(scene, patches, 50)
    counts = [(crowded[..., 0] == n).sum() for n in (10, 20)]
    assert counts == [25 * 20 * 10, 25 * 20 * 20]
    assert not crowd(scene, patches, 0).any()
    with pytest.raises(ConfigError, match="at most 50"):
        crowd(scene, patches, 51)
