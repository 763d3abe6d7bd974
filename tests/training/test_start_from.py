"""Stage 1 may start from another detector, of other classes perhaps."""

import shutil
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.build import build_resizer
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting.model_card import model_card
from featsr_tf.exporting.names import BASE_SIGNATURE
from featsr_tf.exporting.other_runtimes import ExportOptions
from featsr_tf.exporting.signatures import network_inputs
from featsr_tf.model.backbone import build_backbone
from featsr_tf.model.build import build_detector
from featsr_tf.model.weight_files import read_weights
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder
from featsr_tf.training import trainer
from featsr_tf.training.check import check
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.start import start_detector
from tests.model.small import small_pipeline
from tests.server.models import random_images
from tests.training.batches import pipeline_of_steps
from tests.training.batches import write_noise

FROZEN = "model.faster_rcnn.feature_extractor.batch_norm_trainable=false"
pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture(scope="module")
def source(exported_model):
    """A model folder of two classes, and what was exported from it."""
    return exported_model.model_dir, exported_model.path


def new_detector(*overrides):
    return build_detector(small_pipeline(FROZEN, *overrides))


def classes_of(folder):
    return model_folder.load_classes(str(folder))


def test_an_exported_detector_detects_the_same_before_it_is_trained(source):
    _, exported = source
    detector = new_detector()
    table, _ = start_detector(detector, str(exported), classes_of(exported))
    images = tf.constant(random_images(2))
    signature = tf.saved_model.load(str(exported)).signatures["base"]
    expected = signature(input_tensor=images)
    inputs = network_inputs(
        images, build_resizer(model_folder.load(str(exported)))
    )
    found = detector(*inputs, super_resolve=False)
    assert expected["detection_scores"].numpy().max() > 0.1
    np.testing.assert_allclose(
        found.scores, expected["detection_scores"], atol=1e-5
    )
    assert "classes: 2 of 2 found by name" in table


def test_a_folder_and_its_export_give_the_base_of_stage_1(source):
    model_dir, exported = source
    base = build_detector(small_pipeline())
    checkpoints.restore_base(base, str(model_dir))
    for start_from in (model_dir, exported, exported.parent):
        detector = new_detector()
        start_detector(detector, str(start_from), classes_of(model_dir))
        np.testing.assert_array_equal(
            detector.large_predictor.classes.kernel,
            base.large_predictor.classes.kernel,
        )
        np.testing.assert_array_equal(
            detector.small_predictor.classes.kernel,
            base.large_predictor.classes.kernel,
        )


def test_other_classes_take_the_rows_of_their_names(source):
    model_dir, _ = source
    first, second = classes_of(model_dir).names.values()
    theirs = read_weights(checkpoints.find_used(str(model_dir), BASE))[
        "large_predictor/classes/kernel"
    ]
    detector = new_detector("model.faster_rcnn.num_classes=3")
    before = detector.large_predictor.classes.kernel.numpy()
    ours = LabelMap({1: "new", 2: second, 3: first})
    table, notes = start_detector(detector, str(model_dir), ours)
    found = detector.large_predictor.classes.kernel.numpy()
    np.testing.assert_array_equal(found[:, [0, 3, 2]], theirs)
    np.testing.assert_array_equal(found[:, 1], before[:, 1])
    assert f"2 of 3 found by name, new: new; there: {first}, {second}" in table
    assert notes["taken"]["large predictor"] == "9 of 9 variables taken"


def test_what_has_no_detector_or_another_network_is_refused(source, tmp_path):
    model_dir, exported = source
    label_map = classes_of(model_dir)
    (tmp_path / "empty").mkdir()
    for path, found in (
        ("nowhere", "found no folder"),
        ("empty", "found a folder without either"),
    ):
        with pytest.raises(DataError, match=found):
            start_detector(new_detector(), str(tmp_path / path), label_map)
    with pytest.raises(ConfigError, match="batch_norm_trainable is true"):
        start_detector(
            build_detector(small_pipeline()), str(exported), label_map
        )


def test_a_flipped_bit_of_an_export_is_noticed(source, tmp_path):
    _, exported = source
    damaged = shutil.copytree(exported, tmp_path / "1")
    (data,) = (damaged / "variables").glob("*.data-*")
    kernel = read_weights(str(exported), BASE_SIGNATURE)[
        "large_predictor/classes/kernel"
    ]
    right = kernel.tobytes()
    wrong = bytes([right[0] ^ 1]) + right[1:]
    # Variables of equal names are kept more than once, and only one is read.
    assert right in data.read_bytes()
    data.write_bytes(data.read_bytes().replace(right, wrong))
    with pytest.raises(DataError, match="damaged or incomplete") as error:
        start_detector(new_detector(), str(damaged), classes_of(exported))
    assert "\n" not in str(error.value)


def fit(stage, strategy, batches, batch_size, count, callbacks):
    """Stands for training: saves the detector as it is."""
    for callback in callbacks:
        if hasattr(callback, "checkpoints"):
            callback.checkpoints.save(count)


def test_stage_1_starts_there_once_and_remembers_it(source, tmp_path, capsys):
    model_dir, exported = source
    records = write_noise(tmp_path)
    pipeline = pipeline_of_steps(records, FROZEN, steps=(2, 0, 0))
    folder = str(tmp_path / "new")
    assert "\n  extractor" in check(pipeline, start_from=str(exported))
    with mock.patch.object(trainer, "fit", fit):
        trainer.train(
            pipeline,
            folder,
            tf.distribute.get_strategy(),
            start_from=str(exported),
        )
        assert "the rest is new" in capsys.readouterr().out
        started_from = checkpoints.first_values(folder)
        assert started_from["stage"] == "signs/1"
        # The second call reads nothing of it.
        trainer.train(
            pipeline,
            folder,
            tf.distribute.get_strategy(),
            start_from="gone",
        )
    assert "base: had begun with signs/1" in capsys.readouterr().out
    card = model_card(
        "signs",
        pipeline,
        LabelMap({1: "one"}),
        {},
        {},
        {BASE: {0: pipeline}},
        ExportOptions(),
        started_from,
    )
    assert "First of all the detector `signs/1`: extractor: 20 of 20" in card


def test_one_start_alone_is_taken(tmp_path):
    with pytest.raises(ConfigError, match="expected one of both"):
        trainer.train(
            small_pipeline(), str(tmp_path), base_from="a", start_from="b"
        )


def test_backbones_take_checkpoints_and_exports_by_name(
    source, tmp_path, capsys
):
    model_dir, exported = source
    base = build_detector(small_pipeline())
    checkpoints.restore_base(base, str(model_dir))
    stage = model_dir / "checkpoints" / BASE
    step = checkpoints.newest_step(str(model_dir), BASE)
    expected = base.extractor.get_weights()
    images = tf.constant(random_images(1), tf.float32)
    features = base.extract(images)["base"]
    for path in (stage, stage / f"ckpt-{step}", exported):
        backbone = build_backbone("mobilenet_v1", weights=str(path))
        assert f"25 of 25 variables taken of {path}" in capsys.readouterr().out
        if path != exported:
            for found, value in zip(
                backbone.features.get_weights(), expected, strict=True
            ):
                np.testing.assert_array_equal(found, value)
        np.testing.assert_allclose(
            backbone.extract(images)["base"], features, rtol=1e-4, atol=1e-5
        )


def test_part_of_a_backbone_is_told_and_nothing_is_an_error(source, tmp_path):
    arrays = build_backbone("mobilenet_v1").features.variables[:5]
    tf.train.Checkpoint(v=[v.value for v in arrays]).write(
        str(tmp_path / "half")
    )
    with pytest.warns(UserWarning, match="5 of 25 .*20 are not there"):
        build_backbone("mobilenet_v1", weights=str(tmp_path / "half"))
    tf.train.Checkpoint(v=tf.Variable(1.0)).write(str(tmp_path / "other"))
    with pytest.raises(DataError, match="no weights of the .* fit"):
        build_backbone("mobilenet_v1", weights=str(tmp_path / "other"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no weights there; expected"):
        build_backbone("mobilenet_v1", weights=str(tmp_path / "empty"))
    (tmp_path / "half.data-00000-of-00001").unlink()
    with pytest.raises(DataError, match="damaged or incomplete"):
        build_backbone("mobilenet_v1", weights=str(tmp_path / "half"))
