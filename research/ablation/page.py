"""The results on a page, as tables and curves."""

import html
from collections.abc import Mapping, Sequence

from featsr_tf.html_report.html import Line
from featsr_tf.html_report.html import html_facts
from featsr_tf.html_report.html import html_page
from featsr_tf.html_report.html import html_table
from featsr_tf.html_report.page import chart
from featsr_tf.html_report.tables import SIZE_TITLES
from research.ablation.tables import difference_cell
from research.ablation.tables import result_tables

TITLE = "What makes small objects better"
# Beside the reference; more lines in one chart cannot be told apart.
_LINES_PER_CHART = 5


def render_results(results: Mapping) -> str:
    """Renders the page.

    Args:
        results: Of `results.collect`.

    Returns:
        An HTML document that needs no other file.
    """
    tables = "".join(
        f"<h2>{html.escape(table.title)}</h2>{html_table(table)}"
        for table in result_tables(results)
    )
    left_out = html_facts("Left out", results["left_out"])
    return html_page(
        TITLE,
        headline(results),
        [
            tables,
            _curves(results),
            left_out,
            html_facts("Settings", results["settings"]),
            html_facts("Environment", results["environment"]),
        ],
    )


def headline(results: Mapping) -> str:
    """Says which variant is best on small objects, and how sure that is.

    Args:
        results: Of `results.collect`.
    """
    compared = [
        variant
        for variant in results["variants"].values()
        if variant["difference"] is not None
        and variant["difference"]["small"]["ap50"]["mean"] is not None
    ]
    if not compared:
        return "There is nothing to compare."
    best = max(compared, key=lambda v: v["difference"]["small"]["ap50"]["mean"])
    cell = difference_cell(best["difference"]["small"]["ap50"])
    reference = results["variants"][results["reference"]]["title"]
    return (
        "\N{LEFT DOUBLE QUOTATION MARK}"
        f"{best['title']}\N{RIGHT DOUBLE QUOTATION MARK} does most for AP50 of "
        f"small objects: {cell.text} points {cell.detail} against "
        f"\N{LEFT DOUBLE QUOTATION MARK}{reference}"
        "\N{RIGHT DOUBLE QUOTATION MARK}."
    )


def _curves(results: Mapping) -> str:
    of_small, of_all = (
        f'<div class="charts">{_charts(results, size)}</div>'
        for size in ("small", "all")
    )
    return (
        "<h2>Curves of small objects</h2>"
        '<p class="note">Means over the seeds. Precision is the mean over the '
        f"classes at an overlap of one half.</p>{of_small}"
        "<details><summary>Curves of all objects</summary>"
        f"{of_all}</details>"
    )


def _charts(results: Mapping, size: str) -> str:
    variants = results["variants"]
    others = [name for name in variants if name != results["reference"]]
    groups = [
        [results["reference"], *others[first : first + _LINES_PER_CHART]]
        for first in range(0, len(others), _LINES_PER_CHART)
    ]
    return "".join(
        chart(
            f"{title} over {x_label}, {SIZE_TITLES[size].lower()}",
            _lines(variants, names, kind, axis, size),
            x_label,
            scale="share",
        )
        for names in groups
        for kind, axis, title, x_label in (
            ("precision_over_recall", "recall", "Precision", "recall"),
            ("f1_over_threshold", "threshold", "F1", "score threshold"),
        )
    )


def _lines(
    variants: Mapping, names: Sequence[str], kind: str, axis: str, size: str
) -> list[Line]:
    return [
        Line(
            variants[name]["title"],
            variants[name]["curves"][kind][axis],
            variants[name]["curves"][kind][size],
            number,
        )
        for number, name in enumerate(names)
    ]
