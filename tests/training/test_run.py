"""Runs that stop anywhere go on as if they had not, and write nothing twice."""

import json
import random
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import ConfigError
from featsr_tf.errors import FeatsrError
from featsr_tf.training import build as stage_building
from featsr_tf.training import model_folder
from featsr_tf.training import trainer
from featsr_tf.training.callbacks import CheckpointWriter
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.checkpoints import restore_detector
from tests.model.small import small_backbone
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.batches import LARGE
from tests.training.batches import SMALL
from tests.training.batches import make_batch
from tests.training.batches import write_noise

SINGLE = tf.distribute.get_strategy()
EXTENSION = "model.feature_super_resolution"
pytestmark = pytest.mark.usefixtures("small_network")
BATCH = make_batch([SMALL, LARGE], [LARGE])
STEPS = {BASE: 1, SUPER_RESOLUTION: 2, FINE_TUNE: 0}
WITHOUT_STAGE_2 = {BASE: 1, SUPER_RESOLUTION: 0, FINE_TUNE: 1}


@pytest.fixture
def numbered_batches(monkeypatch):
    """Batches that differ from step to step, and how they were asked for."""
    asked = []

    def training_batches(
        pipeline, source, skip_steps, with_half_images, seed_offset, *_, **__
    ):
        asked.append((seed_offset, skip_steps, with_half_images))

        def numbered(number):
            batch = {
                **BATCH,
                Batch.IMAGES: BATCH[Batch.IMAGES] / float(number + 1),
                Batch.HALF_IMAGES: BATCH[Batch.HALF_IMAGES] / float(number + 1),
                Batch.SEEDS: BATCH[Batch.SEEDS] + [[seed_offset, number]],
            }
            if not with_half_images:
                del batch[Batch.HALF_IMAGES]
            return batch

        batches = [numbered(number) for number in range(skip_steps, 6)]
        stacked = tf.nest.map_structure(lambda *v: tf.stack(v), *batches)
        return tf.data.Dataset.from_tensor_slices(stacked)

    monkeypatch.setattr(stage_building, "training_batches", training_batches)
    return asked


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Overrides that name records of four noise images with two objects."""
    return write_noise(tmp_path_factory.mktemp("records"))


def make_pipeline(records, steps, *overrides, interval=1):
    return small_pipeline(
        *records,
        f"train_config.num_steps={steps[BASE]}",
        f"{EXTENSION}.super_resolution_stage.num_steps={steps[SUPER_RESOLUTION]}",
        f"{EXTENSION}.fine_tune_stage.num_steps={steps[FINE_TUNE]}",
        f"{EXTENSION}.checkpoint_interval={interval}",
        *overrides,
    )


def train(pipeline, path):
    """Trains with one replica and gives all variables by path."""
    detector = trainer.train(pipeline, str(path), SINGLE)
    return {v.path: v.numpy() for v in detector.variables}


def killed(stage, step):
    """Kills the run after a step of a stage, before its checkpoint."""
    on_step = CheckpointWriter.on_step

    def on_step_or_die(writer, logs):
        if writer.checkpoints.stage == stage and writer.step == step:
            raise KeyboardInterrupt
        on_step(writer, logs)

    return mock.patch.object(CheckpointWriter, "on_step", on_step_or_die)


def written_steps(path):
    lines = (path / "history.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in lines]
    return [(line["stage"], line["step"]) for line in lines]


def checkpoint_steps(path, stage):
    files = (path / "checkpoints" / stage).glob("*.index")
    return sorted(int(file.stem.removeprefix("ckpt-")) for file in files)


def assert_equal_weights(found, expected):
    assert found.keys() == expected.keys()
    for path, value in expected.items():
        np.testing.assert_allclose(
            found[path], value, rtol=1e-6, atol=1e-6, err_msg=path
        )


def test_a_killed_run_goes_on_as_if_it_had_not_stopped(
    eager, numbered_batches, records, tmp_path, capsys
):
    pipeline = make_pipeline(records, STEPS)
    expected = train(pipeline, tmp_path / "whole")
    assert numbered_batches == [(0, 0, False), (1, 0, True)]
    parts = tmp_path / "parts"
    with killed(SUPER_RESOLUTION, 2), pytest.raises(KeyboardInterrupt):
        train(pipeline, parts)
    assert checkpoint_steps(parts, SUPER_RESOLUTION) == [1]
    numbered_batches.clear()
    assert_equal_weights(train(pipeline, parts), expected)
    # The base stage is not repeated, the next goes on with its second batch.
    assert numbered_batches == [(1, 1, True)]
    for path in (tmp_path / "whole", parts):
        assert written_steps(path)[-1] == (SUPER_RESOLUTION, 2)
        assert len(set(written_steps(path))) == len(written_steps(path))
        assert checkpoint_steps(path, BASE) == [1]
        assert checkpoint_steps(path, SUPER_RESOLUTION) == [1, 2]
    output = capsys.readouterr().out
    assert "base: finished at step 1, not repeated" in output
    assert "super_resolution: continues after step 1" in output
    numbered_batches.clear()
    history = written_steps(parts)
    assert_equal_weights(train(pipeline, parts), expected)
    assert numbered_batches == []
    assert written_steps(parts) == history
    output = capsys.readouterr().out
    assert "super_resolution: finished at step 2, not repeated" in output


@pytest.mark.slow
def test_a_killed_run_with_averages_ends_with_the_same_ones(
    eager, numbered_batches, records, tmp_path
):
    pipeline = make_pipeline(
        records,
        {BASE: 2, SUPER_RESOLUTION: 0, FINE_TUNE: 0},
        "train_config.optimizer.use_moving_average=true",
        "train_config.optimizer.moving_average_decay=0.5",
    )
    expected = train(pipeline, tmp_path / "whole")
    parts = tmp_path / "parts"
    with killed(BASE, 2), pytest.raises(KeyboardInterrupt):
        train(pipeline, parts)
    assert_equal_weights(train(pipeline, parts), expected)
    # A finished run has the averages again, which are in its checkpoint.
    assert_equal_weights(train(pipeline, parts), expected)
    detector = small_detector()
    restore_detector(detector, str(parts), BASE)
    # The small predictor is a copy of the large one from here on.
    found = {
        v.path: v.numpy()
        for v in detector.variables
        if not v.path.startswith("small_predictor")
    }
    expected = {path: expected[path] for path in found}
    assert_equal_weights(found, expected)


@pytest.mark.slow
def test_first_weights_of_a_stage_do_not_depend_on_the_steps_before(
    eager, numbered_batches, records, tmp_path
):
    states = []
    build = trainer.build_stage

    def build_stage(pipeline, name, detector):
        # Initializers draw their seeds from it.
        states.append((name, random.getstate()))
        return build(pipeline, name, detector)

    pipeline = make_pipeline(records, STEPS)
    with mock.patch.object(trainer, "build_stage", build_stage):
        train(pipeline, tmp_path)
        first, states = states, []
        train(pipeline, tmp_path)
    assert [name for name, _ in states] == [BASE, SUPER_RESOLUTION]
    assert states == first


def test_without_stage_2_stage_3_starts_from_the_large_predictor(
    numbered_batches, records, tmp_path
):
    seen = []

    def fit(stage, *_):
        detector = stage.detector
        if stage.name == "base_stage":
            detector.large_predictor.classes.bias.assign([1.0, 2.0, 3.0])
        else:
            small = detector.small_predictor.classes.bias.numpy()
            seen.append((stage.name, small.tolist()))

    with mock.patch.object(trainer, "fit", fit):
        train(make_pipeline(records, WITHOUT_STAGE_2), tmp_path)
    assert seen == [("fine_tune_stage", [1.0, 2.0, 3.0])]


def test_a_loss_that_is_no_number_stops_before_it_is_saved(
    eager, numbered_batches, records, tmp_path, monkeypatch
):
    images = tf.fill(BATCH[Batch.IMAGES].shape, np.nan)
    monkeypatch.setitem(BATCH, Batch.IMAGES, images)
    pipeline = make_pipeline(records, STEPS)
    with pytest.raises(FeatsrError, match="stage base, step 1: .* loss nan"):
        train(pipeline, tmp_path / "model")
    assert checkpoint_steps(tmp_path / "model", BASE) == []


@pytest.mark.parametrize(
    "override",
    [
        "model.faster_rcnn.initial_crop_size=5",
        f"{EXTENSION}.generator.residual_blocks=2",
        f"{EXTENSION}.small_area_threshold=900",
    ],
)
def test_a_folder_of_another_config_is_refused(records, tmp_path, override):
    pipeline = make_pipeline(records, STEPS)
    label_map = load_label_map(pipeline.train_input_reader.label_map_path)
    model_folder.prepare(str(tmp_path), pipeline, label_map)
    config = (tmp_path / "pipeline.config").read_text()
    name = override.split("=")[0]
    with pytest.raises(ConfigError, match=f"another config.* {name}: "):
        train(make_pipeline(records, STEPS, override), tmp_path)
    assert (tmp_path / "pipeline.config").read_text() == config


def test_a_folder_may_go_on_with_more_steps_and_other_loss_weights(
    records, tmp_path
):
    pipeline = make_pipeline(records, STEPS)
    label_map = load_label_map(pipeline.train_input_reader.label_map_path)
    model_folder.prepare(str(tmp_path), pipeline, label_map)
    more = {name: steps + 10 for name, steps in STEPS.items()}
    changed = f"{EXTENSION}.losses.generator_weight=0.5"
    model_folder.check(str(tmp_path), make_pipeline(records, more, changed))


@pytest.fixture(scope="module")
def whole_run(records, tmp_path_factory):
    """Config, folder and weights of a run that was never interrupted."""
    pipeline = make_pipeline(records, dict.fromkeys(STAGES, 4), interval=2)
    folder = tmp_path_factory.mktemp("whole")
    with small_backbone():
        return pipeline, folder, train(pipeline, folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage, step", [(BASE, 3), (BASE, 4), (SUPER_RESOLUTION, 1), (FINE_TUNE, 3)]
)
def test_a_run_on_records_goes_on_from_wherever_it_was_killed(
    whole_run, tmp_path, stage, step
):
    pipeline, whole, expected = whole_run
    with killed(stage, step), pytest.raises(KeyboardInterrupt):
        train(pipeline, tmp_path)
    assert_equal_weights(train(pipeline, tmp_path), expected)
    for path in (whole, tmp_path):
        assert written_steps(path) == [(name, 4) for name in STAGES]
        for name in STAGES:
            assert checkpoint_steps(path, name) == [2, 4]
