"""The table that converters print at their end."""

import numpy as np

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.records import RecordSummary
from featsr_tf.evaluation.size_ranges import area_ranges


def summary_table(
    summaries: dict[str, RecordSummary], label_map: LabelMap
) -> str:
    """Says how many images and objects a data set has.

    Args:
        summaries: contents of each split, by its name.
        label_map: the classes.

    Returns:
        Lines of text: one column per split, rows for images, objects, sizes
        (by area in the original images: small is at most 32^2 px^2, medium
        at most 96^2) and classes.
    """
    columns = [_column(summary, label_map) for summary in summaries.values()]
    rows = [["", *summaries]]
    rows += [[name, *(c[name] for c in columns)] for name in columns[0]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _column(summary: RecordSummary, label_map: LabelMap) -> dict[str, str]:
    """The cells of one split, by the names of the rows."""
    empty = int((summary.boxes_per_image == 0).sum())
    cells = {
        "images": str(summary.num_examples),
        "  without objects": str(empty),
        "objects": str(summary.num_objects),
    }
    boxes = np.pad(summary.object_sizes, ((0, 0), (2, 0)))
    for size in area_ranges()[:3]:
        count = int(size.contains(boxes).sum())
        share = 100 * count / max(summary.num_objects, 1)
        cells[f"  {size.name}"] = f"{count} ({share:.0f}%)"
    for label, name in sorted(label_map.names.items()):
        cells[f"  {label} {name}"] = str(summary.class_counts.get(label, 0))
    return cells
