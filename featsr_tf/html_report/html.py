"""Pages, tables, facts, line charts and pictures as HTML."""

import html
import io
import re
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from featsr_tf.html_report.inputs import Picture
from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f6f7f9; --line: #d9dde3;
  --ink: #16181d; --ink-soft: #5a626e; --good: #0b7a3b; --bad: #b3261e;
  --series-0: #6b7280; --series-1: #0b63ce; --series-2: #c2410c;
  --series-3: #0f7b6c; --series-4: #8b3fc7; --series-5: #a16207;
  --series-6: #be185d; --series-7: #4d7c0f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14161a; --panel: #1d2026; --line: #353a43;
    --ink: #eceef1; --ink-soft: #a2aab6; --good: #5fd08a; --bad: #ff8a80;
    --series-0: #9aa3b0; --series-1: #6cb2ff; --series-2: #ff9e64;
    --series-3: #4fd1b8; --series-4: #c89bff; --series-5: #e6c34a;
    --series-6: #ff8ab8; --series-7: #a3d65c;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1180px; margin: 0 auto; padding: 28px 18px 64px; }
h1 { font-size: 1.05rem; font-weight: 600; color: var(--ink-soft); margin: 0; }
h2 { font-size: 1.2rem; margin: 44px 0 12px; }
h3 { font-size: 1rem; margin: 22px 0 4px; }
.headline {
  font-size: clamp(1.25rem, 3.2vw, 1.75rem); line-height: 1.3;
  font-weight: 600; margin: 8px 0 4px; text-wrap: balance;
}
.note { color: var(--ink-soft); font-size: .9rem; margin: 4px 0 12px; }
.good { color: var(--good); } .bad { color: var(--bad); }
.tiles, .charts { display: grid; gap: 14px; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr));
  margin-top: 22px; }
.charts { grid-template-columns:
  repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
.charts.stage { grid-template-columns:
  repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
.tile, .chart { background: var(--panel); border: 1px solid var(--line);
  border-radius: 10px; padding: 12px 14px; margin: 0; }
.tile .name { color: var(--ink-soft); font-size: .9rem; }
.tile .figure { font-size: 1.6rem; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.tile .change { font-size: .95rem; font-weight: 600; margin-left: 6px; }
.bar { height: 6px; border-radius: 3px; background: var(--line);
  margin-top: 6px; overflow: hidden; }
.bar span { display: block; height: 100%; border-radius: 3px; }
.scroll { overflow-x: auto; border: 1px solid var(--line);
  border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { padding: 7px 9px; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: var(--ink-soft); }
th.group { text-align: center; color: var(--ink); }
td small { display: block; color: var(--ink-soft); }
th.group, .first { border-left: 1px solid var(--line); }
tbody tr { border-top: 1px solid var(--line); }
th[scope=row] { text-align: left; color: var(--ink); position: sticky; left: 0;
  background: var(--page); }
td.best { font-weight: 700; }
td.shaded { background: color-mix(in srgb, var(--series-1)
  calc(var(--share) * .6), transparent); }
.matrix { width: auto; }
.matrix thead th { writing-mode: vertical-rl; transform: rotate(180deg);
  text-align: left; padding: 9px 3px; }
.matrix td { text-align: center; min-width: 2.4em; padding: 4px; }
details { margin-top: 22px; }
summary { font-size: 1.2rem; font-weight: 700; cursor: pointer; }
.facts th { width: 1%; color: var(--ink-soft); font-weight: 500; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.chart svg { display: block; width: 100%; height: auto; }
.chart svg text { font-family: inherit; }
.chart figcaption { font-weight: 600; font-size: .95rem; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: .85rem;
  color: var(--ink-soft); }
.legend i { display: inline-block; width: 14px; height: 3px; border-radius: 2px;
  vertical-align: middle; margin-right: 5px; }
.picture { margin: 0 0 22px; }
.picture img { width: 100%; height: auto; display: block; border-radius: 8px; }
.picture figcaption { color: var(--ink-soft); font-size: .9rem;
  padding-top: 4px; }
.picture .close { display: none; }
.picture:target { position: fixed; inset: 0; z-index: 2; overflow: auto;
  background: #000; }
.picture:target img { width: auto; max-width: none; border-radius: 0; }
.picture:target .close { display: block; position: fixed; top: 10px;
  right: 14px; padding: 6px 14px; border-radius: 8px; color: #fff;
  background: #000a; text-decoration: none; }
@media (max-width: 600px) {
  main { padding: 18px 12px 48px; }
  th, td { padding: 6px 7px; }
}
"""


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


def html_page(title: str, headline: str, sections: Iterable[str]) -> str:
    """Returns an HTML document that needs no other file.

    Args:
        title: What the page is about.
        headline: Its most important sentence.
        sections: HTML.
    """
    name = html.escape(title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>{STYLE}</style>
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


def markdown_table(table: Table) -> str:
    """Returns a table as Markdown, with its title and note."""
    heads = [
        f"{title.split(' (')[0]} {head}".strip()
        for title, group in table.groups
        for head in group
    ]
    lines = [["", *heads], ["---", *(["---:"] * len(heads))]]
    for name, row in table.rows:
        lines.append([name, *(_markdown_cell(cell) for cell in row)])
    rows = [" | ".join(map(_escaped, line)) for line in lines]
    return "\n".join(
        [f"## {table.title}", "", table.note, "", *(f"| {r} |" for r in rows)]
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


def markdown_facts(title: str, facts: Mapping) -> str:
    """Returns names with values as a Markdown list, "" if there are none."""
    lines = [f"- {name}: {value}" for name, value in _flat(facts)]
    return "\n".join([f"## {title}", "", *lines]) if lines else ""


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


def _markdown_cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.kind == "best" else cell.text
    return f"{text} {cell.detail}".strip()


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


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
