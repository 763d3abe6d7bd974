"""Evaluation while training chooses the best checkpoint and may end a stage."""

import json
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.config.schema import BestBy
from featsr_tf.data.build import load_records
from featsr_tf.errors import ConfigError
from featsr_tf.prediction.data_set import detection_function
from featsr_tf.training import checkpoints
from featsr_tf.training import trainer
from featsr_tf.training.callbacks import validate
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.origins import check_init_from_base
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.batches import pipeline_of_steps
from tests.training.batches import write_noise

EXTENSION = "model.feature_super_resolution"
pytestmark = pytest.mark.usefixtures("small_network")
SINGLE = tf.distribute.get_strategy()


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """Overrides that name the same records for training and validation."""
    training = write_noise(tmp_path_factory.mktemp("records"))
    evaluation = [
        field.replace("train_input_reader", "eval_input_reader.0")
        for field in training
    ]
    return (*training, *evaluation)


def make_pipeline(readers, *fields, steps=(4, 1, 0)):
    return pipeline_of_steps(
        readers,
        f"{EXTENSION}.validation={{num_images: 2}}",
        *(f"{EXTENSION}.{field}" for field in fields),
        steps=steps,
    )


def figures(*values):
    """Stands for `validate`: the deciding figure of each call."""
    return mock.patch.object(
        trainer,
        "validate",
        mock.Mock(side_effect=[{"ap50_small": value} for value in values]),
    )


def weights(detector):
    return [variable.numpy() for variable in detector.large_predictor.weights]


def validated_steps(folder):
    lines = (folder / "history.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in lines]
    return [(r["stage"], r["step"]) for r in lines if "validation" in r]


def test_every_figure_of_the_config_is_one_of_a_validation(readers):
    pipeline = make_pipeline(readers)
    source = load_records(pipeline.eval_input_reader[0], 2)
    detect = detection_function(small_detector(), False)
    found = validate(pipeline, detect, source, 2)
    names = {best_by.lower() for best_by in BestBy} - {"none"}
    assert found.keys() == names
    for name, value in found.items():
        # The records hold a small and a medium object in each image.
        assert (value is None) == name.endswith("large")
        assert value is None or 0 <= value <= 1


def test_the_best_checkpoint_is_kept_and_used_by_whatever_follows(
    eager, readers, tmp_path
):
    pipeline = make_pipeline(readers, "keep_checkpoints=1", steps=(4, 0, 0))
    with figures(0.1, 0.7, 0.3, 0.2):
        trained = trainer.train(pipeline, str(tmp_path), SINGLE)
    folder = checkpoints.checkpoint_directory(str(tmp_path), BASE)
    assert checkpoints.written_steps(folder) == [2, 4]
    used = small_detector()
    path = checkpoints.restore_detector(used, str(tmp_path), BASE)
    assert path.endswith("ckpt-2")
    assert checkpoints.used_step(str(tmp_path), BASE) == 2
    for found, expected in zip(weights(trained), weights(used), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert validated_steps(tmp_path) == [(BASE, step) for step in (1, 2, 3, 4)]


def test_a_stage_ends_early_and_is_not_repeated(
    eager, readers, tmp_path, capsys
):
    pipeline = make_pipeline(readers, "validation.patience=1", steps=(4, 0, 0))
    for _ in range(2):
        with figures(0.7, 0.3):
            trainer.train(pipeline, str(tmp_path), SINGLE)
        assert checkpoints.newest_step(str(tmp_path), BASE) == 2
    assert "base: finished at step 2, not repeated" in capsys.readouterr().out
    # Another model may begin with it.
    check_init_from_base(pipeline, str(tmp_path / "other"), str(tmp_path))


@pytest.mark.parametrize("last", [2, 4])
@pytest.mark.slow
def test_an_evaluation_in_which_a_run_was_killed_is_made_up_for(
    eager, readers, tmp_path, last
):
    pipeline = make_pipeline(readers, steps=(4, 0, 0))
    dying = [{"ap50_small": 0.1}] * (last - 1) + [KeyboardInterrupt]
    with (
        mock.patch.object(trainer, "validate", side_effect=dying),
        pytest.raises(KeyboardInterrupt),
    ):
        trainer.train(pipeline, str(tmp_path), SINGLE)
    assert checkpoints.newest_step(str(tmp_path), BASE) == last
    with figures(*[0.5] * (5 - last)):
        trainer.train(pipeline, str(tmp_path), SINGLE)
    assert validated_steps(tmp_path) == [(BASE, step) for step in (1, 2, 3, 4)]
    assert checkpoints.used_step(str(tmp_path), BASE) == last


@pytest.mark.slow
def test_without_a_deciding_figure_the_newest_is_used(eager, readers, tmp_path):
    pipeline = make_pipeline(
        readers, "validation.best_by=NONE", steps=(2, 0, 0)
    )
    with figures(0.7, 0.3):
        trainer.train(pipeline, str(tmp_path), SINGLE)
    assert checkpoints.used_step(str(tmp_path), BASE) == 2


@pytest.mark.slow
def test_the_interval_may_leave_checkpoints_out(eager, readers, tmp_path):
    pipeline = make_pipeline(readers, "validation.interval=2", steps=(3, 0, 0))
    with figures(0.7, 0.3):
        trainer.train(pipeline, str(tmp_path), SINGLE)
    assert validated_steps(tmp_path) == [(BASE, 2), (BASE, 3)]


@pytest.mark.parametrize(
    "fields, message",
    [
        (
            ["validation.interval=3", "checkpoint_interval=2"],
            "interval is 3; expected a multiple of checkpoint_interval, 2",
        ),
        (
            ["validation.best_by=NONE", "validation.patience=1"],
            "patience is 1; expected 0 where best_by is NONE",
        ),
    ],
)
def test_impossible_validations_are_refused(readers, fields, message):
    with pytest.raises(ConfigError, match=message):
        make_pipeline(readers, *fields)


def test_a_validation_needs_records():
    with pytest.raises(ConfigError, match="expected an eval_input_reader"):
        small_pipeline(f"{EXTENSION}.validation={{}}")
