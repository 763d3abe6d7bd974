"""Two replicas make the steps that one makes at the same global batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.training.build import build_stage
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.run import default_strategy
from featsr_tf.training.stage import DATA_READY
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.batches import LARGE
from tests.training.batches import SMALL
from tests.training.batches import make_batch

# Statistics of trainable batch normalization are those of a replica.
OVERRIDES = (
    "model.faster_rcnn.feature_extractor.batch_norm_trainable=false",
    # Low enough for both gradients to be clipped.
    "train_config.gradient_clipping_by_norm=0.1",
    "model.feature_super_resolution.super_resolution_stage"
    ".gradient_clipping_by_norm=0.1",
    # Changes its weights in the midst of a step.
    "model.feature_super_resolution.discriminator.spectral_normalization=true",
)
# The second replica has no large object, so no pair, and fewer of the rest.
BATCH = make_batch([SMALL, LARGE], [SMALL])
STEPS = 2


SINGLE = tf.distribute.get_strategy()


def build(strategy, name):
    """A stage that is the same in every call but for its replicas."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        return build_stage(
            small_pipeline(*OVERRIDES), name, small_detector(*OVERRIDES)
        )


def train_by_one_step(strategy, name):
    """Makes a step without a graph, which would take longer to make."""
    stage = build(strategy, name)
    count = strategy.num_replicas_in_sync
    share = len(BATCH[Batch.IMAGES]) // count

    def part(context):
        first = context.replica_id_in_sync_group * share
        return {key: v[first : first + share] for key, v in BATCH.items()}

    batch = strategy.experimental_distribute_values_from_function(part)
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
    stage.fit(
        tf.data.Dataset.from_tensors(BATCH).repeat(),
        steps_per_epoch=STEPS,
        verbose=0,
        shuffle=False,
        callbacks=[recorder],
    )
    return losses, values_of(stage)


def without_time(logs):
    return {key: float(logs[key]) for key in logs if key != DATA_READY}


def values_of(stage):
    variables = list(stage.detector.variables)
    if getattr(stage, "discriminator", None) is not None:
        variables += stage.discriminator.variables
    return {variable.path: variable.numpy() for variable in variables}


def assert_replicas_agree(train, name):
    losses, variables = train(SINGLE, name)
    # The tests see two logical CPUs.
    double = default_strategy()
    assert double.num_replicas_in_sync == 2
    other_losses, other_variables = train(double, name)
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
    assert_replicas_agree(train_by_one_step, SUPER_RESOLUTION)


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_two_replicas_agree_with_one_in_fit_as_well(name):
    assert_replicas_agree(train_by_fit, name)
