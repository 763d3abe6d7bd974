"""What is exported and how; detectors as ONNX and TensorFlow Lite models."""

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import tensorflow as tf

from featsr_tf.exporting.names import SERVING_DEFAULT
from featsr_tf.exporting.signatures import Outputs
from featsr_tf.exporting.versions import ONNX_FILE
from featsr_tf.geometry import PORTABLE
from featsr_tf.geometry import TENSORFLOW
from featsr_tf.geometry import Operations
from featsr_tf.geometry.nms import suppress_by_class
from featsr_tf.html_report.inputs import Metrics


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What is exported.

    Attributes:
        version: number of the version; None = one more than the newest.
        base_only: export the plain base detector. Default False.
        input_type: what `serving_default` takes, see
            `names.INPUT_TYPES`.
        metrics: figures for the model card; None = none.
        card_sections: texts for the model card by section; they follow what
            it says by itself. Default none.
        min_score: lowest score that is drawn by default, or one by name of
            the detector ("base", "super_resolved"). None = that of the
            config, `eval_config.min_score_threshold`.
        format: "saved_model", "onnx" or "tflite". The latter two have one
            signature, of images.
        non_maximum_suppression: of a SavedModel: "combined" by TensorFlow's
            own kernel, or "by_class" by one that more runtimes have. The
            other formats have no choice.
        raw_outputs: put out what there was before suppression as well.
        input_size: height and width of the only images, px, that a "tflite"
            model takes.
    """

    version: int | None = None
    base_only: bool = False
    input_type: str = "image_tensor"
    metrics: Metrics | None = None
    card_sections: Mapping[str, str] = dataclasses.field(default_factory=dict)
    min_score: float | Mapping[str, float] | None = None
    format: str = "saved_model"
    non_maximum_suppression: str = "combined"
    raw_outputs: bool = False
    input_size: tuple[int, int] | None = None

    @property
    def operations(self) -> Operations:
        """How the detector computes."""
        if self.format != "saved_model":
            return PORTABLE
        if self.non_maximum_suppression == "by_class":
            return TENSORFLOW._replace(suppress=suppress_by_class)
        return TENSORFLOW


TFLITE_FILE = "model.tflite"
# The first with all operations that the detector needs as they are.
_ONNX_OPSET = 18

ImageFunction = Callable[[tf.Tensor], Outputs]


def write_onnx(
    folder: Path, function: ImageFunction, spec: tf.TensorSpec
) -> None:
    """Writes `model.onnx`."""
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
        input_size: height and width of the images, px.
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
