"""What the tests of benchmarks share."""

import pytest
import tensorflow as tf


@pytest.fixture
def eager():
    """Eager steps: graphs take longer to make than a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
