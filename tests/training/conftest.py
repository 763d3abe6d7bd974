"""What the tests of whole trainings share."""

import pytest
import tensorflow as tf

from tests.model.small import small_backbone


@pytest.fixture
def small_network():
    """Lets configs that say MobileNet have the small network instead."""
    with small_backbone():
        yield


@pytest.fixture
def eager():
    """Eager steps: graphs take longer to make than a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
