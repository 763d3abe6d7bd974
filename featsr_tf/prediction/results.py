"""What was found in a picture, for people, arrays and other tools."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

from featsr_tf.drawing.boxes import draw_detections
from featsr_tf.errors import ConfigError
from featsr_tf.metrics.detections import Detections
from featsr_tf.prediction.sources import as_array

if TYPE_CHECKING:
    import supervision

_SHOWN = 4


@dataclass(frozen=True, eq=False)
class Result:
    """Objects found in a picture, best first.

    Args:
        size: height and width of the picture in px.
        min_score: lowest score that is drawn unless another one is given.
    """

    source: str | np.ndarray
    size: tuple[int, int]
    detections: Detections
    class_names: Mapping[int, str]
    min_score: float

    def __len__(self) -> int:
        return len(self.detections.boxes)

    def __repr__(self) -> str:
        shown = self.above(self.min_score)
        told = [
            f"{name} {100 * score:.0f}%"
            for name, score in zip(
                shown.names[:_SHOWN], shown.scores, strict=False
            )
        ]
        if len(shown) > _SHOWN:
            told.append(f"{len(shown) - _SHOWN} more")
        height, width = self.size
        place = "picture"
        if isinstance(self.source, str):
            place = os.path.basename(self.source)
        return (
            f"<Result {place}, {width} x {height} px: {len(shown)} of "
            f"{len(self)} objects score {self.min_score:g} or more: "
            f"{', '.join(told) or 'none'}>"
        )

    @property
    def boxes(self) -> np.ndarray:
        """`[n, 4]` ymin, xmin, ymax, xmax in px of the picture."""
        return self.detections.boxes

    @property
    def scores(self) -> np.ndarray:
        """`[n]` confidences, 0 to 1."""
        return self.detections.scores

    @property
    def classes(self) -> np.ndarray:
        """`[n]` class ids."""
        return self.detections.classes

    @property
    def names(self) -> list[str]:
        """Class names of the n objects."""
        return [
            self.class_names.get(number, f"class {number}")
            for number in self.classes.tolist()
        ]

    @property
    def image(self) -> np.ndarray:
        """`[H, W, 3]` uint8 RGB, read again where it is in a file."""
        return as_array(self.source)

    def above(self, score: float) -> "Result":
        """Returns the result with the objects of at least this score."""
        return replace(self, detections=self.detections.above(score))

    def draw(self, score: float | None = None) -> PIL.Image.Image:
        """Draws the objects into the picture.

        Args:
            score: lowest score that is drawn; None = `min_score`.
        """
        shown = self.above(self.min_score if score is None else score)
        return PIL.Image.fromarray(
            draw_detections(
                self.image,
                shown.boxes,
                shown.classes,
                shown.scores,
                self.class_names,
            )
        )

    def to_numpy(self) -> np.ndarray:
        """Returns `[n, 6]` ymin, xmin, ymax, xmax, score, class id."""
        columns = (self.boxes, self.scores[:, None], self.classes[:, None])
        return np.concatenate(columns, axis=1)

    def to_coco(self, image_id: int) -> list[dict]:
        """Describes the objects as results of COCO."""
        found = replace(self.detections, image_id=image_id)
        return list(found.to_coco())

    def to_supervision(self) -> "supervision.Detections":
        """Hands the objects to the package `supervision`.

        Returns:
            `supervision.Detections`, its boxes as xmin, ymin, xmax, ymax and
            the class names as data "class_name".

        Raises:
            ConfigError: the package is not installed.
        """
        try:
            import supervision
        except ImportError:
            raise ConfigError(
                "to_supervision needs the package supervision; "
                "pip install supervision"
            ) from None
        return supervision.Detections(
            xyxy=self.boxes[:, [1, 0, 3, 2]].astype(np.float32),
            confidence=self.scores.astype(np.float32),
            class_id=self.classes.astype(int),
            data={"class_name": np.array(self.names, dtype=str)},
        )
