"""Receptive fields: section 3 of the paper, on the layers of a Keras model."""

import dataclasses
from collections.abc import Iterator, Sequence

import keras

from featsr_tf.errors import ConfigError

# Layers whose outputs depend on no more than one position of their inputs.
POINTWISE_LAYERS = (
    keras.layers.InputLayer,
    keras.layers.BatchNormalization,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
    keras.layers.Add,
    keras.layers.Multiply,
    keras.layers.Concatenate,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.Rescaling,
    keras.layers.Normalization,
    keras.layers.Dense,
)
_GLOBAL_POOL = keras.layers.GlobalAveragePooling2D


def is_pointwise(layer: keras.Layer) -> bool:
    """Tells whether outputs depend on no more than one position."""
    if isinstance(layer, keras.layers.LayerNormalization):
        return layer.axis in (-1, 3, [-1], [3])
    # Networks of Keras and of its hub have layers of this name, none public.
    return (
        isinstance(layer, POINTWISE_LAYERS)
        or type(layer).__name__ == "LayerScale"
    )


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """What the cells of a feature map see of the image, along one axis.

    Args:
        first_center: index of the pixel in the middle of what the first cell
            sees; in continuous pixels its centre is half a pixel further.
    """

    size: int = 1
    stride: int = 1
    first_center: float = 0.0

    def through_window(
        self, kernel_size: int, stride: int, dilation: int, pad_begin: int
    ) -> "ReceptiveField":
        """Follows the field through a convolution or a pooling layer."""
        reach = (kernel_size - 1) * dilation
        return ReceptiveField(
            size=self.size + reach * self.stride,
            stride=self.stride * stride,
            first_center=self.first_center
            + (reach / 2 - pad_begin) * self.stride,
        )


def absolute_receptive_field(field: ReceptiveField, width: float) -> float:
    """ARF, eq. 1: pixels that a region of `width` w cells depends on."""
    return field.size + (width - 1) * field.stride


def relative_receptive_field(
    field: ReceptiveField, width: float, image_width: float
) -> float:
    """RRF, eq. 2: the ARF as a share of the image's width I_W, px."""
    return absolute_receptive_field(field, width) / image_width


def relative_discrepancy(
    field: ReceptiveField,
    width: float,
    image_width: float,
    target: ReceptiveField | None = None,
) -> float:
    """DRRF_1/2, eq. 3: how much more of its image the half-size input sees.

    Args:
        field: receptive field of the extractor that sees I^0.5.
        width: w, width of the region in cells at I^1.0.
        image_width: I_W in pixels of I^1.0.
        target: receptive field of the extractor that sees I^1.0; None = the
            same extractor.

    Returns:
        The quotient of both relative receptive fields; 1 is a perfect match.
    """
    half = relative_receptive_field(field, width / 2, image_width / 2)
    return half / relative_receptive_field(target or field, width, image_width)


def receptive_field(
    model: keras.Model, output: str | None = None
) -> ReceptiveField:
    """Finds the receptive field of a feature map from the layers before it.

    Each layer applies R += (k - 1) d j, c0 += ((k - 1) d / 2 - pad) j and
    `j *= s` to the field of its inputs; where branches meet, the larger one
    counts. Sides that are multiples of the stride are taken for granted.
    What is pooled over the whole frame, as the weights of squeeze-and-excite
    are, has no place and does not count.

    Args:
        output: key of the feature map in the model's dict of outputs; None
            for a model with a single output.

    Raises:
        ConfigError: a layer is not square, or is of a kind without a rule.
    """
    fields: dict[int, ReceptiveField | None] = {}
    for node in nodes_in_order(model):
        inputs = [fields[id(tensor)] for tensor in node.input_tensors]
        field = _through_layer(node.operation, _merge(inputs, node.operation))
        fields.update((id(tensor), field) for tensor in node.outputs)
    found = fields[id(model.output if output is None else model.output[output])]
    if found is None:
        raise ConfigError(
            f"layer {node.operation.name}: its features are pooled over the "
            "whole frame and have no receptive field"
        )
    return found


def nodes_in_order(model: keras.Model) -> Iterator:
    """Walks the layer calls of a functional model.

    Yields:
        Keras nodes (`operation`, `input_tensors`, `outputs`), each after those
        that it takes its inputs from.
    """
    nodes_by_depth = model._nodes_by_depth
    for depth in sorted(nodes_by_depth, reverse=True):
        yield from nodes_by_depth[depth]


def same_value(values: Sequence[int], layer: keras.Layer) -> int:
    """Takes the one number that holds for both axes of a layer.

    Raises:
        ConfigError: the axes differ.
    """
    if len(set(values)) != 1:
        raise ConfigError(
            f"layer {layer.name}: expected the same for both axes, found "
            f"{tuple(values)}; only square windows and paddings are supported"
        )
    return values[0]


def _merge(
    fields: Sequence[ReceptiveField | None], layer: keras.Layer
) -> ReceptiveField | None:
    if not fields:
        return ReceptiveField()
    placed = [field for field in fields if field is not None]
    if len({field.stride for field in placed}) > 1:
        raise ConfigError(
            f"layer {layer.name} merges feature maps of different strides"
        )
    return max(placed, key=lambda field: field.size, default=None)


def _through_layer(
    layer: keras.Layer, field: ReceptiveField | None
) -> ReceptiveField | None:
    if field is None or isinstance(layer, _GLOBAL_POOL):
        return None
    if is_pointwise(layer):
        return field
    if isinstance(layer, keras.layers.ZeroPadding2D):
        pad_begin = same_value([begin for begin, _ in layer.padding], layer)
        return field.through_window(1, 1, 1, pad_begin)
    sizes = getattr(layer, "kernel_size", getattr(layer, "pool_size", None))
    if sizes is None or isinstance(layer, keras.layers.Conv2DTranspose):
        raise ConfigError(
            f"layer {layer.name} ({type(layer).__name__}) has no rule for its "
            "receptive field"
        )
    size, stride = same_value(sizes, layer), same_value(layer.strides, layer)
    dilation = same_value(getattr(layer, "dilation_rate", (1, 1)), layer)
    pad_begin = 0
    if layer.padding == "same":
        pad_begin = max((size - 1) * dilation + 1 - stride, 0) // 2
    return field.through_window(size, stride, dilation, pad_begin)
