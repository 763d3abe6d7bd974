"""Annotations and detections in files in the layout of COCO."""

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from featsr_tf.data.coco_objects import CocoObject
from featsr_tf.data.coco_objects import lacks_box
from featsr_tf.data.coco_objects import read_object
from featsr_tf.errors import DataError
from featsr_tf.files import atomic_write
from featsr_tf.files import read_text
from featsr_tf.metrics.detection_columns import LARGEST
from featsr_tf.metrics.detection_columns import DetectionColumns
from featsr_tf.metrics.detection_columns import question_boxes
from featsr_tf.metrics.detection_columns import tell
from featsr_tf.metrics.detection_columns import tell_matching
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.detections import ImageInfo
from featsr_tf.metrics.detections import areas
from featsr_tf.metrics.matching_names import BY_ID
from featsr_tf.metrics.matching_names import Rule
from featsr_tf.metrics.matching_names import class_name_rules
from featsr_tf.metrics.matching_names import file_name_rules
from featsr_tf.metrics.matching_names import match_keys
from featsr_tf.metrics.matching_names import plain_id

# Most of an annotation file, and read for objects without a box alone.
_OUTLINES = ("segmentation", "keypoints")
# Takes the place of a detection whose numbers are kept.
_TAKEN = object()
# Ids of classes are kept in 64 bits.
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Annotations:
    """What an annotation file tells.

    Args:
        truths: One item per image, in order of the image ids.
    """

    path: str
    truths: Sequence[GroundTruth]
    names: Mapping[int, str]

    def matched(
        self,
        columns: DetectionColumns,
        image_names: Mapping[Hashable, str] | None = None,
        class_names: Mapping[Hashable, str] | None = None,
        names_first: bool = False,
    ) -> list[Detections]:
        """Parts detections by the annotated image that they mean.

        Args:
            image_names: by the image ids of the detections, where their file
                lists them; None = the ids themselves tell.
            class_names: by their class ids, in the same way.
            names_first: whether ids are rather names that look like numbers.

        Raises:
            DataError: a detection is of no annotated image or class.
        """
        known = {truth.image_id: truth.file_name for truth in self.truths}
        told = image_names or {key: key for key in columns.keys("image")}
        images = self._match(
            columns,
            "image",
            image_names,
            known,
            file_name_rules(told.values(), known.values()),
            names_first,
        )
        classes = self._match(
            columns,
            "category",
            class_names,
            self.names,
            class_name_rules(),
            names_first,
        )
        columns.tell_scale()
        found = columns.by_image(images, classes)
        question_boxes(columns.path, found, self.truths)
        return found

    def _match(
        self,
        columns: DetectionColumns,
        what: str,
        listed: Mapping[Hashable, str] | None,
        known: Mapping,
        name_rules: list[Rule],
        names_first: bool,
    ) -> Mapping:
        keys = columns.keys(what)
        own: Mapping = {key: key for key in keys} if listed is None else listed
        rules = name_rules
        if listed is None:
            rules = [*rules, BY_ID] if names_first else [BY_ID, *rules]
        matching = match_keys(own, known, rules)
        columns.check_matched(what, matching, own, known, self.path)
        tell_matching(
            columns.path, what, matching, own, known, listed is not None
        )
        return matching.ids


def read_annotations(path: str | Path) -> Annotations:
    """Reads a file of images, categories and annotated objects.

    An object is what a conversion of the file makes of it, see `read_object`;
    those without area are left out. What is made of unusual ones is told on
    stderr.

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
    rows: dict[Hashable, list[CocoObject]] = {id_: [] for id_ in images}
    made: Counter[str] = Counter()
    for number, entry in enumerate(_list_of(content, "annotations", path), 1):
        where = f"{path}: annotation {number}"
        if problem := _id_problem(entry):
            raise DataError(f"{where}: {problem}")
        item = read_object(entry, where)
        image_id = plain_id(entry["image_id"])
        for key, id_, known in (
            ("image_id", image_id, images),
            ("category_id", item.category, names),
        ):
            if id_ not in known:
                raise DataError(f"{where}: {key} {_short(id_)} is unknown")
        if any(abs(side) > LARGEST for side in (*item.box, item.area or 0)):
            raise DataError(
                f"{where}: 'bbox' or 'area': expected pixels, found "
                f"{_short(entry.get('bbox'))} and {item.area}"
            )
        made += _unusual(item)
        if _has_area(item):
            rows[image_id].append(item)
    for what, count in made.items():
        tell(f"{path}: {count} {what}")
    # In order of the ids, as pycocotools settles ties between scores.
    order = sorted(images, key=lambda id_: (isinstance(id_, str), id_))
    truths = [_truth(id_, images[id_], rows[id_], str(path)) for id_ in order]
    question_boxes(path, truths, truths)
    return Annotations(str(path), truths, names)


def read_coco_detections(
    path: str | Path, annotations: Annotations
) -> list[Detections]:
    """Reads the detections of any detector in the layout of COCO.

    A file that lists its own images and categories, as `featsr_tf.predict`
    writes it, is matched with the annotations by their names, a bare list by
    their ids, or where more of them fit, by names that stand in their place.

    Args:
        path: A JSON file: a list of results with "image_id", "category_id",
            "bbox" (x, y, width, height) and "score", or an object with such a
            list as "annotations".

    Raises:
        DataError: If it cannot be read; names the entry that is wrong.
    """
    columns = DetectionColumns(path)

    def take(entry: dict):
        """Keeps a sound detection; leaves anything else as it is."""
        try:
            image = plain_id(entry["image_id"])
            class_ = plain_id(entry["category_id"])
            if columns.add(image, class_, entry["bbox"], entry["score"]):
                return _TAKEN
        except (KeyError, OverflowError, TypeError, ValueError):
            pass
        return entry

    content = _load_json(path, take)
    listed = content if isinstance(content, dict) else {}
    entries = _list_of(content, "annotations", path) if listed else content
    if not isinstance(entries, list):
        raise DataError(
            f"{path}: expected a list of detections or an object with "
            f"'annotations', found a {type(content).__name__}"
        )
    for number, entry in enumerate(entries, 1):
        if entry is not _TAKEN:
            problem = _id_problem(entry) or _box_problem(entry)
            problem = problem or _score_problem(entry)
            raise DataError(f"{path}: detection {number}: {problem}")
    if len(columns.image_numbers) != len(entries):
        raise DataError(f"{path}: there are detections outside of its list")
    images = _own_image_names(listed, annotations, path)
    own_classes = listed.get("categories") is not None
    classes = _category_names(listed, path) if own_classes else None
    return annotations.matched(columns, images, classes)


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
    """Drops what is not evaluated."""
    if not lacks_box(entry):
        for key in _OUTLINES:
            entry.pop(key, None)
    return entry


def _has_area(item: CocoObject) -> bool:
    ymin, xmin, ymax, xmax = item.box
    # Comparisons with NaN are false.
    return ymin < ymax and xmin < xmax


def _unusual(item: CocoObject) -> Counter[str]:
    """Says what was made of an object, as manifests do of conversions."""
    return Counter(
        {
            "objects without area are left out": not _has_area(item),
            "objects without a box have that of their outline": (
                item.is_of_outline
            ),
            "rotated boxes are replaced by their upright hull": item.is_turned,
            "flags other than 0 and 1 are taken as one of them": (
                item.unclear_flags
            ),
        }
    )


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
        id_ = plain_id(entry["id"])
        if not isinstance(id_, int | str):
            raise DataError(
                f"{where}: expected a number or text as 'id', found "
                f"{entry['id']!r}"
            )
        if id_ in by_id:
            raise DataError(f"{where}: the id {id_!r} occurs twice")
        by_id[id_] = entry
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
        if abs(id_) > _LARGEST_ID:
            raise DataError(
                f"{path}: category {id_}: expected an 'id' of 63 bits at most"
            )
        # Roboflow's root, without objects, may be called as a class is.
        if names.get(0) == name:
            del names[0]
        if name in names.values():
            raise DataError(f"{path}: the category {name!r} occurs twice")
        names[id_] = name
    return names


def _id_problem(entry) -> str | None:
    """Says what is wrong with the ids of an object or a detection."""
    if not isinstance(entry, dict):
        return f"expected an object, found {_short(entry)}"
    for key in ("image_id", "category_id"):
        if key not in entry:
            return f"has no {key!r}"
        if not isinstance(plain_id(entry[key]), int | str):
            return f"{key} {_short(entry[key])} is no number and no text"
    return None


def _box_problem(entry: dict) -> str | None:
    """Says what is wrong with the box of a detection, if anything."""
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_finite, box)):
        return f"expected four numbers as 'bbox', found {_short(box)}"
    if box[2] < 0 or box[3] < 0:
        return f"'bbox' has a negative width or height: {_short(box)}"
    return None


def _score_problem(entry: dict) -> str:
    if "score" not in entry:
        return "has no 'score'"
    return f"expected a finite 'score', found {_short(entry['score'])}"


def _finite(value) -> bool:
    return isinstance(value, int | float) and -LARGEST < value < LARGEST


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _truth(
    id_: int | str, image: dict, objects: Sequence[CocoObject], path: str
) -> GroundTruth:
    boxes = np.array([item.box for item in objects]).reshape(-1, 4)
    sides = [plain_id(image.get(key) or 0) for key in ("height", "width")]
    if not all(isinstance(side, int) for side in sides):
        raise DataError(
            f"{path}: image {id_!r}: expected whole numbers as "
            f"'height' and 'width', found {sides[0]!r} and {sides[1]!r}"
        )
    return GroundTruth(
        id_,
        str(image.get("file_name") or ""),
        *sides,
        boxes=boxes,
        classes=[item.category for item in objects],
        crowd=[item.crowd for item in objects],
        difficult=[item.difficult for item in objects],
        areas=[
            item.area if item.area is not None and item.area > 0 else of_box
            for item, of_box in zip(objects, areas(boxes), strict=True)
        ],
    )


def _own_image_names(
    listed: dict, annotations: Annotations, path: str | Path
) -> dict | None:
    """The file names that a detections file lists by its own ids, if any."""
    own = _entries_by_id(listed, "images", path) if "images" in listed else {}
    names = {
        id_: str(entry.get("file_name") or "") for id_, entry in own.items()
    }
    are_told = any(truth.file_name for truth in annotations.truths)
    return names if names and all(names.values()) and are_told else None
