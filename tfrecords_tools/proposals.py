"""Anchors and a threshold of small objects, proposed for a data set."""

import dataclasses
from collections.abc import Sequence

import numpy as np

STRIDE = 16
BASE = 256
RECALL_IOUS = (0.5, 0.6, 0.7)
# Another anchor per cell must raise the mean best IoU by this much.
WORTH_AN_ANCHOR = 0.005
_SHIFTS_PER_AXIS = 4
_LIMIT_STEPS = 5
_SCALES_PER_OCTAVE = 4
_SHAPES_PER_OCTAVE = 8
_USUAL_RATIOS = ((1.0,), (0.5, 1.0, 2.0))
_MOST_RATIOS = 3


@dataclasses.dataclass(frozen=True)
class AnchorGrid:
    """What `grid_anchor_generator` says.

    Args:
        height: base height in px.
        width: base width in px.
    """

    scales: tuple[float, ...]
    aspect_ratios: tuple[float, ...]
    height: float = BASE
    width: float = BASE

    @property
    def shapes(self) -> np.ndarray:
        """`[num_anchors, 2]` heights and widths in px."""
        scales = np.array(self.scales)[:, None]
        roots = np.sqrt(np.array(self.aspect_ratios))
        heights = self.height * scales / roots
        widths = self.width * scales * roots
        return np.stack([heights.ravel(), widths.ravel()], axis=1)

    def to_text(self) -> str:
        """The message for a pipeline config."""
        scales = ", ".join(f"{value:g}" for value in self.scales)
        ratios = ", ".join(f"{value:g}" for value in self.aspect_ratios)
        return (
            "first_stage_anchor_generator {\n"
            "  grid_anchor_generator {\n"
            f"    height: {self.height:g}\n"
            f"    width: {self.width:g}\n"
            f"    height_stride: {STRIDE}\n"
            f"    width_stride: {STRIDE}\n"
            f"    scales: [{scales}]\n"
            f"    aspect_ratios: [{ratios}]\n"
            "  }\n"
            "}"
        )


@dataclasses.dataclass(frozen=True)
class Coverage:
    """How well anchors meet the objects, over all shifts of the grid.

    Args:
        recalls: share of the objects with an anchor of at least this IoU.
        recalls_by_group: the same at the first IoU, by group of objects.
    """

    num_anchors: int
    mean_iou: float
    recalls: dict[float, float]
    recalls_by_group: dict[str, float]


class ObjectShapes:
    """Shapes of objects, those that are nearly equal taken together.

    Args:
        sizes: `[n, 2]` heights and widths in px of the network's input;
            rounded to an eighth of an octave, at least 1 px.
        groups: `[n]` bool by the name of a group of objects.
    """

    def __init__(self, sizes: np.ndarray, groups: dict[str, np.ndarray]):
        rounded = np.round(
            np.log2(np.maximum(sizes, 1)) * _SHAPES_PER_OCTAVE
        ).astype(int)
        kinds, indices = np.unique(rounded, axis=0, return_inverse=True)
        self.shapes = 2.0 ** (kinds / _SHAPES_PER_OCTAVE)
        self.counts = np.bincount(indices.ravel(), minlength=len(kinds))
        self.group_counts = {
            name: np.bincount(indices.ravel()[chosen], minlength=len(kinds))
            for name, chosen in groups.items()
        }

    def overlaps(self, anchors: np.ndarray) -> np.ndarray:
        """IoU with anchors at each place of the grid.

        Args:
            anchors: `[a, 2]` heights and widths in px, or `[n, a, num_shifts,
                2]` for each shape and place.

        Returns:
            `[n, a, num_shifts]`.
        """
        shapes = self.shapes[:, None, None]
        if anchors.ndim == 2:
            anchors = anchors[:, None]
        common = np.minimum(
            np.minimum(shapes, anchors), (shapes + anchors) / 2 - _shifts()
        )
        inside = np.maximum(common, 0).prod(axis=-1)
        union = shapes.prod(axis=-1) + anchors.prod(axis=-1) - inside
        return inside / union

    def mean(self, best: np.ndarray) -> float:
        """Mean over objects and shifts of `[n, num_shifts]` values."""
        return float(np.average(best.mean(axis=1), weights=self.counts))


def coverage(objects: ObjectShapes, grid: AnchorGrid) -> Coverage:
    """Measures how well anchors meet objects."""
    best = objects.overlaps(grid.shapes).max(axis=1)
    return _coverage(objects, best, len(grid.shapes))


def limit(objects: ObjectShapes) -> Coverage:
    """What any anchors at all could reach on the grid.

    Where an anchor's centre is d px from an object's, the side that meets it
    best is up to 2 d px longer than the object's own.
    """
    steps = np.linspace(0, 2, _LIMIT_STEPS)
    longer = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 1, 2)
    anchors = objects.shapes[:, None, None] + longer * _shifts()
    best = objects.overlaps(anchors).max(axis=1)
    return _coverage(objects, best, len(objects.shapes))


def _shifts() -> np.ndarray:
    """`[num_shifts, 2]` px in y and x, evenly out of a quarter of a cell."""
    step = STRIDE / 2 / _SHIFTS_PER_AXIS
    shifts = (np.arange(_SHIFTS_PER_AXIS) + 0.5) * step
    return np.stack(np.meshgrid(shifts, shifts), axis=-1).reshape(-1, 2)


def propose(objects: ObjectShapes) -> AnchorGrid:
    """Chooses few anchors with a large mean best IoU.

    Scales are four to the octave. For several lists of aspect ratios they
    are added one by one, the best first, then exchanged as long as that
    helps; the list wins whose mean best IoU, less `WORTH_AN_ANCHOR` for each
    anchor, is largest.

    Args:
        objects: their shapes.
    """
    found = [
        _choose_scales(objects, ratios) for ratios in _ratio_lists(objects)
    ]
    return max(found, key=lambda result: result[0])[1]


def _coverage(
    objects: ObjectShapes, best: np.ndarray, num_anchors: int
) -> Coverage:
    found = (best >= RECALL_IOUS[0]).mean(axis=1)
    return Coverage(
        num_anchors,
        objects.mean(best),
        {iou: objects.mean(best >= iou) for iou in RECALL_IOUS},
        {
            name: float(np.average(found, weights=counts))
            for name, counts in objects.group_counts.items()
            if counts.any()
        },
    )


def _ratio_lists(objects: ObjectShapes) -> list[tuple[float, ...]]:
    """The usual aspect ratios, and one to three that divide the objects."""
    ratios = objects.shapes[:, 1] / objects.shapes[:, 0]
    order = np.argsort(ratios)
    shares = objects.counts[order].cumsum() / objects.counts.sum()
    lists = dict.fromkeys(_USUAL_RATIOS)
    for number in range(1, _MOST_RATIOS + 1):
        middles = (np.arange(number) + 0.5) / number
        chosen = ratios[order][np.searchsorted(shares, middles)]
        lists[tuple(dict.fromkeys(float(f"{r:.2g}") for r in chosen))] = None
    return list(lists)


def _choose_scales(
    objects: ObjectShapes, ratios: Sequence[float]
) -> tuple[float, AnchorGrid]:
    candidates = _candidate_scales(objects)
    overlaps = np.stack(
        [
            objects.overlaps(AnchorGrid((s,), tuple(ratios)).shapes).max(axis=1)
            for s in candidates
        ]
    )
    chosen: list[int] = []
    worth = WORTH_AN_ANCHOR * len(ratios)

    def score(indices: list[int]) -> float:
        best = overlaps[indices].max(axis=0)
        return objects.mean(best) - worth * len(indices)

    def best_change(kept: list[int]) -> list[int]:
        changes = [[*kept, new] for new in range(len(candidates))]
        return max(changes, key=score)

    while not chosen or score(best_change(chosen)) > score(chosen):
        chosen = best_change(chosen)
    improved = True
    while improved:
        improved = False
        for old in list(chosen):
            change = best_change([index for index in chosen if index != old])
            if score(change) > score(chosen) + 1e-9:
                chosen, improved = change, True
    scales = tuple(candidates[index] for index in sorted(chosen))
    return score(chosen), AnchorGrid(scales, tuple(ratios))


def _candidate_scales(objects: ObjectShapes) -> list[float]:
    sides = np.log2(np.sqrt(objects.shapes.prod(axis=1)) / BASE)
    first = np.floor(sides.min() * _SCALES_PER_OCTAVE)
    last = np.ceil(sides.max() * _SCALES_PER_OCTAVE)
    powers = np.arange(first, last + 1) / _SCALES_PER_OCTAVE
    return [float(f"{2.0**power:.3g}") for power in powers]


# Sides in px of the squares below which the paper takes objects for small.
PAPER_SIDES = {"paper, TT100K": 32, "paper, VOC and COCO": 96}
# Default of `maximum_pair_area_ratio`.
MAXIMUM_PAIR_RATIO = 4.0
_USEFUL_SHARES = (0.2, 0.6)
_SMALLEST_THIRD = 100 / 3
_SIDES_ARE_MULTIPLES_OF = 4
RULE = (
    "the first of the paper's two values (32 x 32 px, 96 x 96 px) below which"
    " 20% to 60% of the objects lie, so that there are enough to gain from and"
    " enough to learn from; if there is none, the square below which the"
    " smallest third lies"
)


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A `small_area_threshold` and what it means for a data set.

    Args:
        area: in px^2.
        share_for_pairs: share of the objects from which the generator
            learns: from this area to `maximum_ratio` times as large.
    """

    area: float
    share_small: float
    share_for_pairs: float


def describe_threshold(
    areas: np.ndarray, area: float, maximum_ratio: float = MAXIMUM_PAIR_RATIO
) -> Threshold:
    """Says what a threshold means.

    Args:
        areas: `[n]` areas of the objects in px^2, not empty.
        area: the threshold in px^2.
    """
    ratios = areas / area
    return Threshold(
        float(area),
        float((ratios < 1).mean()),
        float(((ratios >= 1) & (ratios < maximum_ratio)).mean()),
    )


def propose_threshold(
    areas: np.ndarray, maximum_ratio: float = MAXIMUM_PAIR_RATIO
) -> Threshold:
    """Chooses a threshold by `RULE`.

    Args:
        areas: `[n]` areas of the objects in px^2, not empty.
    """
    low, high = _USEFUL_SHARES
    for side in PAPER_SIDES.values():
        threshold = describe_threshold(areas, side**2, maximum_ratio)
        if low <= threshold.share_small <= high:
            return threshold
    third = np.percentile(np.sqrt(areas), _SMALLEST_THIRD)
    multiple = _SIDES_ARE_MULTIPLES_OF
    side = max(round(third / multiple), 1) * multiple
    return describe_threshold(areas, side**2, maximum_ratio)
