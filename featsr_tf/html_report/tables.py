"""The tables of a report, in no language yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from featsr_tf.metrics.changes import TITLES
from featsr_tf.metrics.changes import change_text
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.evaluator import COLUMNS
from featsr_tf.metrics.evaluator import SHOWN
from featsr_tf.metrics.evaluator import percent

SIZE_TITLES = dict(
    zip(SIZE_NAMES, ("Small", "Medium", "Large", "Overall"), strict=True)
)
# Table 3 of the paper: titles, figures and sizes.
_PRECISIONS = (
    ("AP50:95", "ap", "all"),
    ("AP50", "ap50", "all"),
    ("AP75", "ap75", "all"),
    ("AP-S", "ap", "small"),
    ("AP-M", "ap", "medium"),
    ("AP-L", "ap", "large"),
)
_VOC_PRECISIONS = (
    ("AP50", "ap50", "all"),
    ("AP-S", "ap50", "small"),
    ("AP-M", "ap50", "medium"),
    ("AP-L", "ap50", "large"),
)
_SIZES_BY = {
    "area": "by area up to 32 x 32, up to 96 x 96 and above",
    "long_side": "by the long side below 32, below 96 and below 400 px",
}


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Args:
        share: From 0 to 1, how strongly it is shaded.
    """

    text: str
    kind: str = ""
    share: float = 0.0
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """A table of figures.

    Args:
        groups: Titles of groups of columns, "" for none, with the heads of
            their columns.
    """

    title: str
    note: str
    groups: Sequence[tuple[str, Sequence[str]]]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    is_matrix: bool = False


def report_tables(detectors: Mapping[str, Mapping]) -> list[Table]:
    """Makes the tables by object size, those of the paper.

    Table 1 where there are recall, accuracy and F1, and Table 3; `detectors`
    are what `evaluate` returned, by name.
    """
    figures = next(iter(detectors.values()))
    tables = [_precision_table(detectors)]
    if "f1" in figures["all"]:
        tables.insert(0, _size_table(detectors))
    return tables


def change_table(changes: Mapping[str, Mapping]) -> Table:
    """Makes the table of what `find_changes` returned."""
    return Table(
        "What changed",
        "The super-resolved detector against the base detector, at their score "
        "thresholds. Objects are found at an overlap above one half; a false "
        "detection that both make is neither added nor removed. The change of "
        "the overlap is in percent points.",
        [("", list(SIZE_TITLES.values()))],
        [
            (
                title[:1].upper() + title[1:],
                [
                    Cell(change_text(key, changes[size].get(key)))
                    for size in SIZE_NAMES
                ],
            )
            for key, title in TITLES.items()
        ],
    )


def detail_tables(detectors: Mapping[str, Mapping]) -> list[Table]:
    """Makes the tables by class, of confusions and of the worst images."""
    tables = []
    if all("per_class" in result for result in detectors.values()):
        tables.append(_class_table(detectors))
    for name, result in detectors.items():
        if "confusion" in result:
            tables.append(_confusion_table(name, result["confusion"]))
    for name, result in detectors.items():
        if result.get("worst_images"):
            tables.append(_worst_images_table(name, result["worst_images"]))
    return tables


def _class_table(detectors: Mapping[str, Mapping]) -> Table:
    """All classes, the one with the most objects first."""
    results = list(detectors.values())
    columns = SHOWN[results[0]["protocol"]]
    classes = results[0]["per_class"]
    counts = {
        name: sizes["all"]["num_objects"] for name, sizes in classes.items()
    }
    rows = []
    for name in sorted(counts, key=lambda name: -counts[name]):
        values = [
            [result["per_class"][name]["all"].get(key) for key in columns]
            for result in results
        ]
        cells = [cell for row in _marked(values) for cell in row]
        # A class that is neither in the images nor detected says nothing.
        if counts[name] or any(cell.text != "-" for cell in cells):
            rows.append((name, [Cell(f"{counts[name]:,}"), *cells]))
    heads = [COLUMNS[key] for key in columns]
    groups = [(detector_title(name), heads) for name in detectors]
    note = "Figures of all sizes together, in percent."
    return Table("Classes", note, [("", ["Objects"]), *groups], rows)


def _confusion_table(name: str, confusion: Mapping) -> Table:
    """The matrix of classes taken for others."""
    rows = []
    for title, counts in zip(
        confusion["classes"], confusion["matrix"], strict=True
    ):
        total = sum(counts) or 1
        cells = [
            Cell(str(count) if count else "", share=count / total)
            for count in counts
        ]
        rows.append((title, cells))
    return Table(
        f"Confusion: {detector_title(name)}",
        "Rows are the classes of the objects, columns those of the "
        "detections; at the end false detections and missed objects.",
        [("", confusion["classes"])],
        rows,
        is_matrix=True,
    )


def _worst_images_table(name: str, images: Sequence[Mapping]) -> Table:
    """The images with the most mistakes."""
    keys = ("missed", "false_positives")
    return Table(
        f"Worst images: {detector_title(name)}",
        "Images with the most mistakes at the score threshold.",
        [("", ["Missed objects", "False positives"])],
        [
            (
                entry["file_name"] or str(entry["image_id"]),
                [Cell(str(entry[key])) for key in keys],
            )
            for entry in images
        ],
    )


def detector_title(name: str) -> str:
    """Returns the name of a detector as people read it."""
    title = name.replace("_", "-")
    return title[:1].upper() + title[1:]


def difference(before: float | None, after: float | None) -> str:
    """Returns how far one figure is from another, in percent points."""
    if before is None or after is None:
        return "-"
    # The difference of what is shown, so that the reader's sums come out.
    change = float(percent(after)) - float(percent(before))
    return f"{change:+.1f}".replace("-", "\N{MINUS SIGN}")


def change_kind(text: str) -> str:
    """Returns "good" or "bad" for what `difference` returned, "" for none."""
    if text.strip("+-\N{MINUS SIGN}0.") == "":
        return ""
    return "good" if text.startswith("+") else "bad"


def _size_table(detectors: Mapping[str, Mapping]) -> Table:
    figures = next(iter(detectors.values()))
    columns = SHOWN["tt100k"]
    groups = [
        (_with_count(size, figures[size]), [COLUMNS[key] for key in columns])
        for size in SIZE_NAMES
    ]
    chosen = [(key, size) for size in SIZE_NAMES for key in columns]
    note = (
        "In percent, as in Table 1 of the paper: recall, accuracy "
        "(precision), F1 and average precision, all at an overlap of one "
        f"half. Sizes go {_SIZES_BY[figures.get('size_by', 'area')]}."
    )
    return Table(
        "Figures by object size", note, groups, _rows(detectors, chosen)
    )


def _precision_table(detectors: Mapping[str, Mapping]) -> Table:
    is_voc = next(iter(detectors.values())).get("protocol") == "voc"
    columns = _VOC_PRECISIONS if is_voc else _PRECISIONS
    protocol = "PASCAL VOC, at an overlap of one half" if is_voc else "COCO"
    return Table(
        "Average precision",
        f"In percent, as in Table 3 of the paper, by the rules of {protocol}. "
        "A dash stands where there is nothing to measure.",
        [("", [title for title, _, _ in columns])],
        _rows(detectors, [(key, size) for _, key, size in columns]),
    )


def _rows(detectors: Mapping[str, Mapping], chosen) -> list:
    values = [
        [figures[size].get(key) for key, size in chosen]
        for figures in detectors.values()
    ]
    titles = [detector_title(name) for name in detectors]
    rows = list(zip(titles, _marked(values), strict=True))
    if len(rows) == 2:
        texts = map(difference, *values)
        cells = [Cell(text, change_kind(text)) for text in texts]
        rows.append(("Difference", cells))
    return rows


def _marked(values: Sequence[Sequence[float | None]]) -> list[list[Cell]]:
    """Turns figures of detectors into cells; the better of two is marked."""
    rows = []
    for row in values:
        cells = []
        for value, *others in zip(row, *values, strict=True):
            known = [other for other in others if other is not None]
            best = value is not None and value == max(known) > min(known)
            cells.append(Cell(percent(value), "best" if best else ""))
        rows.append(cells)
    return rows


def _with_count(size: str, figures: Mapping) -> str:
    number = figures.get("num_objects")
    counted = "" if number is None else f" ({number:,} objects)"
    return f"{SIZE_TITLES[size]}{counted}"
