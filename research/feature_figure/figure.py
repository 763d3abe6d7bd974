"""The paper's Figure 6: features of the same proposals side by side."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

COLORS = "viridis"
NOTE = (
    "Maps: mean over the channels, one color scale for each row. Below them: "
    "relative distance to a target, |features - target| / |target|."
)
_INK, _SOFT_INK = "#16181d", "#5b6270"
# All in px; a figure is as large as its rows ask for.
_MARGIN = 14
_GAP = 10
_SCALE_WIDTH = 44
_TEXT_HEIGHT = 36
_HEADING_HEIGHT = 30
_DPI = 100


@dataclass(frozen=True)
class Column:
    """One kind of features.

    Attributes:
        title: such as "$T^{1.0}$".
        subtitle: what they are, in a few words.
        is_target: whether the others are compared with them. Default False.
    """

    title: str
    subtitle: str
    is_target: bool = False


@dataclass(frozen=True, eq=False)
class Row:
    """One proposal.

    Attributes:
        image: `[h, w, 3]` uint8 RGB, what lies inside it.
        label: what it is.
        features: `[k, k, C]` for each column.
    """

    image: np.ndarray
    label: str
    features: Sequence[np.ndarray]


@dataclass(frozen=True, eq=False)
class Group:
    """Proposals with the same columns.

    Attributes:
        title: what they have in common.
        columns: the kinds of features.
        rows: the proposals.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]


def relative_distance(features: np.ndarray, target: np.ndarray) -> float:
    """Measures how far features are from a target.

    Args:
        features: `[k, k, C]`.
        target: `[k, k, C]`.

    Returns:
        The norm of the difference over that of the target; NaN for a target
        of zeros.
    """
    norm = float(np.linalg.norm(target))
    difference = float(np.linalg.norm(features - target))
    return difference / norm if norm else math.nan


def draw_features(groups: Sequence[Group], width: int = 1000) -> Figure:
    """Draws groups of proposals below each other.

    Args:
        groups: the groups, each with a row at least.
        width: of the figure, px. Default 1000.

    Returns:
        The figure.
    """
    num_columns = 1 + max(len(group.columns) for group in groups)
    free = width - 2 * _MARGIN - _SCALE_WIDTH
    side = free / num_columns - _GAP
    heights = [
        _HEADING_HEIGHT
        + _TEXT_HEIGHT
        + len(g.rows) * (side + _TEXT_HEIGHT)
        + _MARGIN
        for g in groups
    ]
    height = sum(heights) + 2 * _MARGIN + _HEADING_HEIGHT
    figure = Figure((width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    page = _Page(figure, width, height)
    top = _MARGIN
    for group, group_height in zip(groups, heights, strict=True):
        _draw_group(page, group, top, side)
        top += group_height
    page.write(_MARGIN, top + 12, NOTE, 8, _SOFT_INK)
    return figure


def as_image(figure: Figure) -> np.ndarray:
    """Renders a figure to `[height, width, 3]` uint8 RGB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


@dataclass(frozen=True)
class _Page:
    """A figure that is measured in px from its upper left corner."""

    figure: Figure
    width: float
    height: float

    def axes(self, left: float, top: float, width: float, height: float):
        bottom = self.height - top - height
        axes = self.figure.add_axes(
            (
                left / self.width,
                bottom / self.height,
                width / self.width,
                height / self.height,
            )
        )
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def write(self, x, y, text, size, color=_INK, **options) -> None:
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            text,
            fontsize=size,
            color=color,
            **{"va": "top", **options},
        )


def _draw_group(page: _Page, group: Group, top: float, side: float) -> None:
    step = side + _GAP
    page.write(_MARGIN, top, group.title, 11, weight="bold")
    top += _HEADING_HEIGHT
    titles = [("Image", "the proposal")] + [
        (column.title, column.subtitle) for column in group.columns
    ]
    for index, (title, subtitle) in enumerate(titles):
        center = _MARGIN + index * step + side / 2
        page.write(center, top, title, 10, ha="center")
        page.write(center, top + 17, subtitle, 7.5, _SOFT_INK, ha="center")
    top += _TEXT_HEIGHT
    for row in group.rows:
        _draw_row(page, group.columns, row, top, side)
        top += side + _TEXT_HEIGHT


def _draw_row(
    page: _Page, columns: Sequence[Column], row: Row, top: float, side: float
) -> None:
    maps = [features.mean(axis=-1) for features in row.features]
    norm = Normalize(min(m.min() for m in maps), max(m.max() for m in maps))
    image = page.axes(_MARGIN, top, side, side)
    image.imshow(row.image, aspect="auto", interpolation="bicubic")
    lines = [textwrap.shorten(x, 20) for x in row.label.splitlines()]
    _write_below(page, _MARGIN + side / 2, top + side, lines)
    left = _MARGIN
    for index, values in enumerate(maps):
        left += side + _GAP
        page.axes(left, top, side, side).imshow(
            values, COLORS, norm, aspect="auto", interpolation="nearest"
        )
        _write_below(
            page, left + side / 2, top + side, _distances(columns, row, index)
        )
    _draw_scale(page.axes(left + side + _GAP, top, 9, side), norm)


def _draw_scale(axes: Axes, norm: Normalize) -> None:
    bar = axes.figure.colorbar(ScalarMappable(norm, COLORS), cax=axes)
    bar.outline.set_visible(False)
    bar.set_ticks([norm.vmin, norm.vmax])
    bar.ax.tick_params(labelsize=7, length=0, labelcolor=_SOFT_INK)
    bar.ax.set_yticklabels([f"{norm.vmin:.2g}", f"{norm.vmax:.2g}"])


def _distances(columns: Sequence[Column], row: Row, index: int) -> list[str]:
    """A line for each target but the features themselves."""
    return [
        f"to {column.title}: "
        f"{relative_distance(row.features[index], target):.2f}"
        for other, (column, target) in enumerate(
            zip(columns, row.features, strict=True)
        )
        if column.is_target and other != index
    ]


def _write_below(page: _Page, center: float, y: float, lines) -> None:
    for number, line in enumerate(lines):
        page.write(center, y + 3 + 14 * number, line, 8, ha="center")
