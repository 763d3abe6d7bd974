"""Average precision and recall by object size, as COCO defines them."""

import functools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from featsr_tf.metrics.detections import MEDIUM_SIDE
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.detections import SMALL_SIDE
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.detections import areas
from featsr_tf.metrics.matching import DetectionTable
from featsr_tf.metrics.matching import ObjectTable
from featsr_tf.metrics.matching import find_overlaps
from featsr_tf.metrics.matching import match_greedily
from featsr_tf.metrics.matching import tabulate
from featsr_tf.metrics.matching import take_rows

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
# Detections of one class that count in an image, for recall.
MAX_DETECTIONS = (1, 10, 100)
# What a detection is: it counts as wrong, it counts as right, or not at all.
WRONG, RIGHT, IGNORED = 0, 1, 2
# The largest area; pycocotools has the same.
_UNBOUNDED = 1e10
_SMALL, _MEDIUM = SMALL_SIDE**2, MEDIUM_SIDE**2
# Areas in px^2 by size; both bounds belong to a size.
_BOUNDS = (
    (0, _SMALL),
    (_SMALL, _MEDIUM),
    (_MEDIUM, _UNBOUNDED),
    (0, _UNBOUNDED),
)


@dataclass(frozen=True, eq=False)
class CocoFigures:
    """Precision and recall by overlap, class and size; -1 without objects.

    Args:
        class_ids: `[num_classes]` the classes that have objects.
        num_objects: `[num_classes, 4]` objects by size, without crowds.
        precision: `[10, 101, num_classes, 4]` by overlap and recall.
        recall: `[10, num_classes, 4, 3]` by overlap and, last, the number of
            detections per class and image.
    """

    class_ids: np.ndarray
    num_objects: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    def summary(self) -> dict[str, float]:
        """Returns the twelve figures by their usual names, NaN if undefined."""
        small, medium, large, every = range(4)
        precision, recall = self.precision, self.recall
        return {
            "AP": _mean(precision[..., every]),
            "AP50": _mean(precision[0, ..., every]),
            "AP75": _mean(precision[5, ..., every]),
            "APs": _mean(precision[..., small]),
            "APm": _mean(precision[..., medium]),
            "APl": _mean(precision[..., large]),
            "AR1": _mean(recall[..., every, 0]),
            "AR10": _mean(recall[..., every, 1]),
            "AR100": _mean(recall[..., every, 2]),
            "ARs": _mean(recall[..., small, 2]),
            "ARm": _mean(recall[..., medium, 2]),
            "ARl": _mean(recall[..., large, 2]),
        }

    def by_size(self, class_id: int | None = None) -> dict[str, dict]:
        """Returns the figures of every size.

        Args:
            class_id: The class; None = the mean over all classes.

        Returns:
            For each of "small", "medium", "large" and "all": "ap50", "ap75",
            "ap" (mean over overlaps .50 to .95) and "ar" (average recall),
            NaN where there is no object of the size, and "num_objects".
        """
        chosen = np.ones(len(self.class_ids), bool)
        if class_id is not None:
            chosen = self.class_ids == class_id
        precision = self.precision[:, :, chosen]
        recall = self.recall[:, chosen, :, -1]
        return {
            name: {
                "ap50": _mean(precision[0, ..., index]),
                "ap75": _mean(precision[5, ..., index]),
                "ap": _mean(precision[..., index]),
                "ar": _mean(recall[..., index]),
                "num_objects": int(self.num_objects[chosen, index].sum()),
            }
            for index, name in enumerate(SIZE_NAMES)
        }

    def precision_over_recall(self) -> dict[str, np.ndarray]:
        """Returns precision-recall curves at an overlap of one half.

        Returns:
            "recall" `[101]`, 0 to 1, and for every size the precision
            `[101]`, the mean over the classes, NaN without objects.
        """
        curves = {"recall": RECALLS}
        for index, name in enumerate(SIZE_NAMES):
            rows = self.precision[0, :, :, index]
            curves[name] = np.asarray([_mean(row) for row in rows])
        return curves


@dataclass(frozen=True, eq=False)
class CocoMatches:
    """What each detection is, by size and overlap.

    Args:
        class_ids: `[num_classes]` the classes that have objects, rising.
        object_classes: `[num_objects]` class ids.
        object_images: `[num_objects]` positions of their images.
        evaluated: `[4, num_objects]` bool, which objects count for a size.
        classes: `[num_detections]` class ids, rising; within a class the
            best score comes first.
        images: `[num_detections]` positions of their images.
        ranks: `[num_detections]` places within their image and class.
        outcomes: `[4, num_detections, 10]` right, wrong or ignored, by size
            and overlap.
    """

    class_ids: np.ndarray
    object_classes: np.ndarray
    object_images: np.ndarray
    evaluated: np.ndarray
    classes: np.ndarray
    images: np.ndarray
    ranks: np.ndarray
    outcomes: np.ndarray

    def figures(self, image_weights: np.ndarray | None = None) -> CocoFigures:
        """Computes all figures.

        Args:
            image_weights: `[num_images]` int, how often each image counts,
                as in a bootstrap; None = once.
        """
        count = np.ones(len(self.object_classes), np.int64)
        if image_weights is not None:
            count = image_weights[self.object_images]
        of_class = self.object_classes == self.class_ids[:, None]
        num_objects = of_class.astype(np.int64) @ (self.evaluated * count).T
        precision = np.full([10, 101, len(self.class_ids), 4], -1.0)
        recall = np.full([10, len(self.class_ids), 4, 3], -1.0)
        for number, size in np.argwhere(num_objects).tolist():
            group = self._groups[number, size]
            weights = np.ones(len(group.images), np.int64)
            if image_weights is not None:
                weights = image_weights[group.images]
            curves = _curves(group, weights, num_objects[number, size])
            precision[:, :, number, size], recall[:, number, size] = curves
        return CocoFigures(self.class_ids, num_objects, precision, recall)

    @functools.cached_property
    def _groups(self) -> dict[tuple[int, int], "_Group"]:
        """The detections that matter to each class and size."""
        groups = {}
        for number, class_id in enumerate(self.class_ids):
            of_class = slice(
                *np.searchsorted(self.classes, [class_id, class_id + 1])
            )
            for size, outcomes in enumerate(self.outcomes[:, of_class]):
                # Behind the last right one nothing changes the precision.
                right = np.flatnonzero((outcomes == RIGHT).any(axis=1))
                rows = np.arange(right.max(initial=-1) + 1)
                rows = rows[(outcomes[rows] != IGNORED).any(axis=1)]
                groups[number, size] = _Group(
                    self.images[of_class][rows],
                    self.ranks[of_class][rows],
                    (outcomes[rows] == RIGHT).T.copy(),
                    (outcomes[rows] != IGNORED).T.copy(),
                )
        return groups


@dataclass(frozen=True, eq=False)
class _Group:
    """Detections of one class and size, the best score first.

    Args:
        images: `[n]` positions of their images.
        ranks: `[n]` places within their image and class.
        right: `[10, n]` bool, by overlap.
        shown: `[10, n]` bool, which are right or wrong.
    """

    images: np.ndarray
    ranks: np.ndarray
    right: np.ndarray
    shown: np.ndarray


def _curves(group: _Group, weights: np.ndarray, num_objects: int):
    """Precision `[10, 101]` and recall `[10, 3]` of one class and size.

    Precision is the best one at or beyond each of `RECALLS`, 0 where that
    recall is never reached.
    """
    precision = np.zeros([len(IOU_THRESHOLDS), len(RECALLS)])
    right = group.right * weights
    for index, shown in enumerate(group.shown):
        hits = np.cumsum(right[index])
        total = np.cumsum(shown * weights)
        shares = np.divide(
            hits, total, out=np.zeros(len(hits)), where=total > 0
        )
        best = np.maximum.accumulate(shares[::-1])[::-1]
        reached = np.searchsorted(hits / num_objects, RECALLS)
        precision[index] = np.append(best, 0.0)[reached]
    found = [
        right[:, group.ranks < most].sum(axis=1) for most in MAX_DETECTIONS
    ]
    return precision, np.stack(found, axis=1) / num_objects


def _mean(values: np.ndarray) -> float:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else float("nan")


def average_precision(
    truths: Sequence[GroundTruth],
    detections: Iterable[Detections],
    class_ids: Collection[int],
) -> CocoFigures:
    """Evaluates detections as COCO does: 101 points, 100 per class and image.

    Sizes are areas of the outlines in original pixels with both bounds
    inclusive; detections are of the size of their box. Crowds may be found
    many times and never count; difficult objects are objects like any other.

    Args:
        class_ids: The classes evaluated; the mean is over those of them that
            have objects of the size.
    """
    return match_by_size(truths, detections, class_ids).figures()


def match_by_size(
    truths: Sequence[GroundTruth],
    detections: Iterable[Detections],
    class_ids: Collection[int],
) -> CocoMatches:
    """Matches as `average_precision`, for figures of all or some images."""
    objects, found = tabulate(truths, detections, class_ids)
    # A class without objects has no average precision: no need to compute it.
    classes = np.unique(objects.classes)
    found = take_rows(found, np.isin(found.classes, classes))
    found, ranks = _best_of_each_image(found)
    overlapping = find_overlaps(
        objects, found, IOU_THRESHOLDS[0], over_crowds=True
    )
    # By class, the best score first; among equal scores the first image.
    order = np.lexsort((-found.scores, found.classes))
    outcomes, evaluated = [], []
    for low, high in _BOUNDS:
        ignored = objects.crowd | _outside(objects.areas, low, high)
        outcome = _outcomes(objects, found, *overlapping, ignored)
        stray = _outside(areas(found.boxes), low, high)
        outcome[stray[:, None] & (outcome == WRONG)] = IGNORED
        outcomes.append(outcome[order])
        evaluated.append(~ignored)
    return CocoMatches(
        classes,
        objects.classes,
        objects.images,
        np.stack(evaluated),
        found.classes[order],
        found.images[order],
        ranks[order],
        np.stack(outcomes),
    )


def _best_of_each_image(found: DetectionTable):
    """Keeps the 100 best of a class in an image, sorted, with their ranks."""
    order = np.lexsort((-found.scores, found.classes, found.images))
    found = take_rows(found, order)
    starts = np.ones(len(order), bool)
    starts[1:] = (np.diff(found.images) != 0) | (np.diff(found.classes) != 0)
    positions = np.arange(len(order))
    ranks = positions - np.maximum.accumulate(np.where(starts, positions, 0))
    kept = ranks < MAX_DETECTIONS[-1]
    return take_rows(found, kept), ranks[kept]


def _outside(sizes: np.ndarray, low: float, high: float) -> np.ndarray:
    return (sizes < low) | (sizes > high)


def _outcomes(
    objects: ObjectTable,
    found: DetectionTable,
    pairs: np.ndarray,
    overlaps: np.ndarray,
    ignored: np.ndarray,
) -> np.ndarray:
    """Matches at every overlap: `[num_detections, 10]` of outcomes.

    A detection takes the object that it overlaps most, an ignored one only
    where no other is left; of equal overlaps the last object.
    """
    partner, detection = pairs.T
    order = np.lexsort((-partner, -overlaps, ignored[partner], detection))
    partner, detection = partner[order], detection[order]
    overlaps = overlaps[order]
    # A crowd may be found many times: each of its pairs is another object.
    own = np.arange(len(objects.crowd), len(objects.crowd) + len(partner))
    slots = np.where(objects.crowd[partner], own, partner)
    slots = np.stack([slots, detection], axis=1)
    outcomes = np.full([len(found.scores), len(IOU_THRESHOLDS)], WRONG, "i1")
    for index, threshold in enumerate(IOU_THRESHOLDS):
        enough = np.flatnonzero(overlaps >= threshold)
        taken = enough[match_greedily(slots[enough])]
        outcomes[detection[taken], index] = np.where(
            ignored[partner[taken]], IGNORED, RIGHT
        )
    return outcomes
