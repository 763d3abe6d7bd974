"""A SavedModel in memory, ready to detect."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.core.protobuf import saved_model_pb2

from featsr_tf.errors import DataError
from featsr_tf.errors import memory_problem
from featsr_tf.exporting import names
from featsr_tf.exporting.versions import SAVED_MODEL_FILE
from featsr_tf.exporting.versions import ModelVersion
from featsr_tf.exporting.versions import is_as_written
from featsr_tf.files import stand_in
from featsr_tf.files import stand_in_at
from featsr_tf.files import without_wildcards
from featsr_tf.metrics.detections import Detections
from featsr_tf.training import model_folder

# Where TensorFlow Serving looks for requests that it runs at its start.
WARM_UP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
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
            f" {', '.join(wrong)}; expected a model that only computes, as"
            " python -m featsr_tf.export writes it"
        )


def read_saved_model(path: str) -> saved_model_pb2.SavedModel:
    """Reads `saved_model.pb` and checks what it would run.

    Raises:
        DataError: it is damaged, or does more than compute.
    """
    with open(path, "rb") as file:
        content = file.read()
    if found := stand_in(content):
        raise DataError(f"{path}: {found}")
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


class ExportedModel:
    """A SavedModel of this package, whoever runs it.

    Attributes:
        name: what clients call the model.
        version: its number.
        class_names: names by class id.
        min_score: lowest score that is shown; None = the export says nothing.
        signature_defs: the declared signatures by name.

    Raises:
        DataError: the folder is damaged, or no export of this package.
    """

    def __init__(self, found: ModelVersion):
        self.name, self.version, folder = found
        self._folder = folder
        self.class_names = model_folder.load_classes(str(folder)).names
        self.min_score = _min_score(folder)
        self.signature_defs = read_signature_defs(folder)
        self._model = load_saved_model(folder)
        self._signatures = self._model.signatures
        if names.IMAGE_SIGNATURE not in self._signatures:
            raise DataError(
                f"{folder}: expected a SavedModel with a signature "
                f"{names.IMAGE_SIGNATURE!r}, as featsr_tf.export writes it, "
                "found "
                f"{', '.join(sorted(self._signatures)) or 'none'}"
            )
        self._inputs = input_specs(self._signatures)

    def warm_up(self) -> None:
        """Runs the requests of the export, so that none of others is slow."""
        if os.path.exists(self._folder / WARM_UP_FILE):
            for signature, value in read_warm_up(str(self._folder)):
                self.run(signature, value.numpy())

    @property
    def has_base(self) -> bool:
        """Whether the base detector is in it beside the super-resolved one."""
        return names.BASE_SIGNATURE in self._signatures

    @property
    def looks_again(self) -> bool:
        """Whether it can tell where it has taken a second look."""
        return names.WINDOWS_SIGNATURE in self._signatures

    def signature_of(self, base: bool) -> str:
        """Names the signature that tells the most about uint8 images.

        Args:
            base: whether the base detector looks, where it is in the model:
                what was exported without later stages is one itself.
        """
        if base and self.has_base:
            return names.BASE_SIGNATURE
        if self.looks_again:
            return names.WINDOWS_SIGNATURE
        return names.IMAGE_SIGNATURE

    def input_spec(self, signature: str) -> InputSpec | None:
        """Tells what a signature takes; None where there is no such one."""
        return self._inputs.get(signature)

    def run(self, signature: str, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
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
            raise DataError(first_line(error)) from None
        return {name: value.numpy() for name, value in found.items()}

    def detect(
        self, images: np.ndarray, base: bool = False
    ) -> list[Detections]:
        """Detects objects in images of one size.

        Args:
            images: `[B, H, W, 3]` uint8 RGB.
            base: as for `signature_of`. Default False.

        Returns:
            Detections of each image, in its px.
        """
        return detections_in_pixels(
            self.run(self.signature_of(base), images), *images.shape[1:3]
        )


def detections_in_pixels(
    outputs: Mapping[str, np.ndarray], height: int, width: int
) -> list[Detections]:
    """Turns the outputs of a signature into detections.

    Args:
        outputs: by the names of the Object Detection API, `[B, ...]`; boxes
            are fractions of the images.
        height: of the images in px.
        width: of the images in px.

    Returns:
        Detections of each image, in its px.
    """
    counts = outputs[names.COUNT].astype(int)
    windows = [None] * len(counts)
    if names.WINDOWS in outputs:
        windows = np.concatenate(
            [
                outputs[names.WINDOWS] * ([height, width] * 2),
                outputs[names.MAGNIFICATIONS][..., None],
            ],
            axis=2,
        )
    return [
        Detections(
            image_id=row,
            boxes=outputs[names.BOXES][row, :count] * ([height, width] * 2),
            scores=outputs[names.SCORES][row, :count],
            classes=outputs[names.CLASSES][row, :count].astype(np.int32),
            windows=windows[row],
        )
        for row, count in enumerate(counts)
    ]


def read_warm_up(directory: str) -> Iterator[tuple[str, tf.Tensor]]:
    """Reads the warm-up requests of a SavedModel."""
    from tensorflow_serving.apis import prediction_log_pb2

    path = os.path.join(directory, WARM_UP_FILE)
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        value = tf.constant(tf.make_ndarray(request.inputs[names.INPUT]))
        yield request.model_spec.signature_name, value


def _min_score(folder: Path) -> float | None:
    """The lowest score that is shown; not every SavedModel has a config."""
    if not (folder / model_folder.PIPELINE_FILE).exists():
        return None
    return model_folder.load(str(folder)).eval_config.min_score_threshold


def read_signature_defs(
    folder: Path,
) -> dict[str, meta_graph_pb2.SignatureDef]:
    """Reads the declared signatures of a SavedModel by name.

    Raises:
        DataError: it is damaged, or does more than compute.
    """
    saved = read_saved_model(str(folder / SAVED_MODEL_FILE))
    return {
        name: definition
        for graph in saved.meta_graphs
        for name, definition in graph.signature_def.items()
    }


def load_saved_model(folder: Path):
    """Loads a SavedModel that `read_saved_model` has found to be sound.

    Raises:
        DataError: its variables are damaged, or this TensorFlow lacks an
            operation.
    """
    try:
        with without_wildcards(str(folder)) as plain:
            return tf.saved_model.load(plain)
    except (OSError, ValueError, tf.errors.OpError) as error:
        if memory_problem(error):
            raise
        for path in sorted(folder.glob("variables/*")):
            if found := stand_in_at(path):
                raise DataError(f"{path}: {found}") from None
        problem = "is damaged"
        if is_as_written(folder):
            problem = "is as it was written, but cannot be loaded"
        raise DataError(
            f"{folder}: the SavedModel {problem} ({first_line(error)}); "
            "export it again with this version"
        ) from None


def input_specs(signatures: Mapping) -> dict[str, InputSpec]:
    """Tells what signatures take, of those that take one input."""
    specs = {}
    for signature, function in signatures.items():
        inputs = function.structured_input_signature[1]
        if len(inputs) == 1:
            ((name, spec),) = inputs.items()
            dtype = np.dtype(spec.dtype.as_numpy_dtype)
            # Of an unknown number of axes there is nothing to tell.
            shape = spec.shape if spec.shape.rank is not None else [None] * 4
            specs[signature] = InputSpec(name, dtype, tuple(shape))
    return specs


def first_line(error: Exception) -> str:
    """Finds the line of a runtime's text that says why.

    It is the one before the first node that is named, behind where that is.
    """
    text = getattr(error, "message", str(error))
    before, *nodes = re.split(r"\[\[?\{\{node", text)
    lines = [line for line in before.splitlines() if line.strip()] or [text]
    line = lines[-1] if nodes else lines[0]
    return re.sub(r"^.*?\{\{[^}]*\}\}\s*", "", line).strip() or lines[-1]
