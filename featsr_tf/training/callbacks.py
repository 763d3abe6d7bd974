"""What happens between two steps: log, checkpoints, validation, pictures.

A stage is one long epoch, so that everything periodic counts steps and a
continued stage needs no bookkeeping of epochs.
"""

import math
import time
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf
import tqdm

from featsr_tf.data.keys import Batch
from featsr_tf.data.records import RecordFiles
from featsr_tf.drawing.boxes import draw_detections
from featsr_tf.drawing.boxes import side_by_side
from featsr_tf.metrics.coco import average_precision
from featsr_tf.metrics.evaluator import none_if_nan
from featsr_tf.prediction.data_set import network_inputs_of
from featsr_tf.prediction.evaluation import run_detector
from featsr_tf.training.checkpoints import StageCheckpoints
from featsr_tf.training.distribution import StopSignals
from featsr_tf.training.losses import NonFiniteError
from featsr_tf.training.model_folder import History
from featsr_tf.training.stage import DATA_READY
from featsr_tf.training.stage import DISCRIMINATOR_GRADIENT_NORM
from featsr_tf.training.stage import FOCUS_GRADIENT_NORM
from featsr_tf.training.stage import GRADIENT_NORM

# Logged values that are no losses.
GAUGES = (
    GRADIENT_NORM,
    DISCRIMINATOR_GRADIENT_NORM,
    FOCUS_GRADIENT_NORM,
    "target_mean",
    "input_mean",
    "discriminator_of_target",
    "discriminator_of_generated",
)


class StageCallback(keras.callbacks.Callback):
    """Counts the steps of a stage and acts at intervals."""

    def __init__(self, first_step: int, num_steps: int, interval: int):
        super().__init__()
        self.step = first_step
        self.num_steps = num_steps
        self.interval = interval

    @property
    def is_due(self) -> bool:
        """Whether the callback acts after this step, as after the last one."""
        return self.step % self.interval == 0 or self.step == self.num_steps

    def catch_up(self) -> None:
        """Does what a stopped run has left out after its last checkpoint."""

    def should_stop(self) -> bool:
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
        pending: what `pending` gave at the first step. Default nothing.
        interval: steps between two records. Default 25.
        **progress: see `StageCallback`.
    """

    def __init__(
        self,
        history: History,
        *,
        writer: tf.summary.SummaryWriter,
        pending: Mapping | None = None,
        interval: int = 25,
        **progress,
    ):
        super().__init__(interval=interval, **progress)
        self.history = history
        self.writer = writer
        self._bar = None
        self._is_first = True
        self._start_interval()
        if pending and "sums" in pending:
            self._sums, self._count = dict(pending["sums"]), pending["count"]

    def _start_interval(self):
        self._sums = {}
        self._count = 0
        self._timed_steps = 0
        self._seconds = 0.0
        self._waited = 0.0

    def pending(self) -> dict:
        """Gives the losses that no record holds yet, fit for JSON."""
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
        self._start_interval()


class CheckpointWriter(StageCallback):
    """Writes a checkpoint at intervals, at the end, and before a stop.

    All workers have one, so that they stop together; the chief's writes.

    Args:
        log: of the stage, whose pending losses go with each checkpoint; None
            where another worker writes.
        **progress: see `StageCallback`.
    """

    def __init__(
        self,
        checkpoints: StageCheckpoints,
        *,
        log: TrainingLog | None,
        signals: StopSignals,
        **progress,
    ):
        super().__init__(**progress)
        self.checkpoints = checkpoints
        self.log = log
        self.signals = signals

    def on_step(self, logs):
        """Saves when it is time."""
        self.signals.stepped()
        if self.is_due or self.signals.is_stopping:
            if self.log is not None:
                with self.model.averaged():
                    self.checkpoints.save(self.step, self.log.pending())
            self.signals.saved(self.checkpoints.stage, self.step)


FIGURES = ("ap50", "ap")


def validate(
    pipeline,
    detect,
    source: RecordFiles,
    num_images: int,
    super_resolve: bool = False,
) -> dict[str, float | None]:
    """Evaluates a detector on the first images of a source.

    Args:
        num_images: number of images; 0 = all.
        super_resolve: as for `run_detector`.

    Returns:
        Average precision by figure and size, such as "ap50_small", 0 to 1;
        None where there is no object of the size.
    """
    truths, found = run_detector(
        pipeline,
        detect,
        source,
        "validation",
        num_images or None,
        super_resolve=super_resolve,
    )
    averages = average_precision(truths, found, source.label_map.names)
    return none_if_nan(
        {
            f"{figure}_{size}": float(values[figure])
            for size, values in averages.by_size().items()
            for figure in FIGURES
        }
    )


class Validation(StageCallback):
    """Evaluates at intervals and at the end, and ends a stage early.

    Args:
        evaluate: gives the figures of the current detector by name, None
            where they are undefined.
        best_by: name of the figure that decides about the best checkpoint;
            another name = none does.
        patience: evaluations without a greater figure after which the stage
            ends; 0 = it never does.
        **progress: see `StageCallback`.
    """

    def __init__(
        self,
        evaluate: Callable[[], Mapping[str, float | None]],
        *,
        history: History,
        writer: tf.summary.SummaryWriter,
        best_by: str,
        patience: int,
        **progress,
    ):
        super().__init__(**progress)
        self.evaluate = evaluate
        self.history = history
        self.writer = writer
        self.best_by = best_by
        self.patience = patience

    def on_step(self, logs):
        """Evaluates when it is time."""
        if self.is_due:
            self._validate()
            self.model.stop_training = self.should_stop()

    def catch_up(self) -> None:
        """Evaluates the last checkpoint if that is missing."""
        is_missing = not self.history.is_validated(self.step)
        if self.step and self.is_due and is_missing:
            self._validate()

    def should_stop(self) -> bool:
        """Tells whether the stage no longer gets better."""
        return self.history.patience_exceeded(self.patience)

    def _validate(self):
        figures = self.evaluate()
        self.history.append(self.step, validation=figures, best_by=self.best_by)
        with self.writer.as_default(step=self.step):
            for name, value in figures.items():
                if value is not None:
                    tf.summary.scalar(f"Validation/{name}", value)


class DetectionImages(StageCallback):
    """Draws truth beside detections on a few images for TensorBoard.

    Args:
        count: number of images. Default 4.
        score_threshold: lowest score of a detection that is drawn.
            Default 0.5.
        **progress: see `StageCallback`.
    """

    def __init__(
        self,
        detect: Callable,
        batches: tf.data.Dataset,
        *,
        names: Mapping[int, str],
        writer: tf.summary.SummaryWriter,
        count: int = 4,
        score_threshold: float = 0.5,
        **progress,
    ):
        super().__init__(**progress)
        self.detect = detect
        self.batches = batches.filter(
            lambda batch: tf.reduce_any(batch[Batch.CLASSES] > 0)
        ).take(count)
        self.names = names
        self.writer = writer
        self.score_threshold = score_threshold

    def on_step(self, logs):
        """Draws when it is time."""
        if self.is_due:
            with (
                self.model.averaged(),
                self.writer.as_default(step=self.step),
            ):
                for index, batch in enumerate(self.batches):
                    tf.summary.image(
                        f"truth_and_detections/{index}", self._draw(batch)[None]
                    )

    def _draw(self, batch) -> np.ndarray:
        found = self.detect(*network_inputs_of(batch))
        image = tf.cast(batch[Batch.IMAGES][0], tf.uint8).numpy()
        is_drawn = found.scores[0].numpy() >= self.score_threshold
        is_object = batch[Batch.CLASSES][0].numpy() > 0
        truth = draw_detections(
            image,
            batch[Batch.BOXES][0].numpy()[is_object],
            batch[Batch.CLASSES][0].numpy()[is_object],
            names=self.names,
        )
        detections = draw_detections(
            image,
            found.boxes[0].numpy()[is_drawn],
            found.classes[0].numpy()[is_drawn],
            found.scores[0].numpy()[is_drawn],
            names=self.names,
        )
        return side_by_side([truth, detections], ["truth", "detections"])
