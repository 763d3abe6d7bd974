"""Detectors as ONNX and TensorFlow Lite models."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from featsr_tf.exporting.names import SERVING_DEFAULT
from featsr_tf.exporting.signatures import Outputs

ONNX_FILE = "model.onnx"
TFLITE_FILE = "model.tflite"
# The first with all operations that the detector needs as they are.
_ONNX_OPSET = 18

ImageFunction = Callable[[tf.Tensor], Outputs]


def write_onnx(
    folder: Path, function: ImageFunction, spec: tf.TensorSpec
) -> None:
    """Writes `model.onnx`.

    Args:
        folder: where.
        function: of images, made of operations that ONNX has.
        spec: its input.
    """
    import tf2onnx

    tf2onnx.convert.from_function(
        tf.function(function),
        [spec],
        opset=_ONNX_OPSET,
        output_path=str(folder / ONNX_FILE),
    )


def write_tflite(
    folder: Path,
    function: ImageFunction,
    spec: tf.TensorSpec,
    input_size: tuple[int, int],
    detector: keras.Model,
) -> None:
    """Writes `model.tflite`, which needs no operations of TensorFlow.

    Args:
        folder: where.
        function: of images, made of operations that TensorFlow Lite has.
        spec: its input.
        input_size: height and width of the images, px.
        detector: owner of the variables that the function reads.
    """
    spec = tf.TensorSpec([1, *input_size, 3], spec.dtype, spec.name)
    with tempfile.TemporaryDirectory() as temporary:
        # The converter finds the variables only in a SavedModel.
        archive = keras.export.ExportArchive()
        archive.track(detector)
        archive.add_endpoint(SERVING_DEFAULT, function, [spec])
        archive.write_out(temporary, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            temporary, signature_keys=[SERVING_DEFAULT]
        )
        (folder / TFLITE_FILE).write_bytes(converter.convert())
