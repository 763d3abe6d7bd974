"""Figures and pictures of the detector as it is in the midst of training."""

from collections.abc import Callable
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.data.records import RecordFiles
from featsr_tf.drawing.boxes import draw_detections
from featsr_tf.drawing.boxes import side_by_side
from featsr_tf.metrics.coco import average_precision
from featsr_tf.metrics.evaluator import none_if_nan
from featsr_tf.model.detector import Detector
from featsr_tf.prediction.data_set import detection_function
from featsr_tf.prediction.evaluation import run_detector
from featsr_tf.training.callbacks import StageCallback
from featsr_tf.training.history import History

FIGURES = ("ap50", "ap")


def validate(
    pipeline, detect, source: RecordFiles, num_images: int
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


class PictureMaker:
    """Draws truth beside detections on a few frames with objects.

    Args:
        dataset: batches of one frame.
        names: class names by id.
        count: number of frames. Default 4.
        score_threshold: lowest score of a detection that is drawn.
            Default 0.5.
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        names: Mapping[int, str],
        count: int = 4,
        score_threshold: float = 0.5,
    ):
        with_objects = dataset.filter(
            lambda batch: tf.reduce_any(batch[Batch.CLASSES] > 0)
        )
        self._frames = with_objects.take(count)
        self._names = names
        self._score_threshold = score_threshold
        self._functions = {}

    def __call__(self, detector: Detector, super_resolve: bool):
        """Draws the frames.

        Args:
            detector: the detector as it is now.
            super_resolve: whether small proposals are super-resolved.

        Returns:
            List of `[H, W, 3]` uint8 pictures.
        """
        if super_resolve not in self._functions:
            self._functions[super_resolve] = detection_function(
                detector, super_resolve
            )
        detect = self._functions[super_resolve]
        return [self._draw(batch, detect) for batch in self._frames]

    def _draw(self, batch, detect) -> np.ndarray:
        found = detect(
            batch[Batch.IMAGES], batch[Batch.IMAGE_SIZES], batch[Batch.SCALES]
        )
        image = tf.cast(batch[Batch.IMAGES][0], tf.uint8).numpy()
        kept = found.scores[0].numpy() >= self._score_threshold
        is_object = batch[Batch.CLASSES][0].numpy() > 0
        truth = draw_detections(
            image,
            batch[Batch.BOXES][0].numpy()[is_object],
            batch[Batch.CLASSES][0].numpy()[is_object],
            names=self._names,
        )
        detections = draw_detections(
            image,
            found.boxes[0].numpy()[kept],
            found.classes[0].numpy()[kept],
            found.scores[0].numpy()[kept],
            names=self._names,
        )
        return side_by_side(truth, detections, ("truth", "detections"))
