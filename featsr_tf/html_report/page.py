"""One self-contained page that shows what a training has achieved."""

import html
from collections.abc import Mapping, Sequence

from featsr_tf.exporting.names import SUPER_RESOLVED
from featsr_tf.html_report.html import Line
from featsr_tf.html_report.html import html_facts
from featsr_tf.html_report.html import html_page
from featsr_tf.html_report.html import html_pictures
from featsr_tf.html_report.html import html_table
from featsr_tf.html_report.html import line_chart
from featsr_tf.html_report.inputs import Metrics
from featsr_tf.html_report.inputs import Picture
from featsr_tf.html_report.tables import SIZE_TITLES
from featsr_tf.html_report.tables import Table
from featsr_tf.html_report.tables import change_kind
from featsr_tf.html_report.tables import change_table
from featsr_tf.html_report.tables import detail_tables
from featsr_tf.html_report.tables import detector_title
from featsr_tf.html_report.tables import difference
from featsr_tf.html_report.tables import report_tables
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.evaluator import COLUMNS
from featsr_tf.metrics.evaluator import percent


def headline(detectors: Mapping[str, Mapping]) -> str:
    """Returns the result in one sentence.

    F1, or average precision where there is none, on small objects and over all
    sizes, of both detectors if there are two.
    """
    key = _main_figure(detectors)
    measure = COLUMNS[key]
    if len(detectors) < 2:
        (name, figures), *_ = detectors.items()
        subject = f"The {name.replace('_', '-')} detector reaches an"
        if name == "detections":
            subject = "The detections reach an"
        return (
            f"{subject} {measure} of {percent(figures['all'].get(key))} over "
            f"all sizes and {percent(figures['small'].get(key))} on small "
            "objects."
        )
    before, *_, after = detectors.values()
    small = _moves(before["small"].get(key), after["small"].get(key))
    overall = _moves(before["all"].get(key), after["all"].get(key))
    name = list(detectors)[-1]
    subject = "Super-resolution"
    if name != SUPER_RESOLVED:
        subject = detector_title(name)
    counts = [before[size].get("num_objects") for size in ("small", "all")]
    # Small numbers of objects make large differences by chance.
    basis = "" if None in counts else " ({} of {} objects)".format(*counts)
    return (
        f"{subject} {small[0]} {measure} on small objects{basis} {small[1]} "
        f"and {overall[0]} it over all sizes {overall[1]}."
    )


def tiles(detectors: Mapping[str, Mapping]) -> str:
    """Returns the main figure of every size as HTML, large and with bars."""
    key = _main_figure(detectors)
    return (
        '<div class="tiles">'
        f"{''.join(_tile(detectors, key, size) for size in SIZE_NAMES)}</div>"
    )


def _tile(detectors: Mapping[str, Mapping], key: str, size: str) -> str:
    values = [figures[size].get(key) for figures in detectors.values()]
    change = ""
    if len(values) > 1:
        text = difference(values[0], values[-1])
        change = f'<span class="change {change_kind(text)}">{text}</span>'
    bars = "".join(
        f'<div class="bar" title="{html.escape(detector_title(name))}">'
        f'<span style="width:{100 * (value or 0):.1f}%;'
        f'background:var(--series-{index % 8})">'
        "</span></div>"
        for index, (name, value) in enumerate(
            zip(detectors, values, strict=True)
        )
    )
    return (
        f'<div class="tile"><div class="name">{COLUMNS[key]}, '
        f"{SIZE_TITLES[size].lower()}</div>"
        f'<span class="figure">{percent(values[-1])}</span>{change}{bars}</div>'
    )


def _main_figure(detectors: Mapping[str, Mapping]) -> str:
    figures = next(iter(detectors.values()))["all"]
    return next((key for key in ("f1", "ap") if key in figures), "ap50")


def _moves(before: float | None, after: float | None) -> tuple[str, str]:
    if before is None or after is None:
        return "leaves undefined", "(there are none)"
    change = difference(before, after)
    values = f"from {percent(before)} to {percent(after)} ({change})"
    if percent(before) == percent(after):
        return "keeps", f"at {percent(after)}"
    return ("raises" if after > before else "lowers"), values


_CURVES = (
    ("f1_over_threshold", "threshold", "F1", "score threshold"),
    ("precision_over_recall", "recall", "Precision", "recall"),
)
STAGE_TITLES = {
    "base": "Stage 1: base detector",
    "super_resolution": "Stage 2: generator against discriminator",
    "fine_tune": "Stage 3: fine-tuning of the predictors",
}


def render_page(
    title: str,
    metrics: Metrics,
    history: Mapping[str, Sequence[Mapping]],
    pictures: Sequence[Picture],
    num_left_out: int,
) -> str:
    """Renders the report as an HTML document that needs no other file.

    It has the training records by stage, and tells how many pictures are left
    out.
    """
    detectors = metrics.detectors
    tables = report_tables(detectors)
    if metrics.changes:
        tables.append(change_table(metrics.changes))
    sections = (
        tiles(detectors),
        *(_table_section(table) for table in tables),
        _curves_section(detectors),
        _pictures_section(pictures, num_left_out),
        _details_section(detectors),
        _history_section(history),
        html_facts("Settings", metrics.settings),
        html_facts("Environment", metrics.environment),
    )
    return html_page(title, headline(detectors), sections)


def _table_section(table: Table) -> str:
    return f"<h2>{html.escape(table.title)}</h2>{html_table(table)}"


def _details_section(detectors: Mapping[str, Mapping]) -> str:
    # Closed at first: with many classes these tables are long.
    return "".join(
        f"<details><summary>{html.escape(table.title)}</summary>"
        f"{html_table(table)}</details>"
        for table in detail_tables(detectors)
    )


def chart(title: str, lines: Sequence[Line], x_label: str, **options) -> str:
    """Draws a chart with title and legend, as HTML; options of `line_chart`."""
    described = f"{title}: {', '.join(line.name for line in lines)}"
    legend = "".join(
        f'<span><i style="background:var(--series-{line.color % 8})"></i>'
        f"{html.escape(line.name)}</span>"
        for line in lines
    )
    return (
        f'<figure class="chart"><figcaption>{html.escape(title)}</figcaption>'
        f'<div class="legend">{legend}</div>'
        f"{line_chart(lines, x_label, described, **options)}</figure>"
    )


def _curves_section(detectors: Mapping[str, Mapping]) -> str:
    drawn = {
        name: result for name, result in detectors.items() if "curves" in result
    }
    if not drawn:
        return ""
    parts = [
        chart(
            f"{title} over {x_label}, {SIZE_TITLES[size].lower()}",
            _size_lines(drawn, kind, axis, size),
            x_label,
            scale="share",
        )
        for kind, axis, title, x_label in _CURVES
        for size in SIZE_NAMES
    ]
    return (
        "<h2>Over all score thresholds</h2>"
        '<p class="note">A dot marks the score threshold of the evaluation. '
        "Precision is the mean over the classes at an overlap of one half.</p>"
        f'<div class="charts">{"".join(parts)}</div>'
    )


def _size_lines(drawn: Mapping[str, Mapping], kind, axis, size) -> list[Line]:
    return [
        Line(
            detector_title(name),
            result["curves"][kind][axis],
            result["curves"][kind][size],
            index,
            result.get("min_score") if axis == "threshold" else None,
        )
        for index, (name, result) in enumerate(drawn.items())
    ]


def _history_section(history: Mapping[str, Sequence[Mapping]]) -> str:
    if not history:
        return ""
    stages = "".join(_stage(name, steps) for name, steps in history.items())
    return f"<h2>Training</h2>{stages}"


def _stage(name: str, records: Sequence[Mapping]) -> str:
    rates = [
        {"step": r["step"], "rates": {"learning rate": r["learning_rate"]}}
        for r in records
        if "learning_rate" in r
    ]
    groups = {
        "Losses": _lines(records, "losses"),
        "Gauges": _lines(records, "gauges"),
        "Validation": _lines(records, "validation"),
        "Learning rate": _lines(rates, "rates"),
    }
    scales = {"Losses": "loss"}
    charts = [
        chart(title, lines, "step", scale=scales.get(title, "linear"))
        for title, lines in groups.items()
        if lines
    ]
    title = html.escape(STAGE_TITLES.get(name, name.replace("_", " ")))
    return (
        f'<h3>{title}</h3><p class="note">{_pace(records)}</p>'
        f'<div class="charts stage">{"".join(charts)}</div>'
    )


def _lines(records: Sequence[Mapping], group: str) -> list[Line]:
    """A line for each name in a group, over the steps that have the group."""
    found = [record for record in records if record.get(group)]
    names = dict.fromkeys(name for record in found for name in record[group])
    steps = [record["step"] for record in found]
    return [
        Line(
            name.replace("_", " "),
            steps,
            [record[group].get(name) for record in found],
            index,
        )
        for index, name in enumerate(names, start=1)
    ]


def _pace(records: Sequence[Mapping]) -> str:
    told = [f"{records[-1]['step']:,} steps"]
    for key, form in (
        ("seconds_per_step", "{:.3f} s per step"),
        ("data_wait", "{:.0%} of the time waiting for data"),
    ):
        values = sorted(r[key] for r in records if r.get(key) is not None)
        if values:
            told.append(form.format(values[len(values) // 2]))
    return " \N{MIDDLE DOT} ".join(told)


def _pictures_section(pictures: Sequence[Picture], num_left_out: int) -> str:
    if not pictures:
        return ""
    left_out = (
        f" {num_left_out} more are not shown here." if num_left_out else ""
    )
    return (
        '<h2 id="pictures">Pictures</h2><p class="note">A click shows a '
        "picture in full size. Where the objects are known, green is found, "
        f"red is wrong and blue is missed.{left_out}</p>"
        f"{html_pictures(pictures)}"
    )
