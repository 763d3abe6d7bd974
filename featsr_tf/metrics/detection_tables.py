"""Detections of any detector: files in the layout of COCO, tables, YOLO."""

import csv
import io
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from featsr_tf.errors import DataError
from featsr_tf.errors import printable
from featsr_tf.files import read_text
from featsr_tf.metrics.coco_files import Annotations
from featsr_tf.metrics.coco_files import read_coco_detections
from featsr_tf.metrics.detection_columns import DetectionColumns
from featsr_tf.metrics.detection_columns import tell
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.matching_names import BY_ID
from featsr_tf.metrics.matching_names import Rule
from featsr_tf.metrics.matching_names import file_name_rules
from featsr_tf.metrics.matching_names import match_keys

_TABLES = (".csv", ".tsv", ".txt")
# Titles of columns, without what is neither letter nor digit; best first.
_IMAGE = ("filename", "imagename", "imagepath", "imagefile", "file", "path")
_IMAGE += ("image", "img", "imageid", "imgid")
_CLASS = ("classname", "categoryname", "labelname", "name", "label")
_CLASS += ("category", "class", "cls", "categoryid", "classid", "labelid")
_SCORE = ("score", "confidence", "conf", "probability", "prob")
_COLUMNS = (("image", _IMAGE), ("class", _CLASS), ("score", _SCORE))
# How boxes are told: left, top, right, bottom; left, top, width, height;
# middle, width, height.
_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
)
_SIDES = (
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("left", "top", "width", "height"),
    ("xmin", "ymin", "width", "height"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
)
_MIDDLES = (
    ("cx", "cy", "w", "h"),
    ("cx", "cy", "width", "height"),
    ("xc", "yc", "w", "h"),
    ("xcenter", "ycenter", "width", "height"),
    ("xcenter", "ycenter", "w", "h"),
)
_YOLO_ROW = "class cx cy w h score"
_YOLO_NAMES = ("classes.txt", "obj.names", "names.txt")
# A box may reach a little beyond its image.
_LARGEST_SHARE = 2


def read_detections(
    path: str | Path, annotations: Annotations
) -> list[Detections]:
    """Reads the detections of any detector.

    How images and classes were matched, if not by their ids, and a scale of
    the scores that is not 0 to 1 are told on stderr.

    Args:
        path: A folder of YOLO's text files, a table (.csv, .tsv, .txt), or a
            JSON file as for `read_coco_detections`.

    Raises:
        DataError: If it cannot be read; names the entry that is wrong.
    """
    if os.path.isdir(path):
        return read_yolo_folder(path, annotations)
    if str(path).lower().endswith(_TABLES):
        return read_table(path, annotations)
    return read_coco_detections(path, annotations)


def read_table(path: str | Path, annotations: Annotations) -> list[Detections]:
    """Reads a table with a row per detection below a row of titles.

    Args:
        path: Parted by commas, semicolons or tabs. Titles are such as image,
            class, score, xmin, ymin, xmax, ymax; `detections.csv` of
            `featsr_tf.predict` is one. Boxes within 0 to 1 are shares of the
            image.

    Raises:
        DataError: If it cannot be read; names the line that is wrong.
    """
    text = read_text(path)
    parting = max(",;\t", key=text.partition("\n")[0].count)
    # Line ends within quotes belong to a cell.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=parting)
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path}: not a table: {error}") from None
    titles = rows[0][1] if rows else []
    image, class_, score, sides, to_box = _find_columns(titles, path)
    found = []
    for number, row in rows[1:]:
        if not any(cell.strip() for cell in row):
            continue
        where = f"{path}: line {number}"
        if len(row) < len(titles) or any(row[len(titles) :]):
            raise DataError(
                f"{where}: expected {len(titles)} columns, found {len(row)}"
            )
        cells = [row[place] for place in (*sides, score)]
        numbers = [_number(cell, where, parting) for cell in cells]
        keys = row[image].strip(), row[class_].strip()
        found.append((*keys, to_box(numbers[:4]), numbers[4], number))
    boxes = [box for _, _, box, _, _ in found]
    is_share = bool(boxes) and max(max(box) for box in boxes) <= 1
    sizes = {}
    if is_share:
        keys = {key: key for key, *_ in found}
        sizes = _sizes_of(keys, annotations, path, [BY_ID])
        tell(
            f"{path}: boxes are within 0 to 1 and taken as shares of the image"
        )
    columns = DetectionColumns(
        path, lambda number: f"line {found[number - 1][4]}"
    )
    for key, name, box, value, number in found:
        scaled = _scaled(box, sizes.get(key)) if is_share else box
        _add(columns, f"{path}: line {number}", key, name, scaled, value)
    return annotations.matched(columns, names_first=True)


def read_yolo_folder(
    path: str | Path, annotations: Annotations
) -> list[Detections]:
    """Reads a folder of text files, one per image and named after it.

    Each line is class cx cy w h score, in shares of the image's size, which
    the annotations tell. Classes count from 0: they are names of a file
    classes.txt if there is one, else the annotated classes in order of their
    ids, which is told on stderr.

    Raises:
        DataError: If it cannot be read; names the line that is wrong.
    """
    folder = Path(path)
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() == ".txt"
        and file.name not in _YOLO_NAMES
        and file.is_file()
    )
    if not files:
        others = sorted(file.name for file in folder.iterdir())[:3]
        raise DataError(
            f"{path}: expected a .txt file per image ({_YOLO_ROW}), found "
            f"{printable(', '.join(others)) or 'nothing'}; name a .json or "
            ".csv file itself"
        )
    keys = {
        file.relative_to(folder).with_suffix("").as_posix(): file
        for file in files
    }
    sizes = _sizes_of({key: key for key in keys}, annotations, path)
    rows: list[str] = []
    columns = DetectionColumns(path, lambda number: rows[number - 1])
    for key, file in keys.items():
        for number, line in enumerate(read_text(file).splitlines(), 1):
            if not line.strip():
                continue
            where = f"{file}: line {number}"
            class_, box, score = _yolo_row(line, where)
            rows.append(f"{file.relative_to(folder)}: line {number}")
            _add(
                columns, where, key, class_, _scaled(box, sizes.get(key)), score
            )
    image_names = {key: key for key in keys}
    class_names = _yolo_classes(folder, annotations)
    return annotations.matched(columns, image_names, class_names)


def _find_columns(
    titles: Sequence[str], path: str | Path
) -> tuple[int, int, int, list[int], Callable]:
    """Places of image, class, score and box, and what makes it x, y, w, h."""
    places: dict[str, int] = {}
    for place, title in enumerate(titles):
        places.setdefault(re.sub(r"[^a-z0-9]", "", title.lower()), place)
    known = []
    for what, choices in (
        ("image", _IMAGE),
        ("class", _CLASS),
        ("score", _SCORE),
    ):
        found = [places[title] for title in choices if title in places]
        if not found:
            raise _no_column(what, titles, path)
        known.append(found[0])
    for layouts, to_box in (
        (_CORNERS, _box_of_corners),
        (_SIDES, list),
        (_MIDDLES, _box_of_middle),
    ):
        for layout in layouts:
            if all(title in places for title in layout):
                sides = [places[title] for title in layout]
                return known[0], known[1], known[2], sides, to_box
    raise _no_column("xmin, ymin, xmax, ymax", titles, path)


def _no_column(what: str, titles: Sequence[str], path) -> DataError:
    found = printable(", ".join(titles)) or "nothing"
    return DataError(
        f"{path}: line 1: no column for {what}; expected titles such as image,"
        f" class, score, xmin, ymin, xmax, ymax, found {found}"
    )


def _box_of_corners(corners: Sequence[float]) -> list[float]:
    left, top, right, bottom = corners
    return [left, top, right - left, bottom - top]


def _box_of_middle(numbers: Sequence[float]) -> list[float]:
    x, y, width, height = numbers
    return [x - width / 2, y - height / 2, width, height]


def _number(cell: str, where: str, parting: str = ",") -> float:
    text = cell.strip().removesuffix("%")
    try:
        value = float(text.replace(",", ".") if parting != "," else text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f"{where}: expected a finite number, found {printable(repr(cell))}"
        )
    return value


def _add(columns, where: str, key, class_, box: Sequence[float], score) -> None:
    if not columns.add(key, class_, box, score):
        raise DataError(
            f"{where}: expected a box of positive width and height and finite "
            f"numbers, found x, y, width, height "
            f"{', '.join(f'{side:g}' for side in box)} and score {score:g}"
        )


def _yolo_row(line: str, where: str) -> tuple[int, list[float], float]:
    cells = line.split()
    if len(cells) == 5:
        raise DataError(
            f"{where}: expected {_YOLO_ROW}, found 5 numbers: the score is "
            "missing; let the detector write it (Ultralytics: save_conf=True)"
        )
    # Trackers write the number of the track behind the score.
    if len(cells) not in (6, 7):
        raise DataError(
            f"{where}: expected {_YOLO_ROW}, found {len(cells)} columns"
        )
    try:
        numbers = [_number(cell, where) for cell in cells]
    except DataError as error:
        raise DataError(f"{error}; expected numbers: {_YOLO_ROW}") from None
    if not numbers[0].is_integer() or numbers[0] < 0:
        raise DataError(
            f"{where}: expected the number of a class, from 0, found "
            f"{printable(cells[0])}"
        )
    if any(abs(side) > _LARGEST_SHARE for side in numbers[1:5]):
        raise DataError(
            f"{where}: expected {_YOLO_ROW}, the box in shares of the image, "
            f"found {printable(' '.join(cells[1:5]))}"
        )
    return int(numbers[0]), _box_of_middle(numbers[1:5]), numbers[5]


def _yolo_classes(folder: Path, annotations: Annotations) -> dict[int, str]:
    for place in (folder, folder.parent):
        for name in _YOLO_NAMES:
            if (place / name).is_file():
                lines = read_text(place / name).splitlines()
                return {
                    number: line.strip() for number, line in enumerate(lines)
                }
    names = [name for _, name in sorted(annotations.names.items())]
    shown = ", ".join(f"{n} = {name}" for n, name in enumerate(names[:4]))
    tell(
        f"{folder}: no classes.txt: classes are numbered in order of the "
        f"annotated ids: {printable(shown)}{' ...' if names[4:] else ''}"
    )
    return dict(enumerate(names))


def _sizes_of(
    keys: Mapping[str, str],
    annotations: Annotations,
    path: str | Path,
    other_rules: Sequence[Rule] = (),
) -> dict[str, GroundTruth]:
    """The annotated image by its key, those without one left out."""
    truths = {truth.image_id: truth for truth in annotations.truths}
    known = {id_: truth.file_name for id_, truth in truths.items()}
    rules = file_name_rules(keys, known.values())
    matching = match_keys(keys, known, [*rules, *other_rules])
    found = {key: truths[id_] for key, id_ in matching.ids.items()}
    for truth in found.values():
        if truth.height <= 0 or truth.width <= 0:
            raise DataError(
                f"{annotations.path}: image {truth.image_id!r}: expected its "
                f"'height' and 'width', by which the shares of {path} are "
                f"multiplied, found {truth.height} and {truth.width}"
            )
    return found


def _scaled(box: Sequence[float], truth: GroundTruth | None) -> list[float]:
    """A box in pixels; that of an unknown image, refused later, as it is."""
    if truth is None:
        return list(box)
    sides = (truth.width, truth.height) * 2
    return [share * side for share, side in zip(box, sides, strict=True)]
