"""A SavedModel in memory, ready to detect."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.core.protobuf import saved_model_pb2

from featsr_tf.errors import DataError
from featsr_tf.exporting.names import BASE_SIGNATURE
from featsr_tf.exporting.names import IMAGE_SIGNATURE
from featsr_tf.exporting.saved_model import WARM_UP_FILE
from featsr_tf.exporting.saved_model import read_warm_up
from featsr_tf.exporting.versions import SAVED_MODEL_FILE
from featsr_tf.exporting.versions import ModelVersion
from featsr_tf.training import model_folder

# Saving and restoring variables is part of every SavedModel.
_FORBIDDEN_PARTS = (
    "PyFunc",
    "ReadFile",
    "WriteFile",
    "MatchingFiles",
    "Reader",
    "Dataset",
    "Iterator",
    "Lookup",
    "HashTable",
    "SendTF",
    "Print",
    "Summary",
    "Rpc",
    "Debug",
    "CustomCall",
)


def check_operations(saved: saved_model_pb2.SavedModel, path: str) -> None:
    """Refuses a SavedModel that does more than compute.

    Args:
        saved: the content of `saved_model.pb`.
        path: the file, for the message.

    Raises:
        DataError: the operations that are not allowed.
    """
    found = set()
    for meta_graph in saved.meta_graphs:
        graph = meta_graph.graph_def
        found.update(node.op for node in graph.node)
        for function in graph.library.function:
            found.update(node.op for node in function.node_def)
    wrong = sorted(
        name for name in found if any(part in name for part in _FORBIDDEN_PARTS)
    )
    if wrong:
        raise DataError(
            f"{path}: has operations that reach out of the model:"
            f" {', '.join(wrong)}; expected a model that python -m"
            " featsr_tf.export has written"
        )


def read_saved_model(path: str) -> saved_model_pb2.SavedModel:
    """Reads `saved_model.pb` and checks what it would run.

    Args:
        path: the file.

    Returns:
        Its content.

    Raises:
        DataError: it is damaged, or does more than compute.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        saved = saved_model_pb2.SavedModel.FromString(content)
    except DecodeError as error:
        raise DataError(f"{path}: damaged: {error}") from None
    check_operations(saved, path)
    return saved


class InputSpec(NamedTuple):
    """The input of a signature.

    Attributes:
        name: its name.
        dtype: its type, as NumPy spells it; "object" for strings.
        shape: its sizes, None where any will do.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int | None, ...]


class ServedModel:
    """Loads a SavedModel and runs its signatures.

    Args:
        found: the version to be loaded.

    Raises:
        DataError: the folder is damaged, or no export of this package.
    """

    def __init__(self, found: ModelVersion):
        self.name, self.version, folder = found
        self.class_names = model_folder.load_classes(str(folder)).names
        self.min_score = _min_score(folder)
        self.signature_defs = _signature_defs(str(folder / SAVED_MODEL_FILE))
        try:
            self._model = tf.saved_model.load(str(folder))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise DataError(
                f"{folder}: no readable SavedModel: {_first_line(error)}"
            ) from None
        self._signatures = self._model.signatures
        if IMAGE_SIGNATURE not in self._signatures:
            raise DataError(
                f"{folder}: it has no signature {IMAGE_SIGNATURE!r}; expected "
                "a model that python -m featsr_tf.export has written"
            )
        self._inputs = {
            name: _input_spec(function)
            for name, function in self._signatures.items()
        }
        if os.path.exists(folder / WARM_UP_FILE):
            for signature, value in read_warm_up(str(folder)):
                self.run(signature, value.numpy())

    @property
    def has_base(self) -> bool:
        """Whether the base detector is in it beside the super-resolved one."""
        return BASE_SIGNATURE in self._signatures

    def input_spec(self, signature: str) -> InputSpec | None:
        """Tells what a signature takes; None where there is no such one."""
        return self._inputs.get(signature)

    def run(self, signature: str, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            signature: its name.
            batch: `[B, ...]`, its input.

        Returns:
            Its outputs `[B, ...]` by name.

        Raises:
            DataError: the input cannot be used, for example a damaged image.
        """
        spec = self._inputs[signature]
        try:
            found = self._signatures[signature](
                **{spec.name: tf.constant(batch)}
            )
        except tf.errors.InvalidArgumentError as error:
            raise DataError(_first_line(error)) from None
        return {name: value.numpy() for name, value in found.items()}


def _min_score(folder: Path) -> float | None:
    """The lowest score that is shown; not every SavedModel has a config."""
    if not (folder / model_folder.PIPELINE_FILE).exists():
        return None
    return model_folder.load(str(folder)).eval_config.min_score_threshold


def _signature_defs(path: str) -> dict[str, meta_graph_pb2.SignatureDef]:
    saved = read_saved_model(path)
    return {
        name: definition
        for graph in saved.meta_graphs
        for name, definition in graph.signature_def.items()
    }


def _input_spec(function) -> InputSpec:
    ((name, spec),) = function.structured_input_signature[1].items()
    dtype = np.dtype(spec.dtype.as_numpy_dtype)
    return InputSpec(name, dtype, tuple(spec.shape))


def _first_line(error: Exception) -> str:
    """TensorFlow tells the node first and the reason after it."""
    text = getattr(error, "message", str(error))
    lines = [line for line in text.splitlines() if line.strip()] or [""]
    return re.sub(r"^.*?\{\{[^}]*\}\}\s*", "", lines[0]) or lines[-1]
