"""Runs cells side by side, each in a process with cores of its own."""

import os
import shutil
import subprocess
import sys
import time

import tqdm

from featsr_tf.errors import FeatsrError
from research.ablation.plan import Cell
from research.ablation.plan import Plan

# The program of a cell; takes the flags of `cell.py`.
PROGRAM = (sys.executable, "-m", "research.ablation.cell")
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_TO_END = 10


def run_cells(plan: Plan, num_workers: int, keep_models: bool = False) -> None:
    """Runs what is left of a plan.

    Args:
        plan: The cells; those that are finished are not repeated.
        num_workers: Processes side by side.
        keep_models: Whether the detectors of all variants stay; by default
            only the base detectors do.

    Raises:
        FeatsrError: A cell has failed; those that had begun are finished
            first.
    """
    cells = list(plan.cells())
    waiting = [cell for cell in cells if not plan.is_finished(cell)]
    workers = [Worker(plan, cores) for cores in share_cores(num_workers)]
    failed: list[Cell] = []
    for cell in cells:
        # Killed between a last cell and this, the features would stay.
        _clear_features(plan, cell, waiting, workers)
    with tqdm.tqdm(
        total=len(cells),
        initial=len(cells) - len(waiting),
        desc="cells",
        unit="cell",
        dynamic_ncols=True,
    ) as bar:
        try:
            while True:
                for worker in workers:
                    if worker.cell is None and not failed:
                        worker.start(_take_next(plan, waiting))
                names = [w.cell.name for w in workers if w.cell is not None]
                if not names:
                    break
                if ", ".join(names) != bar.postfix:
                    bar.set_postfix_str(", ".join(names))
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                for worker in workers:
                    cell = worker.collect()
                    if cell is None:
                        continue
                    if not plan.kept_file(cell).exists():
                        failed.append(cell)
                        continue
                    bar.update()
                    if cell.base is not None and not keep_models:
                        shutil.rmtree(plan.model_dir(cell), ignore_errors=True)
                    _clear_features(plan, cell, waiting, workers)
        finally:
            for worker in workers:
                worker.stop()
    if failed:
        raise FeatsrError(_explain(plan, failed[0]))


class Worker:
    """One process at a time.

    Args:
        plan: The cells.
        cores: Numbers of the cores that its processes may use.
    """

    def __init__(self, plan: Plan, cores: list[int]):
        self.plan = plan
        self.cores = cores
        self.cell: Cell | None = None
        self._process: subprocess.Popen | None = None

    def start(self, cell: Cell | None) -> None:
        """Starts the process of a cell; nothing for None."""
        if cell is None:
            return
        plan = self.plan
        command = [
            *PROGRAM,
            *("--pipeline", str(plan.write_config(cell))),
            *("--model_dir", str(plan.model_dir(cell))),
            *("--output", str(plan.kept_file(cell))),
            *("--cores", *map(str, self.cores)),
        ]
        if cell.base is not None:
            command += ["--base_from", str(plan.model_dir(cell.base))]
        log_file = plan.log_file(cell)
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with open(log_file, "a", encoding="utf-8") as log:
            # The process ends when this end of its stdin is closed, which
            # happens however this process ends.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.cell = cell

    def collect(self) -> Cell | None:
        """Returns the cell whose process has ended, if it has."""
        if self._process is None or self._process.poll() is None:
            return None
        cell = self.cell
        self.stop()
        return cell

    def stop(self) -> None:
        """Ends the process, if there is one."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process, self.cell = None, None


def share_cores(num_workers: int) -> list[list[int]]:
    """Shares the cores of this process out.

    Args:
        num_workers: Processes side by side.

    Returns:
        The numbers of each process's cores, at least one; processes share
        cores only where there are more of them than cores.
    """
    cores = list(range(os.cpu_count() or 1))
    if hasattr(os, "sched_getaffinity"):
        cores = sorted(os.sched_getaffinity(0))
    return [
        cores[number::num_workers] or [cores[number % len(cores)]]
        for number in range(num_workers)
    ]


def _take_next(plan: Plan, waiting: list[Cell]) -> Cell | None:
    """Takes the first cell whose base detector is there."""
    for index, cell in enumerate(waiting):
        if cell.base is None or plan.kept_file(cell.base).exists():
            return waiting.pop(index)
    return None


def _clear_features(
    plan: Plan, cell: Cell, waiting: list[Cell], workers: list[Worker]
) -> None:
    """Deletes the features of a cell's fold and seed if no cell is left."""
    left = waiting + [w.cell for w in workers if w.cell is not None]
    if (cell.fold, cell.seed) not in {(c.fold, c.seed) for c in left}:
        shutil.rmtree(plan.feature_cache(cell), ignore_errors=True)


def _explain(plan: Plan, cell: Cell) -> str:
    log_file = plan.log_file(cell)
    lines = log_file.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return (
        f"{cell.name}: its process has failed: {last[-200:]!r}; see "
        f"{log_file}, then run the same command again"
    )
