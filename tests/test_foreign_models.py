"""Weights and models from elsewhere cannot run code."""

import ast
import os
import pickle
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.config import parse_pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import check_operations
from featsr_tf.exporting.exported_model import read_saved_model
from featsr_tf.model.backbone import build_backbone
from tests.support import REPOSITORY

SOURCES = [
    path
    for folder in ("featsr_tf", "tfrecords_tools", "research")
    for path in sorted((REPOSITORY / folder).rglob("*.py"))
]
# Whatever runs what a file says.
FORBIDDEN = {
    *("eval", "exec", "compile", "__import__", "load_model", "model_from_json"),
    *("model_from_config", "enable_unsafe_deserialization"),
    *(
        "unsafe_load",
        "full_load",
        "load_all",
        "os.system",
        "os.popen",
        "read_pickle",
    ),
}
FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal"),
    "shelve",
}


def called_name(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id
    # `re.compile`, `model.compile` and the like run nothing.
    if isinstance(function, ast.Attribute) and function.attr != "compile":
        is_of_os = ast.unparse(function.value) == "os"
        return f"os.{function.attr}" if is_of_os else function.attr
    return ""


@pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY))
)
def test_no_source_runs_what_a_file_says(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            names = {module, *(alias.name for alias in node.names)}
            assert not FORBIDDEN_MODULES & {n.split(".")[0] for n in names}
        if not isinstance(node, ast.Call):
            continue
        assert called_name(node) not in FORBIDDEN, ast.unparse(node)
        if ast.unparse(node.func) in ("yaml.load", "yaml.load_all"):
            # It makes texts of everything.
            assert "Loader=yaml.BaseLoader" in ast.unparse(node)
        for keyword in node.keywords:
            allowed = not isinstance(keyword.value, ast.Constant) or (
                keyword.value.value is not True
            )
            if keyword.arg in ("allow_pickle", "shell"):
                assert allowed, ast.unparse(node)
            if keyword.arg == "safe_mode":
                assert keyword.value.value is True, ast.unparse(node)


class Marking:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def hostile_files(folder, mark):
    """Files that make a folder when they are loaded without care."""
    code = keras.layers.Lambda(
        lambda x, path=str(mark): (__import__("os").mkdir(path), x)[1],
        output_shape=(3,),
    )
    inputs = keras.Input((3,))
    model = keras.Model(inputs, code(inputs))
    # The layer has run once, when the model was made.
    if mark.exists():
        mark.rmdir()
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    shutil.copy(folder / "model.keras", folder / "model.weights.h5")
    (folder / "model.pkl").write_bytes(pickle.dumps(Marking(mark)))
    shutil.copy(folder / "model.pkl", folder / "pickled.weights.h5")
    values = np.array([Marking(mark)], object)
    np.savez(folder / "arrays.npz", values)
    np.save(folder / "array.npy", values, allow_pickle=True)
    return sorted(folder.iterdir())


def test_weights_that_hold_code_are_refused(tmp_path):
    folder, mark = tmp_path / "files", tmp_path / "mark"
    folder.mkdir()
    files = hostile_files(folder, mark)
    assert len(files) == 7
    # The files do what they are said to do where they are trusted.
    with open(folder / "model.pkl", "rb") as file:
        pickle.load(file)
    assert mark.exists()
    mark.rmdir()
    for path in files:
        with pytest.raises(DataError) as caught:
            build_backbone("mobilenet_v1", 0.25, str(path))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not mark.exists(), path


@pytest.mark.parametrize(
    "text",
    [
        "model { faster_rcnn { num_classes: __import__('os').system('x') } }",
        "!!python/object/apply:os.system ['x']",
        "# type: ignore\nimport os",
    ],
)
def test_configs_that_hold_code_are_refused(text):
    with pytest.raises(ConfigError):
        parse_pipeline(text.encode(), "hostile.config")


class Writing(tf.Module):
    """A model that writes a file beside what it computes."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, x):
        tf.io.write_file(self.path, "mark")
        return x + 1.0


def test_a_saved_model_that_touches_files_is_refused(tmp_path):
    model = Writing(str(tmp_path / "mark"))
    tf.saved_model.save(model, str(tmp_path / "model"))
    path = str(tmp_path / "model" / "saved_model.pb")
    with pytest.raises(DataError, match="reach out of the model: WriteFile;"):
        read_saved_model(path)


def test_the_shipped_model_computes_and_does_nothing_else():
    folder = REPOSITORY / "saved_models" / "gtsdb_mobilenet" / "2"
    saved = read_saved_model(str(folder / "saved_model.pb"))
    assert saved.meta_graphs


@pytest.mark.parametrize(
    "operation",
    ["PyFunc", "EagerPyFunc", "ReadFile", "PrintV2", "TFRecordDatasetV2"],
)
def test_operations_in_functions_count_too(operation):
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    function = saved.meta_graphs.add().graph_def.library.function.add()
    function.node_def.add(op="AddV2")
    check_operations(saved, "a.pb")
    function.node_def.add(op=operation)
    with pytest.raises(DataError, match=f"a.pb: .*{operation}"):
        check_operations(saved, "a.pb")


def test_a_damaged_saved_model_is_named(tmp_path):
    path = tmp_path / "saved_model.pb"
    path.write_bytes(b"\xff" * 50)
    with pytest.raises(DataError, match=f"{path}: damaged"):
        read_saved_model(str(path))
