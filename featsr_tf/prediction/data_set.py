"""Detections of whole data sets, in pixels of the original images."""

import os
from collections.abc import Collection, Iterator

import numpy as np
import tensorflow as tf
import tqdm

from featsr_tf.data.decode import decode_example
from featsr_tf.data.decode import record_dataset
from featsr_tf.data.keys import Batch
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.resize import Resizer
from featsr_tf.exporting.signatures import network_inputs
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.detections import areas
from featsr_tf.model.detector import Detector

_INPUTS = (Batch.IMAGES, Batch.IMAGE_SIZES, Batch.SCALES, Batch.ORIGINALS)


def network_inputs_of(batch: dict[str, tf.Tensor]) -> list[tf.Tensor]:
    """Takes out of a batch what `detection_function` makes detections of."""
    return [batch[key] for key in _INPUTS if key in batch]


def detection_function(detector: Detector, super_resolve: bool):
    """Makes one graph that serves batches of any size and frame.

    Where XLA compiles the detector, there is one for each size.

    Args:
        super_resolve: whether small proposals are super-resolved.

    Returns:
        A function of images `[B, H, W, 3]`, image sizes `[B, 2]`, scales
        `[B, 2]` and, before a second look, originals `[B, H', W', 3]` uint8
        to the detections of the model.
    """

    signature = [
        tf.TensorSpec([None, None, None, 3], tf.float32),
        tf.TensorSpec([None, 2], tf.float32),
        tf.TensorSpec([None, 2], tf.float32),
    ]
    if super_resolve and detector.second_look is not None:
        signature.append(tf.TensorSpec([None, None, None, 3], tf.uint8))

    # XLA must know the sizes.
    @tf.function(input_signature=None if detector.compiles_parts else signature)
    def detect(images, image_sizes, scales, originals=None):
        return detector(
            images,
            image_sizes,
            scales,
            super_resolve=super_resolve,
            originals=originals,
        )

    return detect


def image_function(detect, resizer: Resizer, with_originals: bool = False):
    """Makes a detector of images as they are, resized in its graph.

    Args:
        with_originals: whether it looks at the originals, too.

    Returns:
        A function of images of one size `[B, H, W, 3]`, uint8 RGB, to the
        detections of each, in its px.
    """

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)]
    )
    def resize_and_detect(images):
        inputs = network_inputs(images, resizer)
        originals = [images] if with_originals else []
        return detect(*inputs, *originals), inputs.scales

    def detect_images(images: np.ndarray) -> list[Detections]:
        found, scales = resize_and_detect(images)
        return [
            detections_of_row(found, row, scale, row)
            for row, scale in enumerate(scales.numpy())
        ]

    return detect_images


def detect_batches(
    detect, dataset: tf.data.Dataset, num_images: int, description: str
) -> Iterator[tuple[GroundTruth, Detections]]:
    """Runs a detection function over batches, with a progress bar.

    Yields:
        Truth and detections of each image, in original pixels; images are
        numbered from 0 in the order of the data set.
    """
    with tqdm.tqdm(
        total=num_images, desc=description, unit="image", dynamic_ncols=True
    ) as bar:
        first = 0
        for batch in dataset:
            found = detect(*network_inputs_of(batch))
            batch = {key: value.numpy() for key, value in batch.items()}
            scales = batch[Batch.SCALES]
            for row in range(len(scales)):
                yield (
                    truth_of_row(batch, row, first + row),
                    detections_of_row(found, row, scales[row], first + row),
                )
            first += len(scales)
            bar.update(len(scales))


def read_images(
    record_files: RecordFiles, positions: Collection[int]
) -> dict[int, np.ndarray]:
    """Reads some images of record files at their original size.

    Args:
        positions: running numbers of the records, from 0.

    Returns:
        Images `[height, width, 3]`, uint8 RGB, by position.
    """
    images = {}
    for position, record in enumerate(record_dataset(record_files)):
        if position in positions:
            images[position] = decode_example(record).image.numpy()
    return images


def truth_of_row(batch: dict, row: int, image_id: int) -> GroundTruth:
    """Takes the objects of one image out of a batch of arrays."""
    height, width = batch[Batch.ORIGINAL_SIZES][row]
    is_object = batch[Batch.CLASSES][row] > 0
    scale = np.tile(batch[Batch.SCALES][row], 2).astype(np.float64)
    # Corners are float32 in records: rounding gives back whole pixels, so
    # that an object of 32 x 32 px is of just this size.
    boxes = (batch[Batch.BOXES][row][is_object] / scale).round(2)
    outlines = batch[Batch.AREAS][row][is_object]
    return GroundTruth(
        image_id=image_id,
        file_name=os.fsdecode(batch[Batch.SOURCE_IDS][row]),
        height=int(height),
        width=int(width),
        boxes=boxes,
        classes=batch[Batch.CLASSES][row][is_object],
        crowd=batch[Batch.CROWD][row][is_object],
        difficult=batch[Batch.DIFFICULT][row][is_object],
        areas=np.where(outlines > 0, outlines, areas(boxes)),
    )


def detections_of_row(found, row: int, scale, image_id: int) -> Detections:
    """Takes the detections of one image out of the model's output.

    Args:
        scale: px of I^1.0 per original px, y and x.
    """
    boxes, scores, classes, count, *windows = (
        values[row].numpy() for values in found if values is not None
    )
    sides = np.tile(scale, 2)
    return Detections(
        image_id=image_id,
        boxes=boxes[:count] / sides,
        scores=scores[:count],
        classes=classes[:count],
        windows=windows[0] / [*sides, 1.0] if windows else None,
    )
