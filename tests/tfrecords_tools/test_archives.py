"""Zip files as downloaded: harmless ones are read, others refused."""

import stat
import warnings
import zipfile

import pytest

from featsr_tf.errors import DataError
from tfrecords_tools.archives import unpacked


def write_zip(path, members: dict[str | zipfile.ZipInfo, bytes]):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            with warnings.catch_warnings(action="ignore"):
                archive.writestr(name, content)
    return path


def unpack(path) -> dict[str, bytes]:
    with unpacked(path) as folder:
        files = [p for p in folder.rglob("*") if p.is_file()]
        return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_a_zip_is_a_folder_for_a_while(tmp_path):
    members = {"a/": b"", "a/b.txt": b"1", "c\\d.txt": b"2"}
    rubbish = {"__MACOSX/a/._b.txt": b"x", "a/._b.txt": b"x"}
    path = write_zip(tmp_path / "data.zip", members | rubbish)
    assert unpack(path) == {"a/b.txt": b"1", "c/d.txt": b"2"}
    with unpacked(path) as folder:
        assert folder.is_dir()
    assert not folder.exists()


class UnmarkedName(zipfile.ZipInfo):
    """A member whose name is UTF-8 or of Windows, without a word about it."""

    encoding = "utf-8"

    def _encodeFilenameFlags(self):
        return self.filename.encode(self.encoding), self.flag_bits


class WindowsName(UnmarkedName):
    encoding = "cp437"


@pytest.mark.parametrize("kind", [zipfile.ZipInfo, UnmarkedName, WindowsName])
def test_letters_of_names_stay_what_they_are(kind, tmp_path):
    name = "gr\xf6\xdfe/\xe4 b.txt"
    path = write_zip(tmp_path / "data.zip", {kind(name): b"1"})
    assert unpack(path) == {name: b"1"}


def test_errors_and_warnings_speak_of_the_zip(tmp_path):
    path = write_zip(tmp_path / "data.zip", {"a.txt": b"1"})
    with pytest.warns(UserWarning, match=f"^{path}/b.txt: odd"):
        with pytest.raises(DataError, match=f"^{path}/a.txt: bad"):
            with unpacked(path) as folder:
                warnings.warn(f"{folder}/b.txt: odd", stacklevel=1)
                raise DataError(f"{folder}/a.txt: bad")


def test_folders_and_files_are_taken_as_they_are(tmp_path):
    (tmp_path / "data.yaml").touch()
    for path in (tmp_path, tmp_path / "data.yaml"):
        with unpacked(path) as place:
            assert place == path


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../a.txt": b""}, r"\.\./a.txt leads out of the folder"),
        ({"a/../../b": b""}, "leads out of the folder"),
        ({"..\\a.txt": b""}, "leads out of the folder"),
        ({"/etc/a": b""}, "leads out of the folder"),
        ({"C:\\a.txt": b""}, "leads out of the folder"),
        ({link(): b"/etc/passwd"}, "link is a link; expected files"),
        ({zipfile.ZipInfo("a"): b"1", "a": b"2"}, "holds a twice"),
    ],
)
def test_what_would_harm_is_refused(members, message, tmp_path):
    path = write_zip(tmp_path / "data.zip", members)
    with pytest.raises(DataError, match=message):
        unpack(path)
    assert [p.name for p in tmp_path.iterdir()] == ["data.zip"]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("zeros", "w") as file:
            for _ in range(300):
                file.write(bytes(1 << 20))
    with pytest.raises(DataError, match="1 files of 314572800 bytes in"):
        unpack(path)


def test_damaged_encrypted_and_other_archives_are_named(tmp_path):
    path = write_zip(tmp_path / "data.zip", {"a.txt": b"12345" * 99})
    content = bytearray(path.read_bytes())
    cases = {
        "cut.zip": (content[:50], "damaged or no zip file: File is not a zip"),
        "none.zip": (b"<html>", "damaged or no zip file: File is not a zip"),
        "data.tar.gz": (b"", "expected a folder or a zip file; unpack it"),
    }
    changed = content.copy()
    changed[40] ^= 0xFF
    cases["changed.zip"] = (changed, "damaged or no zip file")
    secret = content.copy()
    for offset in (6, content.index(b"PK\1\2") + 8):
        secret[offset] |= 1
    cases["secret.zip"] = (secret, "is encrypted; unpack it with its password")
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=f"{name}: {message}"):
            unpack(tmp_path / name)
    with pytest.raises(DataError, match="no such file or folder"):
        unpack(tmp_path / "absent.zip")
