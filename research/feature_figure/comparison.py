"""The paper's Figure 7: what two detectors find in the same frames."""

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

from featsr_tf.drawing.boxes import FOUND
from featsr_tf.drawing.boxes import IGNORED
from featsr_tf.drawing.boxes import MISSED
from featsr_tf.drawing.boxes import TITLE_COLOR
from featsr_tf.drawing.boxes import WRONG
from featsr_tf.drawing.boxes import fill
from featsr_tf.drawing.boxes import text_size_for
from featsr_tf.drawing.boxes import with_title
from featsr_tf.drawing.comparison import compare
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth

LEGEND = {
    FOUND: "found",
    WRONG: "wrong",
    MISSED: "missed",
    IGNORED: "does not count",
}


@dataclass(frozen=True, eq=False)
class ComparedFrame:
    """What two detectors find in a frame.

    Attributes:
        image: `[height, width, 3]` uint8 RGB, the original.
        truth: its objects.
        base: detections of the base detector that are shown.
        super_resolved: those of the super-resolved one.
    """

    image: np.ndarray
    truth: GroundTruth
    base: Detections
    super_resolved: Detections


def draw_comparison(
    frames: Sequence[ComparedFrame],
    names: Mapping[int, str],
    note: str,
    width: int = 1000,
) -> np.ndarray:
    """Draws frames below each other, under a legend.

    Args:
        frames: frames, at least one.
        names: class names by class id.
        note: what is to be known of the detections.
        width: of the picture, px. Default 1000.

    Returns:
        `[height, width, 3]` uint8 RGB.
    """
    text_size = round(1.4 * text_size_for(width // 2))
    parts = [_legend(note, width, text_size)]
    for frame in frames:
        pair = compare(
            frame.image,
            frame.base,
            frame.super_resolved,
            frame.truth,
            names,
            # What is shown has been chosen already, for each detector.
            score_threshold=0.0,
            width=(width - max(4, width // 300)) // 2,
        )
        rest = fill(len(pair), width - pair.shape[1])
        pair = np.concatenate([pair, rest], axis=1)
        parts.append(with_title(pair, frame.truth.file_name, text_size))
    return np.concatenate(parts)


def _legend(note: str, width: int, text_size: int) -> np.ndarray:
    """A line with the meaning of the colors, and the note at its end."""
    height = round(text_size * 2.1)
    bar = Image.fromarray(fill(height, width))
    canvas = ImageDraw.Draw(bar)
    font = ImageFont.load_default(text_size)
    left, middle = text_size * 0.6, height / 2
    for color, meaning in LEGEND.items():
        top = middle - text_size / 2
        canvas.rectangle(
            (left, top, left + text_size, top + text_size),
            outline=color,
            width=max(2, text_size // 6),
        )
        left += 1.5 * text_size
        canvas.text((left, middle), meaning, TITLE_COLOR, font, anchor="lm")
        left += canvas.textlength(meaning, font) + 1.5 * text_size
    place = (width - text_size * 0.6, middle)
    canvas.text(place, note, TITLE_COLOR, font, anchor="rm")
    return np.asarray(bar)
