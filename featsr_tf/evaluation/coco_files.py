"""Reading and writing objects and detections in the layout of COCO."""

import json
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featsr_tf.errors import DataError
from featsr_tf.evaluation.detections import Detections
from featsr_tf.evaluation.detections import GroundTruth
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


def read_coco_ground_truth(
    path: str | Path,
) -> tuple[list[GroundTruth], dict[int, str]]:
    """Reads an instances file of COCO.

    Args:
        path: A JSON file with images, categories and annotations.

    Returns:
        One `GroundTruth` per image, in the order of the file, and the class
        names by id. Crowds are marked as ignored.

    Raises:
        DataError: If the file cannot be read or an entry makes no sense.
    """
    content = _load(path)
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: expected an object with images, annotations and "
            f"categories, found a {type(content).__name__}"
        )
    images = _images(path, content)
    categories = _categories(path, content)
    groups = _group(path, _section(path, content, "annotations"), ())
    _check_images(path, groups, images)
    truths = []
    for image_id, image in images.items():
        boxes, classes, _, ignored = _columns(groups.get(image_id, []))
        truths.append(
            GroundTruth(
                **vars(image), boxes=boxes, classes=classes, ignored=ignored
            )
        )
    return truths, categories


def read_coco_detections(path: str | Path) -> list[Detections]:
    """Reads detections: a bare list of results, or a file standing alone.

    Args:
        path: A JSON file as written by `write_coco_detections`, or COCO's
            result format, a list of image_id, category_id, bbox and score.

    Returns:
        One item per image that has detections or is listed in the file.

    Raises:
        DataError: If the file cannot be read or an entry makes no sense.
    """
    content = _load(path)
    images: Iterable[int] = ()
    if isinstance(content, dict):
        images = _images(path, content)
        content = _section(path, content, "annotations")
    groups = _group(path, content, ("score",))
    found = []
    for image_id in dict.fromkeys([*images, *groups]):
        boxes, classes, scores, _ = _columns(groups.get(image_id, []))
        found.append(Detections(image_id, boxes, scores, classes))
    return found


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


def _load(path: str | Path):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a JSON file: {error}") from None


def _section(path, content: dict, name: str) -> list:
    section = content.get(name)
    if not isinstance(section, list):
        raise DataError(f"{path}: expected a list named {name!r}")
    return section


def _images(path, content: dict) -> dict[int, ImageInfo]:
    images: dict[int, ImageInfo] = {}
    for index, entry in enumerate(_section(path, content, "images")):
        place = f"{path}: images[{index}]"
        values = _fields(entry, ("id", "file_name", "height", "width"), place)
        if values[0] in images:
            raise DataError(f"{place}: id {values[0]} comes twice")
        images[values[0]] = ImageInfo(*values)
    return images


def _categories(path, content: dict) -> dict[int, str]:
    entries = _section(path, content, "categories")
    return dict(
        _fields(entry, ("id", "name"), f"{path}: categories[{index}]")
        for index, entry in enumerate(entries)
    )


def _group(path, entries, extra: tuple) -> dict[int, list]:
    if not isinstance(entries, list):
        raise DataError(f"{path}: expected a list of detections")
    groups = defaultdict(list)
    for index, entry in enumerate(entries):
        place = f"{path}: annotations[{index}]"
        image_id, class_id, bbox, *score = _fields(
            entry, ("image_id", "category_id", "bbox", *extra), place
        )
        crowd = bool(entry.get("iscrowd")) or bool(entry.get("ignore"))
        row = (_box(bbox, place), class_id, *(score or [1.0]), crowd)
        groups[image_id].append(row)
    return groups


def _check_images(path, groups, images) -> None:
    strangers = sorted(set(groups) - set(images))
    if strangers:
        raise DataError(
            f"{path}: annotations of image {strangers[0]}, which is not among "
            f"the {len(images)} images of the file"
        )


def _fields(entry, names: tuple, place: str) -> tuple:
    if not isinstance(entry, dict):
        raise DataError(f"{place}: expected an object, found {entry!r}")
    missing = [name for name in names if name not in entry]
    if missing:
        raise DataError(f"{place}: {missing[0]!r} is missing")
    return tuple(_typed(entry[name], name, place) for name in names)


def _typed(value, name: str, place: str):
    kinds = {
        "file_name": str,
        "name": str,
        "bbox": list,
        "score": (int, float),
    }
    kind = kinds.get(name, int)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{place}: {name!r} has an unusable value {value!r}")
    return value


def _box(bbox: list, place: str) -> tuple:
    numbers = all(type(value) in (int, float) for value in bbox)
    if len(bbox) != 4 or not numbers or bbox[2] < 0 or bbox[3] < 0:
        raise DataError(
            f"{place}: 'bbox' must be x, y, width >= 0, height >= 0, "
            f"found {bbox!r}"
        )
    left, top, width, height = bbox
    return (top, left, top + height, left + width)


def _columns(rows: list) -> tuple:
    if not rows:
        empty = np.zeros(0)
        return np.zeros([0, 4]), empty, empty, empty
    return tuple(np.asarray(column) for column in zip(*rows, strict=True))
