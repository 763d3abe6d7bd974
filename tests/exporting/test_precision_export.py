"""An exported detector of 16 bits takes and gives what every other does."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import ConfigError
from featsr_tf.exporting.other_runtimes import ExportOptions
from featsr_tf.exporting.saved_model import export
from featsr_tf.exporting.saved_model import load_detectors
from tests.exporting.test_saved_model import detect
from tests.model.small import small_backbone
from tests.model.small import small_pipeline
from tests.server.models import random_images
from tests.server.models import write_model

EXTENSION = "model.feature_super_resolution"


@pytest.mark.parametrize(
    "precision",
    ["MIXED_BFLOAT16", "MIXED_FLOAT16"],
)
@pytest.mark.slow
def test_outputs_are_near_those_of_32_bits(tmp_path, precision):
    trained = write_model(tmp_path)
    pipeline = small_pipeline(f"{EXTENSION}.precision={precision}")
    with small_backbone():
        detectors = load_detectors(trained, str(tmp_path))
        path = export(pipeline, str(tmp_path), str(tmp_path / "signs"))
    assert f"precision: {precision}" in (path / "pipeline.config").read_text()
    signatures = tf.saved_model.load(str(path)).signatures
    images = random_images(2)
    for name, detector in zip(
        ("serving_default", "base"), detectors, strict=True
    ):
        found = signatures[name](input_tensor=tf.constant(images))
        assert {values.dtype for values in found.values()} == {tf.float32}
        _, scores = detect(detector, trained, images, name != "base")
        # The others change places where two are about as good.
        best = found["detection_scores"][:, :2]
        assert np.any(best != scores[:, :2])
        np.testing.assert_allclose(best, scores[:, :2], atol=0.02)


@pytest.mark.parametrize("format", ["onnx", "tflite"])
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("precision", "MIXED_FLOAT16", "FLOAT32"),
        ("jit_compile", "True", "false"),
    ],
)
def test_other_runtimes_are_refused_with_what_to_do(
    tmp_path, format, name, value, expected
):
    path = f"{EXTENSION}.{name}"
    pipeline = small_pipeline(f"{path}={value}")
    options = ExportOptions(format=format, input_size=(50, 70))
    with pytest.raises(ConfigError) as error:
        export(pipeline, str(tmp_path), str(tmp_path / "signs"), options)
    assert str(error.value).endswith(
        f"{path} is {value}; expected {expected} with --format {format}: "
        f"add --set {path}={expected}"
    )
