"""ONNX and TensorFlow Lite models find what the checkpoint finds."""

import numpy as np
import pytest
import tensorflow as tf

import featsr_tf
from featsr_tf.data.build import build_resizer
from featsr_tf.errors import ConfigError
from featsr_tf.export import main
from featsr_tf.exporting.other_runtimes import ONNX_FILE
from featsr_tf.exporting.other_runtimes import TFLITE_FILE
from featsr_tf.exporting.other_runtimes import ExportOptions
from featsr_tf.exporting.saved_model import export
from featsr_tf.exporting.saved_model import load_detectors
from featsr_tf.exporting.signatures import Signatures
from tests.model.small import small_backbone
from tests.model.small import small_pipeline
from tests.server.models import random_images


@pytest.fixture(scope="module")
def trained(exported_model):
    """A model folder, its config and what its checkpoint finds in images."""
    folder, pipeline, _ = exported_model
    with small_backbone():
        detector, _ = load_detectors(pipeline, str(folder))
    signatures = Signatures(detector, build_resizer(pipeline))
    return folder, pipeline, signatures.images


def check_found(found, expected):
    assert found.keys() == expected.keys()
    assert np.max(expected["num_detections"]) > 0
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4, err_msg=name)


def test_an_onnx_model_equals_the_checkpoint(trained, tmp_path):
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    onnxruntime = pytest.importorskip(
        "onnxruntime", reason="onnxruntime is not installed"
    )
    folder, pipeline, detect = trained
    options = ExportOptions(format="onnx")
    with small_backbone():
        path = export(pipeline, str(folder), str(tmp_path / "signs"), options)
    session = onnxruntime.InferenceSession(str(path / ONNX_FILE))
    assert [value.name for value in session.get_inputs()] == ["input_tensor"]
    names = [value.name for value in session.get_outputs()]
    for count, height, width in ((1, 50, 70), (2, 90, 40), (1, 64, 64)):
        images = random_images(count, height, width)
        values = session.run(names, {"input_tensor": images})
        expected = detect(tf.constant(images))
        check_found(dict(zip(names, values, strict=True)), expected)
    assert "onnxruntime" in (path / "MODEL_CARD.md").read_text()
    # `images` and `expected` are the last ones.
    result = featsr_tf.load(path.parent).predict(images[0])
    assert len(result) == int(expected["num_detections"][0])
    assert result.min_score == pipeline.eval_config.min_score_threshold
    assert set(result.names) <= {"one", "two"}


def test_a_tflite_model_equals_the_checkpoint(trained, tmp_path):
    runtime = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="LiteRT is not installed"
    )
    folder, pipeline, detect = trained
    options = ExportOptions(format="tflite", input_size=(50, 70))
    with small_backbone():
        path = export(pipeline, str(folder), str(tmp_path / "signs"), options)
    interpreter = runtime.Interpreter(str(path / TFLITE_FILE))
    operations = {op["op_name"] for op in interpreter._get_ops_details()}
    assert not any(name.startswith("Flex") for name in operations)
    run = interpreter.get_signature_runner("serving_default")
    for seed in range(3):
        images = random_images(1, 50, 70, seed)
        expected = detect(tf.constant(images))
        check_found(run(input_tensor=images), expected)
    assert "[1, 50, 70, 3]" in (path / "MODEL_CARD.md").read_text()


def test_a_zoom_is_refused_where_a_runtime_lacks_an_operation(tmp_path):
    zoom = "model.feature_super_resolution.refiner=ZOOM"
    pipeline = small_pipeline(zoom)
    options = ExportOptions(format="tflite", input_size=(50, 70))
    with pytest.raises(ConfigError, match="refiner is ZOOM, whose bicubic"):
        export(pipeline, str(tmp_path), str(tmp_path / "signs"), options)


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_a_second_look_is_refused_as_its_graph_decides(kind, tmp_path):
    pipeline = small_pipeline(
        "model.feature_super_resolution.refiner=SECOND_LOOK"
    )
    options = ExportOptions(format=kind, input_size=(50, 70))
    with pytest.raises(ConfigError, match="is SECOND_LOOK, whose loops"):
        export(pipeline, str(tmp_path), str(tmp_path / "signs"), options)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--format tflite", "expected --input_size HEIGHT WIDTH with it"),
        ("--input_size 9 9", "--input_size: belongs to --format tflite"),
        ("--format tflite --input_size 0 9", "expected 1 or more, found 0 9"),
        (
            "--format onnx --non_maximum_suppression combined",
            "expected by_class, which --format onnx can do",
        ),
        (
            "--format onnx --input_type tf_example",
            "--input_type tf_example: expected image_tensor or",
        ),
    ],
)
def test_flags_that_do_not_fit_are_refused_at_once(flags, message, capsys):
    required = "--pipeline none --model_dir none --output_directory none"
    with pytest.raises(SystemExit) as error:
        main(f"{required} {flags}".split())
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_a_missing_converter_is_named(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    required = "--pipeline none --model_dir none --output_directory none"
    with pytest.raises(SystemExit) as error:
        main(f"{required} --format onnx".split())
    assert error.value.code == 2
    assert "pip install 'featsr_tf[onnx]'" in capsys.readouterr().err
