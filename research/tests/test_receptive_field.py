"""The command of section 3, as a user types it."""

import pytest

from research.receptive_field import main
from tests.model.small import small_backbone


def test_it_prints_the_paper_s_numbers_and_saves_a_plot(tmp_path, capsys):
    plot = tmp_path / "new" / "plot.png"
    main(["--backbone", "resnet50", "--output", str(plot)])
    printed = capsys.readouterr().out
    assert "extractor: R_W = 291 px, D = 16 px" in printed
    assert "atrous twin: R_W = 582 px, D = 16 px" in printed
    rows = [line.split() for line in printed.splitlines()]
    row = next(row for row in rows if row[:1] == ["4"])
    assert row == ["4", "339", "0.212", "1.811", "630", "0.394", "0.975"]
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["--backbone", "resnet18"], "mobilenet_v1, resnet50, resnet101"),
        (["--image_width", "0"], "--image_width"),
        (
            ["--backbone", "mobilenet_v1", "--twin_pooling", "MEDIAN"],
            "MEDIAN",
        ),
        (["--backbone", "mobilenet_v1", "--output", "x.nothing"], "--output"),
    ],
)
def test_bad_input_gets_one_line(
    arguments, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with small_backbone(), pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
