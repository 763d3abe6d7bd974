"""Fixtures of all tests, and the devices that TensorFlow shows to them."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
import tensorflow as tf

from tests.support import SHARED

# Two replicas need two devices, which cannot be added after the first op.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


@pytest.fixture(autouse=True)
def seed() -> int:
    """The seed that Python, NumPy and TensorFlow start each test with."""
    keras.utils.set_random_seed(0)
    return 0


@pytest.fixture
def shared() -> pathlib.Path:
    """The folder beside the repository with real data and weights."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared material at {SHARED}")
    return SHARED
