"""Comparing variants over seeds, and over frames drawn with replacement."""

from collections.abc import Mapping, Sequence

import numpy as np

from featsr_tf.metrics.detections import SIZE_NAMES
from research.ablation.figures import FIGURES
from research.ablation.figures import Judged

# Share of the differences outside their interval, at each end.
_TAIL = 0.025


def frame_weights(
    num_frames: int, num_resamples: int, seed: int = 0
) -> np.ndarray:
    """Draws frames with replacement, the same for all variants.

    Args:
        num_frames: Number of frames.
        num_resamples: Number of draws of as many frames.
        seed: Of the draws.

    Returns:
        `[num_resamples, num_frames]` how often each frame was drawn.
    """
    generator = np.random.default_rng(seed)
    shares = np.full(num_frames, 1 / num_frames)
    return generator.multinomial(num_frames, shares, num_resamples)


def paired_differences(
    ours: Sequence[Judged],
    theirs: Sequence[Judged],
    resampled_ours: Sequence[Mapping[str, np.ndarray]],
    resampled_theirs: Sequence[Mapping[str, np.ndarray]],
) -> dict[str, dict[str, dict[str, float]]]:
    """Compares two variants on the same frames and seeds.

    Args:
        ours: A variant, one item per seed.
        theirs: What it is compared with, of the same seeds.
        resampled_ours: `Judged.resampled` of each seed.
        resampled_theirs: The same of the other, of the same draws.

    Returns:
        By size and figure "mean", the difference averaged over the seeds,
        "low" and "high", between which 95% of the bootstrap's differences
        lie; NaN where undefined.
    """
    means = mean_figures(ours), mean_figures(theirs)
    differences: dict[str, dict] = {size: {} for size in SIZE_NAMES}
    for key in FIGURES:
        draws = drawn_differences(resampled_ours, resampled_theirs, key)
        for index, size in enumerate(SIZE_NAMES):
            low, high = interval(draws[:, index])
            differences[size][key] = {
                "mean": means[0][size][key]["mean"]
                - means[1][size][key]["mean"],
                "low": low,
                "high": high,
            }
    return differences


def drawn_differences(
    resampled_ours: Sequence[Mapping[str, np.ndarray]],
    resampled_theirs: Sequence[Mapping[str, np.ndarray]],
    figure: str,
) -> np.ndarray:
    """Subtracts a figure of two variants in each draw, `[num_resamples, 4]`.

    Args:
        resampled_ours: `Judged.resampled` of each seed.
        resampled_theirs: The same of the other, of the same draws.
        figure: One of `FIGURES`.

    Returns:
        The mean over the seeds, by size.
    """
    pairs = zip(resampled_ours, resampled_theirs, strict=True)
    return np.mean([one[figure] - other[figure] for one, other in pairs], 0)


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Tells between which values 95% of the draws lie.

    Args:
        draws: `[num_resamples]`; NaN for those that are undefined.

    Returns:
        Both ends; NaN where no draw is defined.
    """
    defined = draws[~np.isnan(draws)]
    if not len(defined):
        return np.nan, np.nan
    low, high = np.quantile(defined, [_TAIL, 1 - _TAIL])
    return float(low), float(high)


def mean_figures(
    seeds: Sequence[Judged],
) -> dict[str, dict[str, dict[str, float]]]:
    """Averages the figures over seeds.

    Args:
        seeds: A variant, one item per seed.

    Returns:
        By size and figure "mean" and "spread", the standard deviation over
        the seeds; NaN for a single seed.
    """
    figures = [judged.figures() for judged in seeds]
    return {
        size: {
            key: _mean_and_spread([entry[size][key] for entry in figures])
            for key in figures[0][size]
        }
        for size in SIZE_NAMES
    }


def mean_content(
    seeds: Sequence[Judged],
) -> dict[str, dict[str, float]] | None:
    """Averages the figures of `content.content_of_folds` over seeds.

    Args:
        seeds: A variant, one item per seed.

    Returns:
        By figure "mean" and "spread" as those of `mean_figures`; None where
        there are no targets.
    """
    known = [item.content for item in seeds if item.content is not None]
    if len(known) < len(seeds):
        return None
    return {
        key: _mean_and_spread([content[key] for content in known])
        for key in known[0]
    }


def _mean_and_spread(values: Sequence[float]) -> dict[str, float]:
    spread = np.std(values, ddof=1) if len(values) > 1 else np.nan
    return {"mean": float(np.mean(values)), "spread": float(spread)}
