"""Weights by the names of their variables, from the files they are kept in."""

import os
import re
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.core.protobuf import trackable_object_graph_pb2

from featsr_tf.errors import DataError
from featsr_tf.files import without_wildcards

_SAVED_MODEL = "saved_model.pb"
_NUMBERED = re.compile(r".*?(\d+)")
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "VARIABLE_VALUE"


def read_weights(path: str, preferred: str = "") -> dict[str, np.ndarray]:
    """Reads the weights that others have trained; runs nothing of theirs.

    Args:
        path: the folder of a SavedModel, a checkpoint, or a folder whose
            newest checkpoint is taken.
        preferred: function of a SavedModel, such as "base", whose variables
            are taken where others have the same names.

    Returns:
        Values by the names, such as "conv1/kernel", that the variables had; of
        checkpoints of TensorFlow 1 by their own keys.

    Raises:
        DataError: there are no weights, or they are damaged.
    """
    try:
        folder, name = os.path.split(find_checkpoint(path))
        first: set[int] = set()
        if preferred and name == "variables":
            first = _variables_of(Path(path, _SAVED_MODEL), preferred)
        with without_wildcards(folder) as plain:
            reader = tf.train.load_checkpoint(os.path.join(plain, name))
            return {
                name: reader.get_tensor(key)
                for name, key in _keys_by_name(reader, first).items()
            }
    # What TensorFlow and protobuf raise of damage has no common class.
    except Exception as error:
        if isinstance(error, DataError):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{path}: the weights are damaged or incomplete ({reason})"
        ) from error


def find_checkpoint(path: str) -> str:
    """Finds the checkpoint of a SavedModel, of a folder, or itself.

    Returns:
        Its name without `.index`, as TensorFlow wants it.

    Raises:
        DataError: there is none.
    """
    if os.path.isfile(os.path.join(path, _SAVED_MODEL)):
        return os.path.join(path, "variables", "variables")
    if os.path.isdir(path):
        found = [os.path.join(path, name) for name in os.listdir(path)]
    else:
        found = [path, f"{path}.index"]
    found = [
        name.removesuffix(".index")
        for name in found
        if name.endswith(".index") and os.path.isfile(name)
    ]
    if not found:
        kind = "no such file"
        if os.path.exists(path):
            kind = "no weights there"
        raise DataError(
            f"{path}: {kind}; expected a .keras or .weights.h5 file, the "
            "folder of a SavedModel, or a checkpoint (ckpt-N.index) or its "
            "folder"
        )
    return max(found, key=_number)


def _number(prefix: str) -> int:
    match = _NUMBERED.fullmatch(os.path.basename(prefix))
    return int(match[1]) if match else -1


def _keys_by_name(reader, preferred: set[int]) -> dict[str, str]:
    """Finds the key of each variable; the order of equal names decides."""
    keys = reader.get_variable_to_shape_map()
    if _OBJECT_GRAPH not in keys:
        return {key: key for key in keys}
    graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
        reader.get_tensor(_OBJECT_GRAPH)
    )
    numbers = range(len(graph.nodes))
    return {
        attribute.full_name or attribute.checkpoint_key: (
            attribute.checkpoint_key
        )
        for number in sorted(numbers, key=preferred.__contains__)
        for attribute in graph.nodes[number].attributes
        if attribute.name == _VALUE
    }


def _variables_of(path: Path, function: str) -> set[int]:
    """Finds what a function of a SavedModel uses, by its objects' numbers.

    Both its own graph of objects and that of its checkpoint count them alike.
    """
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    graph = saved.meta_graphs[0].object_graph_def
    numbers = {
        child.local_name: child.node_id for child in graph.nodes[0].children
    }
    if function not in numbers:
        return set()
    names = graph.nodes[numbers[function]].function.concrete_functions
    return {
        number
        for name in names
        for number in graph.concrete_functions[name].bound_inputs
    }
