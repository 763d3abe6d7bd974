"""Pages, tables, facts and pictures as HTML, and some as Markdown."""

import html
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from featsr_tf.evaluation.report_inputs import Picture
from featsr_tf.evaluation.report_style import STYLE
from featsr_tf.evaluation.report_tables import Cell
from featsr_tf.evaluation.report_tables import Table


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
