"""An exported detector is the checkpoint's, for anybody who loads it."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from featsr_tf.data.build import build_resizer
from featsr_tf.data.resize import FixedShapeResizer
from featsr_tf.data.resize import KeepAspectRatioResizer
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting import saved_model
from featsr_tf.exporting.exported_model import read_warm_up
from featsr_tf.exporting.other_runtimes import ExportOptions
from featsr_tf.exporting.saved_model import export
from featsr_tf.exporting.saved_model import load_detectors
from featsr_tf.exporting.signatures import network_inputs
from featsr_tf.exporting.versions import atomic_directory
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import StageCheckpoints
from tests.model.small import small_backbone
from tests.model.small import small_detector
from tests.server.models import png
from tests.server.models import random_images
from tests.server.models import write_model

NAMES = {
    "detection_boxes",
    "detection_scores",
    "detection_classes",
    "num_detections",
}


@pytest.fixture(scope="module")
def exported(exported_model):
    """A model folder, its config, its export and the loaded signatures."""
    signatures = tf.saved_model.load(str(exported_model.path)).signatures
    return *exported_model, signatures


@pytest.fixture(scope="module")
def detectors(exported):
    model_dir, pipeline, *_ = exported
    with small_backbone():
        return load_detectors(pipeline, str(model_dir))


def detect(detector, pipeline, images, super_resolve):
    inputs = network_inputs(tf.constant(images), build_resizer(pipeline))
    found = detector(*inputs, super_resolve=super_resolve)
    sides = np.tile(inputs.image_sizes, [1, 2])[:, None]
    return found.boxes.numpy() / sides, found.scores.numpy()


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("name", ["serving_default", "base"])
def test_boxes_are_those_of_the_checkpoint(exported, detectors, count, name):
    _, pipeline, _, signatures = exported
    images = random_images(count)
    is_base = name == "base"
    boxes, scores = detect(
        detectors[int(is_base)], pipeline, images, not is_base
    )
    found = signatures[name](input_tensor=tf.constant(images))
    assert scores.max() > 0
    np.testing.assert_allclose(found["detection_boxes"], boxes, atol=1e-5)
    np.testing.assert_allclose(found["detection_scores"], scores, atol=1e-5)


def test_the_base_detector_is_another_one(exported):
    *_, signatures = exported
    images = tf.constant(random_images(2))
    ours = signatures["serving_default"](input_tensor=images)
    base = signatures["base"](input_tensor=images)
    assert np.abs(ours["detection_scores"] - base["detection_scores"]).max() > 0


@pytest.mark.parametrize("refiner, is_of_use", [("ZOOM", 1), ("NONE", 0)])
def test_after_stage_1_there_is_a_second_detector_if_it_needs_no_training(
    tmp_path, refiner, is_of_use
):
    override = f"model.feature_super_resolution.refiner={refiner}"
    pipeline = write_model(tmp_path, [BASE], [override])
    with small_backbone():
        detector, base = load_detectors(pipeline, str(tmp_path))
    assert (base is not None) == is_of_use
    if base is not None:
        images = random_images(2)
        _, ours = detect(detector, pipeline, images, True)
        _, others = detect(base, pipeline, images, False)
        assert np.abs(ours - others).max() > 1e-3


@pytest.mark.parametrize(
    "sizes", [[(50, 70)], [(50, 70), (50, 70)], [(50, 70), (90, 40), (33, 33)]]
)
@pytest.mark.parametrize("name", ["encoded_image", "tf_example"])
def test_files_of_mixed_sizes_are_seen_as_each_alone(exported, sizes, name):
    *_, signatures = exported
    images = [random_images(1, *size, seed=9)[0] for size in sizes]
    files = [png(image) for image in images]
    if name == "tf_example":
        files = [as_example(file) for file in files]
    found = signatures[name](input_tensor=tf.constant(files))
    for row, image in enumerate(images):
        alone = signatures["image"](input_tensor=tf.constant(image[None]))
        for key in NAMES:
            np.testing.assert_allclose(
                found[key][row], alone[key][0], atol=1e-5
            )


def as_example(file):
    example = tf.train.Example()
    example.features.feature["image/encoded"].bytes_list.value.append(file)
    return example.SerializeToString()


def test_outputs_follow_the_object_detection_api(exported):
    *_, signatures = exported
    found = signatures["serving_default"](
        input_tensor=tf.constant(random_images(2))
    )
    assert found.keys() == NAMES
    assert {value.dtype for value in found.values()} == {tf.float32}
    counts = found["num_detections"].numpy().astype(int)
    for row, count in enumerate(counts):
        boxes = found["detection_boxes"][row, :count].numpy()
        assert count > 0
        assert boxes.min() >= 0
        assert boxes.max() <= 1
        assert np.all(boxes[:, :2] <= boxes[:, 2:])
        assert set(found["detection_classes"][row].numpy()) <= {1.0, 2.0}
        assert np.all(np.diff(found["detection_scores"][row, :count]) <= 0)


def test_it_runs_where_this_package_and_keras_are_never_imported(exported):
    _, _, path, signatures = exported
    program = (
        "import sys, numpy as np, tensorflow as tf\n"
        f"model = tf.saved_model.load({str(path)!r})\n"
        "images = np.full([2, 50, 70, 3], 99, np.uint8)\n"
        "found = model.signatures['serving_default'](tf.constant(images))\n"
        "print('featsr_tf' in sys.modules, 'keras_cv' in sys.modules)\n"
        "print(found['detection_scores'].numpy().sum())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=path.parent,
    )
    assert result.returncode == 0, result.stderr[-500:]
    imported, total = result.stdout.splitlines()
    assert imported == "False False"
    images = tf.constant(np.full([2, 50, 70, 3], 99, np.uint8))
    scores = signatures["serving_default"](images)["detection_scores"]
    assert float(total) == pytest.approx(float(tf.reduce_sum(scores)), 1e-5)


def test_weights_and_graphs_are_saved_once(exported, detectors):
    _, _, path, _ = exported
    saved = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    shapes = [
        tuple(shape)
        for name, shape in saved.get_variable_to_shape_map().items()
        if "VARIABLE_VALUE" in name
    ]
    detector, base = detectors
    used = detector.variables + base.large_predictor.variables
    assert sorted(shapes) == sorted(tuple(value.shape) for value in used)
    model = saved_model_pb2.SavedModel.FromString(
        (path / "saved_model.pb").read_bytes()
    )
    functions = model.meta_graphs[0].graph_def.library.function
    # One graph of each detector, whatever the number of signatures.
    detecting = [
        any(node.op == "CombinedNonMaxSuppression" for node in item.node_def)
        for item in functions
    ]
    assert detecting.count(True) == 2


def test_warm_up_requests_can_be_replayed(exported):
    _, _, path, signatures = exported
    requests = list(read_warm_up(str(path)))
    assert {name for name, _ in requests} == set(signatures)
    for name, value in requests:
        assert signatures[name](input_tensor=value).keys() == NAMES


def test_checksums_are_those_of_all_files(exported):
    _, _, path, _ = exported
    sums = {}
    for line in (path / "checksums.sha256").read_text().splitlines():
        digest, name = line.split("  ")
        sums[name] = digest
    files = {p.relative_to(path).as_posix() for p in path.rglob("*.*")}
    assert {"pipeline.config", "label_map.pbtxt", "MODEL_CARD.md"} < set(sums)
    assert files - {"checksums.sha256", "assets.extra"} <= set(sums)
    for name, digest in sums.items():
        content = (path / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest


def test_versions_count_up_and_are_never_replaced(tmp_path):
    pipeline = write_model(tmp_path / "model", [BASE])
    arguments = (pipeline, str(tmp_path / "model"), str(tmp_path / "signs"))
    (tmp_path / "signs" / "7").mkdir(parents=True)
    with small_backbone():
        assert export(*arguments).name == "8"
        with pytest.raises(ConfigError, match="signs/7: the version exists"):
            export(*arguments, ExportOptions(version=7))
    signatures = tf.saved_model.load(str(tmp_path / "signs/8")).signatures
    assert "base" not in signatures


def test_a_failed_export_leaves_nothing_behind(tmp_path, monkeypatch):
    pipeline = write_model(tmp_path / "model", [BASE])

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saved_model, "write_checksums", fail)
    with small_backbone(), pytest.raises(OSError, match="No space"):
        export(pipeline, str(tmp_path / "model"), str(tmp_path / "signs"))
    assert not list((tmp_path / "signs").iterdir())


def test_of_two_exports_at_once_one_is_refused(tmp_path):
    final = tmp_path / "signs" / "1"
    with (
        pytest.raises(ConfigError, match="signs/1: another export has made"),
        atomic_directory(final) as second,
    ):
        (second / "model").write_text("second")
        with atomic_directory(final) as first:
            (first / "model").write_text("first")
    assert [path.name for path in final.parent.iterdir()] == ["1"]
    assert (final / "model").read_text() == "first"


def test_later_stages_of_another_base_are_refused(tmp_path):
    pipeline = write_model(tmp_path / "model", [BASE])
    other = small_detector()
    other.extractor.trainable_variables[0].assign_add(
        tf.ones_like(other.extractor.trainable_variables[0])
    )
    folder = str(tmp_path / "model")
    StageCheckpoints(folder, FINE_TUNE, {"detector": other}).save(1)
    with (
        small_backbone(),
        pytest.raises(DataError, match="was trained on other"),
    ):
        export(pipeline, folder, str(tmp_path / "signs"))


@pytest.mark.parametrize(
    ("resizer", "size", "padded"),
    [
        (KeepAspectRatioResizer(64, 96), (40, 50), (64, 96)),
        (KeepAspectRatioResizer(64, 96, True), (40, 50), (96, 96)),
        (FixedShapeResizer(70, 33), (40, 50), (96, 64)),
    ],
)
def test_images_are_resized_and_padded_as_the_config_says(
    resizer, size, padded
):
    images = tf.ones([2, *size, 3], tf.uint8) * 200
    inputs = network_inputs(images, resizer)
    assert inputs.images.shape == (2, *padded, 3)
    height, width = inputs.image_sizes[0].numpy().astype(int)
    inside = inputs.images[:, :height, :width]
    np.testing.assert_allclose(inside, 200, rtol=1e-5)
    assert np.all(inputs.images[:, height:] == 0)
    assert np.all(inputs.images[:, :, width:] == 0)
    np.testing.assert_allclose(
        inputs.scales[1], [height / size[0], width / size[1]], rtol=1e-6
    )
