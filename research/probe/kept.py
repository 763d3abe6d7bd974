"""What is kept of each probed base detector, to go on from there."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from featsr_tf.config import all_differences
from featsr_tf.config import parse_pipeline
from featsr_tf.config import to_text
from featsr_tf.errors import DataError
from featsr_tf.files import write_text
from research.probe.bases import Base
from research.probe.counts import Counts


class KeptCounts:
    """A folder with a file for each probed base detector.

    Args:
        folder: For the files.
        num_steps: Steps of each fine-tuning.
        learning_rate: At the first step.
    """

    def __init__(
        self, folder: str | Path, num_steps: int, learning_rate: float
    ):
        self.folder = Path(folder)
        self.num_steps = num_steps
        self.learning_rate = learning_rate

    def path(self, base: Base) -> Path:
        """File of a base detector."""
        return self.folder / f"fold_{base.fold}-seed_{base.seed}.json"

    def read(self, base: Base) -> dict[str, Counts] | None:
        """Reads the counts by kind of features; None where there are none.

        Raises:
            DataError: The file is damaged, or of other settings.
            ConfigError: Its config is no config any more.
        """
        path = self.path(base)
        if not path.exists():
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            counts = {
                kind: Counts(**{k: np.array(v) for k, v in columns.items()})
                for kind, columns in found["counts"].items()
            }
            settings = found["settings"]
            config = settings.pop("config").encode()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}: damaged ({type(error).__name__}); delete it and run "
                "the same command again"
            ) from error
        kept = parse_pipeline(config, f"{path}: config")
        differing = all_differences(kept, base.pipeline) + [
            f"{key}: {settings.get(key)} and {value}"
            for key, value in self._settings(base).items()
            if settings.get(key) != value
        ]
        if differing:
            raise DataError(
                f"{path}: holds a probe of other settings; these differ: "
                f"{'; '.join(differing[:3])}; give another --output or delete "
                "it"
            )
        return counts

    def write(self, base: Base, counts: Mapping[str, Counts]) -> None:
        """Writes the counts of a base detector."""
        columns = {
            kind: {
                name: values.tolist()
                for name, values in dataclasses.asdict(item).items()
            }
            for kind, item in counts.items()
        }
        settings = {**self._settings(base), "config": to_text(base.pipeline)}
        kept = {"settings": settings, "counts": columns}
        write_text(self.path(base), json.dumps(kept) + "\n")

    def _settings(self, base: Base) -> dict:
        return {
            "model_dir": str(Path(base.model_dir).resolve()),
            "steps": self.num_steps,
            "learning_rate": self.learning_rate,
        }
