"""Which detection finds which object: greedy, one-to-one, by overlap."""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featsr_tf.evaluation.detections import Detections
from featsr_tf.evaluation.detections import GroundTruth
from featsr_tf.evaluation.detections import pair_by_image
from featsr_tf.evaluation.size_ranges import areas


@dataclass(frozen=True, eq=False)
class Candidates:
    """All objects, detections and candidate pairs of a data set, flat.

    Args:
        truth_boxes: `[num_objects, 4]`, without the ignored objects.
        truth_classes: `[num_objects]` class ids.
        boxes: `[num_detections, 4]`.
        classes: `[num_detections]` class ids.
        scores: `[num_detections]`.
        excused: `[num_detections]` bool; overlaps an ignored object of its
            class, so that it is never a false positive.
        pairs: `[num_pairs, 2]` object and detection of one image and class
            that overlap enough, in falling order of overlap.
    """

    truth_boxes: np.ndarray
    truth_classes: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    excused: np.ndarray
    pairs: np.ndarray

    def matches(self, score_threshold: float = -np.inf) -> np.ndarray:
        """Matches the objects with the detections above a score.

        Args:
            score_threshold: Detections below it do not take part.

        Returns:
            `[num_matches, 2]` indices of objects and their detections.
        """
        kept = self.scores[self.pairs[:, 1]] >= score_threshold
        return match_greedily(self.pairs[kept])


def find_candidates(
    truths: Sequence[GroundTruth],
    detections: Iterable[Detections],
    class_ids: Collection[int] | None = None,
    iou_threshold: float = 0.5,
    inclusive: bool = False,
) -> Candidates:
    """Collects the objects and detections that may belong together.

    Args:
        truths: One item per image.
        detections: At most one item per image.
        class_ids: Classes that are evaluated; objects and detections of
            others are left out. None = all.
        iou_threshold: Overlap that a pair must exceed.
        inclusive: Whether an overlap equal to the threshold is enough, as
            the paper says; the official evaluation asks for more.

    Returns:
        The flat arrays of the whole data set.

    Raises:
        DataError: If there are no images, or detections belong to none.
    """
    parts = []
    num_objects = num_detections = 0
    for truth, found in pair_by_image(truths, detections):
        part = _image_candidates(
            truth, found, class_ids, iou_threshold, inclusive
        )
        *columns, pairs, overlaps = part
        parts.append(
            (*columns, pairs + (num_objects, num_detections), overlaps)
        )
        num_objects += len(part[0])
        num_detections += len(part[2])
    return _join(parts)


def match_greedily(pairs: np.ndarray) -> np.ndarray:
    """Takes pairs from the front as long as both partners are still free.

    A pair that comes first for both its partners is taken by the sequential
    procedure too, whatever else happens; so all such pairs are taken at once,
    and what remains needs a few rounds only.

    Args:
        pairs: `[num_pairs, 2]` non-negative indices, the best pair first.

    Returns:
        The pairs taken, `[num_taken, 2]`; no index comes twice in a column.
    """
    taken = [np.zeros([0, 2], np.int64)]
    while len(pairs):
        best = _comes_first(pairs[:, 0]) & _comes_first(pairs[:, 1])
        taken.append(pairs[best])
        pairs = pairs[_free(pairs, taken[-1], 0) & _free(pairs, taken[-1], 1)]
    return np.concatenate(taken)


def pairwise_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the overlaps `[m, n]` of boxes `[m, 4]` and others `[n, 4]`.

    Widths are differences of coordinates, without + 1; empty boxes overlap
    nothing.
    """
    tops = np.maximum(boxes[:, None, :2], others[None, :, :2])
    ends = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = np.prod(np.maximum(ends - tops, 0), axis=-1)
    union = areas(boxes)[:, None] + areas(others)[None] - common
    return np.divide(common, union, out=np.zeros(common.shape), where=union > 0)


def _image_candidates(truth, found, class_ids, iou_threshold, inclusive):
    wanted = _of_classes(truth.classes, class_ids)
    counted = wanted & ~truth.ignored
    shown = _of_classes(found.classes, class_ids)
    boxes, classes = found.boxes[shown], found.classes[shown]

    def overlaps(objects):
        iou = pairwise_iou(truth.boxes[objects], boxes)
        enough = iou >= iou_threshold if inclusive else iou > iou_threshold
        return iou, enough & (truth.classes[objects][:, None] == classes)

    iou, enough = overlaps(counted)
    _, excused = overlaps(wanted & truth.ignored)
    return (
        truth.boxes[counted],
        truth.classes[counted],
        boxes,
        classes,
        found.scores[shown],
        excused.any(axis=0),
        np.argwhere(enough),
        iou[enough],
    )


def _join(parts) -> Candidates:
    joined = [np.concatenate(part) for part in zip(*parts, strict=True)]
    *columns, pairs, overlaps = joined
    # A stable sort keeps the order of the files among equal overlaps.
    order = np.argsort(-overlaps, kind="stable")
    return Candidates(*columns, pairs[order])


def _of_classes(classes, class_ids) -> np.ndarray:
    if class_ids is None:
        return np.ones(len(classes), bool)
    return np.isin(classes, list(class_ids))


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
