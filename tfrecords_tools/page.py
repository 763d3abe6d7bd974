"""Sections of HTML pages about records, in the look of the report."""

import html
from collections.abc import Mapping
from collections.abc import Sequence

from featsr_tf.html_report.html import html_pictures
from featsr_tf.html_report.html import html_table
from featsr_tf.html_report.inputs import Picture
from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table


def table(title: str, rows: Sequence[Sequence[str]], note: str) -> str:
    """Sets cells in columns.

    Args:
        title: title of the section.
        rows: the first one holds the heads of the columns.
        note: text above the table.

    Returns:
        HTML.
    """
    content = Table(
        title,
        note,
        [("", list(rows[0][1:]))],
        [(first, [Cell(cell) for cell in row]) for first, *row in rows[1:]],
    )
    return f"<h2>{html.escape(title)}</h2>{html_table(content)}"


def text(title: str, content: str) -> str:
    """Sets text as it is, such as a part of a config.

    Args:
        title: title of the section.
        content: the lines.

    Returns:
        HTML.
    """
    return (
        f"<h2>{html.escape(title)}</h2>"
        f'<div class="chart scroll"><pre>{html.escape(content)}</pre></div>'
    )


def pictures(
    title: str, shown: Sequence[Picture], legend: Mapping[str, str]
) -> str:
    """Sets pictures below each other.

    Args:
        title: title of the section.
        shown: the pictures with their captions.
        legend: the colour of each kind of box that they show.

    Returns:
        HTML.
    """
    colors = "".join(
        f'<span><i style="background:{color}"></i>{html.escape(name)}</span>'
        for name, color in legend.items()
    )
    return (
        f'<h2 id="pictures">{html.escape(title)}</h2>'
        '<p class="note">A click shows a picture in full size.</p>'
        f'<p class="legend">{colors}</p>{html_pictures(shown)}'
    )
