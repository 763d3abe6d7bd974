"""Folders of images: every image once, in order, whatever happens."""

import csv
import json
import os
import re

import numpy as np
import PIL.Image
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.prediction import model as loading
from featsr_tf.prediction.run import PredictionOptions
from featsr_tf.prediction.run import predict_files
from featsr_tf.prediction.tiling import Tiling
from featsr_tf.prediction.videos import write_video
from tests.prediction.bright import bright_model
from tests.prediction.bright import find_bright
from tests.prediction.bright import scene
from tests.prediction.bright import write_scenes


class Calls:
    """A detector that counts its images and can be killed.

    Args:
        survives: number of batches that it detects before it is killed.
    """

    def __init__(self, survives=10**9):
        self.survives = survives
        self.batches = []

    def __call__(self, images):
        if len(self.batches) == self.survives:
            raise KeyboardInterrupt
        self.batches.append(images.shape)
        return find_bright(images)


@pytest.fixture
def predict(monkeypatch, tmp_path):
    """Runs the command's work with a detector of bright areas."""

    def run(places, output, function=find_bright, **options):
        monkeypatch.setattr(loading, "load", lambda *_: bright_model(function))
        places = [str(tmp_path / place) for place in places]
        return predict_files(
            "bright",
            places,
            str(tmp_path / output),
            PredictionOptions(**options),
        )

    return run


def read(path):
    return json.loads(path.read_text())


def files_in(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_image_is_described_in_order(predict, tmp_path, capsys):
    write_scenes(tmp_path / "photos", 5)
    assert predict(["photos"], "out", batch_size=2) == 0
    said = capsys.readouterr().out
    assert "out/detections.json: 5 images, 5 detections\npictures" in said
    found = read(tmp_path / "out/detections.json")
    assert found["images"][3] == {
        "id": 3,
        "file_name": str(tmp_path / "photos/003.png"),
        "width": 64,
        "height": 48,
    }
    assert [entry["image_id"] for entry in found["annotations"]] == [*range(5)]
    np.testing.assert_allclose(
        [entry["bbox"] for entry in found["annotations"]],
        [[left, 8, 12, 12] for left in range(5)],
        atol=1e-5,
    )
    assert set(files_in(tmp_path / "out")) == {"detections.json"} | {
        f"pictures/{number:03d}.jpg" for number in range(5)
    }


def test_images_of_one_size_are_looked_at_together(predict, tmp_path):
    write_scenes(tmp_path / "a", 5)
    write_scenes(tmp_path / "b", 2, height=32, width=40)
    calls = Calls()
    predict(["a", "b"], "out", calls, batch_size=4)
    assert calls.batches == [
        (4, 48, 64, 3),
        (1, 48, 64, 3),
        (2, 32, 40, 3),
    ]


@pytest.mark.parametrize("tiling", [None, Tiling(32, 0.5)])
def test_batches_change_nothing(predict, tmp_path, tiling):
    write_scenes(tmp_path / "a", 3)
    write_scenes(tmp_path / "b", 3, height=32, width=40)
    for batch_size in (1, 4):
        predict(
            ["a", "b"], str(batch_size), batch_size=batch_size, tiling=tiling
        )
    assert files_in(tmp_path / "1") == files_in(tmp_path / "4")


@pytest.mark.parametrize("survives", [0, 1, 3])
def test_a_killed_run_goes_on_where_it_was(predict, tmp_path, survives):
    write_scenes(tmp_path / "photos", 9)
    (tmp_path / "photos/002.png").write_bytes(b"damaged")
    options = {"batch_size": 2, "csv": True, "max_pictures": 6}
    assert predict(["photos"], "whole", **options) == 1
    killed, rest = Calls(survives), Calls()
    with pytest.raises(KeyboardInterrupt):
        predict(["photos"], "parts", killed, **options)
    assert not (tmp_path / "parts/detections.json").exists()
    assert predict(["photos"], "parts", rest, **options) == 1
    seen = sum(shape[0] for shape in killed.batches + rest.batches)
    assert seen == 8
    assert files_in(tmp_path / "parts") == files_in(tmp_path / "whole")


def test_half_a_line_of_a_killed_run_is_made_again(predict, tmp_path):
    write_scenes(tmp_path / "photos", 4)
    predict(["photos"], "whole", batch_size=1)
    with pytest.raises(KeyboardInterrupt):
        predict(["photos"], "parts", Calls(2), batch_size=1)
    (partial,) = (tmp_path / "parts").glob(".*.jsonl")
    partial.write_bytes(partial.read_bytes()[:-10])
    rest = Calls()
    predict(["photos"], "parts", rest, batch_size=1)
    assert len(rest.batches) == 3
    assert files_in(tmp_path / "parts") == files_in(tmp_path / "whole")


def test_other_options_begin_anew(predict, tmp_path, capsys):
    write_scenes(tmp_path / "photos", 4)
    with pytest.raises(KeyboardInterrupt):
        predict(["photos"], "out", Calls(2), batch_size=1)
    again = Calls()
    predict(["photos"], "out", again, batch_size=1, base_only=True)
    assert len(again.batches) == 4
    assert "of other images or options, begun anew" in capsys.readouterr().err


def test_an_image_that_was_replaced_is_looked_at_again(
    predict, tmp_path, capsys
):
    write_scenes(tmp_path / "photos", 4)
    with pytest.raises(KeyboardInterrupt):
        predict(["photos"], "out", Calls(2), batch_size=1)
    path = tmp_path / "photos" / "000.png"
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    again = Calls()
    predict(["photos"], "out", again, batch_size=1)
    assert len(again.batches) == 4
    assert "of other images or options, begun anew" in capsys.readouterr().err


def test_damaged_images_are_named_and_skipped(predict, tmp_path, capsys):
    write_scenes(tmp_path / "photos", 3)
    whole = (tmp_path / "photos/001.png").read_bytes()
    (tmp_path / "photos/001.png").write_bytes(whole[:40])
    assert predict(["photos"], "out") == 1
    found = read(tmp_path / "out/detections.json")
    names = [image["file_name"][-7:] for image in found["images"]]
    assert names == ["000.png", "002.png"]
    assert [image["id"] for image in found["images"]] == [0, 1]
    assert "001.png: no readable image" in capsys.readouterr().err


def test_a_row_of_the_table_is_a_detection(predict, tmp_path):
    write_scenes(tmp_path / "photos", 2)
    predict(["photos"], "out", csv=True, max_pictures=0)
    with open(tmp_path / "out/detections.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image_id"] for row in rows] == ["0", "1"]
    row = rows[1]
    assert row["file_name"].endswith("001.png")
    assert (row["class_id"], row["class_name"]) == ("1", "small")
    numbers = [float(row[key]) for key in ("ymin", "xmin", "ymax", "xmax")]
    np.testing.assert_allclose(numbers, [8, 1, 20, 13], atol=1e-5)
    assert float(row["score"]) == pytest.approx(0.8)
    assert not (tmp_path / "out/pictures").exists()


def test_a_picture_too_large_to_draw_is_told(predict, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("too wide for a JPEG file")

    (tmp_path / "photos").mkdir()
    PIL.Image.fromarray(scene((1, 1, 3, 3))).save(tmp_path / "photos/a.png")
    monkeypatch.setattr(PIL.Image.Image, "save", refuse)
    with pytest.warns(UserWarning, match="not drawn: .*a.jpg: no picture of"):
        predict(["photos"], "out", compare=())
    assert len(read(tmp_path / "out/detections.json")["annotations"]) == 1


def test_names_of_any_bytes_and_of_any_length_are_written(predict, tmp_path):
    names = sorted(["x" * 248 + ".png", "é" * 125 + ".png", "n\udcff.png"])
    image = PIL.Image.fromarray(scene((8, 8, 20, 20)))
    (tmp_path / "photos").mkdir()
    for name in names:
        image.save(os.fsencode(tmp_path / "photos" / name))
    (tmp_path / "photos/bad\udcff.png").touch()
    assert predict(["photos"], "out", csv=True) == 1
    images = read(tmp_path / "out/detections.json")["images"]
    assert [os.path.basename(image["file_name"]) for image in images] == names
    text = (tmp_path / "out/detections.csv").read_text("utf-8")
    assert "photos/n\\udcff.png,1,small" in text
    assert len(text.splitlines()) == 4
    drawn = [path.stem for path in (tmp_path / "out/pictures").iterdir()]
    assert sorted(drawn)[0] == "n\udcff"
    assert [len(name) for name in sorted(drawn)] == [2, 243, 121]


def test_both_detectors_are_drawn_beside_each_other(predict, tmp_path):
    write_scenes(tmp_path / "photos", 3)
    predict(["photos"], "out", compare=(), max_pictures=2)
    assert len(list((tmp_path / "out/pictures").iterdir())) == 2
    with PIL.Image.open(tmp_path / "out/pictures/000.jpg") as picture:
        assert picture.width > 2 * 64


def test_other_models_are_drawn_between_both(predict, tmp_path):
    write_scenes(tmp_path / "photos", 1)
    predict(["photos"], "two", compare=())
    predict(["photos"], "three", compare=("other",))
    widths = []
    for name in ("two", "three"):
        with PIL.Image.open(tmp_path / name / "pictures/000.jpg") as picture:
            widths.append(picture.width)
    assert widths[1] > 1.4 * widths[0]
    ours, theirs = (
        read(tmp_path / n / "detections.json") for n in ("two", "three")
    )
    assert ours["annotations"] == theirs["annotations"]


def test_models_of_other_classes_are_not_compared(
    predict, tmp_path, monkeypatch
):
    write_scenes(tmp_path / "photos", 1)
    ours, other = bright_model(find_bright), bright_model(find_bright)
    other.class_names = {1: "other"}
    monkeypatch.setattr(
        loading, "load", lambda path, *_: other if path == "x" else ours
    )
    options = PredictionOptions(compare=("x",))
    with pytest.raises(ConfigError, match="--compare x: expected the classes"):
        predict_files("bright", [str(tmp_path / "photos")], "out", options)


def test_a_photo_is_turned_upright(predict, tmp_path):
    image = PIL.Image.fromarray(scene((4, 6, 10, 20)))
    exif = image.getexif()
    exif[0x0112] = 6  # The camera was held on its side.
    image.save(tmp_path / "a.png", exif=exif)
    predict(["a.png"], "out")
    (entry,) = read(tmp_path / "out/detections.json")["annotations"]
    np.testing.assert_allclose(entry["bbox"], [38, 6, 6, 14], atol=1e-5)


def test_tiles_that_the_model_shrinks_are_pointed_out(
    predict, tmp_path, monkeypatch
):
    write_scenes(tmp_path / "photos", 1)
    model = bright_model()
    model.input_size = lambda height, width: (height // 2, width // 2)
    monkeypatch.setattr(
        "tests.prediction.test_run.bright_model", lambda function: model
    )
    message = re.escape("the model shrinks tiles of 64 px to 32 px; --tile 32")
    with pytest.warns(UserWarning, match=message):
        predict(["photos"], "out", tiling=Tiling(64))


def test_a_batch_needs_an_image(predict, tmp_path):
    write_scenes(tmp_path / "photos", 1)
    with pytest.raises(ConfigError, match="batch_size: expected 1 or more"):
        predict(["photos"], "out", batch_size=0)
    assert not (tmp_path / "out").exists()


def test_two_runs_do_not_share_a_folder(predict, tmp_path):
    write_scenes(tmp_path / "photos", 2)

    def second(images):
        with pytest.raises(ConfigError, match="another run writes into"):
            predict(["photos"], "out")
        return find_bright(images)

    assert predict(["photos"], "out", second, batch_size=2) == 0
    assert not list((tmp_path / "out").glob(".detections*"))


def test_the_first_images_are_drawn_whatever_videos_are_before_them(
    predict, tmp_path
):
    write_scenes(tmp_path / "photos", 4)
    write_video(
        tmp_path / "clip.mp4", iter([np.zeros([48, 64, 3], np.uint8)] * 5), 10
    )
    predict(["clip.mp4", "photos"], "out", max_pictures=2)
    drawn = sorted(path.name for path in (tmp_path / "out/pictures").iterdir())
    assert drawn == ["000.jpg", "001.jpg"]


def test_what_an_earlier_run_has_left_is_named(predict, tmp_path, recwarn):
    write_scenes(tmp_path / "photos", 3)
    predict(["photos"], "out", csv=True)
    predict(["photos"], "out", csv=True, base_only=True)
    assert not recwarn
    predict(["photos/000.png"], "out")
    (warning,) = recwarn
    assert str(warning.message) == (
        f"--output {tmp_path / 'out'}: 3 files of an earlier run, such as "
        "pictures/001.jpg, stay beside the new results; remove them, or give "
        "another folder"
    )
