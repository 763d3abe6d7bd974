"""Numbers that are no longer finite: they end a training at once."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from featsr_tf.errors import FeatsrError


class NonFiniteError(FeatsrError):
    """A loss, a gradient or a variable is NaN or infinite.

    Args:
        step: the step after which it was found, from 1.
        values: losses and gauges of the step by name, or variables.
    """

    def __init__(self, stage: str, step: int, values: Mapping[str, float]):
        self.stage = stage
        self.step = step
        self.values = values
        super().__init__(
            f"stage {stage}, step {step}: expected finite numbers, found "
            f"{_describe(values)}"
        )


def _describe(values: Mapping[str, float]) -> str:
    """Names the first values that are not finite, such as "loss nan"."""
    wrong = [
        f"{name} {value}"
        for name, value in values.items()
        if not math.isfinite(value)
    ]
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return ", ".join(wrong[:5]) + more


@contextlib.contextmanager
def translate_non_finite_errors(
    record_names: Callable[[int], Sequence[str]],
) -> Iterator[None]:
    """Adds to a `NonFiniteError` what to look at and what to do.

    Args:
        record_names: gives the records that a step, from 1, was made of.

    Raises:
        FeatsrError: in place of the `NonFiniteError`, in one line.
    """
    try:
        yield
    except NonFiniteError as error:
        names = ", ".join(record_names(error.step))
        raise FeatsrError(
            f"{error}; its batch holds the records {names}; lower the learning "
            "rate, or mend these images, and run the same command again: it "
            "continues after the last checkpoint"
        ) from None
