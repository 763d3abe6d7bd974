"""Trains the rows of the paper's question on data sets and backbones.

    python -m research.grid --cells voc_animals/mobilenet aerial_cars/mobilenet

Each cell is a run of `research.ablation`; the same command goes on where it
was stopped. In the end, and with --table alone, tables show all cells that ever
were run. What --time needs is kept by --keep_models.
"""

import argparse
import itertools
from collections.abc import Sequence

from featsr_tf.errors import exit_on_error
from research.ablation.__main__ import main as run_ablation
from research.grid.plans import CELLS
from research.grid.plans import ablation_arguments
from research.grid.table import grid_table
from research.grid.table import read_results
from research.grid.table import short_table
from research.grid.times import measure_times
from research.grid.times import read_times
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
        "--table", action="store_true", help="run nothing, show the tables"
    )
    parser.add_argument(
        "--time",
        action="store_true",
        help="train nothing, time the kept detectors of the first fold and "
        "seed side by side",
    )
    parser.add_argument("--images", type=int, default=20, help="for --time")
    parser.add_argument("--rounds", type=int, default=5, help="for --time")
    arguments = parser.parse_args(argv)
    with exit_on_error():
        if arguments.time:
            _time(arguments)
        elif not arguments.table:
            _train(arguments)
        results = read_results()
        print(markdown_table(grid_table(results)))
        print()
        print(markdown_table(short_table(results, read_times())))


def _time(arguments: argparse.Namespace) -> None:
    for cell in arguments.cells:
        print(f"\n{cell}")
        measure_times(
            cell,
            arguments.output,
            arguments.seeds[0],
            arguments.images,
            arguments.rounds,
        )


def _train(arguments: argparse.Namespace) -> None:
    for cell, seed in itertools.product(arguments.cells, arguments.seeds):
        print(f"\n{cell}, seed {seed}")
        words = ablation_arguments(*cell.split("/"), seed, arguments.output)
        words += ["--workers", str(arguments.workers)]
        if arguments.keep_models:
            words.append("--keep_models")
        run_ablation(words)


if __name__ == "__main__":
    main()
