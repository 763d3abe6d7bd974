"""Names with wildcards in them are names first, and patterns after that."""

import errno
import fcntl
import os
import stat
from unittest import mock

import pytest

from featsr_tf.files import find_paths
from featsr_tf.files import hold_lock
from featsr_tf.files import without_wildcards
from featsr_tf.files import write_text


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("run [1]/a.png", "run [1]/b [2].png", "run 1/c.png", "d*.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "lost.png").symlink_to("nothing")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("run [1]/*.png", ["run [1]/a.png", "run [1]/b [2].png"]),
        ("run [1]/[a].png", ["run [1]/a.png"]),
        ("run [1]/b [2].png", ["run [1]/b [2].png"]),
        ("run 1/*", ["run 1/c.png"]),
        ("run*/*.png", ["run 1/c.png", "run [1]/a.png", "run [1]/b [2].png"]),
        ("**/c.png", ["run 1/c.png"]),
        ("d*.png", ["d*.png"]),
        ("[d]*.png", ["d*.png"]),
        ("run [1]/none*", []),
        ("none/[a]", []),
        ("lost.png", []),
        ("", []),
    ],
)
def test_a_pattern_finds(folder, pattern, found):
    assert find_paths(pattern) == found
    if pattern:
        whole = [str(folder / name) for name in found]
        assert find_paths(str(folder / pattern)) == whole


@pytest.mark.parametrize("can_link", [True, False])
def test_a_folder_can_be_read_under_a_plain_name(folder, monkeypatch, can_link):
    def refuse(*_, **__):
        raise OSError("not allowed")

    if not can_link:
        monkeypatch.setattr(os, "symlink", refuse)
    with without_wildcards("run [1]") as plain:
        assert not set("*?[") & set(plain)
        assert sorted(os.listdir(plain)) == ["a.png", "b [2].png"]
    assert not os.path.exists(plain)
    assert len(os.listdir("run [1]")) == 2
    with without_wildcards("run 1") as plain:
        assert plain == "run 1"


def test_a_link_stays_one_and_a_pipe_is_written_to(tmp_path):
    (tmp_path / "link").symlink_to("target")
    write_text(tmp_path / "link", "one")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "one"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_text(tmp_path / "pipe", "two")
    assert os.read(reader, 9) == b"two"
    os.close(reader)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_without_a_service_for_locks_work_goes_on(tmp_path, number):
    """As on folders of a network."""
    path = tmp_path / "lock"
    with (
        mock.patch.object(fcntl, "flock", side_effect=OSError(number, "none")),
        pytest.warns(UserWarning, match=r"lock: the file system has no locks"),
        hold_lock(path, pytest.fail),
    ):
        pass
    with (
        mock.patch.object(
            fcntl, "flock", side_effect=OSError(errno.EIO, "broken")
        ),
        pytest.raises(OSError, match="broken"),
        hold_lock(path, pytest.fail),
    ):
        pass


def test_a_lock_that_is_held_is_refused_until_it_is_given_back(tmp_path):
    def refuse():
        raise ValueError("held")

    path = tmp_path / "lock"
    with hold_lock(path, refuse):
        with pytest.raises(ValueError, match="held"), hold_lock(path, refuse):
            pass
    with hold_lock(path, refuse):
        pass
