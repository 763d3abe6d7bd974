"""A stage is used only with the weights that it was trained on.

Stage 1 may start from another detector, of other classes perhaps.
"""

import json
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
from featsr_tf.model.weight_transfer import read_weights
from featsr_tf.prediction.model import load_detector
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder
from featsr_tf.training import trainer
from featsr_tf.training.build import build_stage
from featsr_tf.training.check import check
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.model_folder import History
from featsr_tf.training.origins import check_later_stages
from featsr_tf.training.origins import find_unfinished
from featsr_tf.training.origins import start_detector
from tests.model.small import randomize
from tests.model.small import small_backbone
from tests.model.small import small_pipeline
from tests.server.models import random_images
from tests.training.batches import pipeline_of_steps
from tests.training.batches import write_noise

EXTENSION = "model.feature_super_resolution"
FROZEN = "model.faster_rcnn.feature_extractor.batch_norm_trainable=false"
pytestmark = pytest.mark.usefixtures("small_network")
SINGLE = tf.distribute.get_strategy()


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Overrides that name records of four noise images with two objects."""
    return write_noise(tmp_path_factory.mktemp("records"))


def make_pipeline(records, *overrides, steps=(2, 2, 2)):
    return pipeline_of_steps(records, *overrides, steps=steps)


def fit(stage, strategy, batches, batch_size, count, callbacks):
    """Stands for training: changes what the stage trains, step by step."""
    for callback in callbacks:
        for _ in range(count):
            if hasattr(callback, "checkpoints"):
                for variable in stage.trained_variables:
                    variable.assign_add(tf.ones_like(variable) * 0.01)
                callback.step += 1
                callback.checkpoints.save(callback.step)


def train(pipeline, folder, strategy=SINGLE, **options):
    with mock.patch.object(trainer, "fit", fit):
        return trainer.train(pipeline, str(folder), strategy, **options)


@pytest.fixture(scope="module")
def finished(records, tmp_path_factory):
    """A folder whose three stages are finished."""
    folder = tmp_path_factory.mktemp("finished")
    with small_backbone():
        train(make_pipeline(records), folder)
    return folder


@pytest.fixture
def trained(finished, tmp_path):
    """A copy of it."""
    return shutil.copytree(finished, tmp_path / "model")


def forget(folder, stages=STAGES[1:]):
    """Makes checkpoints as they were before they said what they stand on."""
    for stage in stages:
        for path in (folder / "checkpoints" / stage).glob("ckpt-*"):
            if path.suffix in (".json", ".sha256"):
                path.unlink()


def change_base(records, folder):
    """Replaces the base stage, at the same step, by another one."""
    detector = load_detector(str(folder), BASE)
    stage = build_stage(make_pipeline(records), BASE, detector)
    randomize(detector, gain=1.5)
    objects = stage.checkpointed()
    checkpoints.StageCheckpoints(str(folder), BASE, objects).save(2)


def test_what_a_stage_started_from_is_kept_and_found_again(records, trained):
    notes = {
        stage: json.loads(
            (trained / "checkpoints" / stage / "ckpt-2.json").read_text()
        )
        for stage in STAGES
    }
    assert "started_from" not in notes[BASE]
    for before, stage in zip(STAGES, STAGES[1:], strict=False):
        assert notes[stage]["started_from"]["stage"] == before
        assert notes[stage]["started_from"]["step"] == 2
    for stage in STAGES:
        load_detector(str(trained), stage)
    train(make_pipeline(records), trained)


@pytest.mark.parametrize(
    "is_recorded", [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_stages_on_another_base_are_refused_wherever_they_are_used(
    records, trained, is_recorded
):
    if not is_recorded:
        forget(trained)
    change_base(records, trained)
    load_detector(str(trained), BASE)
    found = "the weights of step 2 of base" if is_recorded else "other weights"
    for use in (
        lambda: load_detector(str(trained)),
        lambda: load_detector(str(trained), SUPER_RESOLUTION),
        lambda: train(make_pipeline(records), trained),
    ):
        with pytest.raises(DataError) as refused:
            use()
        folder = f"{trained}/checkpoints"
        assert str(refused.value) == (
            f"{folder}/super_resolution: was trained on {found}, but base is "
            f"now at step 2 with others: bring those back, or delete {folder}/"
            f"super_resolution and {folder}/fine_tune and run the training "
            "again, which trains what was deleted anew; the base detector "
            "alone can be used as it is"
        )


@pytest.mark.parametrize(
    ("steps", "stages"),
    [
        ((3, 2, 2), [SUPER_RESOLUTION, FINE_TUNE]),
        ((2, 3, 2), [FINE_TUNE]),
    ],
)
def test_more_steps_below_finished_stages_are_refused_before_they_are_made(
    records, trained, steps, stages
):
    config = (trained / "pipeline.config").read_text()
    more = make_pipeline(records, steps=steps)
    with pytest.raises(ConfigError, match="would go on from step 2 to 3, but"):
        train(more, trained)
    assert checkpoints.newest_step(str(trained), BASE) == 2
    assert (trained / "pipeline.config").read_text() == config
    for stage in stages:
        for path in (trained / "checkpoints" / stage).iterdir():
            path.unlink()
    train(more, trained)
    load_detector(str(trained))
    reached = [checkpoints.newest_step(str(trained), name) for name in STAGES]
    assert reached == list(steps)


def test_more_steps_of_the_last_stage_are_made(records, trained):
    train(make_pipeline(records, steps=(2, 2, 3)), trained)
    assert checkpoints.newest_step(str(trained), FINE_TUNE) == 3
    load_detector(str(trained))


@pytest.mark.slow
def test_another_best_checkpoint_of_the_base_counts(records, trained):
    History(str(trained), BASE).append(1, validation={"ap": 0.5}, best_by="ap")
    for use in (
        lambda: load_detector(str(trained)),
        lambda: train(make_pipeline(records), trained),
    ):
        with pytest.raises(DataError, match="base is now at step 1 with oth"):
            use()


def test_a_folder_without_this_record_is_used_and_trained_on(records, trained):
    forget(trained)
    load_detector(str(trained))
    train(make_pipeline(records, steps=(2, 2, 3)), trained)
    text = (trained / "checkpoints/fine_tune/ckpt-3.json").read_text()
    assert json.loads(text)["started_from"]["stage"] == SUPER_RESOLUTION
    load_detector(str(trained))


def test_what_is_left_to_train_is_told(records, trained):
    assert find_unfinished(make_pipeline(records), str(trained)) is None
    longer = make_pipeline(records, steps=(2, 2, 3))
    assert find_unfinished(longer, str(trained)) == (
        "stage fine_tune is at step 2 of 3"
    )
    shutil.rmtree(trained / "checkpoints" / FINE_TUNE)
    with pytest.warns(UserWarning, match="stage fine_tune has not begun"):
        load_detector(str(trained))
    shutil.rmtree(trained / "checkpoints" / SUPER_RESOLUTION)
    # As imported detectors are.
    assert find_unfinished(longer, str(trained)) is None


def test_stages_that_were_deleted_to_save_room_are_not_missed(trained):
    for stage in (BASE, SUPER_RESOLUTION):
        for path in (trained / "checkpoints" / stage).iterdir():
            path.unlink()
        load_detector(str(trained))


def test_a_stage_that_is_left_out_is_not_stood_on(records, tmp_path):
    without = make_pipeline(records, steps=(2, 0, 2))
    train(without, tmp_path)
    train(without, tmp_path)
    load_detector(str(tmp_path))
    with pytest.raises(ConfigError, match="stage super_resolution would go"):
        check_later_stages(make_pipeline(records), str(tmp_path))


def test_many_devices_and_one_stand_on_the_same(records, trained):
    train(make_pipeline(records), trained, tf.distribute.MirroredStrategy())


def test_the_config_of_each_stage_is_kept(records, trained):
    seed = make_pipeline(records, f"{EXTENSION}.seed=4", steps=(2, 2, 3))
    train(seed, trained)
    configs = {
        stage: model_folder.trained_configs(str(trained), stage)
        for stage in STAGES
    }
    first = make_pipeline(records)
    assert configs[BASE] == configs[SUPER_RESOLUTION] == {0: first}
    assert configs[FINE_TUNE] == {0: first, 2: seed}
    assert model_folder.load(str(trained)) == seed


def test_a_command_that_trains_nothing_names_what_differs_and_writes_nothing(
    records, trained, capsys
):
    before = {
        path: path.read_bytes()
        for path in trained.rglob("*")
        if path.is_file() and "tensorboard" not in path.parts
    }
    weight = f"{EXTENSION}.losses.content_weight"
    fields = ("train_config.batch_size=4", f"{weight}=3")
    capsys.readouterr()
    train(make_pipeline(records, *fields), trained)
    batch = "train_config.batch_size: 2 and 4"
    loss = f"{weight}: 1.0 and 3.0"
    assert capsys.readouterr().out.splitlines() == [
        f"base: finished at step 2, not repeated; then and now: {batch}",
        "super_resolution: finished at step 2, not repeated; then and now: "
        f"{loss}; {batch}",
        f"fine_tune: finished at step 2, not repeated; then and now: {batch}",
    ]
    for path, content in before.items():
        assert path.read_bytes() == content or path.name == ".lock"


def test_the_only_config_of_a_folder_is_kept_when_another_one_trains(
    records, trained
):
    for path in (trained / "checkpoints").rglob("pipeline-*.config"):
        path.unlink()
    only = model_folder.load(str(trained))
    train(
        make_pipeline(records, f"{EXTENSION}.seed=4", steps=(2, 2, 3)), trained
    )
    for stage in (BASE, SUPER_RESOLUTION):
        assert model_folder.trained_configs(str(trained), stage) == {0: only}
    assert set(model_folder.trained_configs(str(trained), FINE_TUNE)) == {0, 2}


def test_what_is_known_of_lost_steps_is_forgotten(records, tmp_path):
    folder = str(tmp_path)
    first, second, third = (
        make_pipeline(records, f"{EXTENSION}.seed={seed}") for seed in range(3)
    )
    for step, config in ((0, first), (4, second), (2, third)):
        model_folder.record_config(folder, BASE, step, config)
    assert model_folder.trained_configs(folder, BASE) == {0: first, 2: third}
    model_folder.record_config(folder, BASE, 3, third)
    assert model_folder.trained_configs(folder, BASE) == {0: first, 2: third}


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


def test_stage_1_starts_there_once_and_remembers_it(source, tmp_path, capsys):
    model_dir, exported = source
    records = write_noise(tmp_path)
    pipeline = pipeline_of_steps(records, FROZEN, steps=(2, 0, 0))
    folder = str(tmp_path / "new")
    assert "\n  extractor" in check(pipeline, start_from=str(exported))
    train(pipeline, folder, start_from=str(exported))
    assert "the rest is new" in capsys.readouterr().out
    started_from = checkpoints.first_values(folder)
    assert started_from["stage"] == "signs/1"
    # The second call reads nothing of it.
    train(pipeline, folder, start_from="gone")
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
