"""Tiles of large frames, and one list of objects from all of them.

A tile, and the whole frame beside the tiles, is a *view*. Two views see one
object twice where their boxes coincide within the region that both of them
see: this holds for two whole boxes as well as for a whole one and its part
that the border of a tile has cut off, and for two such parts.
"""

import itertools
import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace

import numpy as np

from featsr_tf.errors import ConfigError
from featsr_tf.metrics.detections import Detections

Window = tuple[int, int, int, int]

SMALLEST_TILE = 32
# IoU within the common region from which on two boxes are one object.
SAME_OBJECT = 0.5
# A box that ends this many px before the border of a tile may be cut there.
BORDER = 4
# A cut box yields to a whole one of at least this part of its score.
CUT_WEIGHT = 0.5
_MANY_VIEWS = -1

_OBJECT = np.dtype(
    [
        ("box", np.float64, 4),
        ("region", np.float64, 4),
        ("is_cut", bool),
        ("score", np.float64),
        ("view", np.int64),
    ]
)


@dataclass(frozen=True)
class Tiling:
    """How large frames are cut.

    Args:
        side: height and width of a tile in px of the frame; None = half the
            frame's shorter side, for a second look only.
        overlap: least part of a tile that its neighbour shows as well.
            Default 0.2.
        whole_frame: whether the whole frame is looked at besides, so that
            objects larger than a tile are found. Default True.
        second_look: whether windows of the size of a tile are looked at
            instead of all tiles, where the whole frame asks for them; see
            `featsr_tf.prediction.second_look`. Default False.

    Raises:
        ConfigError: a value is out of range.
    """

    side: int | None
    overlap: float = 0.2
    whole_frame: bool = True
    second_look: bool = False

    def __post_init__(self):
        if self.side is not None or not self.second_look:
            check_whole_number("tile", self.side)
            if self.side < SMALLEST_TILE:
                raise ConfigError(
                    f"tile: expected {SMALLEST_TILE} px or more, found "
                    f"{self.side}"
                )
        is_number = isinstance(self.overlap, numbers.Real)
        if not is_number or not 0 <= self.overlap <= 0.9:
            raise ConfigError(
                f"overlap: expected 0 to 0.9 of a tile, found {self.overlap!r}"
            )
        if self.second_look and not (self.whole_frame and self.overlap):
            raise ConfigError(
                "second_look: begins with the whole frame and looks again at "
                "what is smaller than the overlap; expected both, found "
                f"whole_frame={self.whole_frame}, overlap={self.overlap}"
            )

    def of_frame(self, height: int, width: int) -> "Tiling":
        """Decides the side of tiles, px, where that is left to the frame."""
        if self.side is not None:
            return self
        return replace(self, side=max(SMALLEST_TILE, min(height, width) // 2))


def check_whole_number(name: str, value: int) -> None:
    """Refuses what is no whole number.

    Raises:
        ConfigError: such as 2.5, "600" or True.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise ConfigError(f"{name}: expected a whole number, found {value!r}")


def views(height: int, width: int, tiling: Tiling | None) -> list[Window]:
    """Lists what is looked at in a frame.

    Args:
        height: of the frame, px.
        width: of the frame, px.
        tiling: how it is cut; None = not at all.

    Returns:
        ymin, xmin, ymax, xmax of each view. Tiles share the frame evenly. A
        frame that is no larger than a tile has one view, itself.
    """
    whole = (0, 0, height, width)
    if tiling is None or max(height, width) <= tiling.side:
        return [whole]
    side = tiling.side
    tiles = [
        (top, left, min(top + side, height), min(left + side, width))
        for top in _starts(height, tiling)
        for left in _starts(width, tiling)
    ]
    return [*tiles, whole] if tiling.whole_frame else tiles


def merge(found: Sequence[Detections], windows: Sequence[Window]) -> Detections:
    """Makes one list of objects of what was found in the views of a frame.

    Args:
        found: detections of each view, in px of the view.

    Returns:
        Detections in px of the frame, best first.
    """
    if len(found) == 1:
        return found[0]
    frame = np.max([window[2:] for window in windows], axis=0)
    viewed = np.zeros(sum(len(item.boxes) for item in found), _OBJECT)
    moved = [
        item.boxes + [*window[:2], *window[:2]]
        for item, window in zip(found, windows, strict=True)
    ]
    viewed["view"] = np.repeat(range(len(found)), list(map(len, moved)))
    viewed["box"] = np.concatenate(moved)
    viewed["region"] = np.asarray(windows, np.float64)[viewed["view"]]
    viewed["score"] = np.concatenate([item.scores for item in found])
    viewed["is_cut"] = is_cut(viewed, frame)
    all_classes = np.concatenate([item.classes for item in found])
    classes = np.unique(all_classes)
    objects = [_merge_class(viewed[all_classes == c], frame) for c in classes]
    merged = np.concatenate([viewed[:0], *objects])
    merged_classes = np.repeat(classes, list(map(len, objects)))
    order = np.argsort(-merged["score"], kind="stable")
    return Detections(
        found[0].image_id,
        merged["box"][order],
        merged["score"][order],
        merged_classes[order],
        np.concatenate(
            [
                item.windows + [*window[:2], *window[:2], 0]
                for item, window in zip(found, windows, strict=True)
            ]
        ),
    )


def _starts(length: int, tiling: Tiling) -> list[int]:
    """Where tiles begin along one axis."""
    if length <= tiling.side:
        return [0]
    last = length - tiling.side
    stride = max(1, math.floor(tiling.side * (1 - tiling.overlap)))
    count = math.ceil(last / stride) + 1
    return [round(last * number / (count - 1)) for number in range(count)]


def _merge_class(viewed: np.ndarray, frame: np.ndarray) -> np.ndarray:
    weights = np.where(viewed["is_cut"], CUT_WEIGHT, 1.0)
    order = np.argsort(-viewed["score"] * weights, kind="stable")
    kept, count = np.zeros_like(viewed), 0
    for candidate in viewed[order]:
        count = _add(candidate, kept, count, frame)
    return kept[:count]


def _add(
    candidate: np.void, kept: np.ndarray, count: int, frame: np.ndarray
) -> int:
    """Adds an object, or joins it with those that it is a part of."""
    while True:
        index = _find(kept[:count], candidate)
        if index is None:
            kept[count] = candidate
            return count + 1
        rival = kept[index].copy()
        weaker, stronger = sorted([rival["score"], candidate["score"]])
        both_cut = rival["is_cut"] and candidate["is_cut"]
        if both_cut and weaker >= CUT_WEIGHT * stronger:
            candidate = _join(rival, candidate, frame)
        elif not _takes_over(candidate, rival):
            kept[index]["score"] = stronger
            return count
        # The rival was a part, not an object.
        count -= 1
        kept[index] = kept[count]


def _find(kept: np.ndarray, candidate: np.void) -> int | None:
    """Index of the object that the candidate is, or is a part of."""
    low, high = candidate["box"][:2], candidate["box"][2:]
    box = kept["box"]
    near = np.flatnonzero(
        (box[:, 0] < high[0])
        & (box[:, 1] < high[1])
        & (box[:, 2] > low[0])
        & (box[:, 3] > low[1])
    )
    if not len(near):
        return None
    overlaps = _overlaps(kept[near], candidate)
    best = overlaps.argmax()
    return near[best] if overlaps[best] >= SAME_OBJECT else None


def _takes_over(candidate: np.void, rival: np.void) -> bool:
    """Candidates come best first; only one that was joined can be better."""
    is_joined = candidate["view"] == _MANY_VIEWS
    is_better = candidate["score"] > rival["score"]
    return bool(is_joined and rival["is_cut"] and is_better)


def _overlaps(kept: np.ndarray, candidate: np.void) -> np.ndarray:
    """IoU in the common region; 0 in one view, which its own NMS has seen."""
    common = _intersection(kept["region"], candidate["region"])
    ours = _intersection(kept["box"], common)
    theirs = _intersection(candidate["box"], common)
    shared = _area(_intersection(ours, theirs))
    union = _area(ours) + _area(theirs) - shared
    overlaps = shared / np.maximum(union, 1e-9)
    is_same_view = kept["view"] == candidate["view"]
    return np.where(is_same_view & (kept["view"] != _MANY_VIEWS), 0.0, overlaps)


def _join(one: np.void, other: np.void, frame: np.ndarray) -> np.void:
    """The object that two parts belong to."""
    joined = np.zeros(1, _OBJECT)
    for name in ("box", "region"):
        joined[name][:, :2] = np.minimum(one[name], other[name])[:2]
        joined[name][:, 2:] = np.maximum(one[name], other[name])[2:]
    joined["score"] = max(one["score"], other["score"])
    joined["view"] = _MANY_VIEWS
    joined["is_cut"] = is_cut(joined, frame)
    return joined[0]


def is_cut(objects, frame: np.ndarray) -> np.ndarray:
    """Whether boxes end where their region does and the frame does not.

    Args:
        objects: boxes `[n, 4]` under "box" and what their views show under
            "region", px of the frame.
        frame: `[2]` height and width, px.

    Returns:
        `[n]` bool.
    """
    box, region = objects["box"], objects["region"]
    low = (box[:, :2] < region[:, :2] + BORDER) & (region[:, :2] > 0)
    high = (box[:, 2:] > region[:, 2:] - BORDER) & (region[:, 2:] < frame)
    return (low | high).any(axis=1)


def _intersection(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    low = np.maximum(one[..., :2], other[..., :2])
    high = np.minimum(one[..., 2:], other[..., 2:])
    return np.concatenate([low, np.maximum(low, high)], axis=-1)


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)


# From images of one size `[B, H, W, 3]` uint8 to detections of each, in its px.
ImageFunction = Callable[[np.ndarray], Sequence[Detections]]


def detect(
    function: ImageFunction,
    images: Sequence[np.ndarray],
    batch_size: int = 1,
    tiling: Tiling | None = None,
) -> list[Detections]:
    """Detects objects in images of any sizes.

    Args:
        images: `[H, W, 3]` uint8 RGB.
        tiling: how large images are cut; None = not at all.

    Returns:
        Detections of each image in its px, in the order of the images, which
        number them.
    """
    if tiling is not None and tiling.second_look:
        # It needs TensorFlow, which takes seconds to import.
        from featsr_tf.prediction.second_look import look_twice

        merged = look_twice(function, images, batch_size, tiling)
    else:
        windows = [views(*image.shape[:2], tiling) for image in images]
        found = look_into(function, images, windows, batch_size)
        merged = list(map(merge, found, windows))
    return [
        replace(item, image_id=number) for number, item in enumerate(merged)
    ]


def in_chunks(items: Iterable, size: int) -> Iterator[list]:
    """Cuts items into lists of this size; the last one may be shorter."""
    pending = iter(items)
    while chunk := list(itertools.islice(pending, size)):
        yield chunk


def look_into(
    function: ImageFunction,
    images: Sequence[np.ndarray],
    windows: Sequence[Sequence[Window]],
    batch_size: int,
) -> list[list[Detections]]:
    """Detects objects in windows of images.

    Args:
        windows: of each image; those of one size share batches.

    Returns:
        Detections in px of the window, for each window of each image.
    """
    crops = [
        image[top:bottom, left:right]
        for image, of_image in zip(images, windows, strict=True)
        for top, left, bottom, right in of_image
    ]
    found = iter(_detect_crops(function, crops, batch_size))
    return [
        list(itertools.islice(found, len(of_image))) for of_image in windows
    ]


def _detect_crops(
    function: ImageFunction, crops: Sequence[np.ndarray], batch_size: int
) -> list[Detections]:
    places: dict[tuple, list[int]] = {}
    for place, crop in enumerate(crops):
        places.setdefault(crop.shape, []).append(place)
    found: dict[int, Detections] = {}
    for of_size in places.values():
        for batch in in_chunks(of_size, batch_size):
            images = np.stack([crops[place] for place in batch])
            found |= zip(batch, function(images), strict=True)
    return [found[place] for place in range(len(crops))]
