"""Pictures of the state of training."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.drawing import draw_detections
from featsr_tf.drawing import side_by_side
from featsr_tf.inference import detection_function
from featsr_tf.model.detector import Detector


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
