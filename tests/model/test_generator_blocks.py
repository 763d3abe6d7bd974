"""Blocks of a generator, beside the same written with loops in NumPy."""

import functools

import numpy as np
import pytest

from featsr_tf.model.generator import BottleneckBlock
from featsr_tf.model.generator import ChannelAttentionBlock
from featsr_tf.model.generator import NafBlock
from featsr_tf.model.generator import ResidualBlock
from tests.support import check_layer

SHAPE = (2, 4, 4, 6)


def random(shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def randomized(block, shape=SHAPE):
    """Builds a block and fills it; gives it with its weights by name."""
    block.build(shape)
    generator = np.random.default_rng(1)
    for weight in block.weights:
        weight.assign(generator.normal(0.0, 0.5, weight.shape))
    return block, {
        weight.path.removeprefix(f"{block.name}/"): weight.numpy()
        for weight in block.weights
    }


def dense(inputs, weights, name):
    kernel = np.squeeze(weights[f"{name}/kernel"])
    return inputs @ kernel + weights[f"{name}/bias"]


def convolve(inputs, weights, name):
    """A 3 x 3 convolution with zeros around, cell by cell."""
    kernel = weights[f"{name}/kernel"]
    padded = np.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = inputs.shape[1:3]
    is_depthwise = kernel.shape[-1] == 1
    outputs = 0.0
    for y in range(3):
        for x in range(3):
            seen = padded[:, y : y + rows, x : x + columns]
            taps = kernel[y, x]
            outputs += seen * taps[:, 0] if is_depthwise else seen @ taps
    return outputs + weights[f"{name}/bias"]


def normalize(inputs, weights, name):
    mean = inputs.mean(-1, keepdims=True)
    variance = ((inputs - mean) ** 2).mean(-1, keepdims=True)
    normal = (inputs - mean) / np.sqrt(variance + 1e-6)
    return normal * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def gate(inputs):
    half = inputs.shape[-1] // 2
    return inputs[..., :half] * inputs[..., half:]


@pytest.mark.parametrize("hidden_channels", [0, 5])
@pytest.mark.parametrize(
    "block",
    [
        ResidualBlock,
        BottleneckBlock,
        # One unit of a ReLU may well be idle.
        functools.partial(ChannelAttentionBlock, reduction=1),
        NafBlock,
    ],
)
def test_a_block_keeps_the_promises_of_a_layer(block, hidden_channels):
    check_layer(lambda: block(hidden_channels), [SHAPE], SHAPE)


def test_between_the_convolutions_of_a_residual_block_is_a_relu():
    block = ResidualBlock(hidden_channels=1, kernel_size=1)
    block.build((1, 1, 1, 1))
    block.first.kernel.assign(np.full((1, 1, 1, 1), -1.0))
    block.second.kernel.assign(np.full((1, 1, 1, 1), 10.0))
    inputs = np.reshape([2.0, -2.0], (2, 1, 1, 1))
    np.testing.assert_allclose(np.ravel(block(inputs)), [2.0, -2.0 + 20.0])


@pytest.mark.parametrize("hidden_channels", [0, 5])
def test_a_bottleneck_mixes_cells_between_convolutions_of_kernel_1(
    hidden_channels,
):
    block, weights = randomized(BottleneckBlock(hidden_channels))
    assert weights["first/kernel"].shape[:2] == (1, 1)
    assert weights["middle/kernel"].shape[:2] == (3, 3)
    inputs = random(SHAPE)
    found = np.maximum(dense(inputs, weights, "first"), 0.0)
    found = np.maximum(convolve(found, weights, "middle"), 0.0)
    np.testing.assert_allclose(
        block(inputs),
        inputs + dense(found, weights, "second"),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("hidden_channels", [0, 5])
def test_channel_attention_is_that_of_rcan(hidden_channels):
    block = ChannelAttentionBlock(hidden_channels, reduction=2)
    block, weights = randomized(block)
    inputs = random(SHAPE)
    found = np.maximum(convolve(inputs, weights, "first"), 0.0)
    found = convolve(found, weights, "second")
    means = found.mean((1, 2), keepdims=True)
    units = np.maximum(dense(means, weights, "squeeze"), 0.0)
    assert units.shape[-1] == 3
    attention = 1.0 / (1.0 + np.exp(-dense(units, weights, "excite")))
    np.testing.assert_allclose(
        block(inputs), inputs + attention * found, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("hidden_channels", [0, 5])
def test_a_naf_block_is_that_of_nafnet(hidden_channels):
    block, weights = randomized(NafBlock(hidden_channels))
    inputs = random(SHAPE)
    hidden = normalize(inputs, weights, "cell_norm")
    hidden = dense(hidden, weights, "cell_expand")
    hidden = gate(convolve(hidden, weights, "depthwise"))
    means = hidden.mean((1, 2), keepdims=True)
    hidden = hidden * dense(means, weights, "attention")
    hidden = dense(hidden, weights, "cell_project")
    features = inputs + weights["cell_scale"] * hidden
    hidden = normalize(features, weights, "channel_norm")
    hidden = gate(dense(hidden, weights, "channel_expand"))
    hidden = dense(hidden, weights, "channel_project")
    expected = features + weights["channel_scale"] * hidden
    np.testing.assert_allclose(block(inputs), expected, rtol=1e-4, atol=1e-4)


def test_a_naf_block_doubles_its_channels_before_each_gate():
    _, weights = randomized(NafBlock())
    shapes = {name: values.shape for name, values in weights.items()}
    assert shapes["cell_expand/kernel"] == (1, 1, 6, 12)
    assert shapes["depthwise/kernel"] == (3, 3, 12, 1)
    assert shapes["attention/kernel"] == (6, 6)
    assert shapes["channel_expand/kernel"] == (1, 1, 6, 12)
    assert shapes["channel_project/kernel"] == (1, 1, 6, 6)


@pytest.mark.parametrize(
    "block",
    [ResidualBlock, BottleneckBlock, ChannelAttentionBlock, NafBlock],
)
def test_the_first_channels_are_those_of_the_block(block):
    layer, _ = randomized(block(4))
    inputs = random(SHAPE)
    expected = layer(inputs)[..., :3]
    np.testing.assert_allclose(
        layer.first_channels(inputs, 3), expected, rtol=1e-5, atol=1e-5
    )
