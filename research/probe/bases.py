"""The base detectors whose predictors are asked."""

import dataclasses
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from featsr_tf.config import Pipeline
from featsr_tf.config import load_pipeline
from featsr_tf.errors import ConfigError

# The pairs are needed, but neither generator nor targets of the config.
_OVERRIDES = (
    "model.feature_super_resolution.supervision=NONE",
    "model.feature_super_resolution.refiner=NONE",
)
_CELL = re.compile(r"base-fold_(\d+)-seed_(\d+)")


@dataclasses.dataclass(frozen=True)
class Base:
    """A trained base detector.

    Args:
        pipeline: Its config; the first `eval_input_reader` judges.
        model_dir: Its model folder.
        fold: Number of the records that judge.
        seed: Seed of its training.
    """

    pipeline: Pipeline
    model_dir: str
    fold: int
    seed: int


def single_base(
    pipeline_file: str, overrides: Sequence[str], model_dir: str
) -> Base:
    """Takes the detector of a model folder.

    Args:
        pipeline_file: Its config.
        overrides: Of `--set`.
        model_dir: Model folder.

    Raises:
        ConfigError: There are no records to judge on.
    """
    pipeline = load_pipeline(pipeline_file, [*overrides, *_OVERRIDES])
    if not pipeline.eval_input_reader:
        raise ConfigError(f"{pipeline_file}: has no eval_input_reader; add one")
    seed = pipeline.model.feature_super_resolution.seed
    return Base(pipeline, model_dir, 0, seed)


def bases_of_ablation(
    folder: str,
    overrides: Sequence[str] = (),
    folds: Collection[int] | None = None,
    seeds: Collection[int] | None = None,
) -> list[Base]:
    """Finds the finished base detectors of a cross-validation.

    Args:
        folder: Of `python -m research.ablation`.
        overrides: Of `--set`.
        folds: Those that are wanted; None = all that have a config.
        seeds: Those that are wanted; None = all whose folds are finished.

    Returns:
        All wanted folds of each seed.

    Raises:
        ConfigError: One that is wanted is not finished, or there is none.
    """
    known, finished = (
        {
            (int(fold), int(seed))
            for path in Path(folder).glob(pattern)
            for fold, seed in _CELL.findall(path.name)
        }
        for pattern in ("configs/base-*.config", "cells/base-*.npz")
    )
    folds = sorted(folds or {fold for fold, _ in known})
    if seeds is None:
        seeds = {
            seed
            for _, seed in finished
            if all((fold, seed) in finished for fold in folds)
        }
    wanted = [(fold, seed) for seed in sorted(seeds) for fold in folds]
    missing = [cell for cell in wanted if cell not in finished]
    if missing or not wanted:
        what = _name(*missing[0]) if missing else "of a base in all folds"
        raise ConfigError(
            f"{folder}: no finished cell {what}; finish the base detectors "
            "with `python -m research.ablation`, or name others by --folds "
            "and --seeds"
        )
    return [_base(Path(folder), overrides, fold, seed) for fold, seed in wanted]


def _base(folder: Path, overrides: Sequence[str], fold: int, seed: int) -> Base:
    name = _name(fold, seed)
    pipeline = load_pipeline(
        folder / "configs" / f"{name}.config", [*overrides, *_OVERRIDES]
    )
    return Base(pipeline, str(folder / "models" / name), fold, seed)


def _name(fold: int, seed: int) -> str:
    return f"base-fold_{fold}-seed_{seed}"
