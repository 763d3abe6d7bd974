"""Images that compare detectors, with small objects enlarged."""

import glob
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from dataclasses import replace

import numpy as np
import tqdm
from PIL import Image

from featsr_tf.drawing.boxes import FOUND
from featsr_tf.drawing.boxes import MISSED
from featsr_tf.drawing.boxes import WRONG
from featsr_tf.drawing.boxes import Mark
from featsr_tf.drawing.boxes import box_marks
from featsr_tf.drawing.boxes import draw_marks
from featsr_tf.drawing.boxes import fill
from featsr_tf.drawing.boxes import outcome_marks
from featsr_tf.drawing.boxes import side_by_side
from featsr_tf.drawing.boxes import text_size_for
from featsr_tf.errors import DataError
from featsr_tf.files import safe_stem
from featsr_tf.files import write_picture
from featsr_tf.files import write_text
from featsr_tf.html_report.inputs import CAPTIONS_FILE
from featsr_tf.html_report.inputs import read_captions
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.detections import no_detections

WINDOW_COLOR = "#ffffff"
LOOK_COLOR = "#ff5cf4"


def compare(
    image: np.ndarray,
    found: Mapping[str, Detections],
    truth: GroundTruth | None = None,
    names: Mapping[int, str] | None = None,
    score_threshold: float = 0.5,
    num_panels: int = 4,
    width: int | None = None,
) -> np.ndarray:
    """Draws detectors side by side, small objects enlarged below.

    The paper's Figure 7. With ground truth the colors tell found (green),
    wrong (red) and missed (blue), else they tell the class. Thin lines are
    windows of a second look, with their magnifications.

    Args:
        image: `[height, width, 3]` uint8 RGB.
        found: Detections by the title of their detector.
        truth: The objects, or None where nobody has annotated them.
        width: Pixels of each side's width, default those of the image.
    """
    sides, titles, looks = [], [], []
    for title, detections in found.items():
        if truth is None:
            kept = detections.above(score_threshold)
            marks = box_marks(kept.boxes, kept.classes, kept.scores, names)
            title += f": {len(marks)} shown"
        else:
            marks = outcome_marks(truth, detections, names, score_threshold)
            title += _tally(marks)
        looks.append(look_marks(detections.windows))
        if looks[-1]:
            count = len(looks[-1])
            title += f"; {count} window{'s' if count > 1 else ''}"
        sides.append(marks)
        titles.append(title)
    boxes = [mark.box for marks in sides for mark in marks]
    windows = zoom_windows(np.reshape(boxes, [-1, 4]), image.shape, num_panels)
    drawn = [
        with_zooms(image, marks, windows, width, below)
        for marks, below in zip(sides, looks, strict=True)
    ]
    return side_by_side(drawn, titles)


def look_marks(windows: np.ndarray) -> list[Mark]:
    """Marks the windows `[m, 5]` of a second look; see `Detections`."""
    return [
        Mark(tuple(box), LOOK_COLOR, f"{times:g}x", thin=True)
        for *box, times in windows.tolist()
    ]


def with_zooms(
    image: np.ndarray,
    marks: Sequence[Mark],
    windows: Sequence[tuple[int, int, int, int]],
    width: int | None = None,
    below: Sequence[Mark] = (),
) -> np.ndarray:
    """Draws marks on an image and, in a row below it, enlarged windows.

    Args:
        image: `[height, width, 3]` uint8 RGB.
        width: Pixels of the result's width, default those of the image. The
            windows are cut from the image as it is.
        below: Marks that lie below the others, and not in enlarged windows.
    """
    height, full_width = image.shape[:2]
    width = width or full_width
    frames = [
        Mark(window, WINDOW_COLOR, chr(ord("a") + index))
        for index, window in enumerate(windows)
    ]
    # Names would hide what is small: they are told in the enlarged view.
    outside = [
        replace(mark, label="") if _holder(mark.box, windows) else mark
        for mark in marks
    ]
    size = (max(1, round(height * width / full_width)), width)
    whole = (0, 0, height, full_width)
    drawn = draw_marks(*_view(image, [*below, *frames, *outside], whole, size))
    gap = max(4, width // 150)
    # Of a narrow image a quarter is too little to see an object in.
    places = max(len(windows), 2 if width < 720 else 4)
    side = (width - gap * (places - 1)) // places
    if not windows or side < 1:
        return drawn
    row = fill(side + gap, width)
    for index, window in enumerate(windows):
        left = index * (side + gap)
        title = chr(ord("a") + index)
        row[gap:, left : left + side] = zoom(image, marks, window, side, title)
    return np.concatenate([drawn, row])


def zoom(
    image: np.ndarray,
    marks: Sequence[Mark],
    window: tuple[int, int, int, int],
    side: int,
    title: str = "",
) -> np.ndarray:
    """Enlarges a square window of an image to `side` px, with its marks.

    The title is a letter or word for the upper left corner.
    """
    inside = [mark for mark in marks if _holder(mark.box, [window])]
    enlarged, moved = _view(image, inside, window, (side, side))
    if title:
        moved.append(Mark((0, 0, 0, 0), WINDOW_COLOR, title))
    return draw_marks(enlarged, moved, max(12, text_size_for(side * 4)))


def zoom_windows(
    boxes: np.ndarray,
    image_shape: Sequence[int],
    num_windows: int = 4,
    small_side: float = 48,
) -> list[tuple[int, int, int, int]]:
    """Chooses square windows that show small boxes with their surroundings.

    Args:
        boxes: `[n, 4]` boxes in pixels, the smallest are served first.
        small_side: Only boxes with an area of at most its square are enlarged.

    Returns:
        ymin, xmin, ymax, xmax of each window, whole pixels in the image, from
        left to right.
    """
    height, width = image_shape[:2]
    sizes = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    small = np.flatnonzero(sizes <= small_side**2)
    groups: list[np.ndarray] = []
    for index in small[np.argsort(sizes[small], kind="stable")]:
        _add_to_groups(boxes[index], groups, 2.5 * small_side)
    windows = [_window(group, height, width) for group in groups[:num_windows]]
    return sorted(windows, key=lambda window: window[1])


def _view(
    image: np.ndarray, marks: Sequence[Mark], window, size: tuple[int, int]
) -> tuple[np.ndarray, list[Mark]]:
    """Resizes a window of an image, and moves the marks along."""
    top, left, bottom, right = window
    height, width = size
    view = image[top:bottom, left:right]
    if view.shape[:2] != size:
        crop = Image.fromarray(np.ascontiguousarray(view))
        view = np.asarray(
            crop.resize((width, height), Image.Resampling.BICUBIC)
        )
    scale = np.tile([height / (bottom - top), width / (right - left)], 2)
    boxes = ((np.array(mark.box) - [top, left] * 2) * scale for mark in marks)
    moved = [
        replace(mark, box=tuple(box.tolist()))
        for mark, box in zip(marks, boxes, strict=True)
    ]
    return view, moved


def _add_to_groups(box, groups: list[np.ndarray], largest_side: float) -> None:
    """Widens the first group that stays small with the box, or opens one."""
    for index, group in enumerate(groups):
        top_left = np.minimum(group[:2], box[:2])
        bottom_right = np.maximum(group[2:], box[2:])
        if (bottom_right - top_left).max() <= largest_side:
            groups[index] = np.concatenate([top_left, bottom_right])
            return
    groups.append(box)


def _window(box, height: int, width: int) -> tuple[int, int, int, int]:
    ymin, xmin, ymax, xmax = box
    side = max(ymax - ymin, xmax - xmin)
    side = int(min(max(48, side * 1.2 + 24), height, width))
    top = int(np.clip((ymin + ymax - side) / 2, 0, height - side))
    left = int(np.clip((xmin + xmax - side) / 2, 0, width - side))
    return (top, left, top + side, left + side)


def _holder(box, windows):
    """Returns the first window that holds the centre of a box, or None."""
    row, column = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    for window in windows:
        top, left, bottom, right = window
        if top <= row < bottom and left <= column < right:
            return window
    return None


def _tally(marks: Sequence[Mark]) -> str:
    kinds = {FOUND: "found", WRONG: "wrong", MISSED: "missed"}
    counts = {
        word: sum(mark.color == color for mark in marks)
        for color, word in kinds.items()
    }
    told = [f"{count} {word}" for word, count in counts.items() if count]
    return ": " + ", ".join(told or ["nothing to find, nothing shown"])


def draw_error_gallery(
    folder: str,
    name: str,
    result: Mapping,
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    names: Mapping[int, str],
    read_image: Callable[[int], np.ndarray],
) -> None:
    """Draws the images that an evaluation lists, small objects enlarged.

    Found objects are green, wrong detections red, missed objects blue. An
    image that cannot be read is left out with a warning.

    Args:
        read_image: makes the image `[height, width, 3]` of a position in
            `truths`.

    Raises:
        DataError: none of them can be read.
    """
    found = {item.image_id: item for item in detections}
    captions: dict[str, str] = {}
    problems = []
    entries = tqdm.tqdm(
        result["worst_images"], f"{name}: pictures", unit="image"
    )
    # Those of an earlier evaluation are of another detector.
    for path in glob.glob(
        os.path.join(glob.escape(str(folder)), f"{name}_worst_*.jpg")
    ):
        os.unlink(path)
    for rank, entry in enumerate(entries, start=1):
        try:
            image = read_image(entry["position"])
        except DataError as error:
            problems.append(error)
            continue
        truth = truths[entry["position"]]
        shown = found.get(truth.image_id, no_detections(truth.image_id))
        evaluated = (_of_classes(item, names) for item in (truth, shown))
        marks = outcome_marks(*evaluated, names, result["min_score"])
        boxes = np.reshape([mark.box for mark in marks], [-1, 4])
        windows = zoom_windows(boxes, image.shape)
        drawn = Image.fromarray(with_zooms(image, marks, windows))
        stem = safe_stem(truth.file_name)
        file_name = f"{name}_worst_{rank:02d}_{stem}.jpg"
        write_picture(os.path.join(folder, file_name), drawn)
        captions[file_name] = (
            f"{name.replace('_', ' ').capitalize()}, worst image {rank}: "
            f"{truth.file_name or truth.image_id}, {entry['missed']} missed, "
            f"{entry['false_positives']} false positives"
        )
    if problems and not captions:
        raise problems[0]
    for error in problems:
        warnings.warn(f"not drawn: {error}", stacklevel=2)
    others = {
        file_name: caption
        for file_name, caption in read_captions(folder).items()
        if not file_name.startswith(f"{name}_worst_")
    }
    captions = {**others, **captions}
    text = json.dumps(captions, indent=1) + "\n"
    write_text(os.path.join(folder, CAPTIONS_FILE), text)


def _of_classes(item, names: Mapping[int, str]):
    """Leaves out the objects or detections of classes without a name."""
    kept = np.isin(item.classes, list(names))
    changed = {
        field.name: value[kept]
        for field in fields(item)
        if field.name != "windows"
        and isinstance(value := getattr(item, field.name), np.ndarray)
    }
    return replace(item, **changed)
