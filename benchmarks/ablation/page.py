"""The results as tables, in the terminal and on a page with curves."""

from collections.abc import Mapping
from collections.abc import Sequence

from benchmarks.ablation.variants import BASE
from benchmarks.probe.page import probe_table
from featsr_tf.evaluation.evaluator import percent
from featsr_tf.evaluation.report_charts import Line
from featsr_tf.evaluation.report_markup import html_facts
from featsr_tf.evaluation.report_markup import html_page
from featsr_tf.evaluation.report_markup import html_table
from featsr_tf.evaluation.report_page import chart
from featsr_tf.evaluation.report_tables import SIZE_TITLES
from featsr_tf.evaluation.report_tables import Cell
from featsr_tf.evaluation.report_tables import Table
from featsr_tf.evaluation.size_ranges import SIZE_NAMES

TITLE = "What makes small objects better"
_COLUMNS = {"f1": "F1", "ap50": "AP50", "ap": "AP50:95"}
_SMALL_AND_ALL = ("small", "all")
# Beside the reference; more lines in one chart cannot be told apart.
_LINES_PER_CHART = 5


def result_tables(results: Mapping) -> list[Table]:
    """Makes the tables.

    Args:
        results: Of `results.collect`.

    Returns:
        Figures by size, differences from the reference, and where there are
        such, distances from the targets and what a probe knows of these.
    """
    tables = [_figure_table(results), _difference_table(results)]
    variants = results["variants"].values()
    if any(variant["content"] is not None for variant in variants):
        tables.append(_content_table(results))
    if results.get("probe") is not None:
        tables.append(probe_table(results["probe"]))
    return tables


def _figure_table(results: Mapping) -> Table:
    settings = results["settings"]
    groups = [
        (SIZE_TITLES[size], [*_COLUMNS.values(), "Proposals"])
        for size in SIZE_NAMES
    ]
    of_base = _seconds_per_frame(results["variants"][BASE])
    rows = []
    for variant in results["variants"].values():
        cells = [
            _mean_cell(variant["figures"][size][key])
            for size in SIZE_NAMES
            for key in (*_COLUMNS, "proposal_recall")
        ]
        seconds = _seconds_per_frame(variant)
        cells += [
            Cell(f"{1000 * seconds:.0f}"),
            Cell(f"{seconds / of_base:.2f}"),
        ]
        rows.append((variant["title"], cells))
    objects = settings["objects"]
    every = max(objects["all"], 1)
    counts = ", ".join(
        f"{objects[size]} {size} ({percent(objects[size] / every)}%)"
        for size in SIZE_NAMES[:-1]
    )
    spread = ""
    if len(settings["seeds"]) > 1:
        spread = ", with the standard deviation over the seeds"
    return Table(
        "Figures by size",
        f"In percent, mean of {len(settings['seeds'])} seeds{spread}. "
        f"{settings['frames']} frames, each judged once by a detector that "
        f"has not seen it ({settings['folds']} folds); objects: {counts}, by "
        f"pixels of {settings['sizes_in_pixels_of']}. F1 at score thresholds "
        "chosen on the other folds; Proposals: share of the objects with a "
        "proposal that overlaps by one half.",
        [*groups, ("Time", ["ms", "x base"])],
        rows,
    )


def _seconds_per_frame(variant: Mapping) -> float:
    seconds = [seed["seconds_per_frame"] for seed in variant["seeds"].values()]
    return sum(seconds) / len(seconds)


def _difference_table(results: Mapping) -> Table:
    settings = results["settings"]
    reference = results["variants"][results["reference"]]["title"]
    rows = [
        (
            variant["title"],
            [
                _difference_cell(variant["difference"][size][key])
                for size in SIZE_NAMES
                for key in _COLUMNS
            ],
        )
        for variant in results["variants"].values()
        if variant["difference"] is not None
    ]
    return Table(
        f"Difference from: {reference}",
        "In points, mean over the seeds; in brackets where 95% of the "
        f"differences lie when frames are drawn anew ({settings['resamples']} "
        "draws, the same for all). Colored where that leaves out 0.",
        [(SIZE_TITLES[size], list(_COLUMNS.values())) for size in SIZE_NAMES],
        rows,
    )


def _content_table(results: Mapping) -> Table:
    rows = [
        (
            variant["title"],
            [
                _mean_cell(variant["content"]["refined_error"]),
                _mean_cell(variant["content"]["input_error"]),
                _mean_cell(variant["content"]["target_over_input_mean"]),
                Cell(f"{variant['content']['num_pairs']['mean']:.0f}"),
            ],
        )
        for variant in results["variants"].values()
        if variant["content"] is not None
    ]
    return Table(
        "Distance from the targets",
        "Error of features X in percent: the sum of |X - T|^2 over that of "
        "|T - mean(T)|^2, with the mean of each channel, on pairs of the "
        "frames that judge: 0 is the target T itself, 100 the best constant. "
        "S is what the generator makes of its input F. Each fold and seed has "
        "features of its own; errors of different targets do not compare.",
        [
            ("Error", ["S", "F"]),
            ("Means", ["T / F"]),
            ("Pairs", ["of a seed"]),
        ],
        rows,
    )


def _mean_cell(figure: Mapping) -> Cell:
    spread = figure["spread"]
    text = percent(figure["mean"])
    return Cell(text if spread is None else f"{text} ±{percent(spread)}")


def _difference_cell(difference: Mapping) -> Cell:
    mean, low, high = (difference[key] for key in ("mean", "low", "high"))
    if mean is None or low is None:
        return Cell("-")
    kind = "good" if low > 0 else "bad" if high < 0 else ""
    numbers = (f"{100 * value:+.1f}" for value in (mean, low, high))
    return Cell("{} [{}, {}]".format(*numbers), kind)


def render_results(results: Mapping) -> str:
    """Renders the page.

    Args:
        results: Of `results.collect`.

    Returns:
        An HTML document that needs no other file.
    """
    tables = "".join(
        f"<h2>{table.title}</h2>{html_table(table)}"
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
    cell = _difference_cell(best["difference"]["small"]["ap50"])
    reference = results["variants"][results["reference"]]["title"]
    return (
        f"AP50 of small objects is highest with \N{LEFT DOUBLE QUOTATION MARK}"
        f"{best['title']}\N{RIGHT DOUBLE QUOTATION MARK}: {cell.text} points "
        f"against \N{LEFT DOUBLE QUOTATION MARK}{reference}"
        "\N{RIGHT DOUBLE QUOTATION MARK}."
    )


def _curves(results: Mapping) -> str:
    variants = results["variants"]
    others = [name for name in variants if name != results["reference"]]
    groups = [
        [results["reference"], *others[first : first + _LINES_PER_CHART]]
        for first in range(0, len(others), _LINES_PER_CHART)
    ]
    charts = [
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
        for size in _SMALL_AND_ALL
    ]
    return (
        "<h2>Curves</h2>"
        '<p class="note">Means over the seeds. Precision is the mean over the '
        "classes at an overlap of one half.</p>"
        f'<div class="charts">{"".join(charts)}</div>'
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
