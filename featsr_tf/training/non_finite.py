"""Numbers that are no longer finite."""

import math
from collections.abc import Mapping

from featsr_tf.errors import FeatsrError


class NonFiniteError(FeatsrError):
    """A loss, a gradient or a variable is NaN or infinite.

    Args:
        stage: name of the stage.
        step: the step after which it was found, from 1.
        values: losses and gauges of the step by name, or variables.
    """

    def __init__(self, stage: str, step: int, values: Mapping[str, float]):
        self.stage = stage
        self.step = step
        self.values = values
        super().__init__(
            f"stage {stage}, step {step}: expected finite numbers, found "
            f"{describe(values)}"
        )


def describe(values: Mapping[str, float]) -> str:
    """Names the first values that are not finite, such as "loss nan"."""
    wrong = [
        f"{name} {value}"
        for name, value in values.items()
        if not math.isfinite(value)
    ]
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return ", ".join(wrong[:5]) + more
