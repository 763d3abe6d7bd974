"""What was found in a picture, for people, arrays and other tools."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import PIL.Image

from featsr_tf.data.pictures import as_array
from featsr_tf.drawing.boxes import draw_detections
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import printable
from featsr_tf.files import write_picture
from featsr_tf.metrics.detections import Detections
from featsr_tf.prediction.sources import FileState
from featsr_tf.prediction.sources import file_state

if TYPE_CHECKING:
    import supervision

_SHOWN = 4


class DetectedObject(NamedTuple):
    """One object.

    Attributes:
        box: `[4]` ymin, xmin, ymax, xmax in px of the picture.
        score: confidence, 0 to 1.
    """

    box: np.ndarray
    score: float
    class_id: int
    name: str


@dataclass(frozen=True, eq=False)
class Result:
    """Objects found in a picture, best first.

    `result[0]` is an object, `result[:3]` or `result[result.scores > 0.9]`
    a result of those alone; a loop goes through all objects.

    Args:
        source: the picture: its path, the bytes of its file, or its pixels.
        size: height and width of the picture in px.
        min_score: lowest score that is drawn unless another one is given.
        file_name: path of the picture, PATH#NUMBER of a frame of a video;
            "" for what has none.
        state: of the file when it was looked at; None = any will do.
    """

    source: str | bytes | np.ndarray
    size: tuple[int, int]
    detections: Detections
    class_names: Mapping[int, str]
    min_score: float
    file_name: str = ""
    state: FileState | None = None

    def __len__(self) -> int:
        return len(self.detections.boxes)

    def __iter__(self) -> Iterator[DetectedObject]:
        columns = (self.boxes, self.scores.tolist(), self.classes.tolist())
        return map(DetectedObject, *columns, self.names)

    def __getitem__(self, index):
        if isinstance(index, int | np.integer):
            return list(self)[index]
        return replace(self, detections=self.detections.take(index))

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
        place = os.path.basename(self.file_name) or "picture"
        return (
            f"<Result {printable(place)}, {width} x {height} px: "
            f"{len(shown)} of "
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
        """`[H, W, 3]` uint8 RGB, read again where it is in a file.

        Raises:
            DataError: the file is gone, or another one by now.
        """
        is_file = isinstance(self.source, str) and self.state is not None
        if is_file and file_state(self.source) not in (self.state, None):
            raise DataError(
                f"{self.source}: has changed since it was looked at; look at "
                "it again, or give its bytes or pixels"
            )
        return as_array(self.source)

    def above(self, score: float) -> "Result":
        """Returns the result with the objects of at least this score.

        They are what `draw` and `save` show then, unless told otherwise.
        """
        found = self.detections.above(score)
        return replace(self, detections=found, min_score=score)

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

    def save(self, path: str | os.PathLike, score: float | None = None) -> None:
        """Writes the picture with the objects drawn, whole or not at all.

        Args:
            path: its ending, such as .jpg or .png, decides about the format.
            score: as for `draw`.

        Raises:
            DataError: such a picture cannot be written with this ending.
        """
        write_picture(os.fsdecode(path), self.draw(score))

    def to_json(self) -> str:
        """Describes picture and objects in JSON, boxes as COCO has them."""
        objects = [
            {
                "category_id": entry["category_id"],
                "category_name": name,
                "bbox": entry["bbox"],
                "score": entry["score"],
            }
            for entry, name in zip(self.to_coco(0), self.names, strict=True)
        ]
        height, width = self.size
        image = {"file_name": self.file_name, "width": width, "height": height}
        return json.dumps({**image, "detections": objects})

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
