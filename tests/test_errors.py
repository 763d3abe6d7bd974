"""What a user can act on is said in one line."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import exit_on_error
from featsr_tf.errors import memory_problem


def allocate_with_tensorflow():
    tf.zeros([10**7, 10**7])


def allocate_with_numpy():
    np.ones([10**7, 10**7])


@pytest.mark.parametrize(
    ("allocate", "start"),
    [
        pytest.param(
            allocate_with_tensorflow,
            "error: not enough memory on CPU:0; lower",
            # Its allocator waits ten seconds for memory that others may free.
            marks=pytest.mark.heavy,
        ),
        (allocate_with_numpy, "error: not enough memory; lower"),
    ],
)
def test_too_little_memory_names_what_to_lower(allocate, start, capsys):
    with pytest.raises(SystemExit) as stopped, exit_on_error():
        with tf.device("CPU:0"):
            allocate()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(start)
    for field in ("train_config.batch_size", "training_crop", "--batch_size"):
        assert field in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "No space left on device"),
        tf.errors.InternalError(None, None, "something else"),
        ValueError("OOM"),
    ],
)
def test_other_errors_are_none_of_memory(error):
    assert memory_problem(error) is None
