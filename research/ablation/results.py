"""From the kept files of all cells to the results of the benchmark."""

from collections.abc import Mapping, Sequence

import numpy as np
import tqdm

from featsr_tf.config import load_pipeline
from featsr_tf.html_report.inputs import describe_environment
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.evaluator import none_if_nan
from research.ablation.comparison import drawn_differences
from research.ablation.comparison import frame_weights
from research.ablation.comparison import mean_content
from research.ablation.comparison import mean_figures
from research.ablation.comparison import paired_differences
from research.ablation.figures import Judged
from research.ablation.figures import judge
from research.ablation.kept import read_kept
from research.ablation.plan import Cell
from research.ablation.plan import Plan
from research.ablation.variants import BASE
from research.ablation.variants import CONTROL
from research.side_by_side import command_line

_SMALL = SIZE_NAMES.index("small")


def collect(
    plan: Plan,
    refused: Mapping[str, Exception],
    num_resamples: int,
    classes: Mapping[int, str],
) -> dict:
    """Judges all variants.

    Small is what the config calls small; medium is up to three times its side.

    Args:
        plan: Its cells are finished.
        refused: Variants that were left out, with the reason.
        num_resamples: Draws of the bootstrap.
        classes: Names of the classes that are judged, by their numbers.

    Returns:
        "variants" with their figures, their differences from the "reference",
        also in each draw, and curves; "objects", "settings" and "environment".
        Fit for JSON.
    """
    pipeline = load_pipeline(plan.pipeline_file, plan.overrides)
    extension = pipeline.model.feature_super_resolution
    judged = {
        name: [
            judge(_folds(plan, name, seed, extension), classes)
            for seed in plan.seeds
        ]
        for name in tqdm.tqdm(plan.variants, desc="judging", unit="variant")
    }
    reference = CONTROL if CONTROL in judged else BASE
    differences, draws = _differences(judged, reference, num_resamples)
    objects_of_frames = judged[reference][0].counts.objects
    return none_if_nan(
        {
            "reference": reference,
            "variants": {
                name: {
                    **_of_variant(plan, name, seeds),
                    "difference": differences[name],
                    "draws": draws[name],
                }
                for name, seeds in judged.items()
            },
            "left_out": {name: str(why) for name, why in refused.items()},
            "settings": {
                **_settings(plan, extension),
                "classes": list(classes.values()),
                "resamples": num_resamples,
                "frames": len(objects_of_frames),
                "objects": dict(
                    zip(
                        SIZE_NAMES,
                        objects_of_frames.sum(axis=0).tolist(),
                        strict=True,
                    )
                ),
            },
            "environment": describe_environment(),
        }
    )


def _of_variant(plan: Plan, name: str, seeds: Sequence[Judged]) -> dict:
    variant = plan.variants[name]
    return {
        "title": variant.title,
        "overrides": list(variant.overrides),
        "figures": mean_figures(seeds),
        "content": mean_content(seeds),
        "seeds": {
            seed: {
                "thresholds": list(item.thresholds),
                "seconds_per_frame": item.seconds,
                "content": item.content,
                "figures": item.figures(),
            }
            for seed, item in zip(plan.seeds, seeds, strict=True)
        },
        "curves": _curves(seeds),
    }


def _settings(plan: Plan, extension) -> dict:
    return {
        "pipeline": plan.pipeline_file,
        "overrides": list(plan.overrides),
        "folds": plan.num_folds,
        "fold_patterns": list(plan.fold_patterns),
        "judged_folds": list(plan.judged_folds),
        "seeds": list(plan.seeds),
        "steps_scale": plan.steps_scale,
        "sizes_in_pixels_of": f"the {extension.small_area_frame.lower()} frame",
        "small_below_px": extension.small_area_threshold**0.5,
        "command": command_line(),
    }


def _folds(plan: Plan, name: str, seed: int, extension) -> list:
    parts = []
    for fold in plan.judged_folds:
        cell = Cell(fold, seed, plan.variants[name])
        part = read_kept(plan.kept_file(cell))
        if cell.base is not None:
            part = part.with_frames_of(read_kept(plan.kept_file(cell.base)))
        parts.append(
            part.measured(
                extension.small_area_frame, extension.small_area_threshold
            )
        )
    return parts


def _differences(
    judged: Mapping[str, list[Judged]], reference: str, num_resamples: int
) -> tuple[dict, dict]:
    """Compares all with the reference; see `paired_differences`.

    Returns:
        The differences by variant; and those of each draw in AP of small
        objects, by which other seeds can be added.
    """
    frames = len(judged[reference][0].counts.objects)
    weights = frame_weights(frames, num_resamples)
    theirs = [item.resampled(weights) for item in judged[reference]]
    differences: dict[str, dict | None] = {reference: None}
    draws: dict[str, dict | None] = {reference: None}
    for name, seeds in tqdm.tqdm(
        judged.items(), desc="bootstrap", unit="variant"
    ):
        if name == reference:
            continue
        ours = [item.resampled(weights) for item in seeds]
        differences[name] = paired_differences(
            seeds, judged[reference], ours, theirs
        )
        small = drawn_differences(ours, theirs, "ap")[:, _SMALL]
        draws[name] = {"small": {"ap": small.round(5).tolist()}}
    return differences, draws


def _curves(seeds: list[Judged]) -> dict:
    thresholds = seeds[0].over_thresholds.thresholds
    f1 = [item.over_thresholds.figures() for item in seeds]
    precision = [
        item.matches.figures().precision_over_recall() for item in seeds
    ]
    return {
        "f1_over_threshold": {
            "threshold": thresholds.round(4).tolist(),
            **{
                size: _mean([by_size[size]["f1"] for by_size in f1])
                for size in SIZE_NAMES
            },
        },
        "precision_over_recall": {
            key: _mean([curve[key] for curve in precision])
            for key in precision[0]
        },
    }


def _mean(curves: list[np.ndarray]) -> list[float]:
    return np.mean(curves, axis=0).round(4).tolist()
