"""A model folder and its SavedModel are one detector, found by its path."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import featsr_tf
from featsr_tf.data.build import build_resizer
from featsr_tf.data.resize import resize
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting.saved_model import load_detectors
from featsr_tf.prediction.data_set import detection_function
from featsr_tf.prediction.data_set import detections_of_row
from tests.model.small import small_backbone
from tests.server.models import random_images

IMAGES = list(random_images(2)) + list(random_images(1, 90, 40))


@pytest.fixture(scope="module")
def paths(exported_model):
    """A model folder and the folder of its export."""
    return exported_model.model_dir, exported_model.path.parent


@pytest.fixture(scope="module")
def models(paths):
    with small_backbone():
        found = [featsr_tf.load(path) for path in paths]
        for name in ("base", "super_resolved"):
            found[0].function(name)
    return found


def assert_equal(results, others):
    for result, other in zip(results, others, strict=True):
        np.testing.assert_array_equal(result.classes, other.classes)
        np.testing.assert_allclose(result.scores, other.scores, atol=1e-5)
        np.testing.assert_allclose(
            result.boxes, other.boxes, rtol=1e-5, atol=1e-4
        )


@pytest.mark.parametrize("base", [False, True])
def test_both_give_the_same_detections(models, base):
    folder, exported = (model.predict(IMAGES, base) for model in models)
    assert all(len(result) > 0 for result in folder)
    assert_equal(folder, exported)


@pytest.mark.parametrize("base", [False, True])
def test_a_model_folder_gives_what_its_detector_finds(paths, models, base):
    pipeline = featsr_tf.training.model_folder.load(str(paths[0]))
    with small_backbone():
        detectors = load_detectors(pipeline, str(paths[0]))
    detect = detection_function(detectors[int(base)], not base)
    expected = []
    for image in IMAGES:
        # The config wants 64 x 64 px, which needs no padding.
        seen = resize(tf.constant(image), build_resizer(pipeline))
        scale = np.array([64, 64]) / image.shape[:2]
        found = detect(
            seen[None],
            tf.constant([[64, 64]], tf.float32),
            tf.constant(scale[None], tf.float32),
        )
        expected.append(detections_of_row(found, 0, scale, 0))
    assert_equal(models[0].predict(IMAGES, base), expected)


def test_the_base_detector_is_another_one(models):
    one, other = (models[1].predict(IMAGES[0], base) for base in (False, True))
    assert len(one) != len(other) or np.abs(one.scores - other.scores).max() > 0


def test_a_model_has_the_names_and_scores_of_its_config(models):
    for model in models:
        assert model.class_names == {1: "one", 2: "two"}
        assert model.input_size(50, 70) == (64, 64)
    assert models[0].min_score == models[1].min_score


class OneBox(tf.Module):
    """What an export without the later stages has: no signature `base`."""

    @tf.function(input_signature=[tf.TensorSpec([None] * 3 + [3], tf.uint8)])
    def image(self, input_tensor):
        batch = tf.shape(input_tensor)[0]
        return {
            "detection_boxes": tf.ones([batch, 1, 1]) * [0.0, 0.0, 0.5, 1.0],
            "detection_scores": tf.fill([batch, 1], 0.75),
            "detection_classes": tf.fill([batch, 1], 2.0),
            "num_detections": tf.ones([batch]),
        }


@pytest.fixture
def save(paths, tmp_path):
    """Saves another model as `signs/VERSION`, with the files beside it."""

    def run(version, signatures):
        folder = tmp_path / "signs" / version
        module = OneBox()
        names = {name: getattr(module, name) for name in signatures}
        tf.saved_model.save(module, str(folder), signatures=names or None)
        for name in ("pipeline.config", "label_map.pbtxt"):
            shutil.copy(paths[1] / "1" / name, folder)
        return folder

    return run


def test_without_later_stages_the_base_detector_is_all_there_is(save):
    model = featsr_tf.load(save("1", ["image"]))
    for base in (False, True):
        result = model.predict(IMAGES[0], base)
        assert result.to_numpy().tolist() == [[0, 0, 25, 70, 0.75, 2]]


def test_the_newest_version_is_taken_unless_one_is_named(save):
    for version in ("9", "10"):
        folder = save(version, ["image"])
    assert featsr_tf.load(folder.parent).path == str(folder)
    assert featsr_tf.load(folder.parent / "9").path.endswith("signs/9")


@pytest.mark.slow
def test_a_saved_model_needs_nothing_of_the_detector_s_code(save):
    folder = save("1", ["image"])
    program = (
        "import sys, numpy, featsr_tf\n"
        f"model = featsr_tf.load({str(folder)!r})\n"
        "print(len(model.predict(numpy.full([50, 70, 3], 99, numpy.uint8))))\n"
        "print([name for name in sys.modules\n"
        "  if name.startswith(('featsr_tf.model', 'keras_cv', 'official'))])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-500:]
    count, imported = result.stdout.splitlines()
    assert int(count) > 0
    assert imported == "[]"


def test_a_damaged_saved_model_is_named(save):
    folder = save("2", ["image"])
    (index,) = folder.glob("variables/*.index")
    index.write_bytes(b"damaged")
    with pytest.raises(DataError, match="signs/2: the SavedModel is damaged"):
        featsr_tf.load(folder)
    (folder / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(DataError, match="signs/2/saved_model.pb: damaged"):
        featsr_tf.load(folder)


def test_a_model_for_another_runtime_is_refused(tmp_path):
    version = tmp_path / "signs" / "1"
    version.mkdir(parents=True)
    for name in ("model.tflite", "pipeline.config", "checksums.sha256"):
        (version / name).write_text("")
    for folder in (version, version.parent):
        with pytest.raises(DataError, match="--format saved_model"):
            featsr_tf.load(folder)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no model here"):
        featsr_tf.load(tmp_path)


def test_a_model_folder_is_loaded_with_other_fields(paths):
    field = "eval_config.min_score_threshold"
    assert featsr_tf.load(paths[0], [f"{field}=0.125"]).min_score == 0.125
    with pytest.raises(ConfigError, match="num_classes: is 9, but the model"):
        featsr_tf.load(paths[0], ["model.faster_rcnn.num_classes=9"])
    with pytest.raises(ConfigError, match="give --set to featsr_tf.export"):
        featsr_tf.load(paths[1], [f"{field}=0.125"])


def test_fewer_proposals_find_less(paths, models):
    fewer = ["model.faster_rcnn.first_stage_max_proposals=2"]
    with small_backbone():
        model = featsr_tf.load(paths[0], fewer)
        results = model.predict(IMAGES)
    for result, others in zip(results, models[0].predict(IMAGES), strict=True):
        assert len(result) < len(others)
