"""Images are found by the paths that annotations of other machines hold."""

import errno
import os

import pytest

from featsr_tf.errors import DataError
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.image_folders import ImageFolder
from tfrecords_tools.layouts import list_files

FILES = (
    *("a.jpg", "sub/b.jpg", "sub/c.PNG", "one/d.jpg", "two/d.jpg"),
    *(
        "x/train/f.jpg",
        "x/val/f.jpg",
        "my photo.jpg",
        "e.jpg",
        "e.png",
        "notes.txt",
        "cafe\u0301/u\u0308.jpg",
    ),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_a_folder_that_may_not_be_read_is_named(files, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if os.path.basename(path) in refused:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    refused = ["lost+found"]
    (files / "lost+found").mkdir()
    assert len(list_files(files)) == len(FILES)
    assert list_files(files / "nowhere") == []
    refused = ["one"]
    message = f"{files / 'one'}: cannot be read: Permission denied"
    with pytest.raises(DataError, match=message):
        list_files(files)
    with pytest.raises(DataError, match=message):
        ImageFolder(files).find("none.jpg", "here")
    (files / "lost+found").rmdir()


@pytest.fixture
def folder(files):
    return ImageFolder(files)


@pytest.mark.parametrize("name", ["a.jpg", "sub/b.jpg", "e.png", "one/d.jpg"])
def test_a_path_that_is_there_is_taken_as_it_is(folder, name):
    assert folder.find(name, "here") == (name, ())


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sub\\b.jpg", "sub/b.jpg"),
        ("C:\\data\\sub\\b.jpg", "sub/b.jpg"),
        ("/home/me/data/a.jpg", "a.jpg"),
        ("../a.jpg", "a.jpg"),
        ("train/a.jpg", "a.jpg"),
        ("http://example.org/x/a.jpg?size=1", "a.jpg"),
        ("my%20photo.jpg", "my photo.jpg"),
        ("b.jpg", "sub/b.jpg"),
        ("A.JPG", "a.jpg"),
        ("c.jpg", "sub/c.PNG"),
        ("a", "a.jpg"),
        ("two\\d.jpg", "two/d.jpg"),
        ("x/two/D.jpg", "two/d.jpg"),
        ("/data/local-files/?d=x%5Csub%2Fb.jpg", "sub/b.jpg"),
        ("\u00fc.jpg", "cafe\u0301/u\u0308.jpg"),
        ("caf\u00e9/\u00fc.png", "cafe\u0301/u\u0308.jpg"),
    ],
)
def test_other_paths_are_found_by_their_last_parts(folder, name, found):
    assert folder.find(name, "here") == (found, (Outcome.OTHER_NAME,))


@pytest.mark.parametrize("name", ["none.jpg", "d.jpg", "e.bmp", "notes.txt"])
def test_what_is_missing_or_ambiguous_stays_as_it_is(folder, name):
    assert folder.find(name, "here") == (name, ())


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", ""])
def test_a_path_that_leads_elsewhere_is_refused(folder, name):
    with pytest.raises(DataError, match="^here: .* is not a path inside"):
        folder.find(name, "here")


@pytest.mark.parametrize(
    ("name", "own_name", "found"),
    [
        ("b.jpg", "xml/a", "a.jpg"),
        ("e.png", "xml/e", "e.png"),
        ("d.jpg", "two/d", "two/d.jpg"),
        ("f.jpg", "val/f", "x/val/f.jpg"),
        ("one/d.jpg", "xml/d", "one/d.jpg"),
        ("a.jpg", "xml/none", "a.jpg"),
    ],
)
def test_an_image_of_the_own_name_comes_first(folder, name, own_name, found):
    assert folder.find(name, "here", own_name)[0] == found


def test_two_images_of_the_own_name_are_named(folder):
    message = "^here: 'e.jpg' and 'e.png' in .* may both be its image"
    with pytest.raises(DataError, match=message):
        folder.find("e", "here", "xml/e")


def test_an_image_that_another_annotation_names_is_not_taken(files):
    folder = ImageFolder(files)
    assert folder.find("one/d.jpg", "first")[0] == "one/d.jpg"
    assert folder.find("sub/b.jpg", "second")[0] == "sub/b.jpg"
    # The picture of the third one is not there: it is none of another's.
    assert folder.find("other/b.jpg", "third") == ("other/b.jpg", ())


def test_an_image_that_was_taken_for_another_annotation_is_told(files):
    folder = ImageFolder(files)
    assert folder.find("other/b.jpg", "first")[0] == "sub/b.jpg"
    assert folder.find("other/b.jpg", "the same again")[0] == "sub/b.jpg"
    with pytest.raises(
        DataError, match="^second: 'sub/b.jpg' .* 'other/b.jpg'"
    ):
        folder.find("sub/b.jpg", "second")
