"""Where networks come from: the table, `keras.applications`, one's own code."""

import dataclasses
import difflib
import importlib
import inspect
import operator
import re
import sys
from collections.abc import Callable

import keras
import tensorflow as tf

from featsr_tf.config.backbones import BACKBONES
from featsr_tf.config.backbones import FACTORY
from featsr_tf.config.backbones import BackboneEntry
from featsr_tf.errors import ConfigError

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def find_network(name: str) -> BackboneEntry:
    """Finds how a network is made.

    Args:
        name: a key of `BACKBONES`, a network of `keras.applications` such as
            "MobileNetV2", or the "package.module:function" that makes one.

    Returns:
        Its entry, with functions instead of names; layers that it leaves empty
        are to be proposed from the graph.

    Raises:
        ConfigError: there is none.
    """
    if name in BACKBONES:
        return _with_functions(BACKBONES[name])
    if ":" in name:
        return _own_network(name)
    constructors = {
        key: value
        for key, value in vars(keras.applications).items()
        if inspect.isfunction(value)
    }
    if name not in constructors:
        known = [*BACKBONES, *constructors]
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise ConfigError(
            f"there is no backbone {name!r}; use one of {', '.join(BACKBONES)}"
            ", a network of keras.applications or package.module:function; "
            f"the nearest name is {nearest!r}"
        )
    constructor = constructors[name]
    family = constructor.__module__.rpartition(".")[2]
    entry = BackboneEntry(
        constructor=constructor,
        preprocess=getattr(keras.applications, family).preprocess_input,
        has_alpha="alpha" in inspect.signature(constructor).parameters,
    )
    if family == "efficientnet":
        # What Keras normalizes by is in the weights, which checkpoints do not
        # bring back, and in the graph only where it downloads the weights.
        entry = dataclasses.replace(
            entry,
            preprocess=_preprocess_efficientnet,
            first_layer="stem_conv_pad",
        )
    return entry


def _with_functions(entry: BackboneEntry) -> BackboneEntry:
    """Replaces names by the functions that they name."""
    if ":" in str(entry.constructor):
        own = _own_network(entry.constructor)
        return dataclasses.replace(
            entry, constructor=own.constructor, preprocess=own.preprocess
        )
    functions = {
        field: operator.attrgetter(value)(keras.applications)
        for field in ("constructor", "preprocess")
        if isinstance(value := getattr(entry, field), str)
    }
    return dataclasses.replace(entry, **functions)


def _preprocess_efficientnet(images: tf.Tensor) -> tf.Tensor:
    deviation = tf.constant(_DEVIATION)
    # Its weights were trained with one root of the deviation too many.
    return (images / 255.0 - _MEAN) / deviation**1.5


def _own_network(factory: str) -> BackboneEntry:
    make = _import_installed(factory)

    def construct(weights, **unused) -> keras.Model:
        if weights:
            raise ConfigError(
                f"there are no weights {weights!r} of {factory}; expected the "
                "path of a weights file, or nothing"
            )
        try:
            network = make()
        except Exception as error:  # whatever code of others may raise
            raise ConfigError(
                f"backbone.factory {factory} failed: "
                f"{type(error).__name__}: {error}"
            ) from error
        _check_own(network, factory)
        return network

    return BackboneEntry(
        constructor=construct, preprocess=lambda images: images
    )


def _import_installed(factory: str) -> Callable[[], keras.Model]:
    """Imports a function, but from no folder that only happens to be near.

    Python looks for modules in the working folder or beside the program first.
    What is installed, or named by PYTHONPATH, comes behind it.
    """
    if not re.fullmatch(FACTORY, factory):
        raise ConfigError(
            f"backbone.factory is {factory!r}; expected package.module:function"
        )
    module, _, function = factory.partition(":")
    before = list(sys.path)
    first = 0 if sys.flags.safe_path else 1
    sys.path[:] = [folder for folder in before[first:] if folder]
    try:
        return getattr(importlib.import_module(module), function)
    except Exception as error:  # whatever code of others may raise
        raise ConfigError(
            f"backbone.factory {factory} cannot be imported "
            f"({type(error).__name__}: {error}); expected a function of an "
            "installed package, such as by pip install -e"
        ) from error
    finally:
        sys.path[:] = before


def _check_own(network: keras.Model, factory: str) -> None:
    layers = getattr(network, "layers", [])
    if not layers or not hasattr(network, "_nodes_by_depth"):
        raise ConfigError(
            f"backbone.factory {factory} gave a {type(network).__name__}; "
            "expected a functional keras.Model"
        )
    if network.input_shape != (None, None, None, 3):
        raise ConfigError(
            f"backbone.factory {factory}: its input is {network.input_shape}; "
            "expected keras.Input((None, None, 3))"
        )
    for layer in network._flatten_layers():
        normalizes = isinstance(layer, keras.layers.Normalization)
        if normalizes and layer.input_mean is None:
            raise ConfigError(
                f"backbone.factory {factory}: layer {layer.name} was adapted "
                "to data, which checkpoints do not bring back; give it mean "
                "and variance"
            )
