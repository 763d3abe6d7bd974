"""The generator: Figure 5, and the identity before it has learnt anything."""

import numpy as np
import pytest

from featsr_tf.model.generator import Generator
from featsr_tf.model.generator import ResidualBlock
from tests.support import check_layer

BASE = (2, 4, 4, 6)
SUB = (2, 4, 4, 3)


def random(shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("hidden_channels", [0, 5])
def test_a_residual_block_keeps_the_promises_of_a_layer(hidden_channels):
    check_layer(lambda: ResidualBlock(hidden_channels), [BASE], BASE)


def test_a_generator_keeps_the_promises_of_a_layer():
    check_layer(lambda: Generator(2, 5, 3), [BASE, SUB], BASE)


@pytest.mark.parametrize("residual_blocks", [1, 3])
def test_a_new_generator_returns_exactly_its_base_features(residual_blocks):
    base = random(BASE)
    refined = Generator(residual_blocks)(base, random(SUB))
    np.testing.assert_array_equal(refined, base)


def test_blocks_are_as_wide_as_base_and_sub_together_unless_told():
    generator = Generator()
    generator.build(BASE, SUB)
    shapes = [tuple(weight.shape) for weight in generator.trainable_variables]
    assert shapes == [(3, 3, 9, 9), (9,)] * 4
    narrow = Generator(1, hidden_channels=4, kernel_size=1)
    narrow.build(BASE, SUB)
    shapes = [tuple(weight.shape) for weight in narrow.trainable_variables]
    assert shapes == [(1, 1, 9, 4), (4,), (1, 1, 4, 9), (9,)]


def test_base_and_sub_are_refined_together_and_the_base_part_is_kept():
    generator = Generator(1, hidden_channels=1, kernel_size=1)
    generator.build((1, 1, 1, 2), (1, 1, 1, 1))
    block = generator.blocks[0]
    block.first.kernel.assign(np.reshape([1.0, 1.0, 1.0], (1, 1, 3, 1)))
    block.second.kernel.assign(np.reshape([0.5, -1.0, 2.0], (1, 1, 1, 3)))
    # 1 + 2 + 3 = 6; 1 + .5 * 6 = 4; 2 - 6 = -4, which no ReLU cuts off.
    refined = generator(
        np.reshape([1.0, 2.0], (1, 1, 1, 2)), np.reshape([3.0], (1, 1, 1, 1))
    )
    np.testing.assert_allclose(np.ravel(refined), [4.0, -4.0])


def test_between_the_convolutions_of_a_block_is_a_relu():
    block = ResidualBlock(hidden_channels=1, kernel_size=1)
    block.build((1, 1, 1, 1))
    block.first.kernel.assign(np.full((1, 1, 1, 1), -1.0))
    block.second.kernel.assign(np.full((1, 1, 1, 1), 10.0))
    inputs = np.reshape([2.0, -2.0], (2, 1, 1, 1))
    np.testing.assert_allclose(np.ravel(block(inputs)), [2.0, -2.0 + 20.0])
