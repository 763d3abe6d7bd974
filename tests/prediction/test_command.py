"""The command's flags reach the work, and wrong ones are named at once."""

import json

import pytest

from featsr_tf import predict
from featsr_tf.prediction import model
from tests.prediction.bright import bright_model
from tests.prediction.bright import write_scenes


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs the command on two images with a detector of bright areas."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model, "load", lambda *_: bright_model())
    write_scenes(tmp_path / "photos/deep", 2)

    def run(*flags):
        predict.main(["--images", "photos", "--output", "out", *flags])
        return {
            path.relative_to("out").as_posix()
            for path in (tmp_path / "out").relative_to(tmp_path).rglob("*")
            if path.is_file()
        }

    return run


@pytest.mark.parametrize("name", ["--model", "--model_dir"])
def test_the_model_has_two_flags(command, name):
    files = command(name, "any", "--recursive")
    assert files == {
        "detections.json",
        "pictures/000.jpg",
        "pictures/001.jpg",
    }


def test_result_files_and_pictures_are_as_asked_for(command):
    flags = ("--model", "any", "--recursive", "--csv")
    assert command(*flags, "--max_pictures", "1") == {
        "detections.json",
        "detections.csv",
        "pictures/000.jpg",
    }


def test_nothing_is_drawn_where_nothing_is_wanted(command):
    files = command("--model", "any", "--recursive", "--no_pictures")
    assert files == {"detections.json"}


def test_tiles_show_the_same_objects(command, tmp_path):
    flags = ("--model", "any", "--recursive", "--no_pictures")
    command(*flags)
    plain = json.loads((tmp_path / "out/detections.json").read_text())
    command(*flags, "--tile", "40", "--overlap", "0.5", "--no_whole_frame")
    tiled = json.loads((tmp_path / "out/detections.json").read_text())
    for one, other in zip(
        plain["annotations"], tiled["annotations"], strict=True
    ):
        assert one["bbox"] == pytest.approx(other["bbox"], abs=1e-4)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--overlap", "0.3"], "--overlap: expected --tile PX or --second"),
        (["--no_whole_frame"], "--no_whole_frame: expected --tile PX"),
        (["--tile", "8"], "tile: expected 32 px or more, found 8"),
        (["--tile", "99", "--overlap", "1"], "overlap: expected 0 to 0.9"),
        (["--batch_size", "0"], "batch_size: expected 1 or more, found 0"),
        (["--max_pictures", "-1"], "--max_pictures: expected 0 or more"),
        (["--min_score", "2"], "--min_score: expected 0 to 1, found 2"),
        ([], "photos: no images found"),
    ],
)
def test_wrong_flags_are_named(command, capsys, tmp_path, flags, message):
    with pytest.raises(SystemExit) as stopped:
        command("--model", "any", *flags)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
