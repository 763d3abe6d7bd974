"""Pictures in whatever form give results in whatever form is wanted."""

import concurrent.futures
import pathlib
import re
import time
import tracemalloc
import warnings

import numpy as np
import PIL.Image
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.prediction.videos import write_video
from tests.prediction.bright import bright_model
from tests.prediction.bright import find_bright
from tests.prediction.bright import scene
from tests.prediction.bright import write_scenes

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
    pictures += [path.read_bytes(), ARRAY / 255, ARRAY[..., 0]]
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
    model = bright_model(
        load_function=lambda name: loaded.append(name) or find_bright
    )
    model.predict(ARRAY)
    model.predict([ARRAY])
    assert loaded == ["super_resolved"]
    model.predict(ARRAY, base=True)
    assert loaded == ["super_resolved", "base"]


def test_first_calls_from_several_threads_load_once():
    loaded = []

    def load(name):
        loaded.append(name)
        time.sleep(0.05)
        return find_bright

    model = bright_model(load_function=load)
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        results = list(threads.map(model.predict, [ARRAY] * 8))
    assert loaded == ["super_resolved"]
    assert [len(result) for result in results] == [2] * 8


def test_channels_of_arrays_are_swapped_by_a_flag(model):
    blue = ARRAY * np.uint8([0, 0, 1])
    assert len(model.predict(blue)) == 0
    result = model.predict(blue, bgr=True)
    assert len(result) == 2
    assert result.image[5, 7].tolist() == [204, 0, 0]


def test_a_stream_takes_no_more_pictures_than_a_batch(model):
    taken = []

    def pictures():
        for number in range(10):
            taken.append(number)
            yield ARRAY

    results = model.predict(pictures(), stream=True, batch_size=2)
    assert taken == []
    next(results)
    assert taken == [0, 1]
    assert len(list(results)) == 9


def test_results_of_a_buffer_that_is_filled_anew_keep_their_pictures(model):
    def pictures():
        buffer = np.empty_like(ARRAY)
        for side in range(6, 16):
            buffer[:] = scene((0, 0, side, side))
            yield buffer
        buffer[:] = 0

    for number, result in enumerate(model.predict(pictures()), start=6):
        assert round(result.boxes[0, 2]) == number
        np.testing.assert_array_equal(
            result.image, scene((0, 0, number, number))
        )


def test_the_memory_of_a_stream_does_not_grow(model):
    def peak(count):
        frames = (scene(height=200, width=300) for _ in range(count))
        tracemalloc.start()
        try:
            for result in model.predict(frames, stream=True):
                assert len(result) == 0
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(4)
    assert peak(60) - peak(12) < 200 * 300 * 3


def test_folders_patterns_and_videos_are_many_pictures(model, tmp_path):
    write_scenes(tmp_path / "photos", 5)
    (tmp_path / "photos/bad.png").write_bytes(b"no image")
    write_video(tmp_path / "clip.mp4", iter([ARRAY] * 3), 5)
    folder = str(tmp_path / "photos")
    clip = str(tmp_path / "clip.mp4")
    for source, names in (
        (tmp_path / "photos", [f"{folder}/00{n}.png" for n in range(5)]),
        (f"{folder}/00[12].png", [f"{folder}/00{n}.png" for n in (1, 2)]),
        (clip, [f"{clip}#{n}" for n in range(3)]),
    ):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            streamed = list(model.predict(source, stream=True))
            listed = model.predict(source)
        skipped = [str(one.message) for one in told]
        assert skipped == 2 * [
            f"skipped: {folder}/bad.png: no readable image; it is damaged or "
            "of another kind"
        ] * (source == tmp_path / "photos")
        for results in (streamed, listed):
            assert [result.file_name for result in results] == names
            assert all(len(result) for result in results)
            assert results[0].image.shape == (48, 64, 3)


def test_where_every_picture_is_bad_there_is_an_error(model, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    with (
        pytest.warns(UserWarning, match="skipped"),
        pytest.raises(DataError, match="bad.png: no readable image"),
    ):
        model.predict(tmp_path)


def test_good_pictures_before_a_bad_one_come_first(model, path):
    results = model.predict([path, path, b"no image", path], stream=True)
    assert [len(next(results)), len(next(results))] == [2, 2]
    with pytest.raises(DataError, match="an image file of 8 bytes"):
        next(results)


def test_a_file_that_has_changed_since_is_not_drawn(model, path):
    result = model.predict(path)
    PIL.Image.fromarray(ARRAY // 2).save(path)
    with pytest.raises(DataError, match="has changed since it was looked at"):
        result.draw()
    path.unlink()
    with pytest.raises(DataError, match="no such image file"):
        result.draw()


def test_a_path_may_be_of_any_kind(model, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    assert len(model.predict(pathlib.Path("frame.png"))) == 2
