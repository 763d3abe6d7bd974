"""Tables of a report as Markdown, to print them."""

from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table


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


def _markdown_cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.kind == "best" else cell.text
    return f"{text} {cell.detail}".strip()


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
