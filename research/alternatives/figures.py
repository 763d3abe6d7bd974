"""What each way gains for its time: tables, the front, and a picture."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from featsr_tf.exporting.names import BASE
from featsr_tf.files import atomic_write
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.evaluator import percent
from research.ablation.comparison import frame_weights
from research.ablation.comparison import interval
from research.alternatives.looking import Judged
from research.side_by_side import milliseconds
from research.side_by_side import ratio
from tfrecords_tools.tables import text_table

_DRAWS = 300
# Times whose names would lie upon each other in the picture, as a ratio.
_NEAR = 1.8


def price_table(judged: Mapping[str, Judged]) -> str:
    """Writes times, and what they buy on small objects.

    Args:
        judged: all ways by name, `BASE` among them.

    Returns:
        One line per way: median time of a frame; its ratio to the base with
        the quartiles of the rounds; AP50:95 of small objects; what is gained
        over the base, in points, with 95% of the gains when frames are drawn
        anew, and per millisecond more; whether no other way is both faster
        and better.
    """
    rows = [
        (
            "small objects",
            "ms",
            "x base",
            "quartiles",
            "AP50:95",
            "gain",
            "95%",
            "gain per ms",
            "front",
        )
    ]
    base = judged[BASE]
    points = {name: point(item) for name, item in judged.items()}
    on_front = front(points)
    base_ms, base_ap = points[BASE]
    base_draws = draws(base)
    for name, item in judged.items():
        times, low, high = ratio(item.seconds, base.seconds)
        ms, ap = points[name]
        cells = ["", "", ""]
        if name != BASE:
            ends = interval(draws(item) - base_draws)
            cells = [
                f"{ap - base_ap:+.1f}",
                "{:.1f} to {:.1f}".format(*ends),
                per_millisecond(ap - base_ap, ms - base_ms),
            ]
        rows.append(
            (
                name,
                milliseconds(ms / 1000),
                f"{times:.2f}",
                f"{low:.2f} to {high:.2f}",
                f"{ap:.1f}",
                *cells,
                "yes" if name in on_front else "",
            )
        )
    return text_table(rows)


def accuracy_table(judged: Mapping[str, Judged]) -> str:
    """Writes AP50:95, AP50 and F1 by size, in percent.

    Args:
        judged: all ways by name.

    Returns:
        One line per way; sizes without objects are left out.
    """
    any_way = next(iter(judged.values()))
    counts = dict(
        zip(SIZE_NAMES, any_way.counts.objects.sum(axis=0), strict=True)
    )
    sizes = [size for size in SIZE_NAMES if counts[size]]
    rows = [
        (
            "AP50:95 / AP50 / F1",
            *(f"{size} ({counts[size]})" for size in sizes),
        )
    ]
    for name, item in judged.items():
        averages = item.matches.figures().by_size()
        f1 = dict(zip(SIZE_NAMES, item.counts.figures()["f1"], strict=True))
        cells = (
            " / ".join(
                f"{percent(value):>5}"
                for value in (
                    averages[size]["ap"],
                    averages[size]["ap50"],
                    f1[size],
                )
            )
            for size in sizes
        )
        rows.append((name, *cells))
    return text_table(rows)


def point(item: Judged) -> tuple[float, float]:
    """Places a way in the plane of time and accuracy.

    Args:
        item: the way.

    Returns:
        Median milliseconds per frame; AP50:95 of small objects in percent.
    """
    ap = item.matches.figures().by_size()["small"]["ap"]
    return 1000 * float(np.median(item.seconds)), 100 * ap


def front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Finds the ways that no other one makes needless.

    Args:
        points: time and accuracy by name.

    Returns:
        Names of those for which no other is faster and at least as good, or
        as fast and better, the fastest first.
    """
    names: list[str] = []
    best = -np.inf
    for name, (_, accuracy) in sorted(
        points.items(), key=lambda item: (item[1][0], -item[1][1])
    ):
        if accuracy > best:
            names.append(name)
            best = accuracy
    return names


def draws(item: Judged) -> np.ndarray:
    """Computes AP50:95 of small objects, in percent, of frames drawn anew."""
    weights = frame_weights(len(item.counts.objects), _DRAWS)
    return np.array(
        [
            100 * item.matches.figures(row).by_size()["small"]["ap"]
            for row in weights
        ]
    )


def per_millisecond(gain: float, more: float) -> str:
    """Writes what is gained per millisecond more; "-" where it costs none."""
    return f"{gain / more:+.3f}" if more > 0 else "-"


def is_peak(name: str, points: Mapping[str, tuple[float, float]]) -> bool:
    """Tells whether a way is better than those next to it in time.

    Args:
        name: of the way.
        points: time and accuracy by name.
    """
    ordered = sorted(points, key=points.__getitem__)
    place = ordered.index(name)
    others = ordered[max(place - 1, 0) : place] + ordered[place + 1 : place + 2]
    return points[name][1] >= np.mean([points[other][1] for other in others])


def plot(judged: Mapping[str, Judged], path: str) -> None:
    """Draws accuracy on small objects over time, with the front.

    Args:
        judged: all ways by name.
        path: of the picture.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    points = {name: point(item) for name, item in judged.items()}
    line = [points[name] for name in front(points)]
    slowest = max(ms for ms, _ in points.values())
    # To the right of the last one, too, nothing is better.
    line.append((slowest, line[-1][1]))
    figure = Figure((8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(
        *zip(*line, strict=True),
        drawstyle="steps-post",
        color="tab:gray",
        linestyle="--",
        label="nothing is both faster and better",
    )
    last, last_height = 0.0, 0
    for name, (ms, ap) in sorted(points.items(), key=lambda item: item[1]):
        color = "tab:blue" if name.startswith(BASE) else "tab:orange"
        axes.plot(ms, ap, "o", color=color)
        height = -14
        if is_peak(name, points):
            # Names of neighbours would lie upon each other.
            is_near = ms < _NEAR * last and last_height == 8
            height = 20 if is_near else 8
            last, last_height = ms, height
        axes.annotate(
            name,
            (ms, ap),
            (0, height),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set(
        xscale="log",
        xlabel="ms per frame",
        ylabel="AP50:95 of small objects, %",
    )
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.margins(x=0.15, y=0.15)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    with atomic_write(Path(path)) as temporary:
        figure.savefig(temporary, dpi=120)
