"""The whole benchmark: killed, continued, and its results on a page."""

import dataclasses
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from research.ablation.kept import write_kept
from research.ablation.page import render_results
from research.ablation.plan import Plan
from research.ablation.results import collect
from research.ablation.tables import result_tables
from research.ablation.variants import VARIANTS
from research.probe.counts import Counts
from research.probe.counts import summarize
from research.tests.cells import MEDIUM
from research.tests.cells import SMALL
from research.tests.cells import kept
from tests.support import REPOSITORY
from tfrecords_tools.create_toy_tf_record import create

PIPELINE = str(REPOSITORY / "pipelines" / "toy.config")
HIT = ([SMALL, MEDIUM], [SMALL, MEDIUM], [0.9, 0.8])
CONTENT = {
    "refined_error": 0.25,
    "input_error": 0.5,
    "target_over_input_mean": 1.125,
    "num_pairs": 40,
}
MISS = ([SMALL, MEDIUM], [MEDIUM], [0.8])


CLASSES = {1: "sign"}


@pytest.fixture
def finished_plan(tmp_path, monkeypatch):
    """A plan whose cells are written: the naive one finds small objects."""
    monkeypatch.chdir(REPOSITORY)
    label_map = tmp_path / "label_map.pbtxt"
    label_map.write_text('item { id: 1 name: "sign" }\n')
    variants = {name: VARIANTS[name] for name in ("base", "naive")}
    override = f"train_input_reader.label_map_path='{label_map}'"
    plan = Plan(PIPELINE, [override], tmp_path, 2, [0, 1], variants)
    for cell in plan.cells():
        is_base = cell.base is None
        seconds = 0.05 if is_base else 0.06
        found = kept(*[MISS if is_base else HIT] * 3, seconds=seconds)
        if not is_base:
            found = dataclasses.replace(found, proposals=None, content=CONTENT)
        write_kept(plan.kept_file(cell), found)
    return plan


def test_results_tell_what_the_cells_hold(finished_plan):
    results = collect(
        finished_plan, {"oracle": ValueError("no such")}, 30, CLASSES
    )
    json.dumps(results, allow_nan=False)
    assert results["reference"] == "base"
    assert results["settings"]["frames"] == 6
    assert results["settings"]["objects"] == {
        "small": 6,
        "medium": 6,
        "large": 0,
        "all": 12,
    }
    naive = results["variants"]["naive"]
    assert naive["figures"]["small"]["f1"] == {"mean": 1.0, "spread": 0.0}
    # Of the base's proposals, which find the small ones alone.
    for size, share in (("small", 1.0), ("medium", 0.0)):
        assert naive["figures"][size]["proposal_recall"]["mean"] == share
    assert naive["difference"]["small"]["ap50"]["low"] == 1.0
    assert naive["difference"]["medium"]["ap50"]["mean"] == 0.0
    assert naive["difference"]["large"]["ap50"]["mean"] is None
    # In each draw all small ones are found by one and none by the other.
    assert naive["draws"]["small"]["ap"] == [1.0] * 30
    assert results["variants"]["base"]["difference"] is None
    assert results["variants"]["base"]["content"] is None
    assert naive["content"]["num_pairs"] == {"mean": 80.0, "spread": 0.0}
    assert results["left_out"] == {"oracle": "no such"}


def shown(cells):
    return [f"{cell.text} {cell.detail}".strip() for cell in cells]


def test_tables_and_page_show_the_results(finished_plan):
    results = collect(
        finished_plan, {"oracle": ValueError("no such")}, 30, CLASSES
    )
    f1, ap50, ap, costs, objects, content = result_tables(results)
    titles = [VARIANTS[name].title for name in ("base", "naive")]
    for table in (f1, ap50, ap, costs):
        assert [title for title, _ in table.rows] == titles
    # Each figure with its difference from the reference, by size.
    (_, base), (_, naive) = f1.rows
    assert shown(base[:2]) == ["0.0 ±0.0", "reference"]
    assert shown(naive[:2]) == ["100.0 ±0.0", "+100.0 [+100.0, +100.0]"]
    assert naive[1].kind == "good"
    (_, base), (_, naive) = ap50.rows
    medium, large = naive[3], naive[5]
    assert (*shown([medium]), medium.kind) == ("+0.0 [+0.0, +0.0]", "")
    assert shown([large]) == ["-"]
    (_, base), (_, naive) = costs.rows
    thresholds = results["variants"]["naive"]["seeds"][0]["thresholds"]
    low, high = f"{min(thresholds):.3f}", f"{max(thresholds):.3f}"
    assert shown(naive) == [low, high, "60", "1.20"]
    assert shown(base[2:]) == ["50", "1.00"]
    # Of the base's proposals, which find the small ones alone.
    assert [shown(cells) for _, cells in objects.rows] == [
        ["6", "50.0", "100.0 ±0.0"],
        ["6", "50.0", "0.0 ±0.0"],
        ["0", "0.0", "-"],
        ["12", "100.0", "50.0 ±0.0"],
    ]
    # Two folds of 40 pairs each.
    assert [(title, shown(cells)) for title, cells in content.rows] == [
        (titles[1], ["50.0 ±0.0", "25.0 ±0.0", "1.125", "80"])
    ]
    page = render_results(results)
    assert page.count("<svg") == 4
    assert "+100.0 points [+100.0, +100.0] against" in page
    assert "no such" in page


def test_the_page_shows_a_probe_that_is_given(finished_plan):
    results = collect(finished_plan, {}, 30, CLASSES)
    counts = Counts(*np.ones([4, 6]))
    settings = {"steps": 5, "folds": 1, "seeds": [0], "resamples": 30}
    probe = {**summarize({(0, 0): {"half": counts}}, 30), "settings": settings}
    results["probe"] = json.loads(json.dumps(probe))
    *_, table = result_tables(results)
    assert table.title == "What the targets know"
    assert table.title in render_results(results)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_cells(tmp_path):
    records = tmp_path / "toy"
    create(str(records), num_train=16, num_val=8, num_pictures=0)
    reader = "tf_record_input_reader.input_path"
    output = tmp_path / "output"
    command = [
        *(sys.executable, "-m", "research.ablation"),
        *("--pipeline", PIPELINE, "--output", str(output)),
        *("--folds", "2", "--seeds", "0", "--variants", "naive"),
        *("--steps-scale", "0.005", "--resamples", "20"),
        *("--results", str(tmp_path / "results.json")),
    ]
    for name, part in (
        ("train_input_reader", "train"),
        ("eval_input_reader.0", "val"),
    ):
        label_map = records / "label_map.pbtxt"
        command += ["--set", f"{name}.label_map_path={label_map}"]
        pattern = records / f"toy_{part}.record*"
        command += ["--set", f"{name}.{reader}={pattern}"]
    first = subprocess.Popen(command, cwd=REPOSITORY)
    while not list(output.glob("cells/base-*.npz")):
        assert first.poll() is None
        time.sleep(0.2)
    first.send_signal(signal.SIGKILL)
    first.wait()
    finished = {
        path: path.stat().st_mtime_ns for path in output.glob("cells/*.npz")
    }
    assert len(finished) < 4
    subprocess.run(command, cwd=REPOSITORY, check=True)
    names = {path.stem for path in output.glob("cells/*.npz")}
    assert names == {
        f"{variant}-fold_{fold}-seed_0"
        for variant in ("base", "naive")
        for fold in range(2)
    }
    for path, changed in finished.items():
        assert path.stat().st_mtime_ns == changed
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["settings"]["frames"] == 24
    assert set(results["variants"]) == {"base", "naive"}
    assert (output / "report.html").stat().st_size > 10_000
