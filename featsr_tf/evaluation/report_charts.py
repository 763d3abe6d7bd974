"""Line charts as SVG text that follows the theme of the page around it."""

import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Drawn in these colors, which no one sees: the page's own take their place.
INK = "#010203"
GRID = "#010204"
SERIES = tuple(f"#0102{10 + index}" for index in range(8))
THEME = {
    INK: "var(--ink-soft)",
    GRID: "var(--line)",
    **{color: f"var(--series-{i})" for i, color in enumerate(SERIES)},
}
SETTINGS = {
    "svg.fonttype": "none",
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
    "grid.color": GRID,
    "xtick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.color": GRID,
    "ytick.labelcolor": INK,
}


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Args:
        name: For the legend.
        x: Values on the horizontal axis.
        y: As many values; None leaves a gap.
        color: Number of its color, the same for the same thing everywhere.
        dot: Where on the horizontal axis to set a dot, None for nowhere.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    color: int
    dot: float | None = None


def line_chart(
    lines: Sequence[Line],
    x_label: str,
    description: str,
    scale: str = "linear",
) -> str:
    """Draws lines over a common axis.

    Args:
        lines: What to draw.
        x_label: Name of the horizontal axis.
        description: What the chart shows, for those who cannot see it.
        scale: "linear"; "share" for an axis from 0 to 1; "loss" for a
            logarithmic one if values span orders of magnitude.

    Returns:
        An `<svg>` element as wide as what is around it.
    """
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(5.2, 2.9), layout="constrained")
        axes = figure.add_subplot()
        for line in lines:
            _draw(axes, line)
        axes.set_xlabel(x_label)
        axes.grid(True, linewidth=0.6)
        axes.set_axisbelow(True)
        if scale == "share":
            axes.set_ylim(0, 1.02)
            axes.set_xlim(0, 1.01)
        elif scale == "loss" and _spans_magnitudes(lines):
            axes.set_yscale("log")
        return _themed(_svg(figure), description)


def _draw(axes, line: Line) -> None:
    color = SERIES[line.color % len(SERIES)]
    values = [float("nan") if value is None else value for value in line.y]
    axes.plot(line.x, values, color=color, linewidth=1.8)
    if line.dot is not None and len(line.x):
        nearest = min(
            range(len(line.x)), key=lambda index: abs(line.x[index] - line.dot)
        )
        axes.plot(line.x[nearest], values[nearest], "o", color=color)


def _spans_magnitudes(lines: Sequence[Line]) -> bool:
    values = [value for line in lines for value in line.y if value is not None]
    if not values or min(values) < 0:
        return False
    positive = sorted(value for value in values if value > 0)
    # The ends may be single spikes: the bulk of the values decides.
    edge = len(positive) // 20
    return bool(positive) and positive[-1 - edge] > 50 * positive[edge]


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(stream, metadata=nothing)
    return stream.getvalue()


def _themed(svg: str, description: str) -> str:
    box = re.search(r'viewBox="[^"]+"', svg).group()
    body = svg[svg.index("<g id=") :]
    # Other charts of the page have parts of the same names.
    body = re.sub(r' id="[^"]*_\d+"', "", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    for color, name in THEME.items():
        body = body.replace(color, name)
    label = html.escape(description)
    return f'<svg {box} role="img" aria-label="{label}">{body}'
