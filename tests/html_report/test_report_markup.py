"""Tables as HTML and Markdown."""

from featsr_tf.html_report.html import html_table
from featsr_tf.html_report.html import markdown_table
from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table


def test_a_detail_stands_below_its_figure_on_a_page_and_beside_it_in_text():
    cells = [Cell("81.7", "best", detail="[<80, 83]"), Cell("-")]
    table = Table("Title", "Note", [("", ["F1", "AP"])], [("ours", cells)])
    page = html_table(table)
    assert '<td class="first best">81.7<small>[&lt;80, 83]</small></td>' in page
    assert '<td class="">-</td>' in page
    assert "| ours | **81.7** [<80, 83] | - |" in markdown_table(table)
