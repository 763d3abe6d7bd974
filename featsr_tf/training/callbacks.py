"""Keras callbacks: progress, history, TensorBoard, checkpoints.

A stage is one call of `fit()` with one long epoch, so that everything
periodic counts steps and a continued stage needs no bookkeeping of epochs.
"""

import json
import math
import os
import time

import keras
import tensorflow as tf
import tqdm

from featsr_tf.errors import FeatsrError
from featsr_tf.files import write_text
from featsr_tf.training.checkpoints import StageCheckpoints
from featsr_tf.training.stage import DATA_READY

HISTORY_FILE = "history.jsonl"

# Logged values that are no losses.
GAUGES = (
    "target_mean",
    "input_mean",
    "discriminator_of_target",
    "discriminator_of_generated",
)


class StageCallback(keras.callbacks.Callback):
    """Counts the steps of a stage.

    Args:
        first_step: steps that the stage had seen before.
    """

    def __init__(self, first_step: int):
        super().__init__()
        self.step = first_step

    def on_train_batch_end(self, batch, logs=None):
        """Counts."""
        self.step += 1
        self.on_step(logs)

    def on_step(self, logs) -> None:
        """Is called after each step, with `self.step` steps done."""


class TrainingLog(StageCallback):
    """Shows a progress bar and keeps means of the losses.

    The bar shows the losses, the learning rate, seconds per step and the
    share of time that was spent waiting for data. Means over each interval go
    to `history.jsonl` and to TensorBoard.

    Args:
        model_dir: model folder.
        stage: name of the stage.
        first_step: steps that the stage had seen before.
        num_steps: steps of the whole stage.
        writer: TensorBoard writer.
        interval: steps between two records. Default 25.
    """

    def __init__(
        self,
        model_dir: str,
        stage: str,
        first_step: int,
        num_steps: int,
        writer: tf.summary.SummaryWriter,
        interval: int = 25,
    ):
        super().__init__(first_step)
        self.path = os.path.join(model_dir, HISTORY_FILE)
        self.stage = stage
        self.num_steps = num_steps
        self.writer = writer
        self.interval = interval
        self._bar = None
        self._is_first = True
        self._forget()
        _drop_later_records(self.path, stage, first_step)

    def _forget(self):
        self._sums = {}
        self._count = 0
        self._timed_steps = 0
        self._seconds = 0.0
        self._waited = 0.0

    def on_train_begin(self, logs=None):
        """Opens the bar."""
        self._bar = tqdm.tqdm(
            total=self.num_steps,
            initial=self.step,
            desc=self.stage,
            unit="step",
            dynamic_ncols=True,
            mininterval=0.5,
        )
        self._forget()

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
        if not math.isfinite(logs["loss"]):
            raise FeatsrError(
                f"stage {self.stage}, step {self.step}: the loss is "
                f"{logs['loss']}; expected a finite number; lower the learning "
                "rate and train again from the last checkpoint"
            )
        self._bar.update(1)
        self._bar.set_postfix_str(self._postfix(), refresh=False)
        if self.step % self.interval == 0 or self.step == self.num_steps:
            self._record()

    def close(self):
        """Closes the bar, so that what is printed next has its own line."""
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
        record = {
            "stage": self.stage,
            "step": self.step,
            "learning_rate": self._learning_rate(),
            "seconds_per_step": seconds,
            "data_wait": waiting,
            "losses": means,
            "gauges": gauges,
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        with self.writer.as_default(step=self.step):
            for name, value in means.items():
                tag = "total_loss" if name == "loss" else name
                tf.summary.scalar(f"Loss/{tag}", value)
            for name, value in gauges.items():
                tf.summary.scalar(f"Gauge/{name}", value)
            tf.summary.scalar("learning_rate", record["learning_rate"])
            tf.summary.scalar("seconds_per_step", seconds)
            tf.summary.scalar("data_wait", waiting)
        self._forget()


def _drop_later_records(path: str, stage: str, step: int) -> None:
    """Forgets what a run that was cut off wrote after its last checkpoint."""
    if not os.path.exists(path):
        return
    kept = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                continue  # The run was killed while it wrote this line.
            record = json.loads(line)
            if record["stage"] != stage or record["step"] <= step:
                kept.append(line)
    write_text(path, "".join(kept))


class CheckpointWriter(StageCallback):
    """Writes a checkpoint at intervals and at the end.

    Args:
        checkpoints: of the stage.
        first_step: steps that the stage had seen before.
        num_steps: steps of the whole stage.
        interval: steps between two checkpoints.
    """

    def __init__(
        self,
        checkpoints: StageCheckpoints,
        first_step: int,
        num_steps: int,
        interval: int,
    ):
        super().__init__(first_step)
        self.checkpoints = checkpoints
        self.num_steps = num_steps
        self.interval = interval

    def on_step(self, logs):
        """Saves when it is time."""
        if self.step % self.interval == 0 or self.step == self.num_steps:
            self.checkpoints.save(self.step)


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
        super().__init__(first_step)
        self.draw = draw
        self.writer = writer
        self.num_steps = num_steps
        self.interval = interval

    def on_step(self, logs):
        """Draws when it is time."""
        if self.step % self.interval == 0 or self.step == self.num_steps:
            with self.writer.as_default(step=self.step):
                for index, picture in enumerate(self.draw()):
                    tf.summary.image(
                        f"truth_and_detections/{index}", picture[None]
                    )
