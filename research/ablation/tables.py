"""The results as tables, for the terminal and for the page."""

from collections.abc import Mapping

from featsr_tf.html_report.tables import SIZE_TITLES
from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.evaluator import percent
from research.ablation.variants import BASE
from research.probe.page import probe_table

_FIGURES = {
    "f1": (
        "F1 by size",
        "As in Table 4 of the paper, at score thresholds chosen on the other "
        "folds that judge, of one alone on its own frames.",
    ),
    "ap50": ("AP50 by size", "Average precision at an overlap of one half."),
    "ap": (
        "AP50:95 by size",
        "Average precision, mean over overlaps from .50 to .95.",
    ),
}


def result_tables(results: Mapping) -> list[Table]:
    """Makes the tables.

    Args:
        results: Of `results.collect`.

    Returns:
        A table for each figure, thresholds and times, the objects, and where
        there are such, distances from the targets and what a probe knows of
        these.
    """
    tables = [_figure_table(results, figure) for figure in _FIGURES]
    tables += [_cost_table(results), _object_table(results)]
    variants = results["variants"].values()
    if any(variant["content"] is not None for variant in variants):
        tables.append(_content_table(results))
    if results.get("probe") is not None:
        tables.append(probe_table(results["probe"]))
    return tables


def _figure_table(results: Mapping, figure: str) -> Table:
    settings = results["settings"]
    reference = results["variants"][results["reference"]]["title"]
    rows = []
    for variant in results["variants"].values():
        cells = []
        for size in SIZE_NAMES:
            cells.append(_mean_cell(variant["figures"][size][figure]))
            difference = variant["difference"]
            cells.append(
                Cell("", detail="reference")
                if difference is None
                else difference_cell(difference[size][figure])
            )
        rows.append((variant["title"], cells))
    spread = ""
    if len(settings["seeds"]) > 1:
        spread = " \N{PLUS-MINUS SIGN} standard deviation"
    title, note = _FIGURES[figure]
    return Table(
        title,
        f"{note} In percent, mean{spread} of {len(settings['seeds'])} seeds. "
        "Difference: from \N{LEFT DOUBLE QUOTATION MARK}"
        f"{reference}\N{RIGHT DOUBLE QUOTATION MARK}, in points; in brackets "
        "where 95% of the differences lie when frames are drawn anew "
        f"({settings['resamples']} draws, the same for all), colored where "
        "that leaves out 0.",
        [
            (SIZE_TITLES[size], [title.split()[0], "difference"])
            for size in SIZE_NAMES
        ],
        rows,
    )


def _cost_table(results: Mapping) -> Table:
    of_base = _seconds_per_frame(results["variants"][BASE])
    rows = []
    for variant in results["variants"].values():
        seconds = _seconds_per_frame(variant)
        thresholds = [
            threshold
            for seed in variant["seeds"].values()
            for threshold in seed["thresholds"]
        ]
        rows.append(
            (
                variant["title"],
                [
                    Cell(f"{min(thresholds):.3f}"),
                    Cell(f"{max(thresholds):.3f}"),
                    Cell(f"{1000 * seconds:.0f}"),
                    Cell(f"{seconds / of_base:.2f}"),
                ],
            )
        )
    return Table(
        "Thresholds and times",
        "The score thresholds of F1, one for each fold and seed. Time: median "
        "of the frames, mean over the seeds; other cells may have been at "
        "work beside.",
        [
            ("Score threshold", ["lowest", "highest"]),
            ("Time per frame", ["ms", "x base"]),
        ],
        rows,
    )


def _seconds_per_frame(variant: Mapping) -> float:
    seconds = [seed["seconds_per_frame"] for seed in variant["seeds"].values()]
    return sum(seconds) / len(seconds)


def _object_table(results: Mapping) -> Table:
    settings = results["settings"]
    objects = settings["objects"]
    every = max(objects["all"], 1)
    figures = results["variants"][BASE]["figures"]
    return Table(
        "Objects and proposals",
        f"Objects in {settings['frames']} frames, each judged once by a "
        f"detector that has not seen it ({len(settings['judged_folds'])} of "
        f"{settings['folds']} folds). Sizes "
        f"are in pixels of {settings['sizes_in_pixels_of']}, small below "
        f"{settings['small_below_px']:.3g} x {settings['small_below_px']:.3g}. "
        "Found: share "
        "that a proposal of the base detector overlaps by one half; the "
        "variants that start from it share these proposals.",
        [("Objects", ["number", "percent"]), ("Proposals", ["found"])],
        [
            (
                SIZE_TITLES[size],
                [
                    Cell(f"{objects[size]:,}"),
                    Cell(percent(objects[size] / every)),
                    _mean_cell(figures[size]["proposal_recall"]),
                ],
            )
            for size in SIZE_NAMES
        ],
    )


def _content_table(results: Mapping) -> Table:
    rows = []
    for variant in results["variants"].values():
        content = variant["content"]
        if content is None:
            continue
        ratio = content["target_over_input_mean"]["mean"]
        rows.append(
            (
                variant["title"],
                [
                    _mean_cell(content["input_error"]),
                    _mean_cell(content["refined_error"]),
                    Cell("-" if ratio is None else f"{ratio:.3f}"),
                    Cell(f"{content['num_pairs']['mean']:,.0f}"),
                ],
            )
        )
    return Table(
        "Distance from the targets",
        "What the generator makes of its input F is S, and its target is T. "
        "Error of F or S in percent: its squared distance from T over that of "
        "the mean of each channel of T, on held-out pairs of stage 2. 0 is "
        "the target itself, 100 is no better than the best constant. Errors "
        "of different targets do not compare.",
        [
            ("Error", ["of input F", "of output S"]),
            ("Means", ["T / F"]),
            ("Pairs", ["of a seed"]),
        ],
        rows,
    )


def _mean_cell(figure: Mapping) -> Cell:
    spread = figure["spread"]
    detail = "" if spread is None else f"\N{PLUS-MINUS SIGN}{percent(spread)}"
    return Cell(percent(figure["mean"]), detail=detail)


def difference_cell(difference: Mapping) -> Cell:
    """Makes a cell of a difference.

    Args:
        difference: Its "mean", "low" and "high" as shares.
    """
    mean, low, high = (difference[key] for key in ("mean", "low", "high"))
    if mean is None or low is None:
        return Cell("-")
    kind = "good" if low > 0 else "bad" if high < 0 else ""
    mean, low, high = (f"{100 * value:+z.1f}" for value in (mean, low, high))
    return Cell(mean, kind, detail=f"[{low}, {high}]")
