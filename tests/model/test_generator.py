"""The generator: Figure 5, and the identity before it has learnt anything."""

import numpy as np
import pytest

from featsr_tf.config.schema import GeneratorBlock
from featsr_tf.model.generator import BLOCKS
from featsr_tf.model.generator import Generator
from tests.model.small import small_detector
from tests.support import check_layer

BASE = (2, 4, 4, 6)
SUB = (2, 4, 4, 3)
OPTIONS = "model.feature_super_resolution.generator"


def random(shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("block", BLOCKS)
def test_a_generator_keeps_the_promises_of_a_layer(block):
    # Wide enough for channel attention to have more than one unit.
    base, sub = (2, 2, 2, 40), (2, 2, 2, 24)
    check_layer(lambda: Generator(2, 5, 3, block), [base, sub], base)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("residual_blocks", [1, 3])
def test_a_new_generator_returns_exactly_its_base_features(
    residual_blocks, block
):
    base = random(BASE)
    refined = Generator(residual_blocks, block=block)(base, random(SUB))
    np.testing.assert_array_equal(refined, base)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_config_names_every_block(block):
    detector = small_detector(f"{OPTIONS}.block={block}")
    (built,) = detector.refiner.generator.blocks
    assert type(built) is BLOCKS[block]
    assert built.hidden_channels == 8
    assert set(BLOCKS) == {block.value for block in GeneratorBlock}


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
