"""The cells of the benchmark, their configs and their files."""

import contextlib
import dataclasses
import fcntl
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from featsr_tf.config import all_differences
from featsr_tf.config import base_differences
from featsr_tf.config import load_pipeline
from featsr_tf.config import parse_pipeline
from featsr_tf.config import to_text
from featsr_tf.config.fields import walk
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import looks_again
from featsr_tf.errors import ConfigError
from featsr_tf.files import write_text
from research.ablation.folds import fold_paths
from research.ablation.variants import BASE
from research.ablation.variants import EXTENSION
from research.ablation.variants import VARIANTS
from research.ablation.variants import Variant

# Fields that count steps, wherever they stand, and how parts are rounded: the
# beginning of a training must stay shorter than the whole.
_STEPS = {
    "num_steps": math.ceil,
    "total_steps": math.ceil,
    "decay_steps": math.ceil,
    "step": math.ceil,
    "warmup_steps": math.floor,
    "hold_base_rate_steps": math.floor,
    "burnin_steps": math.floor,
    "adversarial_warmup_steps": math.floor,
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One detector: trained on all folds but one, judged on that one.

    Args:
        fold: That it has not seen.
        seed: Of its training.
        variant: What it is.
    """

    fold: int
    seed: int
    variant: Variant

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.variant.name}-fold_{self.fold}-seed_{self.seed}"

    @property
    def base(self) -> "Cell | None":
        """The cell whose detector it starts from; None for a base."""
        if self.variant.is_base:
            return None
        return Cell(self.fold, self.seed, BASE_VARIANT)


BASE_VARIANT = Variant(BASE, BASE, is_base=True)


class Plan:
    """All cells of a benchmark and where their files are.

    Args:
        pipeline_file: The config that all variants share.
        overrides: Of `--set`, for all variants.
        folder: For all files.
        num_folds: Number of folds.
        seeds: Seeds of the trainings.
        variants: Variants by name; the base is one of them.
        steps_scale: Times the steps of the config.
        cached_images: Images whose features all variants share; 0 = none.
        judged_folds: Folds that judge; the others are trained on only.
            Default all.
        fold_patterns: Of `folds.fold_of_pattern`, one for each fold.
    """

    def __init__(
        self,
        pipeline_file: str,
        overrides: Sequence[str],
        folder: str | Path,
        num_folds: int,
        seeds: Sequence[int],
        variants: Mapping[str, Variant],
        steps_scale: float = 1.0,
        cached_images: int = 0,
        judged_folds: Sequence[int] | None = None,
        fold_patterns: Sequence[str] = (),
    ):
        self.pipeline_file = pipeline_file
        self.overrides = tuple(overrides)
        self.folder = Path(folder)
        self.num_folds = num_folds
        self.seeds = tuple(seeds)
        self.variants = variants
        self.steps_scale = steps_scale
        self.cached_images = cached_images
        self.judged_folds = tuple(
            range(num_folds) if judged_folds is None else judged_folds
        )
        self.fold_patterns = tuple(fold_patterns)

    def cells(self) -> Iterator[Cell]:
        """Yields the cells, each after the one that it starts from."""
        for seed in self.seeds:
            for fold in self.judged_folds:
                for variant in self.variants.values():
                    yield Cell(fold, seed, variant)

    @property
    def records(self) -> Path:
        """Folder of the folds."""
        return self.folder / "records"

    def kept_file(self, cell: Cell) -> Path:
        """What a finished cell leaves behind."""
        return self.folder / "cells" / f"{cell.name}.npz"

    def model_dir(self, cell: Cell) -> Path:
        """Model folder of a cell."""
        return self.folder / "models" / cell.name

    def feature_cache(self, cell: Cell) -> Path:
        """Features that all variants of a fold and seed share."""
        return self.folder / "features" / f"fold_{cell.fold}-seed_{cell.seed}"

    def config_file(self, cell: Cell) -> Path:
        """Effective config of a cell."""
        return self.folder / "configs" / f"{cell.name}.config"

    def log_file(self, cell: Cell) -> Path:
        """What the process of a cell prints."""
        return self.folder / "logs" / f"{cell.name}.log"

    def pipeline(self, cell: Cell) -> Pipeline:
        """Makes the effective config of a cell.

        Raises:
            ConfigError: The variant is not possible with this config.
        """
        paths = fold_paths(self.records, self.num_folds)
        judged = [paths.pop(cell.fold)]
        plain = load_pipeline(self.pipeline_file, self.overrides)
        label_map = json.dumps(plain.train_input_reader.label_map_path)
        data = "tf_record_input_reader.input_path"
        overrides = [
            *self.overrides,
            *scaled_steps(plain, self.steps_scale),
            f"train_input_reader.{data}={json.dumps(paths)}",
            f"eval_input_reader.0.label_map_path={label_map}",
            f"eval_input_reader.0.{data}={json.dumps(judged)}",
            f"{EXTENSION}.seed={cell.seed}",
            *cell.variant.overrides,
        ]
        pipeline = load_pipeline(self.pipeline_file, overrides)
        # A second look trains on other frames than those that share features.
        if not self.cached_images or cell.base is None or looks_again(pipeline):
            return pipeline
        folder = json.dumps(str(self.feature_cache(cell)))
        return load_pipeline(
            self.pipeline_file,
            [
                *overrides,
                f"{EXTENSION}.feature_cache.num_images={self.cached_images}",
                f"{EXTENSION}.feature_cache.folder={folder}",
            ],
        )

    def write_config(self, cell: Cell) -> Path:
        """Writes the effective config of a cell."""
        path = self.config_file(cell)
        write_text(path, to_text(self.pipeline(cell)))
        return path

    def is_finished(self, cell: Cell) -> bool:
        """Tells whether a cell is kept.

        Raises:
            ConfigError: It is, but of a variant of this name with another
                config.
        """
        kept_file, config_file = self.kept_file(cell), self.config_file(cell)
        if not kept_file.exists():
            return False
        differing = all_differences(
            load_pipeline(config_file), self.pipeline(cell)
        )
        if differing:
            raise ConfigError(
                f"{kept_file}: found a cell of another config, which is in "
                f"{config_file}; these fields differ: "
                f"{'; '.join(differing[:3])}; give the variant another name"
            )
        return True

    def claim_folder(self) -> None:
        """Makes the folder this plan's own.

        Raises:
            ConfigError: It holds cells of another config or of other folds.
                More seeds and variants are welcome.
        """
        plain = load_pipeline(self.pipeline_file, self.overrides)
        settings = {
            "config": to_text(plain).splitlines(),
            "folds": self.num_folds,
            "fold_patterns": list(self.fold_patterns),
            "steps_scale": self.steps_scale,
        }
        path = self.folder / "settings.json"
        if not path.exists():
            write_text(path, json.dumps(settings, indent=1) + "\n")
            return
        found = _read_settings(path)
        kept = parse_pipeline(found.pop("config"), f"{path}: config")
        differing = all_differences(kept, plain) + [
            f"{key}: {value} and {settings[key]}"
            for key, value in found.items()
            if value != settings[key]
        ]
        if differing:
            raise ConfigError(
                f"{self.folder}: holds cells of other settings; these differ: "
                f"{'; '.join(differing[:3])}; give another --output or the "
                "settings of settings.json there"
            )

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other processes out of the folder, which is this plan's own.

        Raises:
            ConfigError: Another one is at work there.
        """
        with open(self.folder / "settings.json", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"{self.folder}: another process is at work there; wait "
                    "for it or give another --output"
                ) from None
            yield


def _read_settings(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            "config": "\n".join(found["config"]).encode(),
            "folds": found["folds"],
            "fold_patterns": found["fold_patterns"],
            "steps_scale": found["steps_scale"],
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: expected the settings of an ablation, found something "
            f"else ({type(error).__name__}: {error}); give another --output"
        ) from None


def possible_variants(
    plan: Plan,
) -> tuple[dict[str, Variant], dict[str, ConfigError]]:
    """Finds the variants that the config can be changed to.

    Those that are no base detectors start from one: what that is trained by
    cannot be changed.

    Args:
        plan: Its variants are tried.

    Returns:
        The possible ones, and the reasons against the others, by name.
    """
    base = plan.pipeline(Cell(0, 0, VARIANTS[BASE]))
    possible, refused = {}, {}
    for name, variant in plan.variants.items():
        try:
            changes = base_differences(base, plan.pipeline(Cell(0, 0, variant)))
            if changes and not variant.is_base:
                raise ConfigError(
                    f"changes the base detector: {'; '.join(changes)}; "
                    "give it as a --base"
                )
            possible[name] = variant
        except ConfigError as error:
            refused[name] = error
    return possible, refused


def scaled_steps(pipeline: Pipeline, scale: float) -> list[str]:
    """Overrides that shorten or lengthen a training with its schedules.

    Args:
        pipeline: A config.
        scale: Times its steps; no training, only its warm-up vanishes.

    Returns:
        As for `--set`.
    """
    if scale == 1.0:
        return []
    return [
        # Without the rounding 1.1 times 10 would be a bit more than 11.
        f"{path}={_STEPS[field.name](round(value * scale, 6))}"
        for path, field, value in walk(pipeline)
        if field.name in _STEPS and field.kind is int and value
    ]
