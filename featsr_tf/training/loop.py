"""The loop over the steps of a stage, on one device or on many machines.

`keras.Model.fit` fails where several machines train together.
"""

from collections.abc import Callable
from collections.abc import Sequence

import keras
import tensorflow as tf

from featsr_tf.data.shares import Share
from featsr_tf.training.stage import Stage
from featsr_tf.training.workers import any_worker


def fit(
    stage: Stage,
    strategy: tf.distribute.Strategy,
    batches: Callable[[Share], tf.data.Dataset],
    batch_size: int,
    num_steps: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Makes steps.

    Args:
        stage: built in the scope of the strategy.
        strategy: how steps are spread over devices.
        batches: makes the endless batches of a worker from its share.
        batch_size: examples per batch, of all devices together.
        num_steps: how many steps.
        callbacks: they see the losses of the whole batch. Where one sets
            `stage.stop_training` on any worker, the loop ends on all.
    """

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        return batches(
            Share(
                batch_size,
                context.num_replicas_in_sync,
                context.num_input_pipelines,
                context.input_pipeline_id,
            )
        )

    @tf.function
    def step(iterator):
        logs = strategy.run(stage.train_step, args=(next(iterator),))
        # They are equal on all devices.
        return {
            name: strategy.experimental_local_results(value)[0]
            for name, value in logs.items()
        }

    iterator = iter(strategy.distribute_datasets_from_function(of_worker))
    listeners = keras.callbacks.CallbackList(list(callbacks), model=stage)
    stage.stop_training = False
    listeners.on_train_begin()
    for number in range(num_steps):
        listeners.on_train_batch_begin(number)
        listeners.on_train_batch_end(number, step(iterator))
        if any_worker(strategy, stage.stop_training):
            break
    listeners.on_train_end()
