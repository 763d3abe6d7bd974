"""Several devices make the steps that one makes at the same global batch."""

import functools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.build import load_records
from featsr_tf.data.sharding import Shard
from featsr_tf.data.sharding import batch_for_devices
from featsr_tf.training import feature_cache
from featsr_tf.training.build import build_stage
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.distribution import default_strategy
from featsr_tf.training.distribution import fit
from featsr_tf.training.stage import DATA_READY
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.support import REPOSITORY
from tests.training.batches import LARGE
from tests.training.batches import SMALL
from tests.training.batches import make_batch
from tests.training.batches import write_noise
from tests.training.test_windows import FIELDS as SECOND_LOOK
from tests.training.test_windows import frames

OVERRIDES = (
    "model.faster_rcnn.feature_extractor.batch_norm_trainable=false",
    # Low enough for both gradients to be clipped.
    "train_config.gradient_clipping_by_norm=0.1",
    "model.feature_super_resolution.super_resolution_stage"
    ".gradient_clipping_by_norm=0.1",
    "model.faster_rcnn.second_stage_box_predictor.mask_rcnn_box_predictor"
    ".use_dropout=true",
    # Changes its weights in the midst of a step.
    "model.feature_super_resolution.discriminator.spectral_normalization=true",
)
IMAGES = ([SMALL, LARGE], [SMALL], [LARGE], [SMALL], [SMALL, LARGE])
BATCH_SIZE = len(IMAGES)
STEPS = 2


SINGLE = tf.distribute.get_strategy()


def build(strategy, name, overrides=OVERRIDES):
    """A stage that is the same in every call but for its replicas."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        return build_stage(
            small_pipeline(*overrides), name, small_detector(*overrides)
        )


def batches(shard):
    """The same batch over and over.

    Its images have other numbers of samples and pairs, some none; two devices
    cannot share them evenly, and of four one has none.
    """
    return share(make_batch(*IMAGES), shard)


def batches_with_originals(shard):
    """The same, with frames that are twice as large."""
    return share(frames(*IMAGES), shard)


def share(batch, shard):
    examples = tf.data.Dataset.from_tensor_slices(batch).repeat()
    return batch_for_devices(examples, shard)


def train_by_one_step(
    strategy, name, overrides=OVERRIDES, batch_size=BATCH_SIZE, batches=batches
):
    """Makes a step without a graph, which would take longer to make."""
    stage = build(strategy, name, overrides)
    count = strategy.num_replicas_in_sync
    parts = list(batches(Shard(batch_size, count)).take(count))
    batch = strategy.experimental_distribute_values_from_function(
        lambda context: parts[context.replica_id_in_sync_group]
    )
    logs = strategy.run(stage.train_step, args=(batch,))
    replicas = [
        {
            key: strategy.experimental_local_results(value)[replica]
            for key, value in logs.items()
        }
        for replica in range(count)
    ]
    losses = [without_time(logs) for logs in replicas]
    assert all(loss == losses[0] for loss in losses)
    return losses[:1], values_of(stage)


def train_by_fit(strategy, name):
    """Trains as a run does."""
    stage = build(strategy, name)
    losses = []
    recorder = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda _, logs: losses.append(without_time(logs))
    )
    fit(stage, strategy, batches, BATCH_SIZE, STEPS, [recorder])
    assert len(losses) == STEPS
    return losses, values_of(stage)


def without_time(logs):
    return {key: float(logs[key]) for key in logs if key != DATA_READY}


def values_of(stage):
    variables = list(stage.detector.variables)
    if getattr(stage, "discriminator", None) is not None:
        variables += stage.discriminator.variables
    return {variable.path: variable.numpy() for variable in variables}


def assert_replicas_agree(train, name, several):
    losses, variables = train(SINGLE, name)
    other_losses, other_variables = train(several, name)
    assert len(losses) == len(other_losses) > 0
    for ours, theirs in zip(losses, other_losses, strict=True):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            np.testing.assert_allclose(
                theirs[key], value, rtol=1e-5, atol=1e-6, err_msg=key
            )
    for path, value in variables.items():
        np.testing.assert_allclose(
            other_variables[path], value, atol=1e-5, err_msg=path
        )


def test_two_replicas_give_losses_and_weights_of_one():
    # The tests see two logical CPUs.
    assert default_strategy().num_replicas_in_sync == 2
    assert_replicas_agree(
        train_by_one_step, SUPER_RESOLUTION, default_strategy()
    )


@pytest.mark.slow
def test_replicas_share_the_statistics_of_batch_normalization():
    field = "model.faster_rcnn.feature_extractor.batch_norm_trainable=true"
    assert_replicas_agree(
        functools.partial(
            train_by_one_step, overrides=(*OVERRIDES, field), batch_size=4
        ),
        BASE,
        default_strategy(),
    )


@pytest.mark.parametrize("name", [SUPER_RESOLUTION, FINE_TUNE])
def test_two_replicas_agree_on_a_second_look(name):
    assert_replicas_agree(
        functools.partial(
            train_by_one_step,
            overrides=(*OVERRIDES, *SECOND_LOOK),
            batches=batches_with_originals,
        ),
        name,
        default_strategy(),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_two_replicas_agree_with_one_in_fit_as_well(name):
    assert_replicas_agree(train_by_fit, name, default_strategy())


@pytest.mark.slow
def test_four_replicas_give_losses_and_weights_of_one():
    """In a process of its own, since none can get more devices later."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(
        [sys.executable, "-m", "tests.training.test_distribution"],
        cwd=REPOSITORY,
        env=environment,
        check=True,
    )


def check_four_replicas():
    """Compares four devices with one in all stages."""
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 4,
    )
    assert default_strategy().num_replicas_in_sync == 4
    for name in STAGES:
        assert_replicas_agree(train_by_one_step, name, default_strategy())


def cached_losses(strategy, name, records, folder):
    """Trains on two cached images at a time."""
    pipeline = small_pipeline(
        *OVERRIDES,
        *records,
        f"model.feature_super_resolution.feature_cache.folder='{folder}'",
        "model.feature_super_resolution.feature_cache.num_images=4",
    )
    keras.utils.set_random_seed(0)
    with strategy.scope():
        stage = build_stage(pipeline, name, small_detector(*OVERRIDES))
    source = load_records(pipeline.train_input_reader, 2)
    cached = feature_cache.cached_batches(
        pipeline, source, stage, "", strategy, base=""
    )
    losses = []
    recorder = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda _, logs: losses.append(without_time(logs))
    )
    fit(stage, strategy, cached, 2, STEPS, [recorder])
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("name", [SUPER_RESOLUTION, FINE_TUNE])
def test_two_replicas_agree_with_one_on_cached_features(name, tmp_path):
    records = write_noise(tmp_path)
    single = cached_losses(SINGLE, name, records, tmp_path / "one")
    double = cached_losses(default_strategy(), name, records, tmp_path / "two")
    assert len(single) == len(double) == STEPS
    for ours, theirs in zip(single, double, strict=True):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            np.testing.assert_allclose(
                theirs[key], value, rtol=1e-5, atol=1e-6, err_msg=key
            )


if __name__ == "__main__":
    check_four_replicas()
