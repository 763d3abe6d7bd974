"""Objects and detections of one image, in original pixels, and their sizes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace

import numpy as np

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError

SIZE_NAMES = ("small", "medium", "large", "all")
# Where small and medium objects end: sides in px, or squares of them.
SMALL_SIDE = 32
MEDIUM_SIDE = 96
_LARGE_SIDE = 400


@dataclass(frozen=True)
class SizeRange:
    """One class of object sizes, measured in pixels of the original image.

    Args:
        measure: "area" (minimum < area <= maximum, as in the paper, section
            5.1) or "long_side" (minimum <= side < maximum, as in the
            official evaluation of Tsinghua-Tencent 100K).
        minimum: Lower bound in pixels, or square pixels for "area".
        maximum: Upper bound in the same unit.
    """

    name: str
    measure: str
    minimum: float
    maximum: float

    def contains(self, boxes: np.ndarray) -> np.ndarray:
        """Tells which boxes `[n, 4]` are of this size, as bool `[n]`."""
        if self.measure == "area":
            size = areas(boxes)
            return (size > self.minimum) & (size <= self.maximum)
        size = long_sides(boxes)
        return (size >= self.minimum) & (size < self.maximum)


def area_ranges() -> tuple[SizeRange, ...]:
    """Returns the paper's sizes: area at most 32x32, at most 96x96, above."""
    bounds = (-np.inf, SMALL_SIDE**2, MEDIUM_SIDE**2, np.inf)
    return _ranges("area", bounds)


def long_side_ranges() -> tuple[SizeRange, ...]:
    """Returns the sizes of the official Tsinghua-Tencent 100K evaluation.

    Long sides below 32, 96 and 400 px; longer objects do not count at all.
    """
    return _ranges("long_side", (0, SMALL_SIDE, MEDIUM_SIDE, _LARGE_SIDE))


def size_ranges(size_by: str) -> tuple[SizeRange, ...]:
    """Returns the default ranges by "area" or by "long_side".

    Raises:
        ConfigError: If `size_by` is another word.
    """
    ranges = {"area": area_ranges, "long_side": long_side_ranges}
    if size_by in ranges:
        return ranges[size_by]()
    raise ConfigError(
        f"size_by: expected 'area' or 'long_side', found {size_by!r}"
    )


def areas(boxes: np.ndarray) -> np.ndarray:
    """Returns the areas `[n]` of boxes `[n, 4]`, 0 for inverted ones."""
    heights, widths = _sides(boxes)
    return heights * widths


def long_sides(boxes: np.ndarray) -> np.ndarray:
    """Returns the longer sides `[n]` of boxes `[n, 4]`."""
    return np.maximum(*_sides(boxes))


def _ranges(measure: str, bounds: tuple) -> tuple[SizeRange, ...]:
    """Ranges "small", "medium", "large" and "all", in this order."""
    lows = (*bounds[:3], bounds[0])
    highs = (*bounds[1:], bounds[3])
    return tuple(
        SizeRange(name, measure, low, high)
        for name, low, high in zip(SIZE_NAMES, lows, highs, strict=True)
    )


def _sides(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # x + width - x is not always width: rounding gives back sides of 32 px.
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).round(6)
    return sides[:, 0], sides[:, 1]


@dataclass(frozen=True, eq=False)
class ImageInfo:
    """What a detections file tells about an image.

    Args:
        file_name: Name of the image file, for people and pictures.
    """

    image_id: int
    file_name: str
    height: int
    width: int

    def to_coco(self) -> dict:
        """Returns the entry of the image in a file of COCO."""
        return {
            "id": self.image_id,
            "file_name": self.file_name,
            "width": int(self.width),
            "height": int(self.height),
        }


@dataclass(frozen=True, eq=False)
class GroundTruth(ImageInfo):
    """The annotated objects of one image.

    Boxes are kept in float64, so that the x, y, width, height of COCO files
    come back unchanged.

    Args:
        boxes: `[num_objects, 4]` ymin, xmin, ymax, xmax in original pixels.
        classes: `[num_objects]` class ids.
        crowd: `[num_objects]` bool, boxes around many objects; default none.
        difficult: `[num_objects]` bool, objects that nobody has to find;
            default none.
        areas: `[num_objects]` areas of the outlines in square pixels; default
            those of the boxes.

    Raises:
        DataError: If the arrays differ in length or a box is not finite.
    """

    boxes: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray | None = None
    difficult: np.ndarray | None = None
    areas: np.ndarray | None = None

    def __post_init__(self):
        place = f"ground truth of image {self.image_id}"
        _set(self, boxes=_boxes(self.boxes, place))
        _set(self, classes=_column(self.classes, np.int64, self, place))
        for name, default in (
            ("crowd", np.zeros(len(self.boxes), bool)),
            ("difficult", np.zeros(len(self.boxes), bool)),
            ("areas", areas(self.boxes)),
        ):
            given = getattr(self, name)
            values = default if given is None else given
            column = _column(values, default.dtype, self, place)
            _set(self, **{name: column})

    @property
    def ignored(self) -> np.ndarray:
        """`[num_objects]` bool, crowds and difficult objects."""
        return np.asarray(self.crowd) | np.asarray(self.difficult)


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector found in one image.

    Args:
        boxes: `[num_detections, 4]` ymin, xmin, ymax, xmax in original
            pixels.
        scores: `[num_detections]` confidences, 0 to 1 or on any other scale.
        classes: `[num_detections]` class ids.
        windows: `[num_windows, 5]` where a second look was taken: ymin, xmin,
            ymax, xmax in original pixels and the magnification. Rows with a
            magnification of 0 are left out. Default none.

    Raises:
        DataError: If the arrays differ in length or hold NaN or infinity.
    """

    image_id: int
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    windows: np.ndarray | None = None

    def __post_init__(self):
        windows = [] if self.windows is None else self.windows
        windows = np.asarray(windows, np.float64).reshape(-1, 5)
        _set(self, windows=windows[windows[:, 4] > 0])
        place = f"detections of image {self.image_id}"
        _set(self, boxes=_boxes(self.boxes, place))
        _set(self, scores=_column(self.scores, np.float64, self, place))
        _set(self, classes=_column(self.classes, np.int64, self, place))

    def above(self, score_threshold: float) -> "Detections":
        """Returns the detections with a score of at least the threshold."""
        return self.take(self.scores >= score_threshold)

    def take(self, rows) -> "Detections":
        """Returns the detections that an index or a mask selects."""
        return replace(
            self,
            boxes=self.boxes[rows],
            scores=self.scores[rows],
            classes=self.classes[rows],
        )

    def to_coco(self) -> Iterator[dict]:
        """Yields results of COCO, "bbox" as x, y, width, height."""
        for box, score, class_id in zip(
            self.boxes.tolist(),
            self.scores.tolist(),
            self.classes.tolist(),
            strict=True,
        ):
            ymin, xmin, ymax, xmax = box
            width, height = xmax - xmin, ymax - ymin
            yield {
                "image_id": self.image_id,
                "category_id": class_id,
                "bbox": [xmin, ymin, width, height],
                "area": width * height,
                "iscrowd": 0,
                "score": score,
            }


def no_detections(image_id: int) -> Detections:
    """Returns the detections of an image in which nothing was found."""
    return Detections(image_id, np.zeros([0, 4]), np.zeros(0), np.zeros(0))


def pair_by_image(
    truths: Sequence[GroundTruth], detections: Iterable[Detections]
) -> list[tuple[GroundTruth, Detections]]:
    """Pairs the objects of every image with its detections.

    Args:
        detections: At most one item per image, in any order. An image
            without an item has no detections and still counts.

    Raises:
        DataError: If there is no image, an image comes twice, or detections
            belong to no image.
    """
    if not truths:
        raise DataError("nothing to evaluate: the ground truth has no images")
    found = _by_image_id(detections, "detections")
    known = _by_image_id(truths, "ground truth")
    strangers = sorted(set(found) - set(known))
    if strangers:
        raise DataError(
            f"detections of image {strangers[0]}: no such image in the ground "
            f"truth ({len(known)} images); evaluate both of the same images"
        )
    return [
        (truth, found.get(truth.image_id) or no_detections(truth.image_id))
        for truth in truths
    ]


def _by_image_id(items, kind: str) -> dict:
    by_id = {}
    for item in items:
        if item.image_id in by_id:
            raise DataError(
                f"{kind} of image {item.image_id}: given twice; "
                "give every image one item"
            )
        by_id[item.image_id] = item
    return by_id


def _set(instance, **values) -> None:
    for name, value in values.items():
        object.__setattr__(instance, name, value)


def _boxes(boxes, place: str) -> np.ndarray:
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    _check_finite(boxes, "boxes", place)
    return boxes


def _column(values, dtype, instance, place: str) -> np.ndarray:
    values = np.asarray(values).reshape(-1).astype(dtype)
    if len(values) != len(instance.boxes):
        raise DataError(
            f"{place}: {len(instance.boxes)} boxes but {len(values)} "
            "classes, scores or flags; give one of each per box"
        )
    _check_finite(values, "scores", place)
    return values


def _check_finite(values: np.ndarray, kind: str, place: str) -> None:
    if not np.isfinite(values).all():
        raise DataError(f"{place}: {kind} must be finite numbers, found NaN")
