"""The detectors in the repository work where they are, with nothing beside."""

import hashlib
import json
import shutil

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

import featsr_tf
from featsr_tf import predict
from featsr_tf.geometry.boxes import intersection_over_union
from tests.support import REPOSITORY

SAVED = REPOSITORY / "saved_models"
MODEL = SAVED / "gtsdb_efficientnet_lite0" / "1"
# What the cards must name: who made the data, and the licence of the weights.
ALL = {
    MODEL: ("Houben", "Apache"),
    SAVED / "gtsdb_mobilenet" / "2": ("Houben", "Apache"),
    SAVED / "aerial_cars" / "1": ("KIT AIS", "CC BY-SA 4.0"),
}
LARGEST_BYTES = 40 * 10**6
SIDE = 24
BOX = [388, 668, 388 + SIDE, 668 + SIDE]

pytestmark = pytest.mark.skipif(
    not (MODEL / "saved_model.pb").exists(), reason=f"no detector at {MODEL}"
)
of_each = pytest.mark.parametrize(
    "path", ALL, ids=lambda path: path.parent.name
)


def files(path):
    return [file for file in path.rglob("*") if file.is_file()]


def street_with_sign():
    """A street of three colours, and a small sign: red ring on white."""
    picture = PIL.Image.new("RGB", (1360, 800), (150, 160, 165))
    draw = PIL.ImageDraw.Draw(picture)
    draw.rectangle((0, 500, 1360, 800), (90, 90, 92))
    draw.rectangle((678, 400, 682, 560), (120, 120, 120))
    sign = PIL.Image.new("RGBA", (8 * SIDE, 8 * SIDE))
    draw = PIL.ImageDraw.Draw(sign)
    draw.ellipse((0, 0, 8 * SIDE - 1, 8 * SIDE - 1), (200, 30, 40))
    draw.ellipse((SIDE, SIDE, 7 * SIDE, 7 * SIDE), (245, 245, 245))
    draw.rectangle((72, 60, 86, 132), (20, 20, 20))
    draw.rectangle((106, 60, 120, 132), (20, 20, 20))
    sign = sign.resize((SIDE, SIDE), PIL.Image.Resampling.LANCZOS)
    picture.paste(sign, (BOX[1], BOX[0]), sign)
    return picture


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "street.png"
    street_with_sign().save(path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The detector, far from the repository and its neighbours."""
    folder = tmp_path_factory.mktemp("far") / "signs" / "1"
    shutil.copytree(MODEL, folder)
    return folder


@pytest.mark.parametrize("flags", [[], ["--base"]])
def test_the_command_finds_a_drawn_sign(
    model, photo, tmp_path, monkeypatch, flags
):
    monkeypatch.chdir(tmp_path)
    arguments = ["--model", str(model), "--images", str(photo), *flags]
    predict.main([*arguments, "--output", "out"])
    assert PIL.Image.open("out/pictures/street.jpg").size == (1360, 800)
    found = json.loads((tmp_path / "out/detections.json").read_text())
    best = max(found["annotations"], key=lambda item: item["score"])
    names = {item["id"]: item["name"] for item in found["categories"]}
    assert names[best["category_id"]] == "prohibitory"
    x, y, width, height = best["bbox"]
    assert overlap([y, x, y + height, x + width]) > 0.5


def overlap(box):
    boxes, others = (np.float32([values]) for values in (box, BOX))
    return intersection_over_union(boxes, others).numpy().item()


def test_the_default_score_draws_the_sign_and_nothing_else(model, photo):
    result = featsr_tf.load(model).predict(photo)
    assert result.above(result.min_score).names == ["prohibitory"]


def test_the_base_detector_sees_small_signs_otherwise(model, photo):
    detector = featsr_tf.load(model.parent)
    ours, base = (detector.predict(photo, base) for base in (False, True))
    assert np.abs(ours.boxes[0] - base.boxes[0]).max() > 0.1


@of_each
def test_the_folder_is_small_enough_for_git(path):
    assert sum(file.stat().st_size for file in files(path)) < LARGEST_BYTES


@of_each
def test_the_checksums_are_those_of_all_files(path):
    lines = (path / "checksums.sha256").read_text().splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines)
    assert sums == {
        file.relative_to(path).as_posix(): hashlib.sha256(
            file.read_bytes()
        ).hexdigest()
        for file in files(path)
        if file.name != "checksums.sha256"
    }


@of_each
def test_the_card_tells_data_licence_figures_and_limits(path):
    card = (path / "MODEL_CARD.md").read_text()
    texts = dict(part.split("\n", 1) for part in card.split("\n## ")[1:])
    assert {"Use", "Data", "Figures", "Limits", "Licence"} <= texts.keys()
    source, licence = ALL[path]
    assert source in texts["Data"]
    assert licence in texts["Licence"]
    assert "AP50" in texts["Figures"]
    for fact in ("| steps | base ", "| seed | ", "| lowest score drawn | "):
        assert fact in card
