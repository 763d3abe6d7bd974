"""The graph of a functional network: copied otherwise, and searched."""

import math

import keras

from featsr_tf.errors import ConfigError
from featsr_tf.geometry.receptive_field import nodes_in_order

_LAYERS = keras.layers
# What `x + y` and `x * y` are in a functional model, and the layers for it.
_OPERATORS = {"Add": _LAYERS.Add, "Multiply": _LAYERS.Multiply}
_ACTIVATIONS = (
    _LAYERS.ReLU,
    _LAYERS.LeakyReLU,
    _LAYERS.PReLU,
    _LAYERS.ELU,
    _LAYERS.Add,
    _LAYERS.Concatenate,
)
# Sub features of more channels cost more than they are worth.
_SUB_CHANNELS = 256
# Layers of the ResNets of Keras.
_POOL = "pool1_pool"
_POOL_PADDING = "pool1_pad"


def plain_network(network: keras.Model, first_layer: str = "") -> keras.Model:
    """Lays a network out as one graph of layers, which it shares.

    Models inside it become their layers, `x + y` and `x * y` become layers
    too. Dropout is left out: it belongs to the classifier's training.

    Args:
        first_layer: the layer that sees preprocessed images; "" = all are
            kept.
    """
    inputs = network.input
    if first_layer:
        inputs = inputs_of(network, first_layer)
    return keras.models.clone_model(
        keras.Model(inputs, network.output),
        clone_function=lambda layer: layer,
        call_function=_call_plainly,
    )


def _call_plainly(layer, *args, **kwargs):
    if isinstance(layer, keras.Sequential):
        for inner in layer.layers:
            args = [_call_plainly(inner, *args)]
        return args[0]
    if isinstance(layer, keras.Model):
        return layer._run_through_graph(
            args[0], operation_fn=lambda inner: inner, call_fn=_call_plainly
        )
    if isinstance(layer, _LAYERS.InputLayer | _LAYERS.Dropout):
        return args[0]
    is_operator = not isinstance(layer, keras.Layer) and all(
        isinstance(each, keras.KerasTensor) for each in args
    )
    if is_operator and type(layer).__name__ in _OPERATORS:
        return _OPERATORS[type(layer).__name__](name=layer.name)(list(args))
    return layer(*args, **kwargs)


def output_of(network: keras.Model, name: str) -> keras.KerasTensor:
    """Finds what a layer gives, the last time that it is called."""
    return _last_calls(network)[name].outputs[0]


def inputs_of(network: keras.Model, name: str) -> keras.KerasTensor:
    """Finds the first of what a layer is given."""
    return _last_calls(network)[name].input_tensors[0]


def layer_names(network: keras.Model) -> list[str]:
    """Lists the layers behind the input."""
    return list(_last_calls(network))[1:]


def _last_calls(network: keras.Model) -> dict:
    return {node.operation.name: node for node in nodes_in_order(network)}


def propose_layers(network: keras.Model) -> tuple[str, str]:
    """Chooses the layers of base and sub features by the graph.

    Only a layer through which alone all later ones see the image can be cut
    behind, and of those the ones that give what is activated, added or
    concatenated. The base layer is the last of them at stride 16; the sub
    layer the last at stride 8 or, where that one has more than 256 channels,
    at stride 4.

    Returns:
        Their names.

    Raises:
        ConfigError: there is no such layer.
    """
    strides: dict[int, int] = {}
    found: dict[int, keras.KerasTensor] = {}
    nodes = list(nodes_in_order(network))
    last_use = _last_uses(nodes)
    reached = 0
    for position, node in enumerate(nodes):
        # All that was made before is used up here at the latest.
        is_cut = reached <= position
        output, layer = node.outputs[0], node.operation
        stride = math.prod(
            [
                max(getattr(layer, "strides", None) or (1,)),
                max((strides[id(x)] for x in node.input_tensors), default=1),
            ]
        )
        strides.update((id(tensor), stride) for tensor in node.outputs)
        if is_cut and _is_activated(layer):
            found[stride] = output
        reached = max(reached, last_use.get(id(output), 0))
    if 16 not in found or not {4, 8} & found.keys():
        raise ConfigError(
            f"network {network.name}: found no layer of stride 16 and one of "
            "8 or 4 to cut it behind; expected such layers, or their names as "
            "backbone.base_layer and backbone.sub_layer"
        )
    sub = found.get(8, found.get(4))
    if sub.shape[-1] > _SUB_CHANNELS:
        sub = found.get(4, sub)
    return tuple(x._keras_history.operation.name for x in (found[16], sub))


def _last_uses(nodes: list) -> dict[int, int]:
    """The position of the last node that takes each tensor."""
    return {
        id(tensor): position
        for position, node in enumerate(nodes)
        for tensor in node.input_tensors
    }


def _is_activated(layer: keras.Layer) -> bool:
    linear = keras.activations.linear
    return (
        isinstance(layer, _ACTIVATIONS)
        or getattr(layer, "activation", linear) is not linear
    )


def rewired(
    network: keras.Model, pools_same: bool = False, is_dilated: bool = False
) -> keras.Model:
    """Copies a network with the same variables, laid out otherwise.

    Args:
        network: a ResNet of `keras.applications`.
        pools_same: whether its max-pool pads as little as it needs, at the
            end first, which moves every cell behind it.
        is_dilated: whether its fourth group of blocks keeps the stride of the
            third: its 3 x 3 kernels leave every second cell out instead.
    """

    def copy_layer(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if pools_same and layer.name == _POOL_PADDING:
            return keras.layers.Activation("linear", name=layer.name)
        if pools_same and layer.name == _POOL:
            config["padding"] = "same"
        if is_dilated and layer.name.startswith("conv4_"):
            if config.get("strides") == (2, 2):
                config["strides"] = (1, 1)
            if config.get("kernel_size") == (3, 3):
                config["dilation_rate"] = (2, 2)
        return type(layer).from_config(config)

    copy = keras.models.clone_model(network, clone_function=copy_layer)
    copy.set_weights(network.get_weights())
    return copy
