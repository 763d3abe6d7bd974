"""Detectors of others: SavedModels and ONNX files with the API's signature.

That is: uint8 images `[batch, height, width, 3]` in, and the outputs of
`featsr_tf.exporting.names` by name; boxes are fractions of the images. Batch,
height and width may be fixed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import PIL.Image
import tensorflow as tf

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import memory_problem
from featsr_tf.exporting import names
from featsr_tf.exporting.exported_model import InputSpec
from featsr_tf.exporting.exported_model import detections_in_pixels
from featsr_tf.exporting.exported_model import first_line
from featsr_tf.exporting.exported_model import input_specs
from featsr_tf.exporting.exported_model import load_saved_model
from featsr_tf.files import stand_in_at
from featsr_tf.metrics.detections import Detections

_OUTPUTS = (names.BOXES, names.SCORES, names.CLASSES, names.COUNT)
# Far beyond what a regression puts out for an object at the edge.
_LARGEST_FRACTION = 10.0

Runner = Callable[[np.ndarray], Mapping[str, np.ndarray]]


class ForeignModel:
    """A detector with the API's signature, whatever it was made by.

    Args:
        path: for messages.
        run: from images as `spec` says to outputs by name.

    Raises:
        DataError: it takes something else.
    """

    def __init__(self, path: str, run: Runner, spec: InputSpec):
        self._path = path
        self._run = run
        self._spec = spec
        shape = spec.shape
        if (
            len(shape) != 4
            or shape[3] not in (3, None)
            # Channels come first.
            or (shape[1] == 3 and shape[3] is None)
            or spec.dtype.kind not in "uif"
        ):
            raise DataError(
                f"{path}: expected an input of RGB images [batch, height, "
                f"width, 3], found {spec.name} {_shape_text(shape)} "
                f"{_type_text(spec.dtype)}; export the detector with "
                "image_tensor as its input type"
            )

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Tells what images of a size are resized to before they go in, px."""
        _, fixed_height, fixed_width, _ = self._spec.shape
        return fixed_height or height, fixed_width or width

    def detect(self, images: np.ndarray) -> list[Detections]:
        """Detects objects in images of one size.

        Args:
            images: `[B, H, W, 3]` uint8 RGB.

        Returns:
            Detections of each image, in its px.

        Raises:
            DataError: it fails, or puts out something else.
        """
        count, height, width, _ = images.shape
        size = self.input_size(height, width)
        if size != (height, width):
            images = np.stack([_resize(image, size) for image in images])
        images = images.astype(self._spec.dtype, copy=False)
        step = self._spec.shape[0] or count
        found: list[Detections] = []
        for first in range(0, count, step):
            batch = images[first : first + step]
            missing = [(0, step - len(batch))] + [(0, 0)] * 3
            outputs = self._checked(self._run(np.pad(batch, missing)), step)
            found += detections_in_pixels(outputs, height, width)[: len(batch)]
        return found

    def _checked(
        self, outputs: Mapping[str, np.ndarray], count: int
    ) -> dict[str, np.ndarray]:
        """Refuses outputs that mean something else than the API's."""
        values = {name: np.asarray(outputs[name]) for name in _OUTPUTS}
        shape = values[names.BOXES].shape
        num_boxes = shape[1] if len(shape) == 3 else None
        expected = {
            names.BOXES: (count, num_boxes, 4),
            names.SCORES: (count, num_boxes),
            names.CLASSES: (count, num_boxes),
        }
        for name, shape in expected.items():
            if values[name].shape != shape:
                self._refuse(name, shape, values[name].shape)
        if values[names.COUNT].size != count:
            self._refuse(names.COUNT, (count,), values[names.COUNT].shape)
        values[names.COUNT] = values[names.COUNT].reshape(count)
        counts = values[names.COUNT].astype(int)
        is_there = np.arange(num_boxes) < counts[:, None]
        scores = values[names.SCORES][is_there]
        boxes = values[names.BOXES][is_there]
        # Comparisons with NaN are false.
        if not (np.abs(boxes) <= _LARGEST_FRACTION).all():
            raise DataError(
                f"{self._path}: {names.BOXES}: expected fractions of the "
                f"image, found {_worst(boxes):g}; export the detector with "
                "normalised coordinates"
            )
        if (boxes[:, 2:] < boxes[:, :2] - 1e-6).any():
            raise DataError(
                f"{self._path}: {names.BOXES}: expected ymin, xmin, ymax, "
                "xmax, found boxes that end before they begin; export the "
                "detector with this order"
            )
        if not ((scores >= 0) & (scores <= 1)).all():
            raise DataError(
                f"{self._path}: {names.SCORES}: expected 0 to 1, found "
                f"{_worst(scores):g}; export the detector with its score "
                "converter"
            )
        return values

    def _refuse(self, name: str, expected: tuple, found: tuple) -> None:
        raise DataError(
            f"{self._path}: {name}: expected {_shape_text(expected)}, found "
            f"{_shape_text(found)}"
        )


def load_foreign_saved_model(folder: Path) -> ForeignModel:
    """Loads a SavedModel that is none of this package.

    Raises:
        DataError: it is damaged, does more than compute, or no signature of
            it is that of the API.
    """
    model = load_saved_model(folder)
    specs = input_specs(model.signatures)
    outputs = {
        name: sorted(function.structured_outputs)
        for name, function in model.signatures.items()
    }
    fitting = [name for name in specs if set(_OUTPUTS) <= set(outputs[name])]
    if not fitting:
        found = [f"{key} ({', '.join(its)})" for key, its in outputs.items()]
        _refuse_outputs(str(folder), found)
    is_default = names.SERVING_DEFAULT in fitting
    name = names.SERVING_DEFAULT if is_default else fitting[0]
    spec = specs[name]

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        # Variables live as long as the model, not as its signatures.
        detect = model.signatures[name]
        try:
            found = detect(**{spec.name: tf.constant(images)})
        except tf.errors.OpError as error:
            if memory_problem(error):
                raise
            raise DataError(f"{folder}: {first_line(error)}") from None
        return {key: found[key].numpy() for key in _OUTPUTS}

    return ForeignModel(str(folder), run, spec)


def load_onnx(path: Path) -> ForeignModel:
    """Loads an ONNX file.

    Raises:
        ConfigError: ONNX Runtime is not installed.
        DataError: the file is damaged, or has another signature.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError(
            f"{path}: needs ONNX Runtime; pip install 'featsr_tf[onnx]'"
        ) from None
    if found := stand_in_at(path):
        raise DataError(f"{path}: {found}")
    try:
        session = onnxruntime.InferenceSession(
            str(path), providers=onnxruntime.get_available_providers()
        )
    # Its errors have no other class in common.
    except Exception as error:
        raise DataError(
            f"{path}: cannot be loaded: {first_line(error)}"
        ) from None
    inputs = session.get_inputs()
    # Some converters keep the number of TensorFlow's output in its name.
    outputs = {
        value.name.removesuffix(":0"): value.name
        for value in session.get_outputs()
    }
    if len(inputs) != 1 or not set(_OUTPUTS) <= set(outputs):
        found = ", ".join(value.name for value in inputs)
        _refuse_outputs(str(path), [f"{found} -> {', '.join(sorted(outputs))}"])
    wanted = [outputs[name] for name in _OUTPUTS]
    ((name, spec),) = [(value.name, _onnx_spec(value)) for value in inputs]

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        try:
            values = session.run(wanted, {name: images})
        except Exception as error:
            raise DataError(f"{path}: {first_line(error)}") from None
        return dict(zip(_OUTPUTS, values, strict=True))

    return ForeignModel(str(path), run, spec)


_ONNX_TYPES = {"float": "float32", "double": "float64"}


def _onnx_spec(value) -> InputSpec:
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    try:
        dtype = np.dtype(_ONNX_TYPES.get(kind, kind))
    except TypeError:
        dtype = np.dtype(object)
    shape = [side if isinstance(side, int) else None for side in value.shape]
    return InputSpec(value.name, dtype, tuple(shape))


def _refuse_outputs(path: str, found: list[str]) -> None:
    raise DataError(
        f"{path}: expected a detector with one input of images and the outputs "
        f"{', '.join(_OUTPUTS)}, found {'; '.join(sorted(found)) or 'none'}"
    )


def _shape_text(shape: tuple[int | None, ...]) -> str:
    sides = ("any" if side is None else str(side) for side in shape)
    return f"[{', '.join(sides)}]"


def _type_text(dtype: np.dtype) -> str:
    return "strings" if dtype.kind == "O" else dtype.name


def _worst(values: np.ndarray) -> float:
    flat = values.reshape(-1)
    is_number = np.isfinite(flat)
    if not is_number.all():
        return flat[~is_number][0]
    return flat[np.abs(flat - 0.5).argmax()]


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    resized = PIL.Image.fromarray(image).resize(
        size[::-1], PIL.Image.Resampling.BILINEAR
    )
    return np.asarray(resized)
