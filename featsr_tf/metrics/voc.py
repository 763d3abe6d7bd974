"""Average precision at an overlap of one half, as PASCAL VOC defines it.

Each detection belongs to the object of its class that it overlaps most. It is
right if they overlap by at least one half and no detection with a better
score belongs to the same object; another hit of it is a false positive.
Detections of difficult objects and of crowds are neither right nor wrong.

Corners are continuous: widths are differences of coordinates, without the + 1
of the development kit.
"""

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.detections import SizeRange
from featsr_tf.metrics.detections import area_ranges
from featsr_tf.metrics.matching import DetectionTable
from featsr_tf.metrics.matching import ObjectTable
from featsr_tf.metrics.matching import find_overlaps
from featsr_tf.metrics.matching import tabulate


def voc_average_precision(
    truths: Sequence[GroundTruth],
    detections: Iterable[Detections],
    class_ids: Collection[int],
    ranges: tuple[SizeRange, ...] | None = None,
    eleven_point: bool = False,
) -> dict[int, dict[str, dict[str, float]]]:
    """Evaluates detections as PASCAL VOC does, class by class.

    An object of another size is treated like a difficult one; a detection
    that is wrong counts only if its own box is of the size in question.

    Args:
        ranges: The sizes, by default those of the paper (by area).
        eleven_point: Whether precision is the mean at recalls 0, .1 ... 1,
            as until 2009. Default False: the area under the curve.

    Returns:
        By class id and size "ap50", NaN where there is no object of the size,
        and "num_objects".
    """
    ranges = area_ranges() if ranges is None else ranges
    objects, found = tabulate(truths, detections, class_ids)
    partner, first = _assign(objects, found)
    assigned = np.flatnonzero(partner >= 0)
    ignored = objects.crowd | objects.difficult
    order = np.lexsort((-found.scores, found.classes))
    sorted_classes = found.classes[order]
    figures: dict[int, dict] = {int(class_id): {} for class_id in class_ids}
    for size in ranges:
        evaluated = size.contains(objects.boxes) & ~ignored
        right = np.zeros(len(partner), bool)
        right[assigned] = first[assigned] & evaluated[partner[assigned]]
        wrong = size.contains(found.boxes) & ~right
        wrong[assigned] &= evaluated[partner[assigned]]
        for class_id, by_size in figures.items():
            start, stop = np.searchsorted(
                sorted_classes, [class_id, class_id + 1]
            )
            rows = order[start:stop]
            rows = rows[right[rows] | wrong[rows]]
            total = int((evaluated & (objects.classes == class_id)).sum())
            by_size[size.name] = {
                "ap50": _average(right[rows], total, eleven_point),
                "num_objects": total,
            }
    return figures


def _assign(objects: ObjectTable, found: DetectionTable):
    """Gives each detection its object, and tells which comes first.

    Returns:
        `[num_detections]` positions of objects, -1 for none, and
        `[num_detections]` bool, true where no better score has the object.
    """
    pairs, overlaps = find_overlaps(objects, found, 0.5)
    # Of equal overlaps the first object comes last, and stays.
    order = np.lexsort((-pairs[:, 0], overlaps))
    partner = np.full(len(found.scores), -1)
    partner[pairs[order, 1]] = pairs[order, 0]
    by_score = np.argsort(-found.scores, kind="stable")
    by_score = by_score[partner[by_score] >= 0]
    _, positions = np.unique(partner[by_score], return_index=True)
    first = np.zeros(len(found.scores), bool)
    first[by_score[positions]] = True
    return partner, first


def _average(right: np.ndarray, total: int, eleven_point: bool) -> float:
    """Average precision of detections, the best score first."""
    if not total:
        return float("nan")
    hits = np.cumsum(right)
    precision, recall = hits / np.arange(1, len(right) + 1), hits / total
    if eleven_point:
        beyond = [precision[recall >= least] for least in np.arange(11) / 10]
        return float(np.mean([part.max(initial=0.0) for part in beyond]))
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * best))
