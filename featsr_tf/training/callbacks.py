"""Keras callbacks: progress, history, TensorBoard, checkpoints.

A stage is one call of `fit()` with one long epoch, so that everything
periodic counts steps and a continued stage needs no bookkeeping of epochs.
"""

import math
import time
from collections.abc import Mapping

import keras
import tensorflow as tf
import tqdm

from featsr_tf.training.checkpoints import StageCheckpoints
from featsr_tf.training.history import History
from featsr_tf.training.interruption import StopSignals
from featsr_tf.training.non_finite import NonFiniteError
from featsr_tf.training.stage import DATA_READY
from featsr_tf.training.stage import DISCRIMINATOR_GRADIENT_NORM
from featsr_tf.training.stage import GRADIENT_NORM

# Logged values that are no losses.
GAUGES = (
    GRADIENT_NORM,
    DISCRIMINATOR_GRADIENT_NORM,
    "target_mean",
    "input_mean",
    "discriminator_of_target",
    "discriminator_of_generated",
)


class StageCallback(keras.callbacks.Callback):
    """Counts the steps of a stage.

    Args:
        first_step: steps that the stage had seen before.
        num_steps: steps of the whole stage.
        interval: steps between two times at which the callback acts.
    """

    def __init__(self, first_step: int, num_steps: int, interval: int):
        super().__init__()
        self.step = first_step
        self.num_steps = num_steps
        self.interval = interval

    @property
    def is_due(self) -> bool:
        """Whether the callback acts after this step, as after the last one."""
        return self.step % self.interval == 0 or self.step == self.num_steps

    def make_up(self) -> None:
        """Does what a stopped run has left out after its last checkpoint."""

    def is_over(self) -> bool:
        """Tells whether the stage ends before its last step."""
        return False

    def on_train_batch_end(self, batch, logs=None):
        """Counts."""
        self.step += 1
        self.on_step(logs)

    def on_step(self, logs) -> None:
        """Is called after each step, with `self.step` steps done."""

    def close(self) -> None:
        """Is called at the end, whatever that is."""


class TrainingLog(StageCallback):
    """Shows a progress bar and keeps means of the losses.

    The bar shows the losses, the learning rate, seconds per step and the
    share of time that was spent waiting for data. Means over each interval go
    to `history.jsonl` and to TensorBoard.

    Args:
        history: of the stage.
        first_step: steps that the stage had seen before.
        num_steps: steps of the whole stage.
        writer: TensorBoard writer.
        interval: steps between two records. Default 25.
        pending: what `pending` gave at `first_step`. Default nothing.
    """

    def __init__(
        self,
        history: History,
        first_step: int,
        num_steps: int,
        writer: tf.summary.SummaryWriter,
        interval: int = 25,
        pending: Mapping | None = None,
    ):
        super().__init__(first_step, num_steps, interval)
        self.history = history
        self.writer = writer
        self._bar = None
        self._is_first = True
        self._forget()
        if pending:
            self._sums, self._count = dict(pending["sums"]), pending["count"]

    def _forget(self):
        self._sums = {}
        self._count = 0
        self._timed_steps = 0
        self._seconds = 0.0
        self._waited = 0.0

    def pending(self) -> dict:
        """Gives what no record holds yet, fit for JSON."""
        return {"sums": self._sums, "count": self._count}

    def on_train_begin(self, logs=None):
        """Opens the bar."""
        self._bar = tqdm.tqdm(
            total=self.num_steps,
            initial=self.step,
            desc=self.history.stage,
            unit="step",
            dynamic_ncols=True,
            mininterval=0.5,
        )

    def on_train_batch_begin(self, batch, logs=None):
        """Notes when the step asked for data."""
        self._asked = time.time()

    def on_step(self, logs):
        """Adds the step's losses to the means."""
        logs = {name: float(value) for name, value in logs.items()}
        ready = logs.pop(DATA_READY)
        if not self._is_first:
            self._timed_steps += 1
            self._seconds += time.time() - self._asked
            self._waited += max(ready - self._asked, 0.0)
        # The first step holds the tracing of the graph.
        self._is_first = False
        for name, value in logs.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if not all(map(math.isfinite, logs.values())):
            raise NonFiniteError(self.history.stage, self.step, logs)
        self._bar.update(1)
        self._bar.set_postfix_str(self._postfix(), refresh=False)
        if self.is_due:
            self._record()

    def close(self):
        """Closes the bar, so that what is printed next has its own line."""
        self.writer.flush()
        if self._bar is not None:
            self._bar.close()

    def _means(self) -> dict[str, float]:
        return {name: s / self._count for name, s in self._sums.items()}

    def _timing(self) -> tuple[float, float]:
        seconds = self._seconds / max(self._timed_steps, 1)
        return seconds, self._waited / max(self._seconds, 1e-9)

    def _learning_rate(self) -> float:
        # A constant rate is a mirrored variable where there are replicas.
        return float(tf.convert_to_tensor(self.model.optimizer.learning_rate))

    def _postfix(self) -> str:
        seconds, waiting = self._timing()
        losses = " ".join(
            f"{name} {value:.3g}"
            for name, value in self._means().items()
            if name not in GAUGES and name != "loss"
        )
        return (
            f"loss {self._means()['loss']:.3g} ({losses}) "
            f"lr {self._learning_rate():.2g} "
            f"{seconds:.3f} s/step data {waiting:.0%}"
        )

    def _record(self):
        seconds, waiting = self._timing()
        means = self._means()
        gauges = {name: means.pop(name) for name in GAUGES if name in means}
        if gauges.get("input_mean"):
            gauges["target_over_input_mean"] = (
                gauges["target_mean"] / gauges["input_mean"]
            )
        learning_rate = self._learning_rate()
        self.history.append(
            self.step,
            learning_rate=learning_rate,
            seconds_per_step=seconds,
            data_wait=waiting,
            losses=means,
            gauges=gauges,
        )
        with self.writer.as_default(step=self.step):
            for name, value in means.items():
                tag = "total_loss" if name == "loss" else name
                tf.summary.scalar(f"Loss/{tag}", value)
            for name, value in gauges.items():
                tf.summary.scalar(f"Gauge/{name}", value)
            tf.summary.scalar("learning_rate", learning_rate)
            tf.summary.scalar("seconds_per_step", seconds)
            tf.summary.scalar("data_wait", waiting)
        self._forget()


class CheckpointWriter(StageCallback):
    """Writes a checkpoint at intervals, at the end, and before a stop.

    All workers have one, so that they stop together; the chief's writes.

    Args:
        checkpoints: of the stage.
        first_step: steps that the stage had seen before.
        num_steps: steps of the whole stage.
        interval: steps between two checkpoints.
        log: of the stage, whose pending losses go with each checkpoint; None
            where another worker writes.
        signals: tell when to stop.
    """

    def __init__(
        self,
        checkpoints: StageCheckpoints,
        first_step: int,
        num_steps: int,
        interval: int,
        log: TrainingLog | None,
        signals: StopSignals,
    ):
        super().__init__(first_step, num_steps, interval)
        self.checkpoints = checkpoints
        self.log = log
        self.signals = signals

    def on_step(self, logs):
        """Saves when it is time."""
        self.signals.stepped()
        if self.is_due or self.signals.is_stopping:
            if self.log is not None:
                self.checkpoints.save(self.step, self.log.pending())
            self.signals.saved(self.checkpoints.stage, self.step)


class DetectionPictures(StageCallback):
    """Draws truth beside detections for TensorBoard.

    Args:
        draw: makes pictures `[n, H, W, 3]` uint8 of the current detector.
        writer: TensorBoard writer.
        first_step: steps that the stage had seen before.
        num_steps: steps of the whole stage.
        interval: steps between two pictures.
    """

    def __init__(self, draw, writer, first_step, num_steps, interval):
        super().__init__(first_step, num_steps, interval)
        self.draw = draw
        self.writer = writer

    def on_step(self, logs):
        """Draws when it is time."""
        if self.is_due:
            with self.writer.as_default(step=self.step):
                for index, picture in enumerate(self.draw()):
                    tf.summary.image(
                        f"truth_and_detections/{index}", picture[None]
                    )
