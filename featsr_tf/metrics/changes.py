"""What one detector finds that another one does not."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.detections import size_ranges
from featsr_tf.metrics.matching import DetectionTable
from featsr_tf.metrics.matching import MatchCandidates
from featsr_tf.metrics.matching import ObjectTable
from featsr_tf.metrics.matching import box_overlaps
from featsr_tf.metrics.matching import find_candidates
from featsr_tf.metrics.matching import find_overlaps
from featsr_tf.metrics.matching import match_greedily
from featsr_tf.metrics.matching import take_rows

# Figures of a size, and what they are for people.
TITLES = {
    "added": "objects found only now",
    "lost": "objects found no more",
    "false_added": "false detections added",
    "false_removed": "false detections removed",
    "found_by_both": "objects found by both",
    "overlap_change": "change of their overlap, points",
}
# From this overlap on two false detections of a class are one.
_SAME = 0.5


def find_changes(
    truths: Sequence[GroundTruth],
    before: Sequence[Detections],
    after: Sequence[Detections],
    class_ids: Collection[int],
    thresholds: tuple[float, float],
    size_by: str = "area",
) -> dict[str, dict[str, float]]:
    """Compares two detectors, object by object.

    Args:
        class_ids: Classes that are evaluated; others are ignored.
        thresholds: Lowest score of a detection, before and after.

    Returns:
        The figures of `TITLES` for each of "small", "medium", "large" and
        "all". Sizes are those of the objects, and of false detections
        themselves. The mean change of the overlap with the objects that both
        find is from -1 to 1, NaN where there are none.
    """
    both = [
        find_candidates(truths, item, class_ids) for item in (before, after)
    ]
    first, second = (
        _overlaps_of_objects(candidates, threshold)
        for candidates, threshold in zip(both, thresholds, strict=True)
    )
    wrong = [
        take_rows(candidates.detections, candidates.errors(threshold)[1])
        for candidates, threshold in zip(both, thresholds, strict=True)
    ]
    is_kept = _matched(*wrong)
    objects = both[0].objects
    figures = {}
    for size in size_ranges(size_by):
        is_inside = size.contains(objects.boxes)
        found, again = first[is_inside] > 0, second[is_inside] > 0
        moved = (second - first)[is_inside][found & again]
        gone, new = (
            int((size.contains(table.boxes) & ~kept).sum())
            for table, kept in zip(wrong, is_kept, strict=True)
        )
        figures[size.name] = {
            "added": int((again & ~found).sum()),
            "lost": int((found & ~again).sum()),
            "false_added": new,
            "false_removed": gone,
            "found_by_both": len(moved),
            "overlap_change": float(moved.mean()) if len(moved) else np.nan,
        }
    return figures


def _overlaps_of_objects(
    candidates: MatchCandidates, threshold: float
) -> np.ndarray:
    """`[num_objects]` overlap with the detection of each; 0 = missed."""
    found, partners = candidates.matches(threshold).T
    shares = np.zeros(len(candidates.objects.boxes))
    shares[found] = box_overlaps(
        candidates.objects.boxes[found], candidates.detections.boxes[partners]
    )
    return shares


def _matched(
    before: DetectionTable, after: DetectionTable
) -> tuple[np.ndarray, np.ndarray]:
    """Tells of detections `[n]` and `[m]` which are in the other table, too."""
    no = np.zeros(len(before.boxes), bool)
    objects = ObjectTable(
        before.images, before.classes, before.boxes, before.scores, no, no
    )
    pairs, shares = find_overlaps(objects, after, _SAME)
    pairs = pairs[np.argsort(-shares, kind="stable")]
    rows, partners = pairs[match_greedily(pairs)].T
    return (
        np.isin(np.arange(len(before.boxes)), rows),
        np.isin(np.arange(len(after.boxes)), partners),
    )


def change_text(key: str, value: float | None) -> str:
    """Returns a figure as people read it, changes of overlaps in points."""
    if value is None:
        return "-"
    return f"{100 * value:+.1f}" if key == "overlap_change" else f"{value:,}"


def format_changes(changes: Mapping[str, Mapping]) -> str:
    """Sets what `find_changes` returned as a text table."""
    first = max(map(len, TITLES.values()))
    heads = ("Small", "Medium", "Large", "Overall")
    lines = [f"{'':{first}}" + "".join(f"{head:>9}" for head in heads)]
    for key, title in TITLES.items():
        cells = (
            change_text(key, changes[size].get(key)) for size in SIZE_NAMES
        )
        lines.append(
            f"{title:{first}}" + "".join(f"{cell:>9}" for cell in cells)
        )
    return "\n".join(lines)
