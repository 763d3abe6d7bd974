"""A detector without weights: it finds bright areas on black ground."""

import cv2
import numpy as np
import PIL.Image

from featsr_tf.metrics.detections import Detections
from featsr_tf.prediction.model import DetectionModel

NAMES = {1: "small", 2: "large"}
LARGE_SIDE = 60


def find_bright(images: np.ndarray) -> list[Detections]:
    """Finds bright areas, as an `ImageFunction`.

    Scores are the brightness; class 2 is that of areas with a side of 60 px
    or more.
    """
    return [_find(image, row) for row, image in enumerate(images)]


def _find(image: np.ndarray, row: int) -> Detections:
    bright = (image[..., 0] > 40).astype(np.uint8)
    _, _, areas, _ = cv2.connectedComponentsWithStats(bright)
    found = [
        (
            [y, x, y + h, x + w],
            image[y + h // 2, x + w // 2, 0] / 255,
            1 + (max(h, w) >= LARGE_SIDE),
        )
        for x, y, w, h, _ in areas[1:]
    ]
    boxes, scores, classes = zip(*found, strict=True) if found else ([],) * 3
    return Detections(
        row,
        np.reshape(boxes, [-1, 4]).astype(float),
        np.array(scores, np.float32),
        np.array(classes, int),
    )


def bright_model(function=find_bright, load_function=None) -> DetectionModel:
    return DetectionModel(
        path="bright",
        load_function=load_function or (lambda name: function),
        class_names=NAMES,
        min_score=0.5,
        input_size=lambda height, width: (height, width),
        files=[],
    )


def scene(*rectangles, height=48, width=64, value=204) -> np.ndarray:
    """An image with bright rectangles: ymin, xmin, ymax, xmax."""
    image = np.zeros([height, width, 3], np.uint8)
    for top, left, bottom, right in rectangles:
        image[top:bottom, left:right] = value
    return image


def write_scenes(folder, count, height=48, width=64) -> None:
    """Writes `000.png` and so on, each with an object at its own place."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        left = number % 40
        image = scene((8, left, 20, left + 12), height=height, width=width)
        PIL.Image.fromarray(image).save(folder / f"{number:03d}.png")
