"""The grid: every cell is a possible ablation, and one table shows all."""

import json
import time
from unittest import mock

import pytest

from featsr_tf.errors import DataError
from featsr_tf.html_report.tables import Cell
from research.ablation import __main__ as ablation
from research.grid import table
from research.grid import times
from research.grid.__main__ import main
from research.grid.plans import CELLS
from research.grid.plans import ablation_arguments
from research.grid.table import combine_seeds
from research.grid.table import grid_table
from research.grid.table import read_results
from research.grid.table import short_table


@pytest.mark.parametrize("cell", CELLS)
def test_every_row_is_possible_and_starts_from_one_base(cell):
    words = ablation_arguments(*cell.split("/"), 1, "output/grid")
    with mock.patch.object(ablation, "run") as run:
        ablation.main(words)
    arguments = run.call_args.args[0]
    plan, refused = ablation.make_plan(arguments)
    assert not refused
    assert {cell.seed for cell in plan.cells()} == {1}
    assert {"base", "control", "atrous_gan"} <= set(plan.variants)


def result(gain):
    """What the ablation gives of one seed, as far as it is read."""

    def variant(ap, difference):
        mean = {"mean": difference, "low": difference, "high": difference}
        return {
            "figures": {
                "small": {"ap": {"mean": ap}, "num_objects": {"mean": 1285.0}}
            },
            "difference": {"small": {"ap": mean}},
            "draws": {"small": {"ap": [difference - 0.01, difference + 0.01]}},
        }

    return {
        "reference": "control",
        "settings": {"objects": {"small": 1288}},
        "variants": {
            "base": variant(0.4, 0.01),
            "control": variant(0.39, 0.0),
            "naive": variant(0.395, 0.005),
            "atrous_gan": variant(0.4, 0.01),
            "atrous_gan_gated": variant(0.39, 0.0),
            "tail_magnified": variant(0.4, -0.02),
            "second_look": variant(0.39 + gain, gain),
        },
    }


def test_the_table_has_the_differences_of_all_rows():
    one_seed = combine_seeds([result(0.21)])
    ((name, cells),) = grid_table({"signs/net": one_seed}).rows
    assert name == "signs/net"
    assert [cell.text for cell in cells] == (
        "1,285 1 40.0 39.0 - +0.5 +1.0 +0.0 -2.0 +21.0".split()
    )
    assert cells[6] == Cell("+1.0", "good", detail="[+1.0, +1.0]")


def test_a_row_that_was_not_trained_is_left_open():
    short = result(0.21)
    del short["variants"]["second_look"]
    ((_, cells),) = grid_table({"signs/net": combine_seeds([short])}).rows
    assert [cell.text for cell in cells][-2:] == ["-2.0", "-"]


def test_seeds_are_averaged_in_each_draw():
    both = combine_seeds([result(0.21), result(0.11)])
    assert both.num_seeds == 2
    assert both.averages["second_look"] == pytest.approx(0.55)
    gain = both.differences["second_look"]
    assert gain["mean"] == pytest.approx(0.16)
    # The draws .15 and .17, of which 95% are meant.
    assert gain["low"] == pytest.approx(0.15 + 0.02 * 0.025)
    assert gain["high"] == pytest.approx(0.17 - 0.02 * 0.025)
    assert "control" not in both.differences


def test_results_without_draws_are_no_seed_among_others(tmp_path, monkeypatch):
    monkeypatch.setattr(
        table, "result_file", lambda *cell, seed: str(tmp_path / f"{seed}.json")
    )
    older = result(0.21)
    for variant in older["variants"].values():
        del variant["draws"]
    (tmp_path / "0.json").write_text(json.dumps(older))
    assert read_results()["gtsdb/mobilenet"].num_seeds == 1
    (tmp_path / "1.json").write_text(json.dumps(result(0.11)))
    with pytest.raises(DataError, match="0.json: expected the draws"):
        read_results()


def test_the_short_table_has_a_column_for_each_data_set():
    one_seed = combine_seeds([result(0.21)])
    cells = ("signs/other", "cars/other", "cars/mobilenet", "cars/third")
    results = dict.fromkeys(cells, one_seed)
    names = ("atrous_gan", "tail_magnified", "second_look")
    ratios = {name: {"median": 2.0} for name in names}
    short = short_table(results, {"cars/mobilenet": {"times_base": ratios}})
    titles = [title for title, _ in short.groups]
    assert titles == ["signs/other", "cars/mobilenet"]
    (base, cells), *_, (look, gains) = short.rows
    assert (base, look) == ("base", "second look")
    assert [cell.text for cell in cells] == ["40.0", "40.0"]
    assert [cell.text for cell in gains] == ["+21.0", "+21.0"]
    assert [cell.detail for cell in gains] == [
        "[+21.0, +21.0]",
        "[+21.0, +21.0], 2.00 times",
    ]


def test_detectors_take_turns_and_other_cells_keep_their_times(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(times, "TIMES_FILE", str(tmp_path / "times.json"))
    (tmp_path / "times.json").write_text('{"cars/net": "as before"}')

    def frames_and_detector(cell, folder, name, seed, num_images):
        frames = [(name, number) for number in range(num_images)]
        seconds = 0.02 if name == "second_look" else 0.005
        return frames, lambda who, number: time.sleep(seconds)

    monkeypatch.setattr(times, "_frames_and_detector", frames_and_detector)
    times.measure_times("gtsdb/net", "output", 0, num_images=2, rounds=5)
    found = times.read_times()
    assert found["cars/net"] == "as before"
    signs = found["gtsdb/net"]
    assert (signs["frames"], signs["rounds"]) == (2, 5)
    assert signs["times_base"]["base"]["median"] == 1.0
    assert signs["times_base"]["second_look"]["median"] > 1.5


def test_detectors_that_were_not_kept_are_named(tmp_path):
    with pytest.raises(DataError, match="base-fold_0-seed_0: not found; run"):
        times.measure_times("gtsdb/mobilenet", str(tmp_path), 0, 2, 5)


def test_the_table_alone_trains_nothing(capsys):
    with mock.patch("research.grid.__main__.run_ablation") as run:
        main(["--table"])
    run.assert_not_called()
    assert "AP50:95 of small objects" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"objects": {"small": 3}}}, "the same objects"),
        ({"variants": {}}, "the same rows"),
    ],
)
def test_seeds_of_other_frames_or_rows_are_not_joined(change, message):
    with pytest.raises(DataError, match=message):
        combine_seeds([result(0.21), result(0.11) | change])
