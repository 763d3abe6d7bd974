"""Features of the same proposals before and after super-resolution."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.data.resize import half_image
from featsr_tf.model.detector import Detector
from featsr_tf.model.refiner import ChosenProposals
from research.feature_figure.figure import Column
from research.feature_figure.figure import Row
from research.feature_figure.models import Comparison
from research.feature_figure.models import TrainedModel


def columns_of(
    models: Sequence[TrainedModel], comparison: Comparison
) -> list[Column]:
    """Names the features that a comparison shows of each proposal.

    Args:
        models: the models.
        comparison: what they are compared by.

    Returns:
        The generator's input, a column for each model, the targets.
    """
    scale = comparison.input_scale
    refined = f"$S^{{{scale}}}$"
    return [
        Column(f"$F^{{{scale}}}$", "low resolution"),
        *(
            Column(
                model.name.replace("$", r"\$"),
                f"{refined}, follows {model.followed}",
            )
            for model in models
        ),
        *(
            Column(target.symbol, target.description, target.is_measured)
            for target in comparison.targets
        ),
    ]


def features_of(
    models: Sequence[TrainedModel],
    comparison: Comparison,
    images: tf.Tensor,
    boxes: tf.Tensor,
) -> list[np.ndarray]:
    """Pools and refines the features of proposals of one frame.

    Args:
        models: models with the same extractor.
        comparison: the scale of the input, and the targets.
        images: `[1, H, W, 3]`, I^1.0.
        boxes: `[n, 4]`, px of I^1.0.

    Returns:
        For each of `columns_of`, features `[n, k, k, C]`.
    """
    scale = comparison.input_scale
    scaled = half_image(images) if scale == 0.5 else images
    # Generators may look at different sub layers of one extractor.
    inputs = [_pool(m.detector, scaled, boxes, scale) for m in models]
    full = _pool(models[0].detector, images, boxes, 1.0)
    shown = [
        inputs[0].base,
        *(
            model.detector.refiner(chosen, image_scale=scale)
            for model, chosen in zip(models, inputs, strict=True)
        ),
        *(target.source(inputs[0], full) for target in comparison.targets),
    ]
    return [features.numpy() for features in shown]


def rows_of_frame(
    models: Sequence[TrainedModel],
    comparison: Comparison,
    batch: Mapping[str, tf.Tensor],
    places: Sequence[int],
    names: Mapping[int, str],
) -> list[Row]:
    """Makes the rows of the objects of one frame.

    Args:
        models: models with the same extractor.
        comparison: what they are compared by.
        batch: one frame, of `evaluation_batches`.
        places: of the objects among the boxes of the frame.
        names: class names by class id.

    Returns:
        A row for each object.
    """
    boxes = tf.gather(batch[Batch.BOXES][0], places)
    classes = batch[Batch.CLASSES][0].numpy()[list(places)]
    features = features_of(models, comparison, batch[Batch.IMAGES], boxes)
    image = tf.cast(batch[Batch.IMAGES][0], tf.uint8).numpy()
    sides = (boxes[:, 2:] - boxes[:, :2]) / batch[Batch.SCALES]
    return [
        Row(
            _crop(image, boxes[index].numpy()),
            f"{names[int(class_id)]}\n{width:.0f} x {height:.0f} px",
            [maps[index] for maps in features],
        )
        for index, (class_id, (height, width)) in enumerate(
            zip(classes, sides.numpy(), strict=True)
        )
    ]


def _pool(
    detector: Detector, images: tf.Tensor, boxes: tf.Tensor, scale: float
) -> ChosenProposals:
    """The proposals `[n, 4]`, px of I^1.0, on an image of that scale."""
    features = detector.extract(images)
    image_indices = tf.zeros([len(boxes)], tf.int32)
    base = detector.pool_base(features["base"], boxes, image_indices, scale)
    return ChosenProposals(boxes, image_indices, base, features, images)


def _crop(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    top, left = np.floor(box[:2]).astype(int)
    bottom, right = np.ceil(box[2:]).astype(int)
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]
