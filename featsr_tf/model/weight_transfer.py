"""Weights that others have trained: read from files, taken over by name."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import keras
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
# What a predictor has of each class: a logit, behind that of the background,
# and four deltas.
_OF_CLASSES = re.compile(r"_predictor/(classes|deltas)/")


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


@dataclass
class PartTransfer:
    """What one part of a network has got of the weights of another.

    Attributes:
        loaded: names of the variables that were assigned.
        skipped: why others were not, by their names.
        missing: names of those that the other network does not have.
    """

    loaded: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """Tells it in one line."""
        total = len(self.loaded) + len(self.skipped) + len(self.missing)
        found = [f"{len(self.loaded)} of {total} variables taken"]
        if self.skipped:
            name, reason = next(iter(self.skipped.items()))
            found.append(f"{len(self.skipped)} do not fit ({name}: {reason})")
        if self.missing:
            found.append(
                f"{len(self.missing)} are not there ({self.missing[0]})"
            )
        return "; ".join(found)


@dataclass(frozen=True)
class Transfer:
    """What a network has got of the weights of another.

    Attributes:
        parts: what each part has got, by the part's name.
    """

    origin: str
    parts: dict[str, PartTransfer]

    def table(self) -> str:
        """Tells it to people, a line for each part."""
        width = max(map(len, self.parts))
        lines = [
            f"  {name:<{width}}  {part.describe()}"
            for name, part in self.parts.items()
        ]
        return "\n".join([f"weights of {self.origin}:", *lines])

    @property
    def is_complete(self) -> bool:
        """Whether every variable was assigned."""
        return not any(p.skipped or p.missing for p in self.parts.values())


def transfer_weights(
    parts: Mapping[str, Iterable[keras.Variable]],
    arrays: Mapping[str, np.ndarray],
    origin: str,
    class_ids: Mapping[int, int] | None = None,
) -> Transfer:
    """Assigns those of some arrays that fit.

    A layer takes all of its variables or none: a bias is of no use without
    its kernel.

    Args:
        parts: the variables of each part, by names for people.
        arrays: values by the `path` of the variable that they are for.
        origin: where they are from, for people.
        class_ids: class id there by class id here, from 1, of the classes
            that both networks know; predictors take the rows of these and of
            the background. Default: the classes are the same.

    Raises:
        DataError: nothing of the first part fits, without which the others
            are of no use.
    """
    transfer = Transfer(origin, {name: PartTransfer() for name in parts})
    for name, variables in parts.items():
        layers: dict[str, list[keras.Variable]] = {}
        for variable in variables:
            layer = variable.path.rpartition("/")[0]
            layers.setdefault(layer, []).append(variable)
        for layer_variables in layers.values():
            _transfer_layer(
                layer_variables, arrays, class_ids, transfer.parts[name]
            )
    first, part = next(iter(transfer.parts.items()))
    if not part.loaded:
        raise DataError(
            f"{origin}: no weights of the {first} fit: {part.describe()}; "
            f"found {_shapes(arrays)}; expected the same network at the same "
            "width"
        )
    return transfer


def _transfer_layer(
    variables: list[keras.Variable],
    arrays: Mapping[str, np.ndarray],
    class_ids: Mapping[int, int] | None,
    part: PartTransfer,
) -> None:
    paths = [variable.path for variable in variables]
    if not arrays.keys() >= set(paths):
        part.missing += paths
        return
    values = {}
    for variable in variables:
        path, found = variable.path, np.asarray(arrays[variable.path])
        if class_ids is not None and _OF_CLASSES.search(path):
            found = match_classes(path, variable.numpy(), found, class_ids)
        if found is None:
            part.skipped |= dict.fromkeys(paths, "other classes")
            return
        if found.shape != tuple(variable.shape):
            reason = f"{_shape(variable)} here, {_shape(found)} there"
            part.skipped |= dict.fromkeys(paths, reason)
            return
        values[path] = found
    for variable in variables:
        variable.assign(values[variable.path].astype(variable.dtype))
    part.loaded += paths


def match_classes(
    path: str,
    ours: np.ndarray,
    theirs: np.ndarray,
    class_ids: Mapping[int, int],
) -> np.ndarray | None:
    """Takes over what a predictor has learnt of some classes.

    Args:
        path: of the variable, such as `large_predictor/classes/kernel`.
        ours: its values; `[..., 1 + C]` of classes, `[..., 4 C]` of deltas.
        theirs: those of the other predictor.
        class_ids: class id there by class id here.

    Returns:
        Our values with those of theirs for the classes that both know, and
        for the background; `theirs` where the other dimensions differ, or one
        box serves all classes in both; None where there is nothing to take.
    """
    is_box = _OF_CLASSES.search(path)[1] == "deltas"
    width, first = (4, 0) if is_box else (1, 1)
    if ours.shape[:-1] != theirs.shape[:-1] or (
        is_box and ours.shape[-1] == theirs.shape[-1] == width
    ):
        return theirs
    if not class_ids and is_box:
        return None
    result = ours.copy()
    result[..., :first] = theirs[..., :first]
    for our_id, their_id in class_ids.items():
        to, start = (first + (i - 1) * width for i in (our_id, their_id))
        if to >= ours.shape[-1] or start >= theirs.shape[-1]:
            # One of both has one box for all classes.
            return None
        result[..., to : to + width] = theirs[..., start : start + width]
    return result


def class_ids_by_name(
    ours: Mapping[int, str], theirs: Mapping[int, str]
) -> dict[int, int]:
    """Finds the classes that two label maps have in common.

    Args:
        ours: names by class id.
        theirs: the same of the other.

    Returns:
        Class id there by class id here.
    """
    ids = {name: class_id for class_id, name in theirs.items()}
    return {
        class_id: ids[name] for class_id, name in ours.items() if name in ids
    }


def _shape(values) -> str:
    return "x".join(map(str, values.shape)) or "one number"


def _shapes(arrays: Mapping[str, np.ndarray]) -> str:
    shown = [f"{n} {_shape(values)}" for n, values in sorted(arrays.items())]
    more = f" and {len(shown) - 2} more" if len(shown) > 2 else ""
    return f"{', '.join(shown[:2])}{more}" if shown else "no weights"
