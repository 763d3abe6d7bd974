"""How near a generator comes to its targets in frames it has not seen."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

MEANS = ("refined_error", "input_error", "target_over_input_mean")
Triple = tuple[np.ndarray, np.ndarray, np.ndarray]


def measure_content(pipeline, detector, source) -> dict[str, float] | None:
    """Compares refined features with their targets, on held-out pairs.

    The pairs are those that stage 2 would make of the records.

    Args:
        pipeline: The config.
        detector: The trained detector.
        source: Records that it has not seen.

    Returns:
        See `content_figures`; None where there are no targets.
    """
    from featsr_tf.training.build import build_stage
    from featsr_tf.training.checkpoints import SUPER_RESOLUTION

    stage = build_stage(pipeline, SUPER_RESOLUTION, detector)
    if stage.targets is None:
        return None
    return content_figures(_held_out_pairs(pipeline, stage, source))


def content_figures(pairs: Iterable[Triple]) -> dict[str, float]:
    """Compares features with their targets.

    The error of features X is `sum |X - T|^2 / sum |T - mean(T)|^2` over all
    pairs, cells and channels, with the mean of each channel over all pairs
    and cells: 0 is perfect, 1 no better than the best constant.

    Args:
        pairs: Inputs F, refined features S and targets T of some pairs, each
            `[n, k, k, C]`.

    Returns:
        "refined_error" of S, "input_error" of F, "target_over_input_mean" and
        "num_pairs"; NaN where undefined.
    """
    sums: Counter = Counter()
    target_sums: np.ndarray | float = 0.0
    for triple in pairs:
        inputs, refined, targets = (part.astype(np.float64) for part in triple)
        sums["pairs"] += len(targets)
        sums["cells"] += targets[..., 0].size
        sums["refined"] += ((refined - targets) ** 2).sum()
        sums["input"] += ((inputs - targets) ** 2).sum()
        sums["input_values"] += inputs.sum()
        sums["squares"] += (targets**2).sum()
        target_sums = target_sums + targets.sum(axis=(0, 1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        around_mean = sums["squares"] - np.sum(
            np.square(target_sums) / np.float64(sums["cells"])
        )
        return {
            "refined_error": float(sums["refined"] / around_mean),
            "input_error": float(sums["input"] / around_mean),
            "target_over_input_mean": float(
                np.sum(target_sums) / np.float64(sums["input_values"])
            ),
            "num_pairs": sums["pairs"],
        }


def content_of_folds(
    folds: Sequence[Mapping[str, float] | None],
) -> dict[str, float] | None:
    """Averages the figures over folds, each with features of its own.

    Args:
        folds: Of `measure_content`, one item per fold.

    Returns:
        The means and the number of all pairs; None where a fold has no
        targets.
    """
    known = [fold for fold in folds if fold is not None]
    if len(known) < len(folds):
        return None
    means = {
        key: float(np.mean([fold[key] for fold in known])) for key in MEANS
    }
    return {**means, "num_pairs": sum(fold["num_pairs"] for fold in known)}


def _held_out_pairs(pipeline, stage, source) -> Iterator[Triple]:
    import tensorflow as tf
    import tqdm

    from featsr_tf.training.stage import StageInputs
    from featsr_tf.training.stage import flatten_images
    from research.views import count_batches
    from research.views import fixed_views

    @tf.function
    def pairs_of(batch):
        frozen = stage.compute_frozen(batch)
        inputs = frozen.get(
            StageInputs.PAIR_INPUTS, frozen[StageInputs.SMALL_INPUTS]
        )
        inputs, targets, weights = flatten_images(
            (
                inputs,
                frozen[StageInputs.TARGETS],
                frozen[StageInputs.PAIR_WEIGHTS],
            )
        )
        base, *_ = inputs
        return base, stage.detector.refiner.refine(inputs), targets, weights

    batches = fixed_views(pipeline, source, stage.needs_half_images)
    total = count_batches(pipeline, source)
    for batch in tqdm.tqdm(batches, "content", total, unit="batch"):
        *features, weights = (part.numpy() for part in pairs_of(batch))
        yield tuple(part[weights > 0] for part in features)
