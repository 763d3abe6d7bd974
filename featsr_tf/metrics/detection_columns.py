"""Detections of one file, taken one by one, parted by image and questioned."""

import sys
from array import array
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from pathlib import Path

import numpy as np

from featsr_tf.errors import DataError
from featsr_tf.errors import printable
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.matching_names import Matching
from featsr_tf.metrics.matching_names import describe_mismatch

# Numbers from here on are no pixels, and their products no floats.
LARGEST = 1e18
# Detectors of others do not always clip their boxes.
_SLACK = 2
_FEW = 0.1


class DetectionColumns:
    """The numbers of all detections, by whatever calls images and classes.

    Args:
        path: their file or folder.
        row_name: what an entry of it is called, given its number from 1.
    """

    def __init__(
        self,
        path: str | Path,
        row_name: Callable[[int], str] = "detection {}".format,
    ):
        self.path = path
        self.row_name = row_name
        self.images: dict[Hashable, int] = {}
        self.classes: dict[Hashable, int] = {}
        self.image_numbers = array("l")
        self.class_numbers = array("l")
        self.numbers = array("d")

    def add(self, image: Hashable, class_: Hashable, box, score) -> bool:
        """Keeps a detection, if its numbers are sound.

        Args:
            box: x, y, width, height.
        """
        numbers = array("d", (*box, score))
        x, y, width, height, score = numbers
        # Comparisons with NaN are false.
        is_sound = (
            abs(x) < LARGEST
            and abs(y) < LARGEST
            and 0 <= width < LARGEST
            and 0 <= height < LARGEST
            and abs(score) < LARGEST
        )
        if is_sound:
            images, classes = self.images, self.classes
            image_number = images.setdefault(image, len(images))
            class_number = classes.setdefault(class_, len(classes))
            self.image_numbers.append(image_number)
            self.class_numbers.append(class_number)
            self.numbers.extend(numbers)
        return is_sound

    def keys(self, what: str) -> dict[Hashable, int]:
        """Returns the numbers of what is found, by what the file calls it.

        Args:
            what: "image" or "category".
        """
        return self.images if what == "image" else self.classes

    def check_matched(
        self,
        what: str,
        matching: Matching,
        own: Mapping,
        known: Mapping,
        known_path: str,
    ) -> None:
        """Names the first detection of an unknown image or category.

        Args:
            what: "image" or "category".
            own: ids or names of the file by its ids.
            known: name by annotated id.

        Raises:
            DataError: there is one; says the likely cause.
        """
        keys = self.keys(what)
        strange = {n: key for key, n in keys.items() if key not in matching.ids}
        if not strange:
            return
        is_image = what == "image"
        numbers = self.image_numbers if is_image else self.class_numbers
        row = next(i for i, n in enumerate(numbers, 1) if n in strange)
        key = strange[numbers[row - 1]]
        found = repr(key)
        if own.get(key, key) != key:
            found += f" ({own[key]!r})"
        cause = describe_mismatch(key, matching, own, known)
        raise DataError(
            f"{self.path}: {self.row_name(row)}: {what}_id {printable(found)} "
            f"is not among the {len(known)} of {known_path}; "
            f"{printable(cause, 400)}"
        )

    def by_image(self, images: Mapping, classes: Mapping) -> list[Detections]:
        """Parts the columns by annotated image.

        Args:
            images: annotated id by the file's own.
            classes: annotated id by the file's own.
        """
        places: dict[Hashable, int] = {}
        targets = [
            places.setdefault(images[key], len(places)) for key in self.images
        ]
        image_numbers = np.asarray(self.image_numbers, np.int64)
        image_numbers = np.asarray(targets, np.int64)[image_numbers]
        order = np.argsort(image_numbers, kind="stable")
        edges = np.searchsorted(image_numbers[order], np.arange(1, len(places)))
        class_ids = np.asarray([classes[id_] for id_ in self.classes], np.int64)
        class_numbers = np.asarray(self.class_numbers, np.int64)
        numbers = np.asarray(self.numbers).reshape(-1, 5)
        return [
            Detections(
                id_,
                corners_of(numbers[rows, :4]),
                numbers[rows, 4],
                class_ids[class_numbers[rows]],
            )
            for id_, rows in zip(places, np.split(order, edges), strict=False)
        ]

    def tell_scale(self) -> None:
        """Says on stderr if scores are no shares from 0 to 1."""
        scores = np.asarray(self.numbers)[4::5]
        if not len(scores) or (scores.min() >= 0 and scores.max() <= 1):
            return
        low, high = scores.min(), scores.max()
        scale = f"scores go from {low:g} to {high:g}"
        if low >= 0 and high <= 100:
            scale += ", as percent (0 to 100) do"
        tell(
            f"{self.path}: {scale}; --min_score counts on this scale, its "
            "default 0.5, too; choose_threshold finds the best one"
        )


def tell_matching(
    path: str | Path,
    what: str,
    matching: Matching,
    keys: Collection,
    known: Mapping,
    is_listed: bool = False,
) -> None:
    """Says on stderr how images or classes were matched, if not by id.

    Args:
        what: "image" or "category".
        known: name by annotated id.
        is_listed: whether the file lists all that was looked at.
    """
    if matching.label in ("id", "name") or not matching.ids:
        return
    used = set(matching.ids.values())
    things = "images" if what == "image" else "classes"
    found = f"{path}: {things} are matched by {matching.label}, "
    found += f"{len(matching.ids)} of {len(keys)}"
    missing = [id_ for id_ in known if id_ not in used]
    if what == "image" and is_listed and missing:
        first = printable(repr(known[missing[0]] or missing[0]))
        found += (
            f"; annotated, but not in it, thus without detections: "
            f"{len(missing)}, such as {first}"
        )
    tell(found)


def tell(text: str) -> None:
    """Writes a note to stderr."""
    print(f"note: {text}", file=sys.stderr)


def corners_of(boxes: np.ndarray) -> np.ndarray:
    """Turns x, y, width, height into ymin, xmin, ymax, xmax."""
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    return corners[:, [1, 0, 3, 2]]


def question_boxes(
    path: str | Path,
    found: Sequence[Detections | GroundTruth],
    truths: Sequence[GroundTruth],
) -> None:
    """Says on stderr where boxes were probably written as two corners.

    Args:
        path: their file, for messages.

    Raises:
        DataError: all boxes are fractions of their images.
    """
    sizes = {truth.image_id: (truth.height, truth.width) for truth in truths}
    known = [item for item in found if min(sizes[item.image_id]) > 1]
    boxes = np.concatenate([np.zeros((0, 4)), *(i.boxes for i in known)])
    extents = np.repeat(
        np.array([sizes[i.image_id] for i in known]).reshape(-1, 2),
        [len(item.boxes) for item in known],
        axis=0,
    )
    if not len(boxes):
        return
    if boxes.min() >= 0 and boxes.max() <= 1 and (boxes % 1).any():
        raise DataError(
            f"{path}: all {len(boxes)} boxes lie within 0 to 1, as fractions of"
            " the image do; expected pixels: multiply x and width by the width"
            " of the image, y and height by its height"
        )
    beyond = (boxes[:, 2:] > extents + _SLACK).any(axis=1)
    corners, others = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    fits = (others > corners).all(axis=1)
    fits &= (others <= extents + _SLACK).all(axis=1)
    if beyond.mean() > _FEW and fits.all():
        tell(
            f"{path}: {beyond.sum()} of {len(boxes)} boxes reach beyond their"
            " images; all would fit if they were written as two corners, where"
            " x, y, width and height are expected"
        )
