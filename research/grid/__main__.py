"""Trains the rows of the paper's question on data sets and backbones.

    python -m research.grid --cells voc_animals/mobilenet aerial_cars/mobilenet

Each cell is a run of `research.ablation`; the same command goes on where it
was stopped. In the end, and with --table alone, one table shows all cells that
ever were run.
"""

import argparse
from collections.abc import Sequence

from research.ablation.__main__ import main as run_ablation
from research.grid.plans import CELLS
from research.grid.plans import ablation_arguments
from research.grid.table import grid_table
from research.grid.table import read_results
from research.markdown import markdown_table


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: Arguments; default is the command line's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m research.grid",
        description="Looks for the paper's gain on data sets and backbones.",
    )
    parser.add_argument(
        "--cells",
        nargs="+",
        choices=CELLS,
        default=CELLS,
        metavar="DATA/BACKBONE",
        help=f"default: all of {', '.join(CELLS)}",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--output", default="output/grid", metavar="DIR")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    parser.add_argument(
        "--keep_models",
        action="store_true",
        help="keep the detectors of all rows, not only the base detectors",
    )
    parser.add_argument(
        "--table", action="store_true", help="run nothing, show the table"
    )
    arguments = parser.parse_args(argv)
    for cell in [] if arguments.table else arguments.cells:
        print(f"\n{cell}")
        words = ablation_arguments(
            *cell.split("/"), arguments.seeds, arguments.output
        )
        words += ["--workers", str(arguments.workers)]
        if arguments.keep_models:
            words.append("--keep_models")
        run_ablation(words)
    print(markdown_table(grid_table(read_results())))


if __name__ == "__main__":
    main()
