"""Checkpoints of the TF Object Detection API as first values of a detector.

Those of TensorFlow 2 are graphs of objects: the layers of an extractor are
numbered in the order of their depth, as in Keras 3, and say nothing of names.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from featsr_tf.errors import DataError
from featsr_tf.model.detector import Detector
from featsr_tf.model.weight_transfer import Transfer
from featsr_tf.model.weight_transfer import transfer_weights
from featsr_tf.training.distribution import digest

_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_EXTRACTOR = "_feature_extractor_for_proposal_features"
_HEAD = "_feature_extractor_for_box_classifier_features"
_CLASSIFICATION = "feature_extractor"
# What TensorFlow raises of damaged checkpoints.
_READ_ERRORS = (tf.errors.OpError, LookupError, RuntimeError, ValueError)
# Of its ResNets.
_EPSILON = 1e-5
_WANTED = (
    "expected a Faster R-CNN checkpoint of the TF Object Detection API in "
    "TensorFlow 2, such as DIR/checkpoint/ckpt-0"
)

Arrays = dict[str, np.ndarray]


def load_checkpoint(
    path: str,
    detector: Detector,
    *,
    num_scales: int,
    num_ratios: int,
    extractor_only: bool = False,
) -> tuple[Transfer, dict]:
    """Loads what fits of a checkpoint into a detector.

    Args:
        path: without `.index`.
        num_scales: of the anchors of a cell.
        num_ratios: aspect ratios of these.
        extractor_only: whether proposal network and dense layers stay as they
            are.

    Returns:
        What was taken; and what checkpoints of stage 1 tell of it.

    Raises:
        DataError: it cannot be read, is of another kind or network, or
            nothing of it fits.
    """
    found = ObjectGraph(path)
    head = detector.large_predictor.second_stage
    parts = {"extractor": detector.extractor.variables}
    arrays = _extractor_arrays(found, detector.extractor, head, extractor_only)
    if extractor_only:
        parts["second stage"] = head.variables
    else:
        parts["proposal network"] = detector.proposal_network.variables
        parts["large predictor"] = detector.large_predictor.variables
        arrays |= _proposal_arrays(
            found, detector.proposal_network.name, (num_ratios, num_scales)
        )
        arrays |= _predictor_arrays(found, detector.large_predictor.name)
    transfer = transfer_weights(parts, arrays, path)
    detector.start_small_predictor_from_large()
    notes = {
        # Folders above would be those of one machine.
        "stage": "/".join(Path(path).parts[-3:]),
        "step": None,
        "weights": digest(*detector.get_weights()),
        "taken": {n: got.describe() for n, got in transfer.parts.items()},
    }
    return transfer, notes


class ObjectGraph:
    """The objects of a checkpoint, by what their owners call them.

    Raises:
        DataError: there is no such checkpoint, or it is damaged or of
            TensorFlow 1.
    """

    def __init__(self, path: str):
        self.path = path
        _check_files(path)
        try:
            self._reader = tf.train.load_checkpoint(path)
            if not self._reader.has_tensor(_GRAPH):
                raise DataError(
                    f"{path}: is a checkpoint of TensorFlow 1; {_WANTED}, or "
                    "Keras weights of the backbone by "
                    "model.feature_super_resolution.backbone.weights"
                )
            content = self._reader.get_tensor(_GRAPH)
        except _READ_ERRORS as error:
            raise _damaged(path, error) from error
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        self._nodes = graph.FromString(content).nodes

    def children(self, *names: str) -> dict[str, int]:
        """Lists objects by name, behind the path of their owner's names."""
        node = 0
        for name in names:
            node = self._children_of(node).get(name, -1)
            if node < 0:
                return {}
        return self._children_of(node)

    def _children_of(self, node: int) -> dict[str, int]:
        return {
            child.local_name: child.node_id
            for child in self._nodes[node].children
        }

    def variables(self, node: int) -> Arrays:
        """Reads the variables of a layer by name, such as "kernel"."""
        found = {}
        for name, child in self._children_of(node).items():
            for attribute in self._nodes[child].attributes:
                try:
                    found[name] = self._reader.get_tensor(
                        attribute.checkpoint_key
                    )
                except _READ_ERRORS as error:
                    raise _damaged(self.path, error) from error
        return found

    def layers(self, *names: str) -> list[Arrays]:
        """Reads the layers of a Keras model, or of a list, in their order."""
        children = self.children(*names)
        prefix = "layer_with_weights-"
        numbers = [name.removeprefix(prefix) for name in children]
        numbers = sorted(int(name) for name in numbers if name.isdecimal())
        if f"{prefix}0" not in children:
            prefix = ""
        layers = [self.variables(children[f"{prefix}{n}"]) for n in numbers]
        return [layer for layer in layers if layer]


def _check_files(path: str) -> None:
    if os.path.isdir(path):
        found = sorted(Path(path).rglob("*.index"))
        there = f"; found {found[0].with_suffix('')}" if found else ""
        nothing = "" if found else ", and holds no checkpoint"
        raise DataError(f"{path}: is a folder{nothing}; {_WANTED}{there}")
    if path.endswith((".pb", ".h5", ".keras")):
        raise DataError(
            f"{path}: is no checkpoint but a frozen graph or a Keras file; "
            f"{_WANTED}"
        )
    folder, name = os.path.split(path)
    beside = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
    if f"{name}.index" not in beside:
        names = sorted(n[:-6] for n in beside if n.endswith(".index"))
        there = f"; found {', '.join(names[:3])} there" if names else ""
        raise DataError(
            f"{path}: no such checkpoint ({name}.index is missing); "
            f"{_WANTED}{there}; to train without one, give --set "
            "train_config.fine_tune_checkpoint="
        )
    shards = [n for n in beside if n.startswith(f"{name}.data-")]
    count = int(shards[0].rpartition("-of-")[2]) if shards else 1
    if len(shards) < count:
        raise DataError(
            f"{path}: half a checkpoint: found {len(shards)} of {count} "
            f"files {name}.data-*; copy all of them beside {name}.index"
        )


def _damaged(path: str, error: Exception) -> DataError:
    reason = str(error).strip().splitlines()[0]
    return DataError(f"{path}: the checkpoint is damaged ({reason})")


def _extractor_arrays(
    found: ObjectGraph,
    extractor: keras.Model,
    head: keras.Model,
    is_classifier: bool,
) -> Arrays:
    """Values of an extractor and its second stage by our paths."""
    ours = [_layers_of(extractor), _layers_of(head)]
    theirs = [found.layers("model", _EXTRACTOR), found.layers("model", _HEAD)]
    classifier = found.layers(_CLASSIFICATION)
    if is_classifier and classifier:
        theirs = [classifier[: len(ours[0])], classifier[len(ours[0]) :]]
        # Behind it a classification layer may follow.
        theirs[1] = theirs[1][: len(ours[1])]
    if not theirs[0]:
        raise _other_kind(found, bool(classifier))
    if [*map(len, ours)] != [*map(len, theirs)]:
        counts = " and ".join(str(len(layers)) for layers in theirs)
        expected = " and ".join(str(len(layers)) for layers in ours)
        raise DataError(
            f"{found.path}: holds a network of {counts} layers with weights "
            f"in extractor and second stage; expected {expected}, of this "
            "feature_extractor.type: give the type that it was trained with"
        )
    arrays: Arrays = {}
    for layers, values in zip(ours, theirs, strict=True):
        for layer, own in zip(layers, values, strict=True):
            arrays |= _layer_arrays(layer, own)
    first = f"{ours[0][0].name}/kernel"
    # Keras' weights are of BGR images, those of the API of RGB.
    arrays[first] = arrays[first][:, :, ::-1]
    return arrays


def _layers_of(network: keras.Model) -> list[keras.Layer]:
    return [layer for layer in network.layers if layer.weights]


def _layer_arrays(layer: keras.Layer, values: Arrays) -> Arrays:
    values = dict(values)
    if "moving_variance" in values:
        values["moving_variance"] = (
            values["moving_variance"].astype("float64")
            + _EPSILON
            - layer.epsilon
        )
    if getattr(layer, "use_bias", False) and "kernel" in values:
        # Theirs have none, which batch normalization makes up for.
        values.setdefault("bias", np.zeros(layer.bias.shape))
    return {
        variable.path: values[variable.name]
        for variable in layer.weights
        if variable.name in values
    }


def _other_kind(found: ObjectGraph, is_classifier: bool) -> DataError:
    if is_classifier:
        return DataError(
            f"{found.path}: is a checkpoint of a classifier; expected "
            'fine_tune_checkpoint_type: "classification" with it'
        )
    names = found.children("model") or found.children()
    shown = ", ".join(sorted(names)[:4])
    if "detector" in names:
        shown = "a checkpoint of this package, which --start_from takes"
    return DataError(
        f"{found.path}: is of another detector or network; {_WANTED}; found "
        f"{shown}"
    )


def _proposal_arrays(
    found: ObjectGraph, name: str, grid: tuple[int, int]
) -> Arrays:
    """Values of the proposal network.

    Args:
        grid: number of aspect ratios and of scales: the API's order of the
            anchors of a cell; ours is the other one.
    """
    convolution = found.layers("model", "_first_stage_box_predictor_first_conv")
    heads = ("model", "_first_stage_box_predictor", "_prediction_heads")
    classes = found.layers(
        *heads, "class_predictions_with_background", "0",
        "_class_predictor_layers",
    )  # fmt: skip
    boxes = found.layers(*heads, "box_encodings", "0", "_box_encoder_layers")
    if len(convolution) > 1:
        raise DataError(
            f"{found.path}: its proposal network has batch normalization; "
            "expected one without"
        )
    arrays = {}
    for part, layers in (
        ("convolution", convolution),
        ("objectness", classes),
        ("deltas", boxes),
    ):
        for key, values in layers[0].items() if layers else ():
            if part == "objectness":
                values = values[..., 1::2] - values[..., ::2]
            width = {"convolution": 0, "objectness": 1, "deltas": 4}[part]
            if width and values.shape[-1] == width * np.prod(grid):
                shape = values.shape[:-1]
                values = values.reshape(*shape, *grid, width)
                values = values.swapaxes(-3, -2).reshape(*shape, -1)
            arrays[f"{name}/{part}/{key}"] = values
    return arrays


def _predictor_arrays(found: ObjectGraph, name: str) -> Arrays:
    """Values of the dense layers of the second stage."""
    predictor = ("model", "_mask_rcnn_box_predictor")
    parts: Mapping[str, list[Arrays]] = {
        "classes": found.layers(
            *predictor, "_class_prediction_head", "_class_predictor_layers"
        ),
        "deltas": found.layers(
            *predictor, "_box_prediction_head", "_box_encoder_layers"
        ),
    }
    return {
        f"{name}/{part}/{key}": values
        for part, layers in parts.items()
        if layers
        for key, values in layers[0].items()
    }
