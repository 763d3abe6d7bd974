"""Stands for `research.ablation.cell`: trains nothing, waits to be told.

A cell is finished as soon as there is a file `go` in the output's folder; each
start writes a line to `starts.txt` there. A variant's cell caches features, and
tells in `features.txt` which ones it found.
"""

import argparse
import sys
import time
from pathlib import Path

from research.ablation.cell import end_with_parent
from research.ablation.kept import write_kept
from research.tests.cells import SMALL
from research.tests.cells import kept


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pipeline", required=True)
    parser.add_argument("--model_dir", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--base_from")
    parser.add_argument("--cores", nargs="+")
    arguments = parser.parse_args()
    folder = arguments.output.parent
    folder.mkdir(parents=True, exist_ok=True)
    Path(arguments.model_dir).mkdir(parents=True, exist_ok=True)
    with open(folder / "starts.txt", "a") as file:
        base = Path(arguments.base_from).name if arguments.base_from else "-"
        file.write(f"{arguments.output.stem} {base}\n")
    if arguments.base_from:
        cache_features(folder.parent / "features", arguments.output.stem)
    if (folder / "fail").exists():
        sys.exit("no luck today")
    while not (folder / "go").exists():
        time.sleep(0.02)
    write_kept(arguments.output, kept(([SMALL], [SMALL], [0.9])))


def cache_features(features, cell):
    found = sorted(path.name for path in features.glob("*"))
    with open(features.parent / "cells" / "features.txt", "a") as file:
        file.write(" ".join([cell, *found]) + "\n")
    _, _, fold_and_seed = cell.partition("-")
    (features / fold_and_seed).mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    end_with_parent()
    main()
