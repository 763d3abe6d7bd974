"""Detectors that are not ours are loaded by their signature."""

import json
import shutil

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

import featsr_tf
from featsr_tf import predict
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.prediction.run import PredictionOptions
from featsr_tf.prediction.run import predict_files
from tests.prediction.foreign import brightest_cell
from tests.prediction.foreign import found_in
from tests.prediction.foreign import one_object
from tests.prediction.foreign import save

IMAGE = np.full([40, 60, 3], 90, np.uint8)
NAMES = LabelMap({2: "cat"}).to_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save(tmp_path_factory.mktemp("foreign") / "saved_model")


def test_classes_without_names_are_numbers(folder):
    model = featsr_tf.load(folder)
    result = model.predict(IMAGE)
    assert result.to_numpy().tolist() == [[0, 0, 20, 60, 0.75, 2]]
    assert result.names == ["class 2"]
    assert model.min_score == 0.5


@pytest.mark.parametrize("place", ["saved_model", "."])
def test_names_lie_beside_the_model_or_are_given(folder, tmp_path, place):
    exported = save(tmp_path / "exported" / "saved_model").parent
    (exported / place / "label_map.pbtxt").write_text(NAMES)
    for path in (exported, exported / "saved_model"):
        assert featsr_tf.load(path).predict(IMAGE).names == ["cat"]
    (tmp_path / "other.pbtxt").write_text(NAMES.replace("cat", "dog"))
    model = featsr_tf.load(exported, label_map=tmp_path / "other.pbtxt")
    assert model.predict(IMAGE).names == ["dog"]
    with pytest.raises(DataError, match="no.pbtxt: no readable label map"):
        featsr_tf.load(exported, label_map="no.pbtxt")


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_fixed_batch_and_size_are_kept(tmp_path, batch):
    images = [np.zeros([80, 160, 3], np.uint8) for _ in range(3)]
    for number, image in enumerate(images):
        image[20:30, 20 * number : 20 * number + 20] = 204
    save(tmp_path, brightest_cell, (batch, 32, 32, 3))
    model = featsr_tf.load(tmp_path)
    assert model.input_size(80, 160) == (32, 32)
    for number, result in enumerate(model.predict(images)):
        box = [20, 20 * number, 30, 20 * number + 20]
        np.testing.assert_allclose(result.boxes, [box], atol=1e-4)


def test_images_may_be_floats_and_a_count_may_have_two_axes(tmp_path):
    def detect(images):
        counts = tf.ones([tf.shape(images)[0], 1])
        return brightest_cell(images) | {"num_detections": counts}

    save(tmp_path, detect, dtype="float32")
    result = featsr_tf.load(tmp_path).predict(IMAGE)
    np.testing.assert_allclose(result.scores, [90 / 255], atol=1e-6)


def with_output(name, value):
    return lambda images: one_object(images) | {name: tf.constant(value)}


@pytest.mark.parametrize(
    ("detect", "message"),
    [
        (lambda images: {"boxes": images}, r"found serving_default \(boxes\)"),
        (
            with_output("detection_boxes", [[0.0, 0.0, 1.0, 1.0]]),
            r"detection_boxes: expected \[1, any, 4\], found \[1, 4\]",
        ),
        (
            with_output("detection_scores", [[0.5, 0.5]]),
            r"detection_scores: expected \[1, 1\], found \[1, 2\]",
        ),
        (
            with_output("num_detections", [1.0, 1.0, 1.0]),
            r"num_detections: expected \[1\], found \[3\]",
        ),
        (
            lambda images: found_in(1, (0.0, 0.0, 20.0, 300.0)),
            "expected fractions of the image, found 300; export",
        ),
        (
            lambda images: found_in(1, (0.5, 0.5, 0.2, 0.3)),
            "expected ymin, xmin, ymax, xmax, found boxes that end before",
        ),
        (lambda images: found_in(1, score=7.5), "expected 0 to 1, found 7.5"),
        (lambda images: found_in(1, score=np.nan), "to 1, found nan"),
    ],
)
def test_outputs_that_mean_something_else_are_refused(
    tmp_path, detect, message
):
    save(tmp_path, detect)
    with pytest.raises(DataError, match=message) as caught:
        featsr_tf.load(tmp_path).predict(IMAGE)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "dtype", "found"),
    [
        ((1, 3, None, None), "uint8", r"\[1, 3, any, any\] uint8"),
        ((None, None, None, 1), "uint8", r"\[any, any, any, 1\] uint8"),
        ((None,), "string", r"\[any\] strings"),
    ],
)
def test_inputs_that_are_no_images_are_refused(tmp_path, shape, dtype, found):
    save(tmp_path, lambda images: found_in(1), shape, dtype)
    with pytest.raises(DataError, match=f"found input_tensor {found}; export"):
        featsr_tf.load(tmp_path)


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory):
    tf2onnx = pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("onnx") / "cats.onnx"
    spec = tf.TensorSpec([1, None, None, 3], tf.uint8, "input_tensor")
    tf2onnx.convert.from_function(
        tf.function(one_object), [spec], opset=18, output_path=str(path)
    )
    return path


def test_an_onnx_file_is_a_detector(onnx_file):
    results = featsr_tf.load(onnx_file).predict([IMAGE, IMAGE[:20]])
    assert [result.boxes.tolist() for result in results] == [
        [[0, 0, 20, 60]],
        [[0, 0, 10, 60]],
    ]


def test_there_is_no_base_detector_beside_it(onnx_file, tmp_path):
    detector = featsr_tf.load(onnx_file)
    with pytest.raises(ConfigError, match="holds one detector"):
        detector.predict(IMAGE, base=True)
    PIL.Image.fromarray(IMAGE).save(tmp_path / "cat.png")
    with pytest.raises(ConfigError, match="--compare: .* holds one detector"):
        predict_files(
            str(onnx_file),
            [str(tmp_path / "cat.png")],
            str(tmp_path / "out"),
            PredictionOptions(compare=()),
        )


def test_a_base_that_is_not_there_is_not_compared(onnx_file, folder, tmp_path):
    PIL.Image.fromarray(IMAGE).save(tmp_path / "cat.png")
    images, output = [str(tmp_path / "cat.png")], str(tmp_path / "out")
    options = PredictionOptions(compare=(str(folder),), base_only=True)
    with pytest.raises(ConfigError, match="holds one detector"):
        predict_files(str(onnx_file), images, output, options)


def test_it_is_drawn_beside_another_detector(onnx_file, folder, tmp_path):
    PIL.Image.fromarray(IMAGE).save(tmp_path / "cat.png")
    images, output = [str(tmp_path / "cat.png")], tmp_path / "out"
    options = PredictionOptions(compare=(str(folder),))
    assert predict_files(str(onnx_file), images, str(output), options) == 0
    with PIL.Image.open(output / "pictures" / "cat.jpg") as picture:
        # Two panels, not three of which two are the same.
        assert 2 * IMAGE.shape[1] <= picture.width < 3 * IMAGE.shape[1]


def test_onnx_files_that_cannot_be_used_are_named(onnx_file, monkeypatch):
    damaged = onnx_file.with_name("damaged.onnx")
    damaged.write_bytes(onnx_file.read_bytes()[:99])
    with pytest.raises(DataError, match="damaged.onnx: cannot be loaded") as it:
        featsr_tf.load(damaged)
    assert "\n" not in str(it.value)
    with pytest.raises(DataError, match="nowhere.onnx: no such file"):
        featsr_tf.load("nowhere.onnx")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'featsr_tf\[onnx\]'"):
        featsr_tf.load(onnx_file)


@pytest.mark.parametrize("flags", [[], ["--second_look"]])
def test_the_command_takes_it(folder, tmp_path, flags):
    PIL.Image.fromarray(IMAGE).save(tmp_path / "cat.png")
    arguments = ["--model", str(folder), "--images", str(tmp_path / "cat.png")]
    output = tmp_path / "out"
    predict.main([*arguments, "--output", str(output), "--csv", *flags])
    found = json.loads((output / "detections.json").read_text())
    assert found["categories"] == [{"id": 2, "name": "class 2"}]
    assert found["annotations"][0]["bbox"] == [0, 0, 60, 20]
    assert ",2,class 2,0.75," in (output / "detections.csv").read_text()


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "model.onnx", "variables/variables.index"]
)
def test_a_pointer_in_the_place_of_a_file_is_named(folder, tmp_path, name):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    if name.endswith(".onnx"):
        pytest.importorskip("onnxruntime")
        (tmp_path / "saved_model.pb").unlink()
    pointer = b"version https://git-lfs.github.com/spec/v1\n"
    (tmp_path / name).write_bytes(pointer)
    with pytest.raises(DataError, match=f"{name}: a Git LFS pointer .*run git"):
        featsr_tf.load(tmp_path).predict(IMAGE)


def test_too_little_memory_is_no_fault_of_the_model(tmp_path, monkeypatch):
    def detect(images):
        height = tf.cast(tf.shape(images)[1], tf.int64)
        large = tf.zeros([height * 10**6, 10**7])
        return found_in(tf.shape(images)[0], score=tf.reduce_max(large))

    model = featsr_tf.load(save(tmp_path, detect))
    with pytest.raises(tf.errors.ResourceExhaustedError):
        model.predict(IMAGE)

    def load(path):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when")

    monkeypatch.setattr(tf.saved_model, "load", load)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        featsr_tf.load(tmp_path)
