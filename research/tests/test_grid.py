"""The grid: every cell is a possible ablation, and one table shows all."""

from unittest import mock

import pytest

from featsr_tf.html_report.tables import Cell
from research.ablation import __main__ as ablation
from research.grid.__main__ import main
from research.grid.plans import CELLS
from research.grid.plans import ablation_arguments
from research.grid.table import grid_table


@pytest.mark.parametrize("cell", CELLS)
def test_every_row_is_possible_and_starts_from_one_base(cell):
    words = ablation_arguments(*cell.split("/"), [0, 1], "output/grid")
    with mock.patch.object(ablation, "run") as run:
        ablation.main(words)
    arguments = run.call_args.args[0]
    plan, refused = ablation.make_plan(arguments)
    assert not refused
    assert {cell.seed for cell in plan.cells()} == {0, 1}
    assert {"atrous_gan", "tail_magnified", "second_look"} < set(plan.variants)


def variant(ap, difference):
    mean = {"mean": difference, "low": difference, "high": difference}
    return {
        "figures": {"small": {"ap": {"mean": ap}}},
        "difference": {"small": {"ap": mean}},
    }


def test_the_table_has_the_differences_of_all_rows():
    result = {
        "reference": "control",
        "settings": {"objects": {"small": 1285}, "seeds": [0]},
        "variants": {
            "base": variant(0.4, 0.01),
            "control": variant(0.39, 0.0),
            "atrous_gan": variant(0.4, 0.01),
            "atrous_gan_gated": variant(0.39, 0.0),
            "tail_magnified": variant(0.4, -0.02),
            "second_look": variant(0.6, 0.21),
        },
    }
    ((name, cells),) = grid_table({"signs/net": result}).rows
    assert name == "signs/net"
    assert [cell.text for cell in cells] == (
        "1,285 1 40.0 39.0 +1.0 +0.0 -2.0 +21.0".split()
    )
    assert cells[4] == Cell("+1.0", "good", detail="[+1.0, +1.0]")


def test_the_table_alone_trains_nothing(capsys):
    with mock.patch("research.grid.__main__.run_ablation") as run:
        main(["--table"])
    run.assert_not_called()
    assert "AP50:95 of small objects" in capsys.readouterr().out
