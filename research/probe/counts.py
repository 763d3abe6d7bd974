"""From predictions to accuracy and distance of boxes, and how sure they are."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from featsr_tf.metrics.evaluator import none_if_nan
from research.ablation.comparison import frame_weights
from research.ablation.comparison import interval

# What the others are compared with.
REFERENCE = "half"


@dataclasses.dataclass(frozen=True, eq=False)
class Counts:
    """What a predictor makes of the objects in each view.

    Args:
        objects: `[num_views]` number of true objects.
        proposals: `[num_views]` number of proposals that mean an object.
        right: `[num_views]` number of them whose class is found.
        distance: `[num_views]` sum of the distances of their boxes.
    """

    objects: np.ndarray
    proposals: np.ndarray
    right: np.ndarray
    distance: np.ndarray

    def figures(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Computes the figures of all views.

        Args:
            weights: `[..., num_views]` how often each view counts.

        Returns:
            "accuracy", the share of the proposals whose class is found, and
            "box_l1", the mean distance, each `[...]`; NaN without proposals.
        """
        proposals = weights @ self.proposals
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "accuracy": weights @ self.right / proposals,
                "box_l1": weights @ self.distance / proposals,
            }


def count_views(
    sample, views: np.ndarray, num_views: int, logits, deltas
) -> Counts:
    """Judges predictions of proposals, of which those of objects count.

    The distance of boxes is the mean of the four absolute differences between
    the deltas of the true class and those of the true box.

    Args:
        sample: `SampledProposals` of n proposals, `[n, ...]` arrays.
        views: `[n]` number of the view that each is in.
        num_views: Number of views.
        logits: `[n, C + 1]`, column 0 is background.
        deltas: `[n, C, 4]`, or `[n, 1, 4]` shared by all classes.
    """
    from featsr_tf.geometry.boxes import encode

    chosen = sample.classes > 0
    classes, views = sample.classes[chosen], views[chosen]
    truths = sample.target_boxes[chosen]
    targets = encode(truths, sample.boxes[chosen]).numpy()
    deltas = deltas[chosen]
    own_class = np.minimum(classes, deltas.shape[1]) - 1
    differences = deltas[np.arange(len(classes)), own_class] - targets
    right = logits[chosen].argmax(axis=1) == classes
    objects = np.unique(np.column_stack([views, truths]), axis=0)
    return Counts(
        np.bincount(objects[:, 0].astype(int), minlength=num_views),
        np.bincount(views, minlength=num_views),
        np.bincount(views, right, num_views),
        np.bincount(views, np.abs(differences).mean(axis=1), num_views),
    )


def summarize(
    bases: Mapping[tuple[int, int], Mapping[str, Counts]], num_resamples: int
) -> dict:
    """Averages over folds and seeds, with intervals.

    Args:
        bases: Counts by kind of features, by fold and seed; all seeds have
            the same folds, and judge on the same views.
        num_resamples: Draws of the views.

    Returns:
        "features": by kind "accuracy" and "box_l1", and in "difference" the
        same less those of F^0.5: each with "mean" over the seeds, "low" and
        "high", between which 95% of the draws lie. "objects", "proposals" and
        "views": their numbers, mean over the seeds. Fit for JSON.
    """
    folds, seeds = (sorted(set(part)) for part in zip(*bases, strict=True))
    joined = {
        kind: [
            _join([bases[fold, seed][kind] for fold in folds]) for seed in seeds
        ]
        for kind in bases[folds[0], seeds[0]]
    }
    reference = joined[REFERENCE]
    num_views = len(reference[0].proposals)
    # The first row is all views, once each.
    weights = np.concatenate(
        [
            np.ones([1, num_views], int),
            frame_weights(num_views, num_resamples),
        ]
    )
    figures = {kind: _mean_figures(c, weights) for kind, c in joined.items()}
    return none_if_nan(
        {
            "features": {
                kind: {
                    **_described(draws),
                    "difference": _described(
                        {
                            key: draws[key] - figures[REFERENCE][key]
                            for key in draws
                        }
                    ),
                }
                for kind, draws in figures.items()
            },
            **{
                key: float(np.mean([getattr(c, key).sum() for c in reference]))
                for key in ("objects", "proposals")
            },
            "views": num_views,
        }
    )


def _join(folds: Sequence[Counts]) -> Counts:
    columns = [dataclasses.astuple(fold) for fold in folds]
    return Counts(*map(np.concatenate, zip(*columns, strict=True)))


def _mean_figures(seeds: Sequence[Counts], weights) -> dict[str, np.ndarray]:
    figures = [counts.figures(weights) for counts in seeds]
    return {
        key: np.mean([entry[key] for entry in figures], axis=0)
        for key in figures[0]
    }


def _described(draws: Mapping[str, np.ndarray]) -> dict[str, dict]:
    described = {}
    for key, values in draws.items():
        low, high = interval(values[1:])
        described[key] = {"mean": float(values[0]), "low": low, "high": high}
    return described
