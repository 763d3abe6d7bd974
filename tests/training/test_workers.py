"""Processes that train together hold the same weights and write one folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import WorkerError
from featsr_tf.training import distribution
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.checkpoints import newest_step
from featsr_tf.training.checkpoints import used_step
from tests.clusters import tf_configs
from tests.support import REPOSITORY
from tests.training.batches import write_noise

EXTENSION = "model.feature_super_resolution"
# Far more than it takes; a job that hangs fails the test.
SECONDS = 900
# What a worker exits with that lost another one.
TRY_AGAIN = 75


@pytest.fixture(scope="module")
def overrides(tmp_path_factory):
    """Three short stages on four noise images, a checkpoint at each step."""
    return (
        *write_noise(tmp_path_factory.mktemp("records")),
        "model.faster_rcnn.feature_extractor.batch_norm_trainable=false",
        "train_config.batch_size=4",
        "train_config.num_steps=1",
        f"{EXTENSION}.super_resolution_stage.num_steps=2",
        f"{EXTENSION}.fine_tune_stage.num_steps=1",
        f"{EXTENSION}.checkpoint_interval=1",
    )


def train_together(count, folder, overrides, stop=None, own=()):
    """Runs workers on one model folder until all have ended.

    Args:
        count: how many.
        folder: gets the model folder and each worker's weights.
        overrides: of the config.
        stop: number, stage and step of one that gets a signal in its midst,
            and which; "NAN" are losses that are no numbers instead.
        own: number and override of one whose config differs.

    Returns:
        For each, its exit code, what it printed and its weights, if any.
    """
    folder.mkdir(exist_ok=True)
    processes = []
    for index, variables in enumerate(tf_configs(count)):
        environment = {**os.environ, **variables}
        if stop and stop[0] == index:
            environment["STOP_AT"] = f"{stop[1]}:{stop[2]}"
            environment["STOP_BY"] = stop[3]
        more = own[1:] if own and own[0] == index else ()
        command = [sys.executable, "-m", "tests.training.worker"]
        command += [folder / "model", folder / f"{index}.npz"]
        processes.append(
            subprocess.Popen(
                [*command, *overrides, *more],
                env=environment,
                cwd=REPOSITORY,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return [
        result_of(process, folder / f"{index}.npz")
        for index, process in enumerate(processes)
    ]


def result_of(process, path):
    output, error = process.communicate(timeout=SECONDS)
    weights = dict(np.load(path)) if path.exists() else None
    return SimpleNamespace(
        code=process.returncode, output=output, error=error, weights=weights
    )


def last_line(result):
    return result.error.strip().splitlines()[-1]


def assert_equal_weights(results, expected):
    for result in results:
        assert result.code == 0, result.error
    for result in results:
        assert result.weights.keys() == expected.keys()
        for path, value in expected.items():
            np.testing.assert_array_equal(result.weights[path], value, path)


def written_steps(folder):
    lines = (folder / "model" / "history.jsonl").read_text().splitlines()
    return [
        (record["stage"], record["step"]) for record in map(json.loads, lines)
    ]


@pytest.mark.slow
def test_two_workers_end_with_the_same_weights_and_one_folder(
    overrides, tmp_path
):
    shorter = (
        f"{EXTENSION}.super_resolution_stage.num_steps=1",
        f"{EXTENSION}.fine_tune_stage.num_steps=0",
    )
    chief, other = results = train_together(2, tmp_path, overrides + shorter)
    assert_equal_weights(results, chief.weights)
    steps = [(BASE, 1), (SUPER_RESOLUTION, 1)]
    assert written_steps(tmp_path) == steps
    for stage, step in steps:
        index = tmp_path / "model" / "checkpoints" / stage
        assert (index / f"ckpt-{step}.index").exists()
    # The other one has no bar and says nothing.
    assert "super_resolution" in chief.error
    assert "super_resolution" not in other.output + other.error


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 1])
def test_a_killed_worker_ends_all_and_the_same_command_goes_on(
    overrides, tmp_path, place
):
    whole = train_together(2, tmp_path / "whole", overrides)
    assert_equal_weights(whole, whole[0].weights)
    parts = tmp_path / "parts"
    stop = (place, SUPER_RESOLUTION, 2, "SIGKILL")
    results = train_together(2, parts, overrides, stop=stop)
    rest = results[1 - place]
    assert rest.code == TRY_AGAIN, rest.error
    line = last_line(rest)
    assert line.startswith(f"error: worker {place} (localhost:")
    assert "start the same command on all machines again" in line
    assert "Traceback" not in rest.error
    assert_equal_weights(train_together(2, parts, overrides), whole[0].weights)
    assert written_steps(parts) == written_steps(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 1])
def test_a_signal_to_one_stops_all_after_the_same_step(
    overrides, tmp_path, place
):
    # Without the signal there would be no checkpoint in its midst.
    longer = (
        *overrides,
        f"{EXTENSION}.super_resolution_stage.num_steps=4",
        f"{EXTENSION}.checkpoint_interval=4",
    )
    whole = train_together(2, tmp_path / "whole", longer)
    assert_equal_weights(whole, whole[0].weights)
    parts = tmp_path / "parts"
    stop = (place, SUPER_RESOLUTION, 2, "SIGTERM")
    results = train_together(2, parts, longer, stop=stop)
    told, other = results[place], results[1 - place]
    assert told.code == -signal.SIGTERM, told.error
    assert "stopped by SIGTERM after step 2 of stage super_res" in told.output
    assert other.code == TRY_AGAIN, other.error
    assert last_line(other).startswith(
        "error: another worker was told to stop, after step 2 of stage super_"
    )
    assert newest_step(str(parts / "model"), SUPER_RESOLUTION) == 2
    assert_equal_weights(train_together(2, parts, longer), whole[0].weights)


@pytest.mark.slow
def test_validations_of_the_chief_end_a_stage_of_all(overrides, tmp_path):
    training = [field for field in overrides if "_input_reader" in field]
    more = (
        *(
            field.replace("train_input_reader", "eval_input_reader.0")
            for field in training
        ),
        "train_config.num_steps=4",
        f"{EXTENSION}.super_resolution_stage.num_steps=1",
        f"{EXTENSION}.fine_tune_stage.num_steps=0",
        f"{EXTENSION}.validation={{num_images: 1 best_by: AP50_ALL}}",
        f"{EXTENSION}.validation.patience=1",
    )
    folder = str(tmp_path / "model")
    chief, other = train_together(2, tmp_path, overrides + more)
    assert_equal_weights([chief, other], chief.weights)
    # The untrained detector finds nothing, so that step 2 is no better.
    assert newest_step(folder, BASE) == 2
    assert used_step(folder, BASE) == 1
    assert newest_step(folder, SUPER_RESOLUTION) == 1


@pytest.mark.slow
def test_a_number_that_is_not_finite_ends_all(overrides, tmp_path):
    stop = (1, SUPER_RESOLUTION, 2, "NAN")
    chief, other = train_together(2, tmp_path, overrides, stop=stop)
    assert chief.code == 2, chief.error
    assert "expected finite numbers" in last_line(chief)
    assert "its batch holds the records" in last_line(chief)
    assert other.code == TRY_AGAIN, other.error
    assert newest_step(str(tmp_path / "model"), SUPER_RESOLUTION) == 1


@pytest.mark.slow
def test_all_go_on_from_the_checkpoint_before_a_damaged_one(
    overrides, tmp_path
):
    whole = train_together(2, tmp_path, overrides)
    assert_equal_weights(whole, whole[0].weights)
    folder = tmp_path / "model" / "checkpoints"
    shutil.rmtree(folder / FINE_TUNE)
    newest = folder / SUPER_RESOLUTION / "ckpt-2.data-00000-of-00001"
    newest.write_bytes(b"cut")
    again = train_together(2, tmp_path, overrides)
    assert_equal_weights(again, whole[0].weights)
    for result in again:
        assert "ckpt-1 is used" in result.error


@pytest.mark.slow
def test_four_workers_train_as_two_do(overrides, tmp_path):
    two = train_together(2, tmp_path / "two", overrides)
    assert_equal_weights(two, two[0].weights)
    four = train_together(4, tmp_path / "four", overrides)
    assert_equal_weights(four, four[0].weights)
    for path, value in two[0].weights.items():
        np.testing.assert_allclose(
            four[0].weights[path], value, rtol=1e-5, atol=1e-5, err_msg=path
        )


@pytest.mark.slow
def test_workers_of_other_configs_are_refused(overrides, tmp_path):
    own = (1, f"{EXTENSION}.losses.content_weight=2")
    for result in train_together(2, tmp_path, overrides, own=own):
        assert result.code == 2
        assert "the workers differ in config or records" in last_line(result)
    assert not (tmp_path / "model").exists()


def test_a_lost_worker_is_named_by_its_address():
    resolver = SimpleNamespace(
        task_type="worker",
        task_id=0,
        cluster_spec=lambda: tf.train.ClusterSpec({"worker": ["a:1", "b:2"]}),
    )
    strategy = SimpleNamespace(cluster_resolver=resolver)
    message = "reported from /job:worker/task:0: /job:worker/replica:0/task:1"
    with pytest.raises(WorkerError, match=r"^worker 1 \(b:2\) has stopped"):
        with distribution.translate_worker_errors(strategy):
            raise tf.errors.UnavailableError(None, None, message)
    with pytest.raises(WorkerError, match="^another worker has stopped"):
        with distribution.translate_worker_errors(strategy):
            raise tf.errors.AbortedError(None, None, "closed")


def test_without_other_workers_errors_pass():
    single = tf.distribute.get_strategy()
    with pytest.raises(tf.errors.UnavailableError):
        with distribution.translate_worker_errors(single):
            raise tf.errors.UnavailableError(None, None, "/job:worker/task:1")
    assert distribution.is_chief(single)
    distribution.check_agreement(single, "anything", "value", "hint")


def test_devices_that_a_batch_leaves_idle_are_warned_of(recwarn):
    def warn(replicas):
        strategy = SimpleNamespace(
            num_replicas_in_sync=replicas, cluster_resolver=None
        )
        distribution.warn_of_idle_devices(3, strategy)

    for replicas in (1, 3):
        warn(replicas)
    assert not recwarn.list
    with pytest.warns(match="1 of 4 places stay empty; a multiple of 2"):
        warn(2)
    with pytest.warns(match="5 of 8 places stay empty; a multiple of 8"):
        warn(8)
