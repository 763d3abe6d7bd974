"""Figures of the detector as it is in the midst of training."""

from collections.abc import Callable
from collections.abc import Mapping

import tensorflow as tf

from featsr_tf.data.build import Source
from featsr_tf.evaluation.coco import average_precision
from featsr_tf.evaluation.evaluator import none_if_nan
from featsr_tf.model_evaluation import run_detector
from featsr_tf.training.callbacks import StageCallback
from featsr_tf.training.history import History

FIGURES = ("ap50", "ap")


def validate(
    pipeline, detect, source: Source, num_images: int
) -> dict[str, float | None]:
    """Evaluates a detector on the first images of a source.

    Args:
        pipeline: the config.
        detect: detection function (`inference.detection_function`).
        source: checked records that are not trained on.
        num_images: number of images; 0 = all.

    Returns:
        Average precision by figure and size, such as "ap50_small", 0 to 1;
        None where there is no object of the size.
    """
    truths, found = run_detector(
        pipeline, detect, source, "validation", num_images or None
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
        history: of the stage.
        writer: TensorBoard writer.
        first_step: steps that the stage had seen before.
        num_steps: steps of the whole stage.
        interval: steps between two evaluations.
        best_by: name of the figure that decides about the best checkpoint;
            another name = none does.
        patience: evaluations without a greater figure after which the stage
            ends; 0 = it never does.
    """

    def __init__(
        self,
        evaluate: Callable[[], Mapping[str, float | None]],
        history: History,
        writer: tf.summary.SummaryWriter,
        first_step: int,
        num_steps: int,
        interval: int,
        best_by: str,
        patience: int,
    ):
        super().__init__(first_step, num_steps, interval)
        self.evaluate = evaluate
        self.history = history
        self.writer = writer
        self.best_by = best_by
        self.patience = patience

    def on_step(self, logs):
        """Evaluates when it is time."""
        if self.is_due:
            self._validate()
            self.model.stop_training = self.is_over()

    def make_up(self) -> None:
        """Evaluates the last checkpoint if that is missing."""
        is_missing = not self.history.is_validated(self.step)
        if self.step and self.is_due and is_missing:
            self._validate()

    def is_over(self) -> bool:
        """Tells whether the stage no longer gets better."""
        return self.history.has_run_out(self.patience)

    def _validate(self):
        figures = self.evaluate()
        self.history.append(self.step, validation=figures, best_by=self.best_by)
        with self.writer.as_default(step=self.step):
            for name, value in figures.items():
                if value is not None:
                    tf.summary.scalar(f"Validation/{name}", value)
