"""Detections of whole data sets, in pixels of the original images."""

import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tqdm

from featsr_tf.data.keys import Batch
from featsr_tf.evaluation.detections import Detections
from featsr_tf.evaluation.detections import GroundTruth
from featsr_tf.model.detector import Detector


def detection_function(detector: Detector, super_resolve: bool):
    """Makes one graph that serves batches of any size and frame.

    Args:
        detector: the detector.
        super_resolve: whether small proposals are super-resolved.

    Returns:
        A function of images `[B, H, W, 3]`, image sizes `[B, 2]` and scales
        `[B, 2]` to `Detections` of the model.
    """

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.float32),
            tf.TensorSpec([None, 2], tf.float32),
            tf.TensorSpec([None, 2], tf.float32),
        ]
    )
    def detect(images, image_sizes, scales):
        return detector(
            images, image_sizes, scales, super_resolve=super_resolve
        )

    return detect


def detect_batches(
    detect, dataset: tf.data.Dataset, num_images: int, description: str
) -> Iterator[tuple[GroundTruth, Detections]]:
    """Runs a detection function over batches, with a progress bar.

    Args:
        detect: from `detection_function`.
        dataset: batches of `evaluation_batches`.
        num_images: number of images in all.
        description: title of the progress bar.

    Yields:
        Truth and detections of each image, in original pixels; images are
        numbered from 0 in the order of the data set.
    """
    with tqdm.tqdm(
        total=num_images, desc=description, unit="image", dynamic_ncols=True
    ) as bar:
        first = 0
        for batch in dataset:
            found = detect(
                batch[Batch.IMAGES],
                batch[Batch.IMAGE_SIZES],
                batch[Batch.SCALES],
            )
            batch = {key: value.numpy() for key, value in batch.items()}
            scales = batch[Batch.SCALES]
            for row in range(len(scales)):
                yield (
                    truth_of_row(batch, row, first + row),
                    detections_of_row(found, row, scales[row], first + row),
                )
            first += len(scales)
            bar.update(len(scales))


def truth_of_row(batch: dict, row: int, image_id: int) -> GroundTruth:
    """Takes the objects of one image out of a batch of arrays.

    Args:
        batch: a batch of `evaluation_batches` as numpy arrays.
        row: which image of the batch.
        image_id: number that the image gets.

    Returns:
        Its objects in original pixels.
    """
    height, width = batch[Batch.ORIGINAL_SIZES][row]
    is_object = batch[Batch.CLASSES][row] > 0
    scale = np.tile(batch[Batch.SCALES][row], 2)
    return GroundTruth(
        image_id=image_id,
        file_name=os.fsdecode(batch[Batch.SOURCE_IDS][row]),
        height=int(height),
        width=int(width),
        boxes=batch[Batch.BOXES][row][is_object] / scale,
        classes=batch[Batch.CLASSES][row][is_object],
        ignored=batch[Batch.IGNORED][row][is_object],
    )


def detections_of_row(found, row: int, scale, image_id: int) -> Detections:
    """Takes the detections of one image out of the model's output.

    Args:
        found: `Detections` of the model.
        row: which image of the batch.
        scale: px of I^1.0 per original px, y and x.
        image_id: number of the image.

    Returns:
        Its detections in original pixels.
    """
    boxes, scores, classes, count = (values[row].numpy() for values in found)
    return Detections(
        image_id=image_id,
        boxes=boxes[:count] / np.tile(scale, 2),
        scores=scores[:count],
        classes=classes[:count],
    )
