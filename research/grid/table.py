"""All cells of the grid in one table."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from featsr_tf.errors import DataError
from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table
from featsr_tf.metrics.evaluator import percent
from research.ablation.comparison import interval
from research.ablation.tables import difference_cell
from research.ablation.variants import BASE
from research.ablation.variants import CONTROL
from research.grid.plans import CELLS
from research.grid.plans import ROWS
from research.grid.plans import result_file

# The backbone of the short table, and its rows.
_SHORT = "mobilenet"
_SHORT_ROWS = ("atrous_gan", "tail_magnified", "second_look")


@dataclasses.dataclass(frozen=True)
class CellResults:
    """What came out of a cell, over all seeds; AP50:95 of small objects.

    Attributes:
        num_objects: small ones.
        num_seeds: trainings of each row.
        averages: by variant, mean over the seeds.
        differences: by variant those from the control, mean over the seeds
            and interval, as `paired_differences` has them.
    """

    num_objects: int
    num_seeds: int
    averages: Mapping[str, float]
    differences: Mapping[str, Mapping[str, float]]


def read_results() -> dict[str, CellResults]:
    """Reads what came out of the cells that were run, by DATA/BACKBONE.

    Raises:
        DataError: A seed cannot be joined with others.
    """
    found = {}
    for cell in CELLS:
        pattern = Path(result_file(*cell.split("/"), seed="*"))
        paths = sorted(pattern.parent.glob(pattern.name))
        results = [
            json.loads(path.read_text(encoding="utf-8")) for path in paths
        ]
        for path, result in zip(paths, results, strict=True):
            if len(paths) > 1 and "draws" not in result["variants"][BASE]:
                raise DataError(
                    f"{path}: expected the draws of the bootstrap, by which "
                    "seeds are joined, found none; run this seed again"
                )
        if results:
            found[cell] = combine_seeds(results)
    return found


def combine_seeds(results: Sequence[Mapping]) -> CellResults:
    """Averages over seeds, each with results of its own.

    The same frames are drawn for all seeds: the mean of their differences in
    each draw has an interval of its own.

    Args:
        results: of the ablation, on the same frames.
    """
    first, *others = results
    for other in others:
        for key in ("classes", "frames", "objects", "resamples"):
            if other["settings"].get(key) != first["settings"].get(key):
                raise DataError(
                    f"seeds of one cell: expected the same {key}, found others"
                )
        if other["variants"].keys() != first["variants"].keys():
            raise DataError("seeds of one cell: expected the same rows")
    averages, differences = {}, {}
    for name, variant in first["variants"].items():
        same = [variant, *(other["variants"][name] for other in others)]
        averages[name] = _mean(
            one["figures"]["small"]["ap"]["mean"] for one in same
        )
        if name == first["reference"]:
            continue
        difference = dict(variant["difference"]["small"]["ap"])
        if others:
            draws = [one["draws"]["small"]["ap"] for one in same]
            # None becomes NaN.
            low, high = interval(np.array(draws, float).mean(axis=0))
            mean = _mean(
                one["difference"]["small"]["ap"]["mean"] for one in same
            )
            difference = {"mean": mean, "low": low, "high": high}
        differences[name] = difference
    # Those that count for average precision, which difficult ones do.
    small = first["variants"][BASE]["figures"]["small"]
    return CellResults(
        round(small["num_objects"]["mean"]),
        len(results),
        averages,
        differences,
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def grid_table(results: Mapping[str, CellResults]) -> Table:
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
    results: Mapping[str, CellResults], times: Mapping[str, Mapping]
) -> Table:
    """Compares three rows with the base, a column for each data set.

    It is that of MobileNet v1, or of another backbone where that is missing.

    Args:
        results: Of `read_results`.
        times: Of `read_times`.
    """
    data_sets: dict[str, str] = {}
    for cell, result in results.items():
        data_set, backbone = cell.split("/")
        is_better = data_set not in data_sets or backbone == _SHORT
        if result.differences.keys() >= {*_SHORT_ROWS} and is_better:
            data_sets[data_set] = cell
    rows = [
        (
            BASE,
            [
                Cell(percent(results[cell].averages[BASE]))
                for cell in data_sets.values()
            ],
        )
    ]
    for name in _SHORT_ROWS:
        cells = []
        for cell in data_sets.values():
            gain = difference_cell(results[cell].differences[name])
            measured = times.get(cell)
            if measured is not None:
                ratio = measured["times_base"][name]["median"]
                gain = dataclasses.replace(
                    gain, detail=f"{gain.detail}, {ratio:.2f} times"
                )
            cells.append(gain)
        rows.append((ROWS[name], cells))
    return Table(
        "AP50:95 of small objects",
        "The base in percent; gains over the control with their intervals, "
        "and the time per frame over the base's where it was measured.",
        [(cell, [""]) for cell in data_sets.values()],
        rows,
    )


def _row(result: CellResults) -> list[Cell]:
    return [
        Cell(f"{result.num_objects:,}"),
        Cell(str(result.num_seeds)),
        *(Cell(percent(result.averages[name])) for name in (BASE, CONTROL)),
        *(
            difference_cell(result.differences[name])
            if name in result.differences
            else Cell("-")
            for name in ROWS
        ),
    ]
