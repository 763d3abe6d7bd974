"""One self-contained page that shows what a training has achieved."""

import html
from collections.abc import Mapping
from collections.abc import Sequence

from featsr_tf.evaluation.report_charts import Line
from featsr_tf.evaluation.report_charts import line_chart
from featsr_tf.evaluation.report_inputs import DETECTORS
from featsr_tf.evaluation.report_inputs import Picture
from featsr_tf.evaluation.report_style import STYLE
from featsr_tf.evaluation.report_tables import DETECTOR_NAMES
from featsr_tf.evaluation.report_tables import SIZE_TITLES
from featsr_tf.evaluation.report_tables import headline
from featsr_tf.evaluation.report_tables import table
from featsr_tf.evaluation.report_tables import tiles
from featsr_tf.evaluation.size_ranges import SIZE_NAMES

STAGE_TITLES = {
    "base": "Stage 1: base detector",
    "super_resolution": "Stage 2: generator against discriminator",
    "fine_tune": "Stage 3: fine-tuning of the predictors",
}


def render_page(
    title: str,
    metrics: Mapping,
    history: Mapping[str, Sequence[Mapping]],
    pictures: Sequence[Picture],
    num_left_out: int,
    environment: Mapping[str, str],
) -> str:
    """Renders the report.

    Args:
        title: Title of the page.
        metrics: Figures by detector and size; "settings" and "curves" are
            shown if they are there.
        history: Training records by stage.
        pictures: Pictures with captions.
        num_left_out: Pictures that are not shown.
        environment: Facts about versions and machine.

    Returns:
        An HTML document that needs no other file.
    """
    name = html.escape(title)
    sections = (
        tiles(metrics),
        table(metrics),
        _curves_section(metrics),
        _pictures_section(pictures, num_left_out),
        _history_section(history),
        _facts("Settings", metrics.get("settings", {})),
        _facts("Environment", environment),
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{name}</h1>
<p class="headline">{html.escape(headline(metrics))}</p>
{"".join(sections)}
</main>
</body>
</html>
"""


def _chart(title: str, lines: Sequence[Line], x_label: str, **options) -> str:
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


def _curves_section(metrics: Mapping) -> str:
    curves = metrics.get("curves")
    if not curves:
        return ""
    settings = metrics.get("settings", {})
    dots = settings.get("score_thresholds", {})
    parts = []
    for kind, axis, title, x_label in (
        ("f1_over_threshold", "threshold", "F1", "score threshold"),
        ("precision_over_recall", "recall", "Precision", "recall"),
    ):
        dotted = dots if axis == "threshold" else {}
        parts += [
            _chart(
                f"{title} over {x_label}, {SIZE_TITLES[size].lower()}",
                _size_lines(curves, kind, axis, size, dotted),
                x_label,
                scale="share",
            )
            for size in SIZE_NAMES
        ]
    return (
        "<h2>Over all score thresholds</h2>"
        '<p class="note">A dot marks the score threshold of the table.</p>'
        f'<div class="charts">{"".join(parts)}</div>'
    )


def _size_lines(curves, kind, axis, size, dots) -> list[Line]:
    return [
        Line(
            DETECTOR_NAMES[name],
            curves[name][kind][axis],
            curves[name][kind][size],
            index,
            dots.get(name),
        )
        for index, name in enumerate(DETECTORS)
        if name in curves
    ]


def _history_section(history: Mapping[str, Sequence[Mapping]]) -> str:
    if not history:
        return ""
    stages = "".join(_stage(name, steps) for name, steps in history.items())
    return f"<h2>Training</h2>{stages}"


def _stage(name: str, records: Sequence[Mapping]) -> str:
    groups = {
        "Losses": _values(records, "losses"),
        "Gauges": _values(records, "gauges"),
        "Learning rate": {
            "learning rate": [r.get("learning_rate") for r in records]
        },
    }
    steps = [record["step"] for record in records]
    charts = [
        _chart(
            title,
            [
                Line(key.replace("_", " "), steps, values, index + 1)
                for index, (key, values) in enumerate(columns.items())
            ],
            "step",
            scale="loss" if title == "Losses" else "linear",
        )
        for title, columns in groups.items()
        if columns
    ]
    title = html.escape(STAGE_TITLES.get(name, name.replace("_", " ")))
    return (
        f'<h3>{title}</h3><p class="note">{_pace(records)}</p>'
        f'<div class="charts stage">{"".join(charts)}</div>'
    )


def _values(records: Sequence[Mapping], group: str) -> dict[str, list]:
    names = dict.fromkeys(key for r in records for key in r.get(group, {}))
    return {
        name: [record.get(group, {}).get(name) for record in records]
        for name in names
    }


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
    figures = "".join(
        f'<figure class="picture" id="picture-{index}">'
        f'<a href="#picture-{index}"><img src="{picture.data_uri}" '
        f'width="{picture.width}" height="{picture.height}" loading="lazy" '
        f'alt="{html.escape(picture.caption)}"></a>'
        f"<figcaption>{html.escape(picture.caption)}</figcaption>"
        '<a class="close" href="#pictures">Close</a></figure>'
        for index, picture in enumerate(pictures, start=1)
    )
    left_out = (
        f" {num_left_out} more are not shown here." if num_left_out else ""
    )
    return (
        '<h2 id="pictures">Pictures</h2><p class="note">A click shows a '
        "picture in full size. Where the objects are known, green is found, "
        f"red is wrong and blue is missed.{left_out}</p>{figures}"
    )


def _facts(title: str, facts: Mapping) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        f"<td>{html.escape(value)}</td></tr>"
        for name, value in _flat(facts)
    )
    if not rows:
        return ""
    return (
        f'<h2>{title}</h2><div class="scroll"><table class="facts">'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _flat(facts: Mapping, prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for name, value in facts.items():
        name = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            rows += _flat(value, f"{name}, ")
        elif isinstance(value, list):
            rows.append((name, ", ".join(map(str, value))))
        else:
            rows.append((name, str(value)))
    return rows
