"""Pictures in whatever form give results in whatever form is wanted."""

import pathlib
import re

import numpy as np
import PIL.Image
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from tests.prediction.bright import bright_model
from tests.prediction.bright import scene

ARRAY = scene((4, 6, 10, 20), (20, 40, 40, 50))


@pytest.fixture
def model():
    return bright_model()


@pytest.fixture
def path(tmp_path):
    PIL.Image.fromarray(ARRAY).save(tmp_path / "frame.png")
    return tmp_path / "frame.png"


def test_every_form_of_a_picture_gives_the_same(model, path):
    pictures = [ARRAY, PIL.Image.fromarray(ARRAY), str(path), path]
    single = [model.predict(picture) for picture in pictures]
    for result in single + model.predict(pictures):
        np.testing.assert_allclose(
            result.boxes, [[4, 6, 10, 20], [20, 40, 40, 50]], atol=1e-5
        )
        assert result.size == (48, 64)
        np.testing.assert_array_equal(result.image, ARRAY)


def test_a_list_gives_a_list_in_its_order(model, tmp_path):
    images = [scene((0, 0, side, side)) for side in range(6, 16)]
    images[4] = scene((0, 0, 10, 10), height=30, width=30)
    for given in (images, tuple(images), iter(images)):
        results = model.predict(given, batch_size=3)
        sides = [round(result.boxes[0, 2]) for result in results]
        assert sides == [*range(6, 16)]
    assert model.predict([]) == []


def test_pictures_in_other_modes_become_rgb_and_upright(model):
    gray = PIL.Image.fromarray(ARRAY).convert("L")
    exif = gray.getexif()
    exif[0x0112] = 6
    gray.info["exif"] = exif.tobytes()
    result = model.predict(gray)
    assert result.size == (64, 48)
    np.testing.assert_allclose(result.boxes[0], [6, 38, 20, 44], atol=1e-5)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("nowhere.png", "nowhere.png: no such image file"),
        (np.zeros([4, 4, 3]), "found an array [4, 4, 3] of float64"),
        (np.zeros([4, 4], np.uint8), "found an array [4, 4] of uint8"),
        (np.zeros([2, 4, 4, 3], np.uint8), "found an array [2, 4, 4, 3]"),
        (np.zeros([0, 4, 3], np.uint8), "found an array [0, 4, 3]"),
        ([None], "expected a path, an array or a PIL image, found NoneType"),
        (7, "expected a path, an array or a PIL image, found int"),
    ],
)
def test_what_is_no_picture_is_refused(model, picture, message):
    with pytest.raises(DataError, match=re.escape(message)):
        model.predict(picture)


def test_tiles_that_cannot_be_are_refused(model):
    with pytest.raises(ConfigError, match="tile: expected 32 px"):
        model.predict(ARRAY, tile=8)
    with pytest.raises(ConfigError, match="batch_size: expected 1"):
        model.predict(ARRAY, batch_size=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 2.5}, "batch_size: expected a whole number, found 2.5"),
        ({"batch_size": True}, "batch_size: expected a whole number, found T"),
        ({"tile": "600"}, "tile: expected a whole number, found '600'"),
        ({"tile": 64, "overlap": "0.2"}, "overlap: expected 0 to 0.9 .* '0.2'"),
    ],
)
def test_options_of_the_wrong_kind_are_refused(model, options, message):
    with pytest.raises(ConfigError, match=message):
        model.predict(ARRAY, **options)


def test_one_tile_is_the_plain_run(model):
    plain, tiled = (
        model.predict([ARRAY] * 3),
        model.predict([ARRAY] * 3, tile=64),
    )
    for one, other in zip(plain, tiled, strict=True):
        np.testing.assert_array_equal(one.to_numpy(), other.to_numpy())


def test_tiles_are_what_the_detector_sees(model):
    sizes = []
    detect = model.function("super_resolved")

    def watched(images):
        sizes.append(images.shape)
        return detect(images)

    other = bright_model(watched)
    other.predict(scene(height=40, width=70), tile=40)
    assert sizes == [(2, 40, 40, 3), (1, 40, 70, 3)]
    sizes.clear()
    other.predict(scene(height=40, width=70), tile=40, whole_frame=False)
    assert sizes == [(2, 40, 40, 3)]


def test_a_detector_is_loaded_once_and_only_when_needed():
    loaded = []
    model = bright_model()
    function = model.function("base")
    model = type(model)(
        model.path,
        lambda name: loaded.append(name) or function,
        model.class_names,
        model.min_score,
        model.input_size,
        model.files,
    )
    model.predict(ARRAY)
    model.predict([ARRAY])
    assert loaded == ["super_resolved"]
    model.predict(ARRAY, base=True)
    assert loaded == ["super_resolved", "base"]


def test_a_path_may_be_of_any_kind(model, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    assert len(model.predict(pathlib.Path("frame.png"))) == 2
