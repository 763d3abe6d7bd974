"""Checkpoints: the newest is found, old ones go, damage is named."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import DataError
from featsr_tf.training import checkpoints
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.checkpoints import StageCheckpoints


def layer(value, units=2):
    """Stands for a detector."""
    dense = keras.layers.Dense(units, use_bias=False)
    dense.build((None, 3))
    dense.kernel.assign(tf.fill([3, units], float(value)))
    return dense


def files(path, stage):
    folder = path / "checkpoints" / stage
    return sorted(file.name for file in folder.glob("*.index"))


def test_a_checkpoint_brings_back_values_and_step(tmp_path):
    saved = StageCheckpoints(str(tmp_path), BASE, {"detector": layer(7)})
    assert saved.restore() == 0
    saved.save(30)
    other = layer(1)
    restored = StageCheckpoints(str(tmp_path), BASE, {"detector": other})
    assert restored.restore() == 30
    assert np.all(other.kernel == 7.0)


def test_the_last_two_are_kept_even_over_a_continuation(tmp_path):
    detector = layer(7)
    for first in (0, 3):
        saved = StageCheckpoints(str(tmp_path), BASE, {"detector": detector})
        assert saved.restore() == first
        for step in range(first + 1, first + 4):
            saved.save(step)
        kept = [f"ckpt-{step}.index" for step in (first + 2, first + 3)]
        assert files(tmp_path, BASE) == kept


def test_the_newest_stage_is_the_last_with_a_checkpoint(tmp_path):
    assert checkpoints.newest_stage(str(tmp_path)) is None
    for stage in (BASE, FINE_TUNE, SUPER_RESOLUTION):
        StageCheckpoints(str(tmp_path), stage, {"detector": layer(1)}).save(1)
    assert checkpoints.newest_stage(str(tmp_path)) == FINE_TUNE


def test_a_detector_is_restored_without_the_rest_of_its_stage(tmp_path):
    objects = {"detector": layer(7), "discriminator": layer(3)}
    StageCheckpoints(str(tmp_path), BASE, objects).save(12)
    detector = layer(1)
    path = checkpoints.restore_detector(detector, str(tmp_path), BASE)
    assert path.endswith("ckpt-12")
    assert np.all(detector.kernel == 7.0)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(DataError, match="base: no checkpoint found"):
        checkpoints.restore_detector(layer(1), str(tmp_path), BASE)


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path, caplog):
    objects = {"detector": layer(7), "discriminator": layer(3)}
    StageCheckpoints(str(tmp_path), BASE, objects).save(5)
    detector = layer(1, units=4)
    with pytest.raises(
        DataError, match="ckpt-5: .* is whole, but not of this config"
    ):
        checkpoints.restore_detector(detector, str(tmp_path), BASE)
    saved = StageCheckpoints(str(tmp_path), BASE, {"detector": detector})
    with pytest.raises(
        DataError, match="ckpt-5: .* is whole, but not of this config"
    ):
        saved.restore()
    # TensorFlow would list values when it forgets the checkpoint.
    del saved
    gc.collect()
    assert not caplog.records


def test_a_checkpoint_without_our_variables_is_refused(tmp_path):
    StageCheckpoints(str(tmp_path), BASE, {"other": layer(7)}).save(5)
    with pytest.raises(DataError, match="ckpt-5: "):
        checkpoints.restore_detector(layer(1), str(tmp_path), BASE)
