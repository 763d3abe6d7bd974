"""Several machines that train together, each with the same command.

One of them, the chief, writes the model folder; the others read checkpoints
from it, so it must be on a file system that all of them share.
"""

import contextlib
import functools
import hashlib
import re
import signal
import warnings
from collections.abc import Callable
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from featsr_tf.data.sharding import Shard
from featsr_tf.errors import ConfigError
from featsr_tf.errors import WorkerError
from featsr_tf.training.cluster import Cluster
from featsr_tf.training.cluster import read_cluster

# What TensorFlow raises where another worker is gone; which of them depends
# on who notices it first.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


@functools.cache
def default_strategy() -> tf.distribute.Strategy:
    """Spreads steps over all machines of TF_CONFIG and all GPUs, or CPUs.

    Always the same one: reductions of a second one in the same process meet
    the shapes of the first.

    Raises:
        ConfigError: TF_CONFIG is malformed.
        WorkerError: the other machines do not come.
    """
    cluster = read_cluster()
    if cluster is not None:
        return _strategy_of(cluster)
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _strategy_of(cluster: Cluster) -> tf.distribute.Strategy:
    # TensorFlow takes the signal for itself, and would not end by it.
    on_end = signal.getsignal(signal.SIGTERM)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except _LOST as error:
        raise WorkerError(
            f"worker {cluster.index} of {len(cluster.addresses)} has waited "
            f"for the others in vain ({', '.join(cluster.addresses)}): "
            "start the same command on every machine, with its own task.index"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, on_end)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Tells whether this process writes the model folder."""
    resolver = strategy.cluster_resolver
    if resolver is None:
        return True
    chief = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return (resolver.task_type, resolver.task_id) == (chief, 0)


def warn_of_idle_devices(
    batch_size: int, strategy: tf.distribute.Strategy
) -> None:
    """Warns where a batch cannot be shared evenly by all devices.

    Args:
        batch_size: examples per batch, of all devices together.
        strategy: how steps are spread over devices.
    """
    replicas = strategy.num_replicas_in_sync
    places = Shard(batch_size, replicas).size * replicas
    if places > batch_size and is_chief(strategy):
        warnings.warn(
            f"train_config.batch_size {batch_size} cannot be shared evenly by "
            f"{replicas} devices, so that {places - batch_size} of {places} "
            f"places stay empty; a multiple of {replicas} fills them",
            stacklevel=2,
        )


def digest(*arrays: np.ndarray) -> str:
    """Makes a text that differs where any number of arrays does."""
    made = hashlib.sha256()
    for array in arrays:
        made.update(np.ascontiguousarray(array).tobytes())
    return made.hexdigest()


def check_agreement(
    strategy: tf.distribute.Strategy, what: str, value: str, hint: str
) -> None:
    """Waits for all workers and refuses differences between them.

    Args:
        strategy: how steps are spread over devices.
        what: what must be equal, for the message.
        value: what it is on this worker.
        hint: what to do where it differs.

    Raises:
        ConfigError: it differs; raised on all workers.
    """
    # As many bits as the sign leaves of 64.
    mine = int(hashlib.sha256(value.encode()).hexdigest()[:15], 16)
    found = _gathered(strategy, mine)
    for place, other in enumerate(found):
        if other != found[0]:
            raise ConfigError(
                f"the workers differ in {what}: device {place} is not as "
                f"device 0; {hint}"
            )


def any_worker(strategy: tf.distribute.Strategy, holds: bool) -> bool:
    """Waits for all workers and tells them whether something holds on any.

    Args:
        strategy: how steps are spread over devices.
        holds: whether it does on this worker.

    Returns:
        The same on all workers.
    """
    return any(_gathered(strategy, int(holds)))


def _gathered(strategy: tf.distribute.Strategy, value: int) -> list[int]:
    """What each device's worker has given."""
    if strategy.cluster_resolver is None:
        return [value]
    with named_losses_of_workers(strategy):
        found = _gather(strategy)(tf.constant(value, tf.int64))
    return found.numpy().tolist()


@functools.cache
def _gather(
    strategy: tf.distribute.Strategy,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the graph once, as it runs at every step."""

    @tf.function
    def gather(mine: tf.Tensor) -> tf.Tensor:
        def of_device() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            place = context.replica_id_in_sync_group
            count = context.num_replicas_in_sync
            own = tf.one_hot(place, count, mine, tf.zeros_like(mine))
            # `all_gather` would need a graph.
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

        found = strategy.run(of_device)
        return strategy.experimental_local_results(found)[0]

    return gather


@contextlib.contextmanager
def named_losses_of_workers(
    strategy: tf.distribute.Strategy,
) -> Iterator[None]:
    """Turns TensorFlow's errors about lost workers into one line.

    Args:
        strategy: how steps are spread over devices.

    Raises:
        WorkerError: another worker has stopped, or cannot be reached.
    """
    try:
        yield
    except _LOST as error:
        if strategy.cluster_resolver is None:
            raise
        raise WorkerError(
            f"{_lost_worker(strategy, str(error))} has stopped or cannot be "
            "reached; see what it printed, then start the same command on all "
            "machines again: it continues after the last checkpoint"
        ) from error


def _lost_worker(strategy: tf.distribute.Strategy, message: str) -> str:
    resolver = strategy.cluster_resolver
    places = re.findall(r"/job:(\w+)(?:/replica:\d+)?/task:(\d+)", message)
    for role, text in places:
        place = (role, int(text))
        if place != (resolver.task_type, resolver.task_id):
            address = resolver.cluster_spec().task_address(*place)
            return f"{role} {text} ({address})"
    return "another worker"
