"""Which detection finds which object: greedy, one-to-one, by overlap."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.detections import pair_by_image

# Pairs that are compared at once: bounds the memory, not the result.
_PAIRS_AT_ONCE = 1 << 18


@dataclasses.dataclass(frozen=True, eq=False)
class ObjectTable:
    """The annotated objects of all images, image after image.

    Args:
        images: `[num_objects]` positions of their images.
        classes: `[num_objects]` class ids.
        boxes: `[num_objects, 4]` ymin, xmin, ymax, xmax in pixels.
        areas: `[num_objects]` areas of the outlines in square pixels.
        crowd: `[num_objects]` bool.
        difficult: `[num_objects]` bool.
    """

    images: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class DetectionTable:
    """The detections of all images, image after image.

    Args:
        images: `[num_detections]` positions of their images.
        classes: `[num_detections]` class ids.
        boxes: `[num_detections, 4]` ymin, xmin, ymax, xmax in pixels.
        scores: `[num_detections]`.
    """

    images: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


Table = TypeVar("Table", ObjectTable, DetectionTable)


def tabulate(
    truths: Sequence[GroundTruth],
    detections: Iterable[Detections],
    class_ids: Collection[int] | None = None,
) -> tuple[ObjectTable, DetectionTable]:
    """Joins the arrays of all images.

    Args:
        class_ids: Others are left out; None = all are kept.

    Returns:
        Both tables, in the order of `truths` and, within an image, as given.

    Raises:
        DataError: If there are no images, or detections belong to none.
    """
    truths, shown = zip(*pair_by_image(truths, detections), strict=True)
    objects, found = _join(ObjectTable, truths), _join(DetectionTable, shown)
    if class_ids is None:
        return objects, found
    ids = np.asarray(sorted(class_ids), np.int64)
    return (
        take_rows(objects, np.isin(objects.classes, ids)),
        take_rows(found, np.isin(found.classes, ids)),
    )


def take_rows(table: Table, rows: np.ndarray) -> Table:
    """Returns the rows of a table that an index or a mask selects."""
    return type(table)(
        *(
            getattr(table, field.name)[rows]
            for field in dataclasses.fields(table)
        )
    )


def find_overlaps(
    objects: ObjectTable,
    found: DetectionTable,
    least: float,
    same_class: bool = True,
    over_crowds: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the objects and detections of one image that overlap.

    Widths are differences of coordinates, without + 1.

    Args:
        least: Smallest overlap, above 0.
        same_class: Whether both must be of one class, default True.
        over_crowds: Whether the overlap with a crowd is the share of the
            detection inside it, as for COCO. Default False: intersection
            over union for crowds too.

    Returns:
        `[num_pairs, 2]` object and detection, in order of the detections,
        and their overlaps `[num_pairs]`.
    """
    keys, found_keys = _group_keys(objects, found, same_class)
    order = np.argsort(keys, kind="stable")
    first = np.searchsorted(keys[order], found_keys, side="left")
    last = np.searchsorted(keys[order], found_keys, side="right")
    pairs, overlaps = [np.zeros([0, 2], np.int64)], [np.zeros(0)]
    for rows in _portions(last - first):
        counts = last[rows] - first[rows]
        detection = np.repeat(np.arange(rows.start, rows.stop), counts)
        # Positions 0, 1, ... within the group of each detection.
        steps = np.arange(len(detection))
        steps -= np.repeat(np.cumsum(counts) - counts, counts)
        partner = order[first[detection] + steps]
        crowd = objects.crowd[partner] & over_crowds
        shares = box_overlaps(
            objects.boxes[partner], found.boxes[detection], crowd
        )
        enough = shares >= least
        pairs.append(np.stack([partner, detection], axis=1)[enough])
        overlaps.append(shares[enough])
    return np.concatenate(pairs), np.concatenate(overlaps)


def match_greedily(pairs: np.ndarray) -> np.ndarray:
    """Takes pairs from the front as long as both partners are still free.

    A pair that comes first for both its partners is taken by the sequential
    procedure too, whatever else happens; so all such pairs are taken at once,
    and what remains needs a few rounds only.

    Args:
        pairs: `[num_pairs, 2]` non-negative indices, the best pair first.

    Returns:
        `[num_taken]` positions of the pairs taken; no index comes twice in
        their columns.
    """
    taken = [np.zeros(0, np.int64)]
    left = np.arange(len(pairs))
    while len(left):
        rest = pairs[left]
        best = _comes_first(rest[:, 0]) & _comes_first(rest[:, 1])
        taken.append(left[best])
        free = _free(rest, rest[best], 0) & _free(rest, rest[best], 1)
        left = left[free]
    return np.concatenate(taken)


def _join(kind: type[Table], items: Sequence) -> Table:
    lengths = [len(item.boxes) for item in items]
    columns = [
        np.concatenate([getattr(item, field.name) for item in items])
        for field in dataclasses.fields(kind)[1:]
    ]
    return kind(np.repeat(np.arange(len(items)), lengths), *columns)


def _group_keys(objects, found, same_class: bool):
    if not same_class:
        return objects.images, found.images
    classes = np.unique(objects.classes)
    room = len(classes) + 1
    keys = objects.images * room + np.searchsorted(classes, objects.classes)
    place = np.searchsorted(classes, found.classes)
    known = np.append(classes, -1)[place] == found.classes
    # Detections of a class without objects get a key that no object has.
    return keys, found.images * room + np.where(known, place, room - 1)


def _portions(counts: np.ndarray) -> Iterator[slice]:
    """Parts rows so that each part has a bounded number of pairs."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = ends[start - 1] if start else 0
        stop = np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right")
        stop = max(int(stop), start + 1)
        yield slice(start, stop)
        start = stop


def box_overlaps(
    boxes: np.ndarray,
    others: np.ndarray,
    over_second: np.ndarray | bool = False,
) -> np.ndarray:
    """Returns the overlaps of boxes `[n, 4]` with others, row by row.

    Args:
        over_second: `[n]` bool, where the overlap is the share of the other
            box inside. Default False: intersection over union.
    """
    tops = np.maximum(boxes[:, :2], others[:, :2])
    ends = np.minimum(boxes[:, 2:], others[:, 2:])
    common = np.prod(np.maximum(ends - tops, 0), axis=1)
    own = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    other = np.prod(np.maximum(others[:, 2:] - others[:, :2], 0), axis=1)
    whole = np.where(over_second, other, own + other - common)
    return np.divide(common, whole, out=np.zeros(len(boxes)), where=common > 0)


def _comes_first(values: np.ndarray) -> np.ndarray:
    positions = np.arange(len(values))
    first = np.empty(values.max() + 1, np.int64)
    # Among repeated indices the last assignment stays: the first position.
    first[values[::-1]] = positions[::-1]
    return first[values] == positions


def _free(pairs: np.ndarray, taken: np.ndarray, column: int) -> np.ndarray:
    occupied = np.zeros(pairs[:, column].max() + 1, bool)
    occupied[taken[:, column]] = True
    return ~occupied[pairs[:, column]]


@dataclass(frozen=True, eq=False)
class MatchCandidates:
    """The objects and detections of a data set that may belong together.

    Args:
        ignored: `[num_detections]` bool; overlaps an ignored object of its
            class, so that it is never a false positive.
        pairs: `[num_pairs, 2]` object and detection of one image and class
            that overlap enough, in falling order of overlap.
    """

    objects: ObjectTable
    detections: DetectionTable
    ignored: np.ndarray
    pairs: np.ndarray

    def matches(self, score_threshold: float = -np.inf) -> np.ndarray:
        """Matches the objects with the detections above a score.

        Returns:
            `[num_matches, 2]` indices of objects and their detections.
        """
        kept = self.detections.scores[self.pairs[:, 1]] >= score_threshold
        pairs = self.pairs[kept]
        return pairs[match_greedily(pairs)]

    def errors(self, score_threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Tells what is missed and what is wrong at a score threshold.

        Returns:
            `[num_objects]` bool, missed, and `[num_detections]` bool, false
            positives.
        """
        found, right = self.matches(score_threshold).T
        missed = np.ones(len(self.objects.boxes), bool)
        missed[found] = False
        wrong = (self.detections.scores >= score_threshold) & ~self.ignored
        wrong[right] = False
        return missed, wrong


def find_candidates(
    truths: Sequence[GroundTruth],
    detections: Iterable[Detections],
    class_ids: Collection[int] | None = None,
) -> MatchCandidates:
    """Collects the objects and detections that may belong together.

    Args:
        class_ids: Classes that are evaluated; objects and detections of
            others are left out. None = all.

    Raises:
        DataError: If there are no images, or detections belong to none.
    """
    objects, found = tabulate(truths, detections, class_ids)
    is_ignored = objects.crowd | objects.difficult
    # For the paper one half is enough, the official evaluation asks for more.
    least = np.nextafter(0.5, 1)
    ignored = np.zeros(len(found.scores), bool)
    pairs, _ = find_overlaps(take_rows(objects, is_ignored), found, least)
    ignored[pairs[:, 1]] = True
    evaluated = take_rows(objects, ~is_ignored)
    pairs, overlaps = find_overlaps(evaluated, found, least)
    # Among equal overlaps the order of the objects, then of the detections.
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -overlaps))
    return MatchCandidates(evaluated, found, ignored, pairs[order])
