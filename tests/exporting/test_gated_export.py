"""Exported detectors find what the checkpoint finds, whatever passes."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.build import build_resizer
from featsr_tf.exporting.other_runtimes import ONNX_FILE
from featsr_tf.exporting.other_runtimes import TFLITE_FILE
from featsr_tf.exporting.other_runtimes import ExportOptions
from featsr_tf.exporting.saved_model import export
from featsr_tf.exporting.saved_model import load_detectors
from featsr_tf.exporting.signatures import Signatures
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from tests.model.small import small_backbone
from tests.server.models import random_images
from tests.server.models import write_model

EXTENSION = "model.feature_super_resolution"
GATE = f"{EXTENSION}.gate_score_threshold="
ZOOM = (f"{EXTENSION}.refiner=ZOOM", f"{EXTENSION}.zoom.window_size=64")


class Model:
    """A model folder, and images that its gate shuts out or lets pass.

    The gate is a score between those of the noise images.
    """

    def __init__(self, folder, stages, *overrides):
        self.folder = folder
        self.pipeline = write_model(folder, stages, overrides)
        with small_backbone():
            detector, _ = load_detectors(self.pipeline, str(folder))
        resizer = build_resizer(self.pipeline)
        self.detect = Signatures(detector, resizer).images
        first_look = Signatures(
            functools.partial(detector, super_resolve=False), resizer
        ).images
        self.shut_out, self.passed = [], []
        for seed in range(6):
            image = random_images(1, seed=seed)
            scores, others = (
                function(tf.constant(image))["detection_scores"].numpy()
                for function in (first_look, self.detect)
            )
            is_same = np.allclose(scores, others, atol=1e-6)
            (self.shut_out if is_same else self.passed).append(image)

    def export(self, folder, **options):
        """Writes the model in a format."""
        with small_backbone():
            return export(
                self.pipeline,
                str(self.folder),
                str(folder / "signs"),
                ExportOptions(**options),
            )

    def check(self, run, with_batches=True):
        """Compares what a runtime finds with what the checkpoint finds."""
        both = np.concatenate([self.passed[0], self.shut_out[0]])
        batches = [self.shut_out[0], self.passed[0], self.shut_out[1]]
        for images in batches + [both, both[::-1]] * with_batches:
            found = run(images)
            for name, values in self.detect(tf.constant(images)).items():
                np.testing.assert_allclose(
                    found[name], values, atol=1e-4, err_msg=name
                )


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generator")
    return Model(folder, [BASE, FINE_TUNE], f"{GATE}0.58")


@pytest.fixture(scope="module")
def zoom(tmp_path_factory):
    return Model(tmp_path_factory.mktemp("zoom"), [BASE], f"{GATE}0.493", *ZOOM)


@pytest.fixture(
    params=[pytest.param("generator", marks=pytest.mark.slow), "zoom"]
)
def model(request):
    return request.getfixturevalue(request.param)


def test_a_saved_model_equals_the_checkpoint(model, tmp_path):
    path = model.export(tmp_path)
    detect = tf.saved_model.load(str(path)).signatures["image"]
    model.check(lambda images: detect(input_tensor=tf.constant(images)))


@pytest.mark.slow
def test_an_onnx_model_equals_the_checkpoint(model, tmp_path):
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    onnxruntime = pytest.importorskip(
        "onnxruntime", reason="onnxruntime is not installed"
    )
    path = model.export(tmp_path, format="onnx")
    session = onnxruntime.InferenceSession(str(path / ONNX_FILE))
    names = [value.name for value in session.get_outputs()]

    def run(images):
        values = session.run(names, {"input_tensor": images})
        return dict(zip(names, values, strict=True))

    model.check(run)


@pytest.mark.slow
def test_a_tflite_model_equals_the_checkpoint(generator, tmp_path):
    runtime = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="LiteRT is not installed"
    )
    path = generator.export(tmp_path, format="tflite", input_size=(50, 70))
    interpreter = runtime.Interpreter(str(path / TFLITE_FILE))
    run = interpreter.get_signature_runner("serving_default")
    generator.check(lambda images: run(input_tensor=images), with_batches=False)
