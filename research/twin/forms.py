"""Extractor and twin in all forms, and how far these differ."""

import itertools
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from featsr_tf.geometry.receptive_field import nodes_in_order
from featsr_tf.model.backbone import Backbone
from featsr_tf.model.speed import PolyphaseCall
from featsr_tf.model.target_extractor import AtrousConvolution
from research.twin.windows import Span

EXTRACTOR = "extractor"
DILATION = "twin by dilation"
PHASES = "twin by phases"


def shared_layers(twin: keras.Model) -> str:
    """Says which convolutions extractor and twin compute alike.

    They are those before the first one that is dilated.

    Args:
        twin: of `build_target_extractor`.
    """
    layers = [
        node.operation
        for node in nodes_in_order(twin)
        if hasattr(node.operation, "kernel_size")
    ]
    shared = list(itertools.takewhile(lambda x: not is_atrous(x), layers))
    names = ", ".join(layer.name for layer in shared) or "none"
    first = layers[len(shared)]
    return (
        f"convolutions that extractor and twin could share: {names}; "
        f"{first.layer.name} is the first that is dilated, "
        f"{sum(map(is_atrous, layers))} of {len(layers)} are"
    )


def is_atrous(layer: keras.Layer) -> bool:
    """Tells whether a layer of the twin is dilated."""
    return isinstance(layer, AtrousConvolution)


def make_forms(backbone: Backbone, twin: keras.Model) -> dict[str, Callable]:
    """Makes graphs of the extractor and of the twin.

    Args:
        backbone: of the detector, with frozen batch normalization.
        twin: of `build_target_extractor`.

    Returns:
        Functions of images `[B, H, W, 3]`, 0..255, to the base features.
    """
    phases = PolyphaseCall(twin)
    return {
        EXTRACTOR: tf.function(lambda x: backbone.extract(x)["base"]),
        DILATION: tf.function(
            lambda x: twin(backbone.preprocess(x), training=False)["base"]
        ),
        PHASES: tf.function(lambda x: phases(backbone.preprocess(x))["base"]),
    }


def with_images(form: Callable, images: tf.Tensor) -> Callable[[], object]:
    """Binds a form to its images, its graph made."""
    graph = form.get_concrete_function(images)
    return lambda: graph(images)


def noise(side: int) -> tf.Tensor:
    """Draws an image `[1, side, side, 3]`, 0..255."""
    generator = tf.random.Generator.from_seed(0)
    return generator.uniform([1, side, side, 3], 0.0, 255.0)


def cut(
    images: tf.Tensor, corners: Sequence[Sequence[int]], window: int
) -> tf.Tensor:
    """Cuts windows `[n, window, window, 3]` out of one image."""
    return tf.stack(
        [images[0, y : y + window, x : x + window] for y, x in corners]
    )


def deviation(expected: tf.Tensor, found: tf.Tensor) -> float:
    """Tells the largest difference, as a share of the largest value."""
    largest = tf.reduce_max(tf.abs(expected))
    return float(tf.reduce_max(tf.abs(expected - found)) / largest)


def window_deviation(
    whole: tf.Tensor,
    windows: tf.Tensor,
    spans: Sequence[Sequence[Span]],
    corners: Sequence[Sequence[int]],
    stride: int,
) -> float:
    """Compares the cells of boxes in windows with those of the frame.

    Args:
        whole: `[1, h, w, C]` features of the frame.
        windows: `[n, k, k, C]` those of the windows.
        spans: of each box, both axes.
        corners: of each window, px.
        stride: px per cell.

    Returns:
        The largest difference, as a share of the largest value of the frame.
    """
    whole, windows = whole.numpy(), windows.numpy()
    worst = 0.0
    for features, pair, corner in zip(windows, spans, corners, strict=True):
        rows, columns = (slice(span.first, span.last + 1) for span in pair)
        inner = [
            slice(span.first - start // stride, span.last + 1 - start // stride)
            for span, start in zip(pair, corner, strict=True)
        ]
        difference = whole[0, rows, columns] - features[inner[0], inner[1]]
        worst = max(worst, np.abs(difference).max())
    return float(worst / np.abs(whole).max())
