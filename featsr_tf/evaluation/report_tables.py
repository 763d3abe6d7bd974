"""The figures of a report: in one sentence, in large, and as a table."""

from collections.abc import Mapping
from collections.abc import Sequence

from featsr_tf.evaluation.evaluator import COLUMNS
from featsr_tf.evaluation.evaluator import percent
from featsr_tf.evaluation.report_inputs import DETECTORS
from featsr_tf.evaluation.size_ranges import SIZE_NAMES

DETECTOR_NAMES = {"base": "Base", "super_resolved": "Super-resolved"}
SIZE_TITLES = dict(
    zip(SIZE_NAMES, ("Small", "Medium", "Large", "Overall"), strict=True)
)


def headline(metrics: Mapping) -> str:
    """Returns the result in one sentence.

    Args:
        metrics: Figures by detector and size.

    Returns:
        F1 on small objects and over all sizes, of both detectors if there.
    """
    present = [name for name in DETECTORS if name in metrics]
    if len(present) < 2:
        figures = metrics[present[0]]
        return (
            f"The {DETECTOR_NAMES[present[0]].lower()} detector reaches an F1 "
            f"of {percent(figures['all'].get('f1'))} over all sizes and "
            f"{percent(figures['small'].get('f1'))} on small objects."
        )
    before, after = (metrics[name] for name in DETECTORS)
    small = _moves(before["small"].get("f1"), after["small"].get("f1"))
    overall = _moves(before["all"].get("f1"), after["all"].get("f1"))
    return (
        f"Super-resolution {small[0]} F1 on small objects {small[1]} "
        f"and {overall[0]} it over all sizes {overall[1]}."
    )


def _moves(before: float | None, after: float | None) -> tuple[str, str]:
    if before is None or after is None:
        return "leaves undefined", "(there are none)"
    change = _difference(before, after)
    values = f"from {percent(before)} to {percent(after)} ({change})"
    if percent(before) == percent(after):
        return "keeps", f"at {percent(after)}"
    return ("raises" if after > before else "lowers"), values


def _difference(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "-"
    # The difference of what is shown, so that the reader's sums come out.
    change = float(percent(after)) - float(percent(before))
    return f"{change:+.1f}".replace("-", "\N{MINUS SIGN}")


def _change_class(difference: str) -> str:
    if difference.strip("+-\N{MINUS SIGN}0.") == "":
        return ""
    return "good" if difference.startswith("+") else "bad"


def tiles(metrics: Mapping) -> str:
    """Returns the F1 of every size as HTML, large and with bars.

    Args:
        metrics: Figures by detector and size.
    """
    shown = []
    for size in SIZE_NAMES:
        values = [
            (name, metrics[name][size].get("f1"))
            for name in DETECTORS
            if name in metrics
        ]
        change = ""
        if len(values) == 2:
            text = _difference(values[0][1], values[1][1])
            change = f'<span class="change {_change_class(text)}">{text}</span>'
        bars = "".join(
            f'<div class="bar"><span style="width:{100 * (value or 0):.1f}%;'
            f'background:var(--series-{DETECTORS.index(name)})"></span></div>'
            for name, value in values
        )
        shown.append(
            '<div class="tile">'
            f'<div class="name">F1, {SIZE_TITLES[size].lower()}</div>'
            f'<span class="figure">{percent(values[-1][1])}</span>'
            f"{change}{bars}</div>"
        )
    return f'<div class="tiles">{"".join(shown)}</div>'


def table(metrics: Mapping) -> str:
    """Returns the figures in the form of the paper's Table 1, as HTML.

    Args:
        metrics: Figures by detector and size.
    """
    rows = [
        _figures_row(metrics, name) for name in DETECTORS if name in metrics
    ]
    if len(rows) == 2:
        rows.append(_differences_row(metrics))
    groups = "".join(
        f'<th class="group" colspan="{len(COLUMNS)}">{SIZE_TITLES[size]}'
        f"{_num_objects(metrics, size)}</th>"
        for size in SIZE_NAMES
    )
    heads = "".join(
        f'<th class="{"first" if index == 0 else ""}">{head}</th>'
        for _ in SIZE_NAMES
        for index, head in enumerate(COLUMNS.values())
    )
    return (
        "<h2>Figures by object size</h2>"
        '<p class="note">In percent, as in Table 1 of the paper: recall, '
        "accuracy (precision), F1 and average precision, all at an overlap of "
        "one half. A dash stands where there is nothing to measure.</p>"
        '<div class="scroll"><table><thead><tr><th></th>'
        f"{groups}</tr><tr><th></th>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _num_objects(metrics: Mapping, size: str) -> str:
    for name in DETECTORS:
        number = metrics.get(name, {}).get(size, {}).get("num_objects")
        if number is not None:
            return f"<small>{number:,} objects</small>"
    return ""


def _cells(values: Sequence[tuple[str, str]]) -> str:
    cells = []
    for index, (text, kind) in enumerate(values):
        first = "first" if index % len(COLUMNS) == 0 else ""
        cells.append(f'<td class="{first} {kind}">{text}</td>')
    return "".join(cells)


def _figures_row(metrics: Mapping, name: str) -> str:
    values = []
    for size in SIZE_NAMES:
        for key in COLUMNS:
            value = metrics[name][size].get(key)
            shown = [
                metrics[other][size].get(key) or 0
                for other in DETECTORS
                if other in metrics
            ]
            best = value is not None and len(shown) == 2
            best = best and value == max(shown) and min(shown) < max(shown)
            values.append((percent(value), "best" if best else ""))
    title = DETECTOR_NAMES[name]
    return f'<tr><th scope="row">{title}</th>{_cells(values)}</tr>'


def _differences_row(metrics: Mapping) -> str:
    before, after = (metrics[name] for name in DETECTORS)
    texts = [
        _difference(before[size].get(key), after[size].get(key))
        for size in SIZE_NAMES
        for key in COLUMNS
    ]
    values = [(text, _change_class(text)) for text in texts]
    return f'<tr><th scope="row">Difference</th>{_cells(values)}</tr>'
