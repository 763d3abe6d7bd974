"""Tables as Markdown."""

from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table
from research.markdown import markdown_table


def test_a_table_has_as_many_cells_as_heads_and_details_beside_figures():
    cells = [Cell("81.7", "best", detail="[<80, 83]"), Cell("a | b")]
    table = Table("Title", "Note", [("", ["F1", "AP"])], [("ours", cells)])
    text = markdown_table(table)
    assert text.startswith("## Title\n\nNote\n\n|  | F1 | AP |\n| --- |")
    assert "| ours | **81.7** [<80, 83] | a \\| b |" in text
