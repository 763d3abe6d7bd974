"""Pages, tables, facts, line charts and pictures as HTML."""

import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from featsr_tf.html_report.inputs import Picture
from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table

STYLE_FILE = Path(__file__).with_name("style.css")
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
        y: As many values; None leaves a gap.
        color: Number of its color, the same for the same thing everywhere.
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
    """Draws lines over a common axis, as an `<svg>` of full width.

    The description is for those who cannot see it; `scale` is "linear", "share"
    for an axis from 0 to 1, or "loss" for a logarithmic one if values span
    orders of magnitude.
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
            # Scores of other detectors may be no shares.
            if all(0 <= x <= 1 for line in lines for x in line.x):
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


def html_page(title: str, headline: str, sections: Iterable[str]) -> str:
    """Returns an HTML document of HTML sections that needs no other file."""
    name = html.escape(title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>
{STYLE_FILE.read_text("utf-8")}</style>
</head>
<body>
<main>
<h1>{name}</h1>
<p class="headline">{html.escape(headline)}</p>
{"".join(sections)}
</main>
</body>
</html>
"""


def html_pictures(pictures: Sequence[Picture]) -> str:
    """Returns pictures with their captions as HTML.

    A click enlarges one, the next click leads back to the element "pictures".
    """
    return "".join(
        f'<figure class="picture" id="picture-{index}">'
        f'<a href="#picture-{index}"><img src="{picture.data_uri}" '
        f'width="{picture.width}" height="{picture.height}" loading="lazy" '
        f'alt="{html.escape(picture.caption)}"></a>'
        f"<figcaption>{html.escape(picture.caption)}</figcaption>"
        '<a class="close" href="#pictures">Close</a></figure>'
        for index, picture in enumerate(pictures, start=1)
    )


def html_table(table: Table) -> str:
    """Returns a table as HTML, with its note, without its title."""
    groups = "".join(
        f'<th class="group" colspan="{len(heads)}">{html.escape(title)}</th>'
        for title, heads in table.groups
    )
    heads = "".join(
        f'<th class="{"first" if index == 0 else ""}">{html.escape(head)}</th>'
        for _, group in table.groups
        for index, head in enumerate(group)
    )
    starts = _group_starts(table)
    body = ""
    for name, row in table.rows:
        cells = (_html_cell(cell, i in starts) for i, cell in enumerate(row))
        title = f'<th scope="row">{html.escape(name)}</th>'
        body += f"<tr>{title}{''.join(cells)}</tr>"
    kind = ' class="matrix"' if table.is_matrix else ""
    titled = any(title for title, _ in table.groups)
    first_row = f"<tr><th></th>{groups}</tr>" if titled else ""
    return (
        f'<p class="note">{html.escape(table.note)}</p>'
        f'<div class="scroll"><table{kind}><thead>{first_row}'
        f"<tr><th></th>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def html_facts(title: str, facts: Mapping) -> str:
    """Returns names with values as HTML, nothing if there are none."""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        f"<td>{html.escape(value)}</td></tr>"
        for name, value in _flat(facts)
    )
    if not rows:
        return ""
    return (
        f'<h2>{title}</h2><div class="scroll"><table class="facts">'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _group_starts(table: Table) -> set[int]:
    starts, position = set(), 0
    for _, heads in table.groups:
        starts.add(position)
        position += len(heads)
    return starts


def _html_cell(cell: Cell, is_first: bool) -> str:
    kinds = f"{'first' if is_first else ''} {cell.kind}".strip()
    shade = ""
    if cell.share:
        shade = f' style="--share:{round(100 * cell.share)}%"'
        kinds = f"{kinds} shaded".strip()
    text = html.escape(cell.text)
    if cell.detail:
        text += f"<small>{html.escape(cell.detail)}</small>"
    return f'<td class="{kinds}"{shade}>{text}</td>'


def _flat(facts: Mapping, prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        name = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            rows += _flat(value, f"{name}, ")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            rows.append((name, ", ".join(map(str, value))))
        else:
            rows.append((name, str(value)))
    return rows
