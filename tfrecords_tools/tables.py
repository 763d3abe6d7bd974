"""Tables of cells, as text and as sections of an HTML page."""

import html
from collections.abc import Sequence

from featsr_tf.html_report.html import html_table
from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Sets cells in columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def table_section(title: str, rows: Sequence[Sequence[str]], note: str) -> str:
    """Sets cells in columns, as HTML.

    Args:
        title: title of the section.
    """
    content = Table(
        title,
        note,
        [("", list(rows[0][1:]))],
        [(first, [Cell(cell) for cell in row]) for first, *row in rows[1:]],
    )
    return f"<h2>{html.escape(title)}</h2>{html_table(content)}"


def text_section(title: str, content: str) -> str:
    """Sets text as it is, such as a part of a config, as HTML."""
    return (
        f"<h2>{html.escape(title)}</h2>"
        f'<div class="chart scroll"><pre>{html.escape(content)}</pre></div>'
    )
