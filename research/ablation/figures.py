"""Figures of a variant from what its detectors found, and their spread."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featsr_tf.metrics.coco import CocoMatches
from featsr_tf.metrics.coco import match_by_size
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.detections import area_ranges
from featsr_tf.metrics.evaluator import choose_threshold
from featsr_tf.metrics.matching import find_candidates
from featsr_tf.metrics.matching import find_overlaps
from featsr_tf.metrics.matching import tabulate
from featsr_tf.metrics.tt100k import Counts
from featsr_tf.metrics.tt100k import count_found
from featsr_tf.metrics.tt100k import threshold_grid
from research.ablation.content import content_of_folds
from research.ablation.kept import Kept
from research.ablation.kept import pool

FIGURES = ("f1", "ap50", "ap")


@dataclass(frozen=True, eq=False)
class FrameCounts:
    """Objects and detections of each frame, by size, at a threshold.

    Args:
        objects: `[num_frames, 4]` objects to be found.
        found: `[num_frames, 4]` objects found.
        shown: `[num_frames, 4]` detections that count, right or wrong.
    """

    objects: np.ndarray
    found: np.ndarray
    shown: np.ndarray

    def figures(self, weights: np.ndarray | None = None) -> dict:
        """Computes recall, accuracy and F1 of all frames.

        Args:
            weights: `[..., num_frames]` how often each frame counts; None =
                once.

        Returns:
            "recall", "accuracy" and "f1", each `[..., 4]` by size, NaN where
            undefined.
        """
        if weights is None:
            weights = np.ones(len(self.objects), np.int64)
        objects, found, shown = (
            weights @ counts
            for counts in (self.objects, self.found, self.shown)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "recall": found / objects,
                "accuracy": found / shown,
                "f1": np.where(
                    objects > 0, 2 * found / (objects + shown), np.nan
                ),
            }


@dataclass(frozen=True, eq=False)
class Judged:
    """A variant and seed, judged over all folds.

    Args:
        thresholds: Score threshold of each fold, chosen on the others.
        counts: Of each frame, at the threshold of its fold.
        matches: For average precision.
        over_thresholds: Of all frames at the thresholds of a grid.
        proposal_recall: Share of the objects with a proposal, by size.
        seconds: Median time per frame.
        content: Of `content_of_folds`; None without targets.
    """

    thresholds: tuple[float, ...]
    counts: FrameCounts
    matches: CocoMatches
    over_thresholds: Counts
    proposal_recall: Mapping[str, float]
    seconds: float
    content: Mapping[str, float] | None

    def figures(self) -> dict[str, dict[str, float]]:
        """Returns all figures by size."""
        averages = self.matches.figures().by_size()
        found = self.counts.figures()
        return {
            size: {
                **{key: float(found[key][index]) for key in found},
                "ap50": averages[size]["ap50"],
                "ap": averages[size]["ap"],
                "proposal_recall": self.proposal_recall[size],
                "num_objects": averages[size]["num_objects"],
            }
            for index, size in enumerate(SIZE_NAMES)
        }

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Computes the figures of resampled frames.

        Args:
            weights: `[num_resamples, num_frames]` of `frame_weights`.

        Returns:
            Each of `FIGURES`, `[num_resamples, 4]` by size.
        """
        averages = [self.matches.figures(row).by_size() for row in weights]
        return {
            "f1": self.counts.figures(weights)["f1"],
            **{
                key: np.array(
                    [
                        [sizes[size][key] for size in SIZE_NAMES]
                        for sizes in averages
                    ]
                )
                for key in ("ap50", "ap")
            },
        }


def judge(folds: Sequence[Kept], class_ids: Collection[int]) -> Judged:
    """Judges the detectors of all folds as one.

    Args:
        folds: What each did in the frames of its fold.
        class_ids: The classes evaluated.
    """
    thresholds = out_of_fold_thresholds(folds, class_ids)
    kept = pool(folds)
    of_frames = np.repeat(thresholds, [len(fold.found) for fold in folds])
    shown = [
        item.above(threshold)
        for item, threshold in zip(kept.found, of_frames, strict=True)
    ]
    return Judged(
        thresholds,
        count_frames(kept.truths, shown, class_ids),
        match_by_size(kept.truths, kept.found, class_ids),
        count_found(
            find_candidates(kept.truths, kept.found, class_ids),
            threshold_grid(),
        ),
        proposal_recall(kept.truths, kept.proposals, class_ids),
        float(np.median(kept.seconds)),
        content_of_folds([fold.content for fold in folds]),
    )


def out_of_fold_thresholds(
    folds: Sequence[Kept], class_ids: Collection[int]
) -> tuple[float, ...]:
    """Chooses the score threshold of each fold on the frames of the others.

    Where there is one alone, its own frames choose, which flatters all
    variants alike.

    Args:
        folds: What the detector of each fold did.
        class_ids: The classes evaluated.

    Returns:
        For each fold the threshold with the best F1 over all sizes.
    """
    thresholds = []
    for judged in range(len(folds)):
        others = pool([*folds[:judged], *folds[judged + 1 :]] or folds)
        threshold, _ = choose_threshold(others.truths, others.found, class_ids)
        thresholds.append(threshold)
    return tuple(thresholds)


def count_frames(
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    class_ids: Collection[int],
) -> FrameCounts:
    """Counts what is found in each frame, as Tsinghua-Tencent 100K does.

    Args:
        truths: One item per frame.
        detections: Those that are shown, one item per frame.
        class_ids: The classes evaluated.
    """
    candidates = find_candidates(truths, detections, class_ids)
    missed, wrong = candidates.errors(-np.inf)
    columns = []
    for size in area_ranges():
        evaluated = size.contains(candidates.objects.boxes)
        blamed = wrong & size.contains(candidates.detections.boxes)
        objects, found, false = (
            np.bincount(images, minlength=len(truths))
            for images in (
                candidates.objects.images[evaluated],
                candidates.objects.images[evaluated & ~missed],
                candidates.detections.images[blamed],
            )
        )
        columns.append((objects, found, found + false))
    return FrameCounts(
        *(np.stack(part, axis=1) for part in zip(*columns, strict=True))
    )


def proposal_recall(
    truths: Sequence[GroundTruth],
    proposals: Sequence[Detections],
    class_ids: Collection[int],
) -> dict[str, float]:
    """Tells the share of the objects that a proposal overlaps by one half.

    Args:
        truths: One item per frame.
        proposals: One item per frame, of any class.
        class_ids: The classes evaluated.

    Returns:
        The share by size, NaN without objects.
    """
    objects, found = tabulate(truths, proposals)
    pairs, _ = find_overlaps(objects, found, 0.5, same_class=False)
    hit = np.zeros(len(objects.classes), bool)
    hit[pairs[:, 0]] = True
    counted = ~(objects.crowd | objects.difficult)
    counted &= np.isin(objects.classes, list(class_ids))
    shares = {}
    for size in area_ranges():
        chosen = counted & size.contains(objects.boxes)
        shares[size.name] = (
            float(hit[chosen].mean()) if chosen.any() else np.nan
        )
    return shares
