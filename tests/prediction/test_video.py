"""Videos come back with the detections of each of their frames."""

import json
import sys

import numpy as np
import pytest

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.prediction import model
from featsr_tf.prediction import videos
from featsr_tf.prediction.run import PredictionOptions
from featsr_tf.prediction.run import predict_files
from featsr_tf.prediction.videos import frames_per_second
from featsr_tf.prediction.videos import read_frames
from featsr_tf.prediction.videos import write_video
from tests.prediction.bright import bright_model
from tests.prediction.bright import find_bright
from tests.prediction.bright import scene

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def clip(tmp_path):
    """Six frames in which an object moves to the right."""
    images = [scene((8, 8 * n, 24, 8 * n + 16)) for n in range(6)]
    write_video(tmp_path / "clip.mp4", iter(images), rate=5)
    return tmp_path / "clip.mp4"


@pytest.fixture
def predict(monkeypatch, clip, tmp_path):
    def run(output, function=find_bright, **options):
        monkeypatch.setattr(model, "load", lambda *_: bright_model(function))
        return predict_files(
            "bright",
            [str(clip)],
            str(tmp_path / output),
            PredictionOptions(**options),
        )

    return run


def frames(path):
    return [decode() for decode in read_frames(str(path))]


def test_every_frame_is_an_image_of_the_result(predict, tmp_path, clip):
    assert predict("out", batch_size=4) == 0
    found = json.loads((tmp_path / "out/detections.json").read_text())
    assert [image["file_name"] for image in found["images"]] == [
        f"{clip}#{number}" for number in range(6)
    ]
    lefts = [entry["bbox"][0] for entry in found["annotations"]]
    np.testing.assert_allclose(lefts, [8 * n for n in range(6)], atol=2)
    assert not (tmp_path / "out/pictures").exists()


def test_the_drawn_video_has_the_frames_and_pace_of_the_other(
    predict, tmp_path, clip
):
    predict("out")
    drawn = tmp_path / "out/videos/clip.mp4"
    assert frames_per_second(str(drawn)) == frames_per_second(str(clip)) == 5
    pairs = list(zip(frames(drawn), frames(clip), strict=True))
    assert len(pairs) == 6
    for new, old in pairs:
        assert new.shape == old.shape
        assert np.abs(new.astype(int) - old).max() > 100


def test_two_detectors_are_drawn_beside_each_other(predict, tmp_path, clip):
    predict("out", compare=())
    first = frames(tmp_path / "out/videos/clip.mp4")[0]
    assert first.shape[1] > 2 * 64


def test_a_killed_run_goes_on_within_the_video(predict, tmp_path):
    seen = []

    def find_until_killed(images):
        seen.extend(images)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return find_bright(images)

    predict("whole", batch_size=2)
    with pytest.raises(KeyboardInterrupt):
        predict("parts", find_until_killed, batch_size=2)
    seen.clear()
    predict("parts", lambda images: seen.extend(images) or find_bright(images))
    assert len(seen) == 4
    whole, parts = (
        (tmp_path / name / "detections.json").read_text()
        for name in ("whole", "parts")
    )
    assert parts == whole


def test_nothing_is_drawn_where_no_pictures_are_wanted(predict, tmp_path):
    predict("out", max_pictures=0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [
        "detections.json"
    ]


def codec(path):
    capture = cv2.VideoCapture(str(path))
    return int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")


def test_videos_are_in_h264_where_there_is_an_encoder(tmp_path):
    pytest.importorskip("av")
    write_video(tmp_path / "a.mp4", iter([scene(height=33, width=65)] * 3), 5)
    assert codec(tmp_path / "a.mp4") == b"h264"
    assert [f.shape for f in frames(tmp_path / "a.mp4")] == [(32, 64, 3)] * 3


def test_a_video_that_browsers_do_not_play_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(videos, "_CODECS", ("none", "mp4v"))
    with pytest.warns(UserWarning, match="no H.264 encoder here; pip install"):
        write_video(tmp_path / "a.mp4", iter([scene()] * 3), 5)
    assert len(frames(tmp_path / "a.mp4")) == 3


def test_a_video_without_a_size_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="a.mp4: no encoder takes videos of"):
        write_video(tmp_path / "a.mp4", iter([scene(height=1)]), 5)
    assert not list(tmp_path.iterdir())


def test_names_that_are_no_text_do_not_matter(tmp_path, clip):
    folder = tmp_path / "a\udcff"
    folder.mkdir()
    write_video(folder / "b\udcfe.mp4", iter(frames(clip)), 5)
    assert [path.name for path in folder.iterdir()] == ["b\udcfe.mp4"]
    assert len(frames(folder / "b\udcfe.mp4")) == 6


def test_a_video_that_is_cut_off_is_told(tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "clip.mp4"
    noise = np.random.default_rng(0).integers(0, 256, [40, 48, 64, 3], np.uint8)
    write_video(path, iter(noise), 5)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.warns(UserWarning, match="its header tells of 40; it may be"):
        assert 10 < len(frames(path)) < 35
    path.write_bytes(content[: content.index(b"mdat") + 8])
    with pytest.raises(DataError, match="clip.mp4: no readable video"):
        frames(path)
