"""Boxes drawn so that a person can read them, at any image size."""

import functools
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL import ImageColor
from PIL import ImageDraw
from PIL import ImageFont

from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.matching import find_candidates

FOUND = "#2fbf4f"
WRONG = "#f0443a"
MISSED = "#4aa3ff"
IGNORED = "#c9c9c9"
CLASS_COLORS = (
    "#ffd23f",
    "#3fc1ff",
    "#ff7ab8",
    "#7ee05a",
    "#ff9447",
    "#b89bff",
    "#36e0c2",
    "#f4f4f4",
)
TITLE_BACKGROUND = "#16181d"
TITLE_COLOR = "#f2f2f2"


@dataclass(frozen=True)
class Mark:
    """A box to draw.

    Args:
        box: ymin, xmin, ymax, xmax in pixels of the image.
        color: Any color that PIL knows, such as "#2fbf4f".
        dashed: Whether the line is broken, for objects that do not count.
        thin: Whether the line is thinner, and lies inside the box.
    """

    box: tuple[float, float, float, float]
    color: str
    label: str = ""
    dashed: bool = False
    thin: bool = False


def draw_detections(
    image: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    scores: np.ndarray | None = None,
    names: Mapping[int, str] | None = None,
    color: str | None = None,
) -> np.ndarray:
    """Draws boxes with their class names and scores.

    Args:
        image: `[height, width, 3]` uint8 RGB.
        boxes: `[n, 4]` ymin, xmin, ymax, xmax in pixels of the image.
        classes: `[n]` class ids.
        scores: `[n]` confidences, or None for ground truth.
        names: Class names by class id; a class without one shows its number.
        color: One color for all, by default one per class.
    """
    return draw_marks(image, box_marks(boxes, classes, scores, names, color))


def side_by_side(
    images: Sequence[np.ndarray], titles: Sequence[str]
) -> np.ndarray:
    """Sets images beside each other, as in the paper's Figure 7.

    All `[height, width, 3]` uint8 RGB, with their titles above; lower ones are
    padded at the bottom.
    """
    height = max(image.shape[0] for image in images)
    # Images in a row are usually seen at half size.
    size = round(1.4 * text_size_for(max(image.shape[1] for image in images)))
    columns: list[np.ndarray] = []
    for image, title in zip(images, titles, strict=True):
        below = fill(height - image.shape[0], image.shape[1])
        column = with_title(np.concatenate([image, below]), title, size)
        if columns:
            gap = max(4, images[0].shape[1] // 150)
            columns.append(fill(column.shape[0], gap))
        columns.append(column)
    return np.concatenate(columns, axis=1)


def box_marks(
    boxes: np.ndarray,
    classes: np.ndarray,
    scores: np.ndarray | None = None,
    names: Mapping[int, str] | None = None,
    color: str | None = None,
) -> list[Mark]:
    """Turns boxes into marks; arguments as for `draw_detections`."""
    marks = []
    for index, (box, class_id) in enumerate(zip(boxes, classes, strict=True)):
        class_id = int(class_id)
        label = (names or {}).get(class_id, f"class {class_id}")
        if scores is not None:
            label += f" {100 * float(scores[index]):.0f}%"
        shade = color or CLASS_COLORS[(class_id - 1) % len(CLASS_COLORS)]
        marks.append(Mark(tuple(np.asarray(box).tolist()), shade, label))
    return marks


def outcome_marks(
    truth: GroundTruth,
    detections: Detections,
    names: Mapping[int, str] | None = None,
    score_threshold: float = 0.5,
) -> list[Mark]:
    """Marks found objects green, false detections red and misses blue.

    Misses come first; detections below the score threshold are left out.
    """
    shown = detections.above(score_threshold)
    candidates = find_candidates([truth], [shown])
    objects, partners = candidates.matches().T
    right = np.isin(np.arange(len(shown.boxes)), partners)
    missed = ~np.isin(np.arange(len(candidates.objects.boxes)), objects)
    wrong = ~right & ~candidates.ignored
    marks = box_marks(
        candidates.objects.boxes[missed],
        candidates.objects.classes[missed],
        None,
        names,
        MISSED,
    )
    for kept, color in (
        (~right & ~wrong, IGNORED),
        (wrong, WRONG),
        (right, FOUND),
    ):
        found = (shown.boxes[kept], shown.classes[kept], shown.scores[kept])
        marks += box_marks(*found, names, color)
    return marks


def draw_marks(
    image: np.ndarray, marks: Sequence[Mark], text_size: int | None = None
) -> np.ndarray:
    """Draws marks: lines around the boxes, then labels that avoid each other.

    Args:
        image: `[height, width, 3]` uint8 RGB.
        text_size: Height of the labels in pixels; by default it grows with
            the image.
    """
    drawn = Image.fromarray(np.array(image, np.uint8))
    canvas = ImageDraw.Draw(drawn)
    text_size = text_size or text_size_for(max(drawn.size))
    line = max(2, round(text_size / 6.5))
    lines = [max(1, line // 3) if mark.thin else line for mark in marks]
    # A dark rim of 1 px lies around each line.
    outlines = [_outline(mark.box, -1 if mark.thin else line) for mark in marks]
    for mark, outline, width in zip(marks, outlines, lines, strict=True):
        _draw_frame(canvas, outline, mark, width)
    font = _font(text_size, "".join(mark.label for mark in marks))
    occupied = list(outlines)
    for mark, outline in zip(marks, outlines, strict=True):
        if mark.label:
            occupied.append(_draw_label(canvas, mark, outline, font, occupied))
    return np.asarray(drawn)


def _font(size: int, text: str) -> ImageFont.FreeTypeFont:
    """Finds letters for a text; Pillow's own font has those of ASCII alone."""
    if text.isascii():
        return ImageFont.load_default(size)
    return ImageFont.truetype(_wide_font(), size)


@functools.cache
def _wide_font() -> str:
    (folder,) = importlib.util.find_spec(
        "matplotlib"
    ).submodule_search_locations
    return os.path.join(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")


def text_size_for(long_side: int) -> int:
    """Returns a legible height of letters for an image, in pixels."""
    return min(40, max(11, round(long_side / 68)))


def with_title(image: np.ndarray, title: str, text_size: int) -> np.ndarray:
    """Sets a line of text above an image, in letters of `text_size` px."""
    height, width = round(text_size * 2.1), image.shape[1]
    bar = Image.new("RGB", (width, height), TITLE_BACKGROUND)
    canvas = ImageDraw.Draw(bar)
    font = _font(text_size, title)
    while canvas.textlength(title, font) > width - text_size and len(title) > 1:
        title = title[:-2] + "\N{HORIZONTAL ELLIPSIS}"
    canvas.text(
        (text_size * 0.6, height / 2), title, TITLE_COLOR, font, anchor="lm"
    )
    return np.concatenate([np.asarray(bar), image])


def fill(height: int, width: int) -> np.ndarray:
    """Returns an empty image `[height, width, 3]` for gaps and padding."""
    color = ImageColor.getrgb(TITLE_BACKGROUND)
    return np.full([height, width, 3], color, np.uint8)


def _outline(box, line: int) -> tuple[float, ...]:
    """Moves a box outwards, so that its line leaves the object in view."""
    ymin, xmin, ymax, xmax = box
    return (ymin - line, xmin - line, ymax + line, xmax + line)


def _draw_frame(canvas, outline, mark: Mark, line: int) -> None:
    top, left, bottom, right = (round(value) for value in outline)
    right, bottom = max(right - 1, left), max(bottom - 1, top)
    # A dark rim keeps bright lines visible on bright ground.
    canvas.rectangle(
        (left - 1, top - 1, right + 1, bottom + 1), outline="#101010"
    )
    if not mark.dashed:
        canvas.rectangle(
            (left, top, right, bottom), outline=mark.color, width=line
        )
        return
    last = line - 1
    for begin, end in _dashes(left, right, line):
        canvas.rectangle((begin, top, end, top + last), mark.color)
        canvas.rectangle((begin, bottom - last, end, bottom), mark.color)
    for begin, end in _dashes(top, bottom, line):
        canvas.rectangle((left, begin, left + last, end), mark.color)
        canvas.rectangle((right - last, begin, right, end), mark.color)


def _dashes(first: int, last: int, line: int) -> list[tuple[int, int]]:
    """Cuts a side into dashes and gaps of equal length, a dash at each end."""
    pieces = max(1, round((last - first + 1) / (3 * line)) // 2 * 2 + 1)
    edges = np.linspace(first, last + 1, pieces + 1).round().astype(int)
    return [(edges[i], edges[i + 1] - 1) for i in range(0, pieces, 2)]


def _draw_label(canvas, mark: Mark, outline, font, occupied) -> tuple:
    left, top, right, bottom = canvas.textbbox((0, 0), mark.label, font)
    margin = max(2, font.size // 5)
    size = (font.size + 2 * margin, right - left + 2 * margin)
    place = _free_place(outline, size, occupied, canvas.im.size)
    canvas.rounded_rectangle(
        (place[1], place[0], place[3] - 1, place[2] - 1),
        radius=margin,
        fill=mark.color,
        outline="#101010",
    )
    canvas.text(
        (place[1] + margin - left, (place[0] + place[2]) / 2),
        mark.label,
        _readable_on(mark.color),
        font,
        anchor="lm",
    )
    return place


def _free_place(outline, size, occupied, image_size) -> tuple:
    """Chooses the place beside a box that covers least, inside the image."""
    top, left, bottom, right = outline
    height, width = size
    corners = (
        (top - height, left),
        (bottom, left),
        (top - height, right - width),
        (bottom, right - width),
        (top, right),
        (top, left - width),
        (bottom - height, right),
        (bottom - height, left - width),
    )
    places = [_inside(corner, size, image_size) for corner in corners]
    return min(places, key=lambda place: _covered(place, occupied))


def _inside(corner, size, image_size) -> tuple:
    top = round(max(0, min(corner[0], image_size[1] - size[0])))
    left = round(max(0, min(corner[1], image_size[0] - size[1])))
    return (top, left, top + round(size[0]), left + round(size[1]))


def _covered(place, occupied) -> float:
    others = np.asarray(occupied)
    common = np.minimum(place[2:], others[:, 2:]) - np.maximum(
        place[:2], others[:, :2]
    )
    return float(np.prod(np.maximum(common, 0), axis=1).sum())


def _readable_on(color: str) -> str:
    red, green, blue = ImageColor.getrgb(color)[:3]
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    return "#101010" if luminance > 110 else "#ffffff"
