"""Steps on many devices, of machines that each run the same command.

One of the machines, the chief, writes the model folder; the others read
checkpoints from it, so it must be on a file system that all of them share.
"""

import contextlib
import functools
import hashlib
import os
import re
import signal
import stat
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from featsr_tf.data.sharding import Shard
from featsr_tf.errors import ConfigError
from featsr_tf.errors import WorkerError
from featsr_tf.training.cluster import Cluster
from featsr_tf.training.cluster import read_cluster
from featsr_tf.training.stage import Stage

# What TensorFlow raises where another worker is gone; which of them depends
# on who notices it first.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)
# Of a terminal that closes; not every system has it.
_HANG_UP = getattr(signal, "SIGHUP", None)
_SIGNALS = tuple(filter(None, (signal.SIGTERM, signal.SIGINT, _HANG_UP)))
# What shells add to the number of a signal that has ended a program.
_ENDED_BY_SIGNAL = 128


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
    """Warns where a batch cannot be shared evenly by all devices."""
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
    """Waits for all workers and tells them whether something holds on any."""
    return any(_gathered(strategy, int(holds)))


def _gathered(strategy: tf.distribute.Strategy, value: int) -> list[int]:
    """What each device's worker has given."""
    if strategy.cluster_resolver is None:
        return [value]
    with translate_worker_errors(strategy):
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
def translate_worker_errors(
    strategy: tf.distribute.Strategy,
) -> Iterator[None]:
    """Turns TensorFlow's errors about lost workers into one line.

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


def fit(
    stage: Stage,
    strategy: tf.distribute.Strategy,
    batches: Callable[[Shard], tf.data.Dataset],
    batch_size: int,
    num_steps: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Makes steps.

    Args:
        callbacks: they see the losses of the whole batch. Where one sets
            `stage.stop_training` on any worker, the loop ends on all.
    """

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        return batches(
            Shard(
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


def _leave_terminal() -> None:
    """Sends nowhere what would be printed on a terminal.

    Each line to a closed one would end the training before it has saved.
    """
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


class _Stop(KeyboardInterrupt):
    """Leads out of a training that a signal ends."""


class StopSignals:
    """Lets a training write a checkpoint before a signal ends it.

    While there are steps that no checkpoint holds, a signal waits until
    `saved` is called; otherwise, and when a second one comes, it ends the
    training at once. In the end it does what it would have done without. That
    of a closed terminal may come more than once.

    Where several machines train, a signal to one stops all after one step.

    Args:
        on_any: `any_worker`. Default: there is no other worker.

    Attributes:
        received: the signal that came to this process, or None.
        is_stopping: whether all stop after this step.
    """

    def __init__(self, on_any: Callable[[bool], bool] = bool):
        self.received: signal.Signals | None = None
        self.is_stopping = False
        self._on_any = on_any
        self._place = "the newest checkpoint"
        self._has_unsaved_step = False

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Catches signals in a block; only the main thread gets any.

        Raises:
            SystemExit: this process got one by which it cannot end.
            WorkerError: another worker has got a signal.
        """
        is_main = threading.current_thread() is threading.main_thread()
        numbers = _SIGNALS if is_main else ()
        before = {number: signal.getsignal(number) for number in numbers}
        for number, handler in before.items():
            # `nohup` lets a training outlive its terminal.
            if handler != signal.SIG_IGN:
                signal.signal(number, self._note)
        is_stopped = False
        try:
            yield
        except _Stop:
            is_stopped = True
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.received is not None:
            print(
                f"stopped by {self.received.name} after {self._place}; run "
                "the same command again to go on from there",
                flush=True,
            )
            signal.raise_signal(self.received)
            if signal.getsignal(self.received) == signal.SIG_DFL:
                # The first process of a container does not end by it.
                raise SystemExit(_ENDED_BY_SIGNAL + self.received)
        elif is_stopped:
            raise WorkerError(
                f"another worker was told to stop, after {self._place}; start "
                "the same command on all machines again to go on from there"
            )

    def stepped(self) -> None:
        """Is to be called by all workers after a step."""
        self._has_unsaved_step = True
        self.is_stopping = self._on_any(self.received is not None)

    def saved(self, stage: str, step: int) -> None:
        """Is to be called by all workers when a checkpoint holds all steps."""
        self._place = f"step {step} of stage {stage}"
        # Nobody leaves before the one who writes has written.
        is_stopping = self._on_any(self.received is not None)
        self._has_unsaved_step = False
        if is_stopping or self.received is not None:
            raise _Stop

    def _note(self, number, _):
        # The system and a shell both tell that a terminal closes.
        is_first = self.received is None or _HANG_UP in (self.received, number)
        waits = self._has_unsaved_step and is_first
        self.received = signal.Signals(number)
        if number == _HANG_UP:
            _leave_terminal()
        if not waits:
            raise _Stop
