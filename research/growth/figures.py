"""Exponents of growth, and tables and plots of it."""

import dataclasses
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.files import replaced_at_the_end
from research.side_by_side import milliseconds
from tfrecords_tools.tables import text_table

_HEAD = ("exponent", "at the end")


@dataclasses.dataclass(frozen=True)
class Curve:
    """How one figure grows.

    Attributes:
        subject: what was done.
        axis: what grew.
        labels: its values, as they are told.
        sizes: the amounts of data that they mean.
        values: of the figure, one for each.
        unit: of the figure.
    """

    subject: str
    axis: str
    labels: Sequence[int]
    sizes: Sequence[int]
    values: Sequence[float]
    unit: str

    @property
    def exponent(self) -> float:
        """Slope of the line through the logarithms; 1 is linear growth.

        What costs the same at any size makes it smaller.
        """
        slope, _ = statistics.linear_regression(
            list(map(math.log, self.sizes)), list(map(math.log, self.values))
        )
        return slope

    @property
    def last_exponent(self) -> float:
        """Exponent between the last two values, where growth is steepest."""
        ratio = self.values[-1] / self.values[-2]
        return math.log(ratio) / math.log(self.sizes[-1] / self.sizes[-2])


def table(curves: Sequence[Curve]) -> str:
    """Writes curves along the same axis, one line each.

    Args:
        curves: with equal labels.

    Returns:
        A table; exponents are those of the amount of data.
    """
    first, *_ = curves
    rows = [(first.axis, *map(str, first.labels), *_HEAD)]
    for curve in curves:
        write = milliseconds if curve.unit == "s" else "{:.0f}".format
        unit = "ms" if curve.unit == "s" else curve.unit
        rows.append(
            (
                f"{curve.subject}, {unit}",
                *map(write, curve.values),
                f"{curve.exponent:.2f}",
                f"{curve.last_exponent:.2f}",
            )
        )
    return text_table(rows)


def plot(curves: Sequence[Curve], path: str) -> None:
    """Draws curves over logarithmic axes, a panel for each axis and unit.

    Args:
        curves: all there are.
        path: of the picture.
    """
    from matplotlib.figure import Figure

    axes = list(dict.fromkeys(curve.axis for curve in curves))
    units = list(dict.fromkeys(curve.unit for curve in curves))
    figure = Figure((3 * len(axes), 3 * len(units)), layout="constrained")
    panels = figure.subplots(len(units), len(axes), sharey="row", squeeze=False)
    subjects = list(dict.fromkeys(curve.subject for curve in curves))
    for curve in curves:
        panel = panels[units.index(curve.unit), axes.index(curve.axis)]
        panel.plot(
            curve.labels,
            curve.values,
            "o-",
            color=f"C{subjects.index(curve.subject)}",
            label=curve.subject,
        )
        panel.set(xscale="log", yscale="log", xlabel=curve.axis)
        panel.set_xticks(curve.labels, map(str, curve.labels), minor=False)
        panel.set_xticks([], minor=True)
    for unit, row in zip(units, panels, strict=True):
        row[0].set_ylabel(unit)
    panels[0, 0].legend()
    with replaced_at_the_end(Path(path)) as temporary:
        figure.savefig(temporary, dpi=100)
