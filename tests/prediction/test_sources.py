"""Images are found wherever a user points at, in an order that holds."""

import errno
import os
import pathlib

import numpy as np
import pytest

from featsr_tf.errors import DataError
from featsr_tf.prediction.sources import find_sources
from featsr_tf.prediction.sources import frames_of


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Some files, none of them opened."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "photos/b.jpg",
        "photos/a.PNG",
        "photos/notes.txt",
        "photos/clip.mp4",
        "photos/deep/c.webp",
        "photos/deep/b.jpg",
        "out/pictures/a.jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()


def paths(*arguments, **options):
    return [source.path for source in find_sources(*arguments, **options)]


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("photos", ["photos/a.PNG", "photos/b.jpg"]),
        ("photos/notes.txt", ["photos/notes.txt"]),
        ("photos/clip.mp4", ["photos/clip.mp4"]),
        ("photos/*.jpg", ["photos/b.jpg"]),
        ("photos/**/*.jpg", ["photos/b.jpg", "photos/deep/b.jpg"]),
        ("p*s/deep/?.*", ["photos/deep/b.jpg", "photos/deep/c.webp"]),
    ],
)
def test_files_folders_and_patterns(places, place, found):
    assert paths([place]) == found


def test_folders_in_folders_only_when_asked_for(places):
    assert paths(["photos"], recursive=True) == [
        "photos/a.PNG",
        "photos/b.jpg",
        "photos/deep/b.jpg",
        "photos/deep/c.webp",
    ]


def test_what_an_earlier_run_has_drawn_is_no_image(places, tmp_path):
    skipped = [tmp_path / "out/pictures"]
    for place, options in ((".", {"recursive": True}), ("./**/*.jpg", {})):
        found = paths([place], skipped_folders=skipped, **options)
        assert found and not any("out/pictures" in path for path in found)


def test_places_come_in_the_order_given(places):
    assert paths(["photos/deep", "photos/a.PNG"]) == [
        "photos/deep/b.jpg",
        "photos/deep/c.webp",
        "photos/a.PNG",
    ]


def test_pictures_of_images_with_one_name_have_different_ones(places):
    for name in ("b.png", "b_2.jpg"):
        open(f"photos/{name}", "w").close()
    sources = find_sources(["photos"], recursive=True)
    assert [source.drawn_as for source in sources] == [
        "a.jpg",
        "b.jpg",
        "b_2.jpg",
        "b_2_2.jpg",
        "b_3.jpg",
        "c.jpg",
    ]


def test_a_file_name_with_wildcards_is_a_file(places):
    open("photos/[1].jpg", "w").close()
    assert paths(["photos/[1].jpg"]) == ["photos/[1].jpg"]


def test_brackets_of_a_folder_are_no_pattern(places, tmp_path):
    (tmp_path / "run [1]/deep").mkdir(parents=True)
    (tmp_path / "run [1]/a.jpg").touch()
    (tmp_path / "run [1]/deep/b.jpg").touch()
    assert paths(["run [1]/*.jpg"]) == ["run [1]/a.jpg"]
    assert paths([f"{tmp_path}/run [1]/**/[ab].jpg"]) == [
        f"{tmp_path}/run [1]/a.jpg",
        f"{tmp_path}/run [1]/deep/b.jpg",
    ]


def test_pictures_and_videos_are_told_by_their_endings(places):
    names = ["a.jfif", "b.GIF", "c.wmv", "d.ts", "e.MKV", "f.txt"]
    pathlib.Path("kinds").mkdir()
    for name in names:
        open(f"kinds/{name}", "w").close()
    assert paths(["kinds"]) == ["kinds/a.jfif", "kinds/b.GIF"]
    found = find_sources([f"kinds/{name}" for name in names[:5]])
    is_video = {source.path[6:]: source.is_video for source in found}
    assert is_video == {
        "a.jfif": False,
        "b.GIF": False,
        "c.wmv": True,
        "d.ts": True,
        "e.MKV": True,
    }


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere", "nowhere: no such image file or folder"),
        ("photos/*.gif", "photos/[*].gif: no such image file or folder"),
        (
            "out",
            "out: no images found in it itself, but 1 in folders below, such as"
            " out/pictures/a.jpg: add --recursive; expected files ending in",
        ),
        ("none", "none: no images found; expected files ending in .jpg"),
    ],
)
def test_places_without_images_are_refused(places, place, message):
    pathlib.Path("none").mkdir()
    with pytest.raises(DataError, match=message):
        find_sources([place])


def test_what_is_left_out_of_a_folder_is_counted_and_named(places, recwarn):
    for name in ("photos/c.HEIC", "photos/d.dng", "photos/deep/e.heif"):
        pathlib.Path(name).touch()
    pathlib.Path("photos/more").symlink_to("../out")
    assert paths(["photos"]) == ["photos/a.PNG", "photos/b.jpg"]
    assert len(paths(["photos"], recursive=True)) == 4
    unread = "pictures of kinds that are not read left out, such as"
    videos = (
        "photos: 1 videos, which must be named themselves, left out, such as "
        "photos/clip.mp4"
    )
    assert [str(warning.message) for warning in recwarn] == [
        f"photos: 2 {unread} photos/c.HEIC",
        videos,
        f"photos: 3 {unread} photos/c.HEIC",
        "photos: 1 links to other folders left out, such as photos/more",
    ]


def test_a_folder_that_may_not_be_read_is_named(places, monkeypatch):
    look = os.scandir

    # Root may read everything.
    def refuse(folder):
        if str(folder).endswith("deep"):
            raise PermissionError(errno.EACCES, "Permission denied", folder)
        return look(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="photos/deep: cannot be read: Perm"):
        find_sources(["photos"], recursive=True)


def test_frames_are_read_when_asked_for(places):
    frames = list(frames_of(find_sources(["photos"])))
    assert [frame.name for frame in frames] == ["photos/a.PNG", "photos/b.jpg"]
    with pytest.raises(DataError, match="photos/a.PNG: no readable image"):
        frames[0].read()


def test_a_damaged_video_is_one_frame_that_cannot_be_read(places):
    pytest.importorskip("cv2")
    (frame,) = frames_of(find_sources(["photos/clip.mp4"]))
    with pytest.raises(DataError, match="photos/clip.mp4: no readable video"):
        frame.read()


def test_frames_of_a_video_are_numbered(tmp_path):
    cv2 = pytest.importorskip("cv2")
    path = str(tmp_path / "clip.avi")
    codec = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(path, codec, 5, (64, 48))
    for value in (0, 100, 200):
        writer.write(np.full([48, 64, 3], [0, 0, value], np.uint8))
    writer.release()
    found = find_sources([path])
    seen = []
    for frame in frames_of(found):
        # What a run that goes on has seen already is passed unread.
        if frame.name != f"{path}#1":
            seen.append((frame.name, frame.read().mean(axis=(0, 1))))
    assert [name for name, _ in seen] == [f"{path}#0", f"{path}#2"]
    np.testing.assert_allclose(seen[1][1], [200, 0, 0], atol=4)


def test_drawn_names_fit_into_a_file_system(places):
    names = ["x" * 251 + ".jpg", "x" * 251 + ".png", "é" * 127, "\udcff.jpg"]
    for name in names:
        open(name, "w").close()
    drawn = [source.drawn_as for source in find_sources(names)]
    assert len(set(drawn)) == 4
    assert all(len(os.fsencode(name)) <= 255 for name in drawn)
    assert drawn[3] == "\udcff.jpg"
