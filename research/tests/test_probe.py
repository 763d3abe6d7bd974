"""What a probe tells, worked out by hand, and whose detectors it asks."""

import dataclasses
import json
import re

import numpy as np
import pytest

from featsr_tf.config import to_text
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.geometry.sampling import SampledProposals
from research.probe.__main__ import count_bases
from research.probe.__main__ import main
from research.probe.bases import bases_of_ablation
from research.probe.counts import Counts
from research.probe.counts import count_views
from research.probe.counts import summarize
from research.probe.kept import KeptCounts
from research.probe.page import TITLES
from research.probe.page import probe_table
from research.probe.page import read_probe
from tests.model.small import small_pipeline

BOX = (0.0, 0.0, 40.0, 40.0)
OTHER = (50.0, 50.0, 90.0, 90.0)
# 10 px, a quarter of its height, further down: a delta of 10 / 4.
LOWER = (10.0, 0.0, 50.0, 40.0)


def sample_of(*proposals):
    """Proposals, each a class, a box and the object's box."""
    classes, boxes, truths = zip(*proposals, strict=True)
    return SampledProposals(
        np.array(boxes, "float32"),
        np.array(classes, "int32"),
        np.array(truths, "float32"),
        np.ones(len(classes), "float32"),
    )


def test_only_proposals_of_objects_count_and_for_their_own_class():
    sample = sample_of(
        (2, BOX, BOX),
        (2, BOX, LOWER),
        (1, OTHER, OTHER),
        (0, OTHER, OTHER),
    )
    logits = np.eye(3)[[2, 0, 1, 0]]
    deltas = np.full([4, 2, 4], 100.0)
    deltas[[0, 1, 2], [1, 1, 0]] = 0.0
    counts = count_views(sample, np.array([0, 0, 2, 2]), 3, logits, deltas)
    np.testing.assert_array_equal(counts.objects, [2, 0, 1])
    np.testing.assert_array_equal(counts.proposals, [2, 0, 1])
    np.testing.assert_array_equal(counts.right, [1, 0, 1])
    # A fourth of 2.5, for the one of four deltas that differs.
    np.testing.assert_allclose(counts.distance, [0.625, 0, 0], atol=1e-6)


def test_proposals_of_one_object_are_one_object():
    sample = sample_of((1, BOX, BOX), (1, LOWER, BOX), (1, BOX, BOX))
    views = np.array([0, 0, 1])
    zeros = np.zeros([3, 2]), np.zeros([3, 1, 4])
    counts = count_views(sample, views, 2, *zeros)
    np.testing.assert_array_equal(counts.objects, [1, 1])
    np.testing.assert_array_equal(counts.proposals, [2, 1])


def counts_of(right, distance=0.0):
    """Views with two proposals of one object each, some found right."""
    ones = np.ones(len(right), int)
    return Counts(ones, 2 * ones, np.array(right), distance * 2.0 * ones)


def test_figures_are_means_over_seeds_of_all_folds():
    bases = {
        (0, 0): {"half": counts_of([2, 0]), "full": counts_of([2, 2], 0.1)},
        (1, 0): {"half": counts_of([1, 1]), "full": counts_of([2, 2], 0.3)},
        (0, 5): {"half": counts_of([2, 2]), "full": counts_of([2, 2], 0.4)},
        (1, 5): {"half": counts_of([2, 2]), "full": counts_of([2, 2], 0.4)},
    }
    results = summarize(bases, 50)
    json.dumps(results, allow_nan=False)
    assert (results["objects"], results["proposals"]) == (4.0, 8.0)
    assert results["views"] == 4
    half, full = (results["features"][kind] for kind in ("half", "full"))
    assert half["accuracy"]["mean"] == (0.5 + 1.0) / 2
    assert full["accuracy"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert full["box_l1"]["mean"] == pytest.approx((0.2 + 0.4) / 2)
    assert full["difference"]["accuracy"]["mean"] == 0.25
    assert half["difference"]["accuracy"] == dict.fromkeys(
        ("mean", "low", "high"), 0.0
    )


def test_the_interval_is_that_of_the_views_drawn():
    # One view of 20 is wrong, and comes n times, n binomial of mean 1.
    right = [2] * 19 + [0]
    results = summarize({(0, 0): {"half": counts_of(right)}}, 2000)
    accuracy = results["features"]["half"]["accuracy"]
    assert accuracy["mean"] == 0.95
    assert accuracy["low"] == pytest.approx(17 / 20)
    assert accuracy["high"] == 1.0


def test_the_table_marks_what_is_surely_better_or_worse():
    settings = {"steps": 5, "folds": 1, "seeds": [0], "resamples": 50}
    half, full = counts_of([0, 1] * 10, 0.1), counts_of([2, 2] * 10, 0.3)
    results = summarize({(0, 0): {"half": half, "full": full}}, 50)
    table = probe_table({**results, "settings": settings})
    (_, reference), (name, cells) = table.rows
    assert name == TITLES["full"]
    assert (cells[0].text, cells[0].detail) == ("100.0", "[100.0, 100.0]")
    # More is better for accuracy, less for distance.
    assert [cell.kind for cell in cells] == ["", "good", "", "bad"]
    assert (cells[3].text, cells[3].detail) == ("+0.200", "[+0.200, +0.200]")
    assert [cell.kind for cell in reference] == [""] * 4


def test_results_of_something_else_are_named(tmp_path):
    path = tmp_path / "probe.json"
    with pytest.raises(DataError, match="probe.json: expected the results"):
        read_probe(str(path))
    for content in ("no JSON", "[]", '{"settings": {}}'):
        path.write_text(content)
        with pytest.raises(DataError, match="probe.json: expected the resu"):
            read_probe(str(path))


@pytest.fixture
def ablation(tmp_path):
    """A folder with the base detectors of two folds, one seed unfinished."""
    for name in ("configs", "cells"):
        (tmp_path / name).mkdir()
    for seed in (0, 1):
        for fold in (0, 1):
            name = f"base-fold_{fold}-seed_{seed}"
            text = to_text(small_pipeline())
            (tmp_path / "configs" / f"{name}.config").write_text(text)
            if (fold, seed) != (1, 1):
                (tmp_path / "cells" / f"{name}.npz").touch()
    return tmp_path


def test_seeds_whose_folds_are_finished_are_probed(ablation):
    bases = bases_of_ablation(str(ablation))
    assert [(base.fold, base.seed) for base in bases] == [(0, 0), (1, 0)]
    bases = bases_of_ablation(str(ablation), folds=[0], seeds=[1])
    (base,) = bases
    assert base.model_dir == str(ablation / "models" / "base-fold_0-seed_1")
    extension = base.pipeline.model.feature_super_resolution
    assert extension.supervision == "NONE"


def test_bases_that_are_not_finished_are_named(ablation, tmp_path):
    with pytest.raises(ConfigError, match="cell base-fold_1-seed_1; finish"):
        bases_of_ablation(str(ablation), seeds=[1])
    with pytest.raises(ConfigError, match="no finished cell"):
        bases_of_ablation(str(tmp_path / "nowhere"))


def test_a_stopped_run_goes_on_after_the_kept_detectors(
    ablation, tmp_path, monkeypatch
):
    asked = []

    def probe(base, num_steps, learning_rate):
        asked.append((base.fold, num_steps, learning_rate))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return {"half": counts_of([base.fold, 1], 0.5)}

    monkeypatch.setattr("research.probe.probing.probe_base", probe)
    bases = bases_of_ablation(str(ablation))
    folder = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        count_bases(bases, 5, 0.1, folder)
    counts = count_bases(bases, 5, 0.1, folder)
    again = count_bases(bases, 5, 0.1, folder)
    assert asked == [(0, 5, 0.1), (1, 5, 0.1), (1, 5, 0.1)]
    assert list(counts) == list(again) == [(0, 0), (1, 0)]
    for key, kinds in again.items():
        (now,), (before,) = kinds.values(), counts[key].values()
        for column in ("objects", "proposals", "right", "distance"):
            np.testing.assert_array_equal(
                getattr(now, column), getattr(before, column)
            )


def test_what_is_kept_of_something_else_is_not_taken(ablation, tmp_path):
    first, second = bases_of_ablation(str(ablation))
    kept = KeptCounts(tmp_path / "kept", 5, 0.1)
    assert kept.read(first) is None
    kept.write(first, {"half": counts_of([1])})
    for options, message in (
        ((6, 0.1), "steps: 5 and 6; give"),
        ((5, 0.2), "learning_rate: 0.1 and 0.2; give"),
    ):
        with pytest.raises(DataError, match=f"fold_0-seed_0.json.*{message}"):
            KeptCounts(kept.folder, *options).read(first)
    other = dataclasses.replace(second, fold=0)
    with pytest.raises(DataError, match="model_dir: .*fold_0.* and .*fold_1"):
        kept.read(other)
    seed = "model.feature_super_resolution.seed=3"
    (changed, _) = bases_of_ablation(str(ablation), [seed])
    with pytest.raises(DataError, match=r"seed: \d+ and 3; give"):
        kept.read(changed)
    kept.path(first).write_text('{"counts": {"half": {"object')
    with pytest.raises(DataError, match="fold_0-seed_0.json: damaged"):
        kept.read(first)


def test_what_is_kept_is_of_use_to_a_schema_with_one_more_field(
    ablation, tmp_path
):
    base, _ = bases_of_ablation(str(ablation))
    kept = KeptCounts(tmp_path / "kept", 5, 0.1)
    kept.write(base, {"half": counts_of([1])})
    found = json.loads(kept.path(base).read_text())
    before = found["settings"]["config"]
    found["settings"]["config"] = re.sub(r"\n *seed: 0\b", "", before)
    assert found["settings"]["config"] != before
    kept.path(base).write_text(json.dumps(found))
    assert list(kept.read(base)) == ["half"]


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "either --ablation, or --pipeline"),
        (["--pipeline", "a"], "either --ablation, or --pipeline"),
        (["--ablation", "a", "--model_dir", "b"], "either --ablation"),
        (["--ablation", "a", "--steps", "0"], "--steps: expected 1 or more"),
        (
            ["--ablation", "a", "--learning_rate", "nan"],
            "--learning_rate: expected a number between 0 and 1, found nan",
        ),
        (["--ablation", "nowhere"], "nowhere: no finished cell"),
    ],
)
def test_impossible_flags_are_told_in_one_line(capsys, flags, message):
    with pytest.raises(SystemExit) as stop:
        main(flags)
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
