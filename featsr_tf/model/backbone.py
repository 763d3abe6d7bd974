"""The CNN backbones: extractor and second stage of a network."""

import copy
import dataclasses
import difflib
import os
import warnings

import keras
import tensorflow as tf

from featsr_tf.config.backbones import BACKBONES
from featsr_tf.config.backbones import IMAGENET_ALPHAS
from featsr_tf.config.backbones import BackboneEntry
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.model import network_graph
from featsr_tf.model import speed
from featsr_tf.model.networks import find_network
from featsr_tf.model.weight_transfer import read_weights
from featsr_tf.model.weight_transfer import transfer_weights


class Backbone:
    """A functional network, cut into extractor and second stage.

    The layers up to the base layer are the feature extractor F of the paper;
    the layers from `head_from` on are the second stage, which works on pooled
    features (the beginning of a "predictor" in Figure 3).

    Args:
        entry: names the layers; those that it leaves open are proposed from
            the graph.
        jit_compile: whether XLA compiles the extractor.

    Attributes:
        features: functional model from preprocessed images `[B, H, W, 3]` to
            `{"sub": ..., "base": ...}`, each `[B, H / stride, W / stride, C]`.
        layers: names of the sub and of the base layer.

    Raises:
        ConfigError: a layer is not there, or the network cannot be cut there.
    """

    def __init__(
        self,
        entry: BackboneEntry,
        network: keras.Model,
        jit_compile: bool = False,
    ):
        network = network_graph.plain_network(network, entry.first_layer)
        base, sub = entry.base_layer, entry.sub_layer
        if not base or not sub:
            proposed = network_graph.propose_layers(network)
            base, sub = base or proposed[0], sub or proposed[1]
        extractor = keras.Model(
            network.input, _output(network, "base_layer", base)
        )
        outputs = {
            "sub": _output(extractor, "sub_layer", sub),
            "base": extractor.output,
        }
        self.features = keras.Model(extractor.input, outputs, name="features")
        self.layers = {"sub": sub, "base": base}
        self._jit_compile = jit_compile
        self._call_features = speed.FoldedCall(self.features, jit_compile)
        self._entry = entry
        self._tail = _tail(network, base, entry.head_from)

    def preprocess(self, images: tf.Tensor) -> tf.Tensor:
        """Maps pixels 0..255 to the range the network was trained on."""
        return self._entry.preprocess(tf.cast(images, tf.float32))

    def extract(
        self, images: tf.Tensor, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Makes the feature maps of images.

        Args:
            images: `[B, H, W, 3]` RGB, 0..255.
            training: whether trainable batch normalization uses the batch's
                own statistics.

        Returns:
            Those of `features`, float32.
        """
        features = self._call_features(
            self.preprocess(images), training=training
        )
        return {k: tf.cast(maps, tf.float32) for k, maps in features.items()}

    def second_stage(self, name: str) -> keras.Model:
        """Builds a new second stage that starts from the loaded weights.

        Returns:
            Functional model from pooled features `[n, k, k, C]` to
            `[n, k', k', C']`; its variables are its own.
        """

        def copy_layer(layer: keras.Layer) -> keras.Layer:
            config = layer.get_config()
            config["name"] = f"{name}_{layer.name}"
            if self._entry.dense_second_stage and "strides" in config:
                config["strides"] = (1, 1)
            if type(layer) is keras.layers.Conv2D:
                return speed.WinogradConv2D.from_config(config)
            return type(layer).from_config(config)

        stage = keras.models.clone_model(self._tail, clone_function=copy_layer)
        stage.set_weights(self._tail.get_weights())
        return keras.Model(stage.input, stage.output, name=name)

    def for_inference(self) -> "Backbone":
        """Copies the extractor without its batch normalization."""
        backbone = copy.copy(self)
        backbone.features = speed.folded_copy(self.features)
        backbone._call_features = speed.FoldedCall(
            backbone.features, self._jit_compile
        )
        return backbone


def build_backbone(
    name: str,
    alpha: float = 1.0,
    weights: str = "",
    jit_compile: bool = False,
    as_api: bool = False,
    stride: int = 16,
    **layers: str | bool,
) -> Backbone:
    """Builds a backbone and loads its weights.

    Args:
        name: see `find_network`.
        weights: "" for random ones, "imagenet" to download those of
            `keras.applications`, the path of a weights file of the network
            without its classification layer, or of anything that
            `read_weights` takes, whose names are to match.
        as_api: whether a ResNet pools, and strides in its second stage, as
            that of the TF Object Detection API.
        stride: px per cell of the base features, 16, or 8 for a ResNet.
        **layers: `sub_layer`, `base_layer`, `head_from` and
            `dense_second_stage` of `BackboneEntry`; what is empty stands for
            the backbone's own choice.

    Raises:
        ConfigError: there is no such backbone, width or layer.
        DataError: the weights cannot be had.
    """
    entry = find_network(name)
    entry = dataclasses.replace(
        entry, **{key: value for key, value in layers.items() if value}
    )
    arguments = {"include_top": False, "input_shape": (None, None, 3)}
    if entry.has_alpha:
        _check_width(alpha, weights if name in BACKBONES else "")
        arguments["alpha"] = alpha
    elif alpha != 1.0:
        raise ConfigError(
            f"backbone {name} has one width only: expected alpha 1.0, "
            f"found {alpha}"
        )
    title = f"{name} (alpha {alpha:g})" if entry.has_alpha else name
    if weights == "imagenet":
        network = _download(entry, arguments, title)
    else:
        network = entry.constructor(weights=None, **arguments)
        if weights:
            _read_weights(network, weights, title)
    if as_api or stride == 8:
        network = network_graph.rewired(
            network, pools_same=as_api, is_dilated=stride == 8
        )
    if as_api:
        entry = dataclasses.replace(entry, dense_second_stage=False)
    return Backbone(entry=entry, network=network, jit_compile=jit_compile)


def _check_width(alpha: float, weights: str) -> None:
    if weights == "imagenet" and alpha not in IMAGENET_ALPHAS:
        raise ConfigError(
            f'weights "imagenet" exist for alpha {IMAGENET_ALPHAS} only, found '
            f"{alpha:g}; give a path or leave the weights empty"
        )
    if int(32 * alpha) < 1:
        raise ConfigError(f"alpha must be at least 1/32, found {alpha:g}")


def _download(entry: BackboneEntry, arguments: dict, title: str) -> keras.Model:
    try:
        with warnings.catch_warnings():
            # Keras warns that the image size differs from the trained one.
            warnings.simplefilter("ignore")
            return entry.constructor(weights="imagenet", **arguments)
    except Exception as error:  # a failed download raises nothing narrower
        raise DataError(
            f"the ImageNet weights of {title} could not be downloaded "
            f"({_one_line(error)}); give a file instead, `--set "
            "model.feature_super_resolution.backbone.weights=FILE`, or "
            "`--start_from` a detector"
        ) from error


def _read_weights(network: keras.Model, path: str, title: str) -> None:
    # Keras reads the weights of its own files and builds nothing of them.
    if not os.path.isfile(path) or path.endswith(".index"):
        _take_weights(network, path, title)
        return
    try:
        with warnings.catch_warnings():
            # Keras warns of every container that an older file does not have.
            warnings.simplefilter("ignore")
            network.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        raise DataError(
            f"backbone weights {path}: expected the {len(network.weights)} "
            f"weights of {title} without its classification layer "
            f"({_one_line(error)})"
        ) from error
    count = len(network.weights)
    print(f"{title}: {count} of {count} variables taken of {path}", flush=True)


def _take_weights(network: keras.Model, path: str, title: str) -> None:
    """Takes what fits of a network that is matched by names."""
    try:
        found = read_weights(path)
    except DataError as error:
        raise DataError(f"backbone weights {error}") from error
    arrays = {
        # The second stage of a detector is the end of a network.
        name.removeprefix("large_predictor_"): values
        for name, values in found.items()
    }
    transfer = transfer_weights(
        {title: network.weights},
        speed.unfolded_weights(network, arrays),
        f"backbone weights {path}",
    )
    text = f"{title}: {transfer.parts[title].describe()} of {path}"
    if transfer.is_complete:
        print(text, flush=True)
    else:
        warnings.warn(f"{text}; the rest is random", stacklevel=2)


def _one_line(error: Exception) -> str:
    """Cuts a library's error message down to its first line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _output(network: keras.Model, field: str, name: str) -> keras.KerasTensor:
    names = network_graph.layer_names(network)
    if name not in names:
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
        raise ConfigError(
            f"{field} {name!r}: the backbone has no such layer up to "
            f"{names[-1]}; the nearest name is {nearest[0]!r}"
        )
    return network_graph.output_of(network, name)


def _tail(network: keras.Model, base: str, head_from: str) -> keras.Model:
    """The layers behind the base layer, or from `head_from` on."""
    features = network_graph.output_of(network, base)
    field, inputs = "base_layer", features
    if head_from:
        field = "head_from"
        _output(network, field, head_from)
        inputs = network_graph.inputs_of(network, head_from)
    try:
        tail = keras.Model(inputs, network.output)
    except ValueError as error:
        raise ConfigError(
            f"{field} {head_from or base!r}: other layers see the image past "
            "it; expected one through which all later layers see it"
        ) from error
    if inputs.shape[-1] != features.shape[-1]:
        raise ConfigError(
            f"head_from {head_from!r} takes {inputs.shape[-1]} channels; "
            f"expected the {features.shape[-1]} of the base layer, {base}"
        )
    return tail
