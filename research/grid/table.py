"""All cells of the grid in one table."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table
from featsr_tf.metrics.evaluator import percent
from research.ablation.tables import difference_cell
from research.ablation.variants import BASE
from research.grid.plans import CELLS
from research.grid.plans import ROWS
from research.grid.plans import result_file

# The backbone of the short table, and its rows.
_SHORT = "mobilenet"
_SHORT_ROWS = ("atrous_gan", "tail_magnified", "second_look")


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
            *((name, [""]) for name in ROWS.values()),
        ],
        [(cell, _row(result)) for cell, result in results.items()],
    )


def short_table(
    results: Mapping[str, Mapping], times: Mapping[str, Mapping]
) -> Table:
    """Compares three rows with the base, a column for each data set.

    Args:
        results: Of `read_results`.
        times: Of `read_times`.
    """
    data_sets = {
        cell.split("/")[0]: cell
        for cell, result in results.items()
        if cell.split("/")[1] == _SHORT
        and result["variants"].keys() >= {*_SHORT_ROWS}
    }
    rows = [
        (
            BASE,
            [
                Cell(percent(_small(results[cell], BASE)))
                for cell in data_sets.values()
            ],
        )
    ]
    for name in _SHORT_ROWS:
        cells = []
        for cell in data_sets.values():
            difference = results[cell]["variants"][name]["difference"]
            gain = difference_cell(difference["small"]["ap"])
            measured = times.get(cell)
            if measured is not None:
                ratio = measured["times_base"][name]["median"]
                gain = dataclasses.replace(
                    gain, detail=f"{gain.detail}, {ratio:.2f} times"
                )
            cells.append(gain)
        rows.append((ROWS[name], cells))
    return Table(
        f"AP50:95 of small objects, {_SHORT}",
        "The base in percent; gains over the control with their intervals, "
        "and the time per frame over the base's where it was measured.",
        [(name, [""]) for name in data_sets],
        rows,
    )


def _small(result: Mapping, variant: str) -> float:
    return result["variants"][variant]["figures"]["small"]["ap"]["mean"]


def _row(result: Mapping) -> list[Cell]:
    variants, settings = result["variants"], result["settings"]
    cells = [
        Cell(f"{settings['objects']['small']:,}"),
        Cell(str(len(settings["seeds"]))),
        *(
            Cell(percent(_small(result, name)))
            for name in (BASE, result["reference"])
        ),
    ]
    cells += [
        difference_cell(variants[name]["difference"]["small"]["ap"])
        if name in variants
        else Cell("-")
        for name in ROWS
    ]
    return cells
