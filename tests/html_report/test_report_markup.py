"""Tables as HTML."""

from featsr_tf.html_report.html import html_table
from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table


def test_a_detail_stands_below_its_figure():
    cells = [Cell("81.7", "best", detail="[<80, 83]"), Cell("-")]
    table = Table("Title", "Note", [("", ["F1", "AP"])], [("ours", cells)])
    page = html_table(table)
    assert '<td class="first best">81.7<small>[&lt;80, 83]</small></td>' in page
    assert '<td class="">-</td>' in page
