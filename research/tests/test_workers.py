"""Cells run side by side, each once, whatever is killed in between."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from featsr_tf.errors import FeatsrError
from research.ablation import workers
from research.ablation.plan import Plan
from research.ablation.variants import VARIANTS
from tests.support import REPOSITORY

PROGRAM = (sys.executable, "-m", "research.tests.toy_cell")
NAMES = {
    f"{variant}-fold_{fold}-seed_0"
    for variant in ("base", "naive")
    for fold in range(2)
}


def make_plan(folder, *names):
    names = names or ("base", "naive")
    variants = {name: VARIANTS[name] for name in names}
    pipeline = str(REPOSITORY / "pipelines" / "toy.config")
    return Plan(pipeline, [], folder, 2, [0], variants)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(workers, "PROGRAM", PROGRAM)
    monkeypatch.setattr(workers, "_SECONDS_BETWEEN_LOOKS", 0.05)
    (tmp_path / "cells").mkdir()
    return make_plan(tmp_path)


def starts(plan):
    text = (plan.folder / "cells" / "starts.txt").read_text()
    return [tuple(line.split()) for line in text.splitlines()]


def test_every_cell_runs_once_and_after_its_base(plan):
    (plan.folder / "cells" / "go").touch()
    workers.run_cells(plan, 2)
    found = starts(plan)
    assert {name for name, _ in found} == NAMES
    assert len(found) == len(NAMES)
    order = [name for name, _ in found]
    for name, base in found:
        if name.startswith("base"):
            assert base == "-"
        else:
            assert base == name.replace("naive", "base")
            assert order.index(base) < order.index(name)
    # Only the base detectors are needed again.
    models = {path.name for path in (plan.folder / "models").iterdir()}
    assert models == {name for name in NAMES if name.startswith("base")}


def test_finished_cells_are_not_repeated(plan):
    (plan.folder / "cells" / "go").touch()
    workers.run_cells(plan, 2)
    before = starts(plan)
    lost = plan.folder / "cells" / "naive-fold_1-seed_0.npz"
    lost.unlink()
    workers.run_cells(plan, 1)
    assert starts(plan)[len(before) :] == [
        ("naive-fold_1-seed_0", "base-fold_1-seed_0")
    ]


def test_features_stay_until_the_last_cell_of_their_fold(plan):
    plan = make_plan(plan.folder, "base", "naive", "placebo")
    (plan.folder / "cells" / "go").touch()
    workers.run_cells(plan, 1)
    text = (plan.folder / "cells" / "features.txt").read_text()
    assert [line.split() for line in text.splitlines()] == [
        ["naive-fold_0-seed_0"],
        ["placebo-fold_0-seed_0", "fold_0-seed_0"],
        ["naive-fold_1-seed_0"],
        ["placebo-fold_1-seed_0", "fold_1-seed_0"],
    ]
    assert not list((plan.folder / "features").iterdir())


def test_features_stay_while_another_cell_of_their_fold_is_at_work(plan):
    plan = make_plan(plan.folder, "base", "naive", "placebo")
    _, naive, placebo = list(plan.cells())[:3]
    features = plan.feature_cache(naive)
    features.mkdir(parents=True)
    busy, idle = SimpleNamespace(cell=placebo), SimpleNamespace(cell=None)
    workers._clear_features(plan, naive, [], [idle, busy])
    assert features.exists()
    workers._clear_features(plan, placebo, [], [idle, idle])
    assert not features.exists()


def test_features_that_a_killed_run_left_behind_are_deleted(plan):
    (plan.folder / "cells" / "go").touch()
    workers.run_cells(plan, 2)
    left = plan.folder / "features" / "fold_1-seed_0"
    left.mkdir(parents=True)
    workers.run_cells(plan, 2)
    assert not left.exists()


def test_a_cell_that_fails_is_named_with_its_last_words(plan):
    (plan.folder / "cells" / "fail").touch()
    with pytest.raises(FeatsrError, match="failed: 'no luck today'; see .*log"):
        workers.run_cells(plan, 1)
    assert len(starts(plan)) == 1
    (plan.folder / "cells" / "fail").unlink()
    (plan.folder / "cells" / "go").touch()
    workers.run_cells(plan, 2)
    assert {path.stem for path in plan.folder.glob("cells/*.npz")} == NAMES


@pytest.mark.skipif(
    not os.path.isdir("/proc"), reason="no /proc to look for processes in"
)
def test_a_killed_benchmark_takes_its_processes_along_and_goes_on(plan):
    program = (
        "from research.ablation import workers\n"
        "from research.tests.test_workers import *\n"
        "workers.PROGRAM = PROGRAM\n"
        f"workers.run_cells(make_plan({str(plan.folder)!r}), 2)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.DEVNULL
    )
    log = plan.folder / "cells" / "starts.txt"
    wait_until(lambda: log.exists() and len(starts(plan)) == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not running_cells(plan))
    assert not list(plan.folder.glob("cells/*.npz"))
    (plan.folder / "cells" / "go").touch()
    workers.run_cells(plan, 2)
    assert {path.stem for path in plan.folder.glob("cells/*.npz")} == NAMES


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def running_cells(plan):
    """Processes whose command line names the folder, but for this one."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and int(entry) != os.getpid():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    command = file.read()
            except OSError:
                continue
            if b"toy_cell" in command and str(plan.folder).encode() in command:
                found.append(entry)
    return found


@pytest.mark.parametrize("count", [1, 2, 3, 64])
def test_every_process_has_a_core_and_all_cores_are_used(count):
    shares = workers.share_cores(count)
    cores = {core for share in shares for core in share}
    assert len(shares) == count
    assert all(shares)
    if hasattr(os, "sched_getaffinity"):
        available = os.sched_getaffinity(0)
        assert cores <= available
        assert len(cores) == min(len(available), max(count, len(available)))
