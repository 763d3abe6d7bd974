"""Recall, accuracy and F1 by object size, as for Tsinghua-Tencent 100K.

The seven rules of the official evaluation, which the paper uses in Tables 1,
2 and 4 (section 5.1):

1. A detection may find an object of its class that it overlaps by more than
   one half.
2. They are matched one to one, the largest overlap first, not the best score.
3. An object of another size is ignored together with its match; an unmatched
   detection is a false positive only if it is of the size in question.
4. Objects and detections of classes that are not evaluated are ignored.
5. Detections below the score threshold are ignored.
6. Counts are pooled over the classes.
7. An image without detections counts like any other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from featsr_tf.metrics.detections import SizeRange
from featsr_tf.metrics.detections import area_ranges
from featsr_tf.metrics.matching import MatchCandidates


@dataclass(frozen=True, eq=False)
class Counts:
    """How often objects were found, by threshold and size.

    Args:
        thresholds: `[num_thresholds]` score thresholds, rising.
        objects: `[num_ranges]` objects to be found, of all classes.
        found: `[num_thresholds, num_ranges]` objects found.
        shown: Of the same shape: detections that count, right or wrong.
    """

    ranges: tuple[SizeRange, ...]
    thresholds: np.ndarray
    objects: np.ndarray
    found: np.ndarray
    shown: np.ndarray

    def figures(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns the figures of every size over all classes.

        Returns:
            For every size "recall", "accuracy" (the paper's word for
            precision), "precision" and "f1" `[num_thresholds]`, NaN where
            undefined, and "num_objects".
        """
        return {
            size.name: _recall_accuracy_f1(
                self.objects[index], self.found[:, index], self.shown[:, index]
            )
            for index, size in enumerate(self.ranges)
        }


def count_found(
    candidates: MatchCandidates,
    thresholds: Sequence[float] | np.ndarray,
    ranges: tuple[SizeRange, ...] | None = None,
) -> Counts:
    """Counts objects and detections at every score threshold.

    Args:
        ranges: The sizes, by default those of the paper (by area).
    """
    ranges = area_ranges() if ranges is None else ranges
    thresholds = np.sort(np.asarray(thresholds, np.float64).reshape(-1))
    objects_in = _membership(ranges, candidates.objects.boxes)
    # Detections that are false positives unless they match an object.
    blamable = _membership(ranges, candidates.detections.boxes)
    blamable &= ~candidates.ignored
    found = np.zeros([len(thresholds), len(ranges)], np.int64)
    cleared = np.zeros_like(found)
    for row, threshold in enumerate(thresholds):
        objects, partners = candidates.matches(threshold).T
        found[row] = objects_in[:, objects].sum(axis=1)
        cleared[row] = blamable[:, partners].sum(axis=1)
    scores = candidates.detections.scores
    blamed = _count_above(thresholds, scores, blamable)
    shown = found + blamed - cleared
    return Counts(ranges, thresholds, objects_in.sum(axis=1), found, shown)


def recall_accuracy_f1(
    candidates: MatchCandidates,
    score_threshold: float,
    ranges: tuple[SizeRange, ...] | None = None,
) -> dict[str, dict[str, float]]:
    """Evaluates detections at one score threshold, pooled over classes.

    Args:
        ranges: The sizes, by default those of the paper (by area).
    """
    counts = count_found(candidates, [score_threshold], ranges)
    return {
        name: {key: np.ravel(value)[0].item() for key, value in size.items()}
        for name, size in counts.figures().items()
    }


def figures_by_class(
    candidates: MatchCandidates,
    score_threshold: float,
    class_ids: Collection[int],
    ranges: tuple[SizeRange, ...] | None = None,
) -> dict[int, dict[str, dict[str, float]]]:
    """Does as `recall_accuracy_f1` for each class, by its id."""
    ranges = area_ranges() if ranges is None else ranges
    missed, wrong = candidates.errors(score_threshold)
    truths, shown = candidates.objects, candidates.detections
    ids = np.sort(np.asarray(list(class_ids), np.int64))
    figures: dict[int, dict] = {class_id: {} for class_id in ids.tolist()}
    for size in ranges:
        evaluated = size.contains(truths.boxes)
        objects = _count_classes(truths.classes[evaluated], ids)
        found = _count_classes(truths.classes[evaluated & ~missed], ids)
        blamed = wrong & size.contains(shown.boxes)
        total = found + _count_classes(shown.classes[blamed], ids)
        columns = _recall_accuracy_f1(objects, found, total)
        columns["num_objects"] = objects
        for index, by_size in enumerate(figures.values()):
            by_size[size.name] = {
                key: values[index].item() for key, values in columns.items()
            }
    return figures


def best_threshold(counts: Counts) -> float:
    """Returns the lowest score threshold with the best F1 over all sizes.

    To be chosen on training or validation images, never on test images.
    """
    f1 = counts.figures()["all"]["f1"]
    return float(counts.thresholds[np.argmax(np.nan_to_num(f1, nan=-1.0))])


def threshold_grid(scores: np.ndarray | None = None) -> np.ndarray:
    """Returns thresholds from .01 to .999, finer where scores saturate.

    Args:
        scores: those that are judged. Where some are not within 0 to 1, such
            shares of them lie below the thresholds. Default None.
    """
    grid = np.concatenate(
        [
            np.arange(1, 90) / 100,
            np.arange(900, 990, 5) / 1000,
            np.arange(990, 1000) / 1000,
        ]
    )
    if scores is None or not ((scores < 0) | (scores > 1)).any():
        return grid
    return np.unique(np.quantile(scores, [0, *grid, 1], method="lower"))


def _recall_accuracy_f1(objects, found, shown) -> dict[str, np.ndarray]:
    objects = np.broadcast_to(objects, found.shape)
    # 2 found / (objects + shown) is 2RA / (R + A), and also defined when
    # nothing is shown.
    either = np.where(objects > 0, objects + shown, 0)
    precision = _ratio(found, shown)
    return {
        "recall": _ratio(found, objects),
        # The paper's word for precision.
        "accuracy": precision,
        "precision": precision,
        "f1": _ratio(2 * found, either),
        "num_objects": objects.max(initial=0),
    }


def _count_classes(classes: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(ids, classes), minlength=len(ids))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    undefined = np.full(np.shape(whole), np.nan)
    return np.divide(part, whole, out=undefined, where=whole > 0)


def _membership(ranges, boxes: np.ndarray) -> np.ndarray:
    return np.stack([size.contains(boxes) for size in ranges])


def _count_above(thresholds, scores, rows) -> np.ndarray:
    """Counts members of rows with scores at or above every threshold."""
    passed = np.searchsorted(thresholds, scores, side="right")
    bins = len(thresholds) + 1
    counts = np.stack([np.bincount(passed[row], None, bins) for row in rows])
    from_above = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
    return from_above[:, 1:].T
