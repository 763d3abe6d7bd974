"""Pictures of records: as they are stored, and as training sees them."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from featsr_tf.drawing.boxes import Mark
from featsr_tf.drawing.boxes import box_marks
from featsr_tf.drawing.boxes import draw_marks
from featsr_tf.drawing.boxes import side_by_side
from featsr_tf.metrics.detections import areas

if TYPE_CHECKING:
    from featsr_tf.data.decode import LabeledImage
    from featsr_tf.data.input_pipeline import TrainingOptions

IGNORED_COLOR = "#c9c9c9"
SIZE_COLORS = {"small": "#ffd23f", "medium": "#3fc1ff", "large": "#7ee05a"}
# As 96 x 96 px to 32 x 32 px in the paper.
_MEDIUM_PER_SMALL_AREA = 9


@dataclasses.dataclass(frozen=True)
class SmallObjects:
    """Which objects a pipeline takes for small.

    Args:
        area: objects with a smaller area are small, px^2.
        in_original_pixels: whether the area is measured in the original
            image rather than in the network's input.
    """

    area: float
    in_original_pixels: bool


def stored_picture(
    serialized: bytes, names: Mapping[int, str]
) -> tuple[np.ndarray, str]:
    """Draws a whole image with its boxes.

    Args:
        serialized: the record.
        names: class names by class id.

    Returns:
        The picture at the size of the image, and its facts.
    """
    from featsr_tf.data.decode import decode_example

    frame = decode_example(serialized)
    boxes, classes = frame.boxes.numpy(), frame.classes.numpy()
    marks = [
        dataclasses.replace(mark, dashed=bool(ignored))
        for mark, ignored in zip(
            box_marks(boxes, classes, names=names),
            frame.ignored.numpy(),
            strict=True,
        )
    ]
    return draw_marks(frame.image.numpy(), marks), _facts(frame)


def training_picture(
    serialized: bytes,
    seed: tuple[int, int],
    options: "TrainingOptions",
    small: SmallObjects,
    names: Mapping[int, str],
) -> tuple[np.ndarray, str]:
    """Draws what training sees: I^1.0 beside I^0.5, enlarged to its size.

    Args:
        serialized: the record.
        seed: stateless seed of the augmentation.
        options: how records become training batches.
        small: which objects are small.
        names: class names by class id.

    Returns:
        Both views side by side, and their facts.
    """
    import tensorflow as tf

    from featsr_tf.data.input_pipeline import training_image
    from featsr_tf.data.resize import half_image
    from featsr_tf.data.resize import pad_to
    from featsr_tf.data.resize import round_up

    frame = training_image(tf.constant(serialized), tf.constant(seed), options)
    height, width = frame.image.shape[:2]
    padded = pad_to(frame.image, round_up(height), round_up(width))
    half = half_image(padded[None])[0]
    enlarged = tf.repeat(tf.repeat(half, 2, axis=0), 2, axis=1)
    marks = _size_marks(frame, small, names)
    views = [
        draw_marks(np.clip(view[:height, :width], 0, 255), marks)
        for view in (frame.image.numpy(), enlarged.numpy())
    ]
    titles = (
        f"I^1.0: {width} x {height} px",
        f"I^0.5: {width / 2:g} x {height / 2:g} px, shown twice as large",
    )
    scale = frame.scale.numpy()
    facts = f"{_facts(frame)}, {scale[1]:.2f} x {scale[0]:.2f} of the original"
    return side_by_side(views[0], views[1], titles), facts


def _size_marks(
    frame: "LabeledImage", small: SmallObjects, names: Mapping[int, str]
) -> list[Mark]:
    """Marks boxes by their size; small ones say so."""
    boxes, classes = frame.boxes.numpy(), frame.classes.numpy()
    measured = areas(boxes)
    if small.in_original_pixels:
        measured = measured / frame.scale.numpy().prod()
    marks = []
    for mark, ratio, ignored in zip(
        box_marks(boxes, classes, names=names),
        measured / small.area,
        frame.ignored.numpy(),
        strict=True,
    ):
        size = _size_name(ratio)
        label = f"{mark.label}, small" if size == "small" else mark.label
        color = IGNORED_COLOR if ignored else SIZE_COLORS[size]
        marks.append(Mark(mark.box, color, label, bool(ignored)))
    return marks


def _size_name(ratio: float) -> str:
    if ratio < 1:
        return "small"
    return "medium" if ratio <= _MEDIUM_PER_SMALL_AREA else "large"


def _facts(frame: "LabeledImage") -> str:
    height, width = frame.image.shape[:2]
    ignored = int(frame.ignored.numpy().sum())
    told = f"{width} x {height} px, objects: {len(frame.classes)}"
    return f"{told}, of which {ignored} do not count" if ignored else told
