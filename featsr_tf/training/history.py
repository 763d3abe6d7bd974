"""What a training writes down over its steps, and what it chooses by it.

A line of `history.jsonl` belongs to a step of a stage: it holds the means of
the losses since the line before, or the figures of a validation.
"""

import json
import os
from typing import Any

from featsr_tf.errors import DataError
from featsr_tf.files import write_text

HISTORY_FILE = "history.jsonl"


class History:
    """The lines of one stage.

    Args:
        model_dir: model folder.
        stage: name of the stage.
    """

    def __init__(self, model_dir: str, stage: str):
        self.path = os.path.join(model_dir, HISTORY_FILE)
        self.stage = stage

    def append(self, step: int, **content: Any) -> None:
        """Adds a line about a step with other content, fit for JSON."""
        line = json.dumps({"stage": self.stage, "step": step, **content})
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def truncate_after(self, step: int) -> None:
        """Drops what a run that was cut off wrote after its checkpoint."""
        lines = self._read()
        kept = [
            line
            for line, record in lines
            if record["stage"] != self.stage or record["step"] <= step
        ]
        if lines:
            write_text(self.path, "".join(kept))

    def validations(self) -> list[dict]:
        """Lists the lines with figures, in order of their steps."""
        return [
            record
            for _, record in self._read()
            if record["stage"] == self.stage and "validation" in record
        ]

    def is_validated(self, step: int) -> bool:
        """Tells whether a step has been validated."""
        return any(record["step"] == step for record in self.validations())

    def best_step(self) -> int | None:
        """Finds the step with the greatest figure, the first of equal ones.

        Returns:
            The step; None where no figure is to decide, or none is defined.
        """
        records = self.validations()
        figure = records[-1]["best_by"] if records else ""
        values = {r["step"]: r["validation"].get(figure) for r in records}
        values = {step: v for step, v in values.items() if v is not None}
        return max(values, key=values.__getitem__) if values else None

    def patience_exceeded(self, patience: int) -> bool:
        """Tells whether as many validations as `patience` were no better.

        A patience of 0 is without end.
        """
        best = self.best_step()
        if not patience or best is None:
            return False
        later = [r for r in self.validations() if r["step"] > best]
        return len(later) >= patience

    def _read(self) -> list[tuple[str, dict]]:
        """All whole lines of all stages, and what they hold."""
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="utf-8", errors="replace") as file:
            # A killed run may have left part of a line at the end.
            lines = [line for line in file if line.endswith("\n")]
        return [(line, self._parse(line, n)) for n, line in enumerate(lines, 1)]

    def _parse(self, line: str, number: int) -> dict:
        try:
            record = json.loads(line)
            return {**record, "stage": record["stage"], "step": record["step"]}
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{self.path}, line {number}: expected an object with 'stage' "
                f"and 'step', found {line[:60]!r}; delete the line"
            ) from None
