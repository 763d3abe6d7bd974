"""Annotations and detections in files in the layout of COCO."""

import json
import os
from array import array
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from featsr_tf.errors import DataError
from featsr_tf.files import atomic_write
from featsr_tf.files import read_text
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.detections import ImageInfo

# Numbers from here on are no pixels, and their products no floats.
LARGEST = 1e18
_FLAGS = ("iscrowd", "ignore", "difficult")
# Most of an annotation file, and not evaluated.
_OUTLINES = ("segmentation", "keypoints")
# Takes the place of a detection whose numbers `_Columns` has kept.
_TAKEN = object()


@dataclass(frozen=True)
class Annotations:
    """What an annotation file tells.

    Args:
        truths: One item per image, in order of the image ids.
    """

    path: str
    truths: Sequence[GroundTruth]
    names: Mapping[int, str]


def read_annotations(path: str | Path) -> Annotations:
    """Reads a file of images, categories and annotated objects.

    An object is a crowd where "iscrowd" is set, and difficult where
    "difficult" or, as in files made from PASCAL VOC, "ignore" is.

    Raises:
        DataError: If it cannot be read; names the entry that is wrong.
    """
    content = _load_json(path, _without_outlines)
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: expected an object with 'images', 'categories' and "
            f"'annotations', found a {type(content).__name__}"
        )
    images = _entries_by_id(content, "images", path)
    names = _category_names(content, path)
    rows: dict = {image_id: [] for image_id in images}
    for number, entry in enumerate(_list_of(content, "annotations", path), 1):
        problem = _entry_problem(entry, images, names) or _object_problem(entry)
        if problem:
            raise DataError(f"{path}: annotation {number}: {problem}")
        rows[entry["image_id"]].append(entry)
    # In order of the ids, as pycocotools settles ties between scores.
    order = sorted(images, key=lambda id_: (isinstance(id_, str), id_))
    truths = [_truth(images[id_], rows[id_], str(path)) for id_ in order]
    return Annotations(str(path), truths, names)


def read_detections(
    path: str | Path, annotations: Annotations
) -> list[Detections]:
    """Reads the detections of any detector.

    A file that lists its own images and categories, as `featsr_tf.predict`
    writes it, is matched with the annotations by their names, a bare list by
    their ids.

    Args:
        path: A JSON file: a list of results with "image_id", "category_id",
            "bbox" (x, y, width, height) and "score", or an object with such a
            list as "annotations".

    Raises:
        DataError: If it cannot be read; names the entry that is wrong.
    """
    columns = _Columns()
    content = _load_json(path, columns.take)
    listed = content if isinstance(content, dict) else {}
    entries = _list_of(content, "annotations", path) if listed else content
    if not isinstance(entries, list):
        raise DataError(
            f"{path}: expected a list of detections or an object with "
            f"'annotations', found a {type(content).__name__}"
        )
    images = _known_images(listed, annotations, path)
    classes = _known_classes(listed, annotations, path)
    for number, entry in enumerate(entries, 1):
        if entry is not _TAKEN:
            problem = _entry_problem(entry, images, classes)
            problem = problem or _score_problem(entry)
            raise DataError(f"{path}: detection {number}: {problem}")
    if len(columns.image_numbers) != len(entries):
        raise DataError(f"{path}: there are detections outside of its list")
    columns.check_ids(images, classes, annotations.path, path)
    return columns.by_image(images, classes)


def write_coco_detections(
    path: str | Path,
    images: Iterable[ImageInfo],
    detections: Iterable[Detections],
    categories: Mapping[int, str],
) -> None:
    """Writes a detections file that stands alone, atomically.

    Entries are written as they come, so that the memory needed does not
    depend on their number.
    """
    found = (one for item in detections for one in item.to_coco())
    lists: dict[str, Iterable[dict]] = {
        "images": (image.to_coco() for image in images),
        "categories": (
            {"id": int(number), "name": name}
            for number, name in sorted(categories.items())
        ),
        "annotations": (
            {"id": number, **one} for number, one in enumerate(found, 1)
        ),
    }
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", encoding="utf-8") as file,
    ):
        for number, (key, entries) in enumerate(lists.items()):
            file.write(f'{"], " if number else "{"}"{key}": [')
            for place, entry in enumerate(entries):
                file.write((", " if place else "") + json.dumps(entry))
        file.write("]}\n")


def _load_json(path: str | Path, object_hook: Callable):
    """The content of a file; the hook replaces objects, innermost first."""
    try:
        return json.loads(read_text(path), object_hook=object_hook)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a JSON file: {error}") from None


def _without_outlines(entry: dict) -> dict:
    for key in _OUTLINES:
        entry.pop(key, None)
    return entry


def _list_of(content: dict, key: str, path: str | Path) -> list:
    if isinstance(content.get(key), list):
        return content[key]
    found = ", ".join(map(repr, list(content)[:8])) or "nothing"
    if key in content:
        found = f"a {type(content[key]).__name__}"
    raise DataError(f"{path}: expected a list under {key!r}, found {found}")


def _entries_by_id(content: dict, key: str, path: str | Path) -> dict:
    """The images or categories of a file by their ids."""
    by_id: dict = {}
    for number, entry in enumerate(_list_of(content, key, path), 1):
        where = f"{path}: entry {number} of {key!r}"
        if not isinstance(entry, dict) or "id" not in entry:
            raise DataError(f"{where}: expected an object with 'id'")
        if not isinstance(entry["id"], int | str):
            raise DataError(
                f"{where}: expected a number or text as 'id', found "
                f"{entry['id']!r}"
            )
        if entry["id"] in by_id:
            raise DataError(f"{where}: the id {entry['id']!r} occurs twice")
        by_id[entry["id"]] = entry
    return by_id


def _category_names(content: dict, path: str | Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for id_, entry in _entries_by_id(content, "categories", path).items():
        name = entry.get("name")
        if not isinstance(id_, int) or not isinstance(name, str):
            raise DataError(
                f"{path}: category {id_!r}: expected a whole number as 'id' "
                f"and text as 'name', found {name!r}"
            )
        if name in names.values():
            raise DataError(f"{path}: the category {name!r} occurs twice")
        names[id_] = name
    return names


def _entry_problem(
    entry, images: Container, categories: Container
) -> str | None:
    """Says what is wrong with an object or a detection, if anything."""
    if not isinstance(entry, dict):
        return f"expected an object, found {_short(entry)}"
    for key, known in (("image_id", images), ("category_id", categories)):
        if key not in entry:
            return f"has no {key!r}"
        if not isinstance(entry[key], int | str) or entry[key] not in known:
            return f"{key} {_short(entry[key])} is unknown"
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_finite, box)):
        return f"expected four numbers as 'bbox', found {_short(box)}"
    if box[2] < 0 or box[3] < 0:
        return f"'bbox' has a negative width or height: {_short(box)}"
    return None


def _object_problem(entry: dict) -> str | None:
    """Says what is wrong with the area and flags of an object."""
    area = entry.get("area", 0)
    if not _finite(area) or area < 0:
        return f"expected a number from 0 as 'area', found {_short(area)}"
    for flag in _FLAGS:
        if entry.get(flag, 0) not in (0, 1):
            return f"expected 0 or 1 as {flag!r}, found {_short(entry[flag])}"
    return None


def _score_problem(entry: dict) -> str:
    if "score" not in entry:
        return "has no 'score'"
    return f"expected a 'score' from 0 to 1, found {_short(entry['score'])}"


def _finite(value) -> bool:
    return isinstance(value, int | float) and -LARGEST < value < LARGEST


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _truth(image: dict, entries: Sequence[dict], path: str) -> GroundTruth:
    boxes = np.reshape([entry["bbox"] for entry in entries], [-1, 4])
    sides = [image.get(key, 0) for key in ("height", "width")]
    if not all(isinstance(side, int) for side in sides):
        raise DataError(
            f"{path}: image {image['id']!r}: expected whole numbers as "
            f"'height' and 'width', found {sides[0]!r} and {sides[1]!r}"
        )
    return GroundTruth(
        image["id"],
        str(image.get("file_name", "")),
        *sides,
        boxes=_corners(boxes.astype(np.float64)),
        classes=[entry["category_id"] for entry in entries],
        crowd=[entry.get("iscrowd", 0) for entry in entries],
        difficult=[
            entry.get("difficult", entry.get("ignore", 0)) for entry in entries
        ],
        areas=[
            entry.get("area", entry["bbox"][2] * entry["bbox"][3])
            for entry in entries
        ],
    )


def _corners(boxes: np.ndarray) -> np.ndarray:
    """Turns x, y, width, height into ymin, xmin, ymax, xmax."""
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    return corners[:, [1, 0, 3, 2]]


def _known_images(listed: dict, annotations: Annotations, path) -> dict:
    """The annotated image by the image id of a detections file."""
    names = {truth.file_name: truth.image_id for truth in annotations.truths}
    own = _entries_by_id(listed, "images", path) if "images" in listed else {}
    own_names = [str(entry.get("file_name", "")) for entry in own.values()]
    if not all(own_names) or not own or len(names) < len(annotations.truths):
        return {truth.image_id: truth.image_id for truth in annotations.truths}
    short = {os.path.basename(name): id_ for name, id_ in names.items()}
    if len(short) == len(names):
        # Folders may differ where file names alone are unique.
        names = short
        own_names = [os.path.basename(name) for name in own_names]
    pairs = zip(own, own_names, strict=True)
    return {id_: names[name] for id_, name in pairs if name in names}


def _known_classes(listed: dict, annotations: Annotations, path) -> dict:
    """The annotated category by the id of a detections file."""
    if "categories" not in listed:
        return {id_: id_ for id_ in annotations.names}
    ids = {name: id_ for id_, name in annotations.names.items()}
    own = _category_names(listed, path)
    return {id_: ids[name] for id_, name in own.items() if name in ids}


class _Columns:
    """The numbers of all detections, taken one by one from the parser."""

    def __init__(self):
        self.images: dict = {}
        self.classes: dict = {}
        self.image_numbers = array("l")
        self.class_numbers = array("l")
        self.numbers = array("d")

    def take(self, entry: dict):
        """Keeps a sound detection; leaves anything else as it is."""
        try:
            box, score = entry["bbox"], entry["score"]
            numbers = array("d", (*box, score))
            x, y, width, height, _ = numbers
            # Comparisons with NaN are false.
            is_sound = (
                abs(x) < LARGEST
                and abs(y) < LARGEST
                and 0 <= width < LARGEST
                and 0 <= height < LARGEST
                and 0 <= score <= 1
            )
            if not is_sound:
                return entry
            image = self.images.setdefault(entry["image_id"], len(self.images))
            class_ = self.classes.setdefault(
                entry["category_id"], len(self.classes)
            )
        except (KeyError, OverflowError, TypeError, ValueError):
            return entry
        self.image_numbers.append(image)
        self.class_numbers.append(class_)
        self.numbers.extend(numbers)
        return _TAKEN

    def check_ids(self, images, classes, known_path: str, path) -> None:
        """Names the first detection of an unknown image or category."""
        for what, ids, known, numbers in (
            ("image_id", self.images, images, self.image_numbers),
            ("category_id", self.classes, classes, self.class_numbers),
        ):
            strange = {n: id_ for id_, n in ids.items() if id_ not in known}
            if strange:
                row = next(i for i, n in enumerate(numbers, 1) if n in strange)
                raise DataError(
                    f"{path}: detection {row}: {what} "
                    f"{strange[numbers[row - 1]]!r} is not among the "
                    f"{len(known)} of {known_path}"
                )

    def by_image(self, images: Mapping, classes: Mapping) -> list[Detections]:
        """Parts the columns by image, in the order of the file."""
        image_numbers = np.asarray(self.image_numbers, np.int64)
        order = np.argsort(image_numbers, kind="stable")
        edges = np.searchsorted(
            image_numbers[order], np.arange(1, len(self.images))
        )
        class_ids = np.asarray([classes[id_] for id_ in self.classes], np.int64)
        class_numbers = np.asarray(self.class_numbers, np.int64)
        numbers = np.asarray(self.numbers).reshape(-1, 5)
        return [
            Detections(
                images[id_],
                _corners(numbers[rows, :4]),
                numbers[rows, 4],
                class_ids[class_numbers[rows]],
            )
            for id_, rows in zip(
                self.images, np.split(order, edges), strict=False
            )
        ]
