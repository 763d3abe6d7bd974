"""Writing detections in the layout of COCO."""

import json
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.evaluation.detections import Detections
from featsr_tf.evaluation.detections import ImageInfo
from featsr_tf.files import write_text


def write_coco_detections(
    path: str | Path,
    images: Sequence[ImageInfo],
    detections: Iterable[Detections],
    categories: Mapping[int, str],
) -> None:
    """Writes a detections file that stands alone, atomically.

    Args:
        path: The file to write.
        images: Every image looked at, also those without detections.
        detections: What was found, in original pixels.
        categories: Class names by class id.
    """
    content = {
        "images": [
            {
                "id": image.image_id,
                "file_name": image.file_name,
                "width": int(image.width),
                "height": int(image.height),
            }
            for image in images
        ],
        "categories": [
            {"id": int(number), "name": name}
            for number, name in sorted(categories.items())
        ],
        "annotations": [
            {"id": number, **annotation}
            for number, annotation in enumerate(_annotations(detections), 1)
        ],
    }
    write_text(path, json.dumps(content) + "\n")


def _annotations(detections: Iterable[Detections]):
    for found in detections:
        for box, score, class_id in zip(
            found.boxes.tolist(),
            found.scores.tolist(),
            found.classes.tolist(),
            strict=True,
        ):
            ymin, xmin, ymax, xmax = box
            width, height = xmax - xmin, ymax - ymin
            yield {
                "image_id": found.image_id,
                "category_id": class_id,
                "bbox": [xmin, ymin, width, height],
                "area": width * height,
                "iscrowd": 0,
                "score": score,
            }
