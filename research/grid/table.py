"""All cells of the grid in one table."""

import json
from collections.abc import Mapping
from pathlib import Path

from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table
from featsr_tf.metrics.evaluator import percent
from research.ablation.tables import difference_cell
from research.ablation.variants import BASE
from research.grid.plans import CELLS
from research.grid.plans import result_file

# The rows of the first page, and how they are called there.
_ROWS = {
    "atrous_gan": "the paper",
    "atrous_gan_gated": "the paper, gated",
    "tail_magnified": "tail generator",
    "second_look": "second look",
}


def read_results() -> dict[str, dict]:
    """Reads what came out of the cells that were run, by DATA/BACKBONE."""
    files = {cell: Path(result_file(*cell.split("/"))) for cell in CELLS}
    return {
        cell: json.loads(path.read_text(encoding="utf-8"))
        for cell, path in files.items()
        if path.exists()
    }


def grid_table(results: Mapping[str, Mapping]) -> Table:
    """Compares the rows over all cells, in AP50:95 of small objects.

    Args:
        results: Of `read_results`.
    """
    return Table(
        "AP50:95 of small objects",
        "In percent: base and control, then differences from the control, two "
        "predictors with the same extra steps and no super-resolution; in "
        "brackets where 95% of the differences lie when frames are drawn "
        "anew.",
        [
            ("", ["small objects", "seeds", "base", "control"]),
            *((name, [""]) for name in _ROWS.values()),
        ],
        [(cell, _row(result)) for cell, result in results.items()],
    )


def _row(result: Mapping) -> list[Cell]:
    variants, settings = result["variants"], result["settings"]
    cells = [
        Cell(f"{settings['objects']['small']:,}"),
        Cell(str(len(settings["seeds"]))),
        *(
            Cell(percent(variants[name]["figures"]["small"]["ap"]["mean"]))
            for name in (BASE, result["reference"])
        ),
    ]
    cells += [
        difference_cell(variants[name]["difference"]["small"]["ap"])
        for name in _ROWS
    ]
    return cells
