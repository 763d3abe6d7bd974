"""Multiply-adds beside those worked out by hand."""

import keras
import pytest

from featsr_tf.config.schema import GeneratorBlock
from featsr_tf.config.schema import RefinerType
from featsr_tf.model.generator import ChannelAttentionBlock
from featsr_tf.model.generator import NafBlock
from featsr_tf.model.generator import ResidualBlock
from research import generator_cost
from tests.model.small import small_backbone
from tests.model.small import small_pipeline

SHAPE = (1, 4, 4, 6)
CELLS = 16
# Channels 6, inside the blocks 5, kernel 3 x 3.
CONVOLUTIONS = CELLS * 9 * (6 * 5 + 5 * 6)


@pytest.mark.parametrize(
    "block, expected",
    [
        (ResidualBlock(5), CONVOLUTIONS),
        (ChannelAttentionBlock(5, reduction=2), CONVOLUTIONS + 6 * 3 + 3 * 6),
        (
            NafBlock(5),
            # Both expansions and projections, depthwise, attention.
            CELLS * (2 * (6 * 10 + 5 * 6) + 9 * 10) + 5 * 5,
        ),
        (keras.layers.Conv2D(7, 3, strides=2), 7 * 9 * 6),
        (keras.layers.Dense(7), CELLS * 6 * 7),
    ],
)
def test_products_with_weights_are_counted(block, expected):
    block.build(SHAPE)
    assert generator_cost.multiply_adds(block, SHAPE) == expected


def test_there_is_a_line_for_every_generator(capsys):
    with small_backbone():
        generator_cost.run(small_pipeline(), ["sub", "third"])
    lines = capsys.readouterr().out.splitlines()
    forms = [f"{RefinerType.GENERATOR} {block}" for block in GeneratorBlock]
    forms.append(str(RefinerType.TAIL_GENERATOR))
    expected = [
        f"{form} {layer}" for layer in ("sub", "third") for form in forms
    ]
    title, head, predictor, *others = lines
    assert predictor.split()[-1] == "1.00"
    for line, start in zip(others, expected, strict=True):
        assert line.startswith(start)
    # 12 + 8 channels through 8 and back, on 3 x 3 cells.
    assert others[0].split()[-2] == f"{9 * 9 * (20 + 12) * 8:,}"
    assert others[0].split()[-5:-3] == ["4", "3"]
    tail = others[len(forms) - 1].split()
    assert tail[-5:-3] == ["4", "6"]
