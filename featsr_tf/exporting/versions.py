"""The versions of an exported model: their folders, found and written."""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError

SAVED_MODEL_FILE = "saved_model.pb"
CHECKSUMS_FILE = "checksums.sha256"
ONNX_FILE = "model.onnx"


class ModelVersion(NamedTuple):
    """An exported detector on disk.

    Attributes:
        name: what clients call the model.
        version: its number, from 1.
        folder: where the SavedModel is.
    """

    name: str
    version: int
    folder: Path


def find_version(model: str) -> ModelVersion:
    """Finds the newest version of a model.

    Args:
        model: folder of a model with its numbered versions, or one of these.

    Raises:
        DataError: the folder is missing, or has no exported model.
    """
    folder = Path(model).resolve()
    if not folder.is_dir():
        raise DataError(f"{model}: no such folder; expected an exported model")
    if folder.name.isdecimal() and (folder / SAVED_MODEL_FILE).is_file():
        return ModelVersion(folder.parent.name, int(folder.name), folder)
    newest = newest_version(folder)
    if newest is None:
        raise DataError(
            f"{model}: no numbered versions in it; expected a folder that "
            "python -m featsr_tf.export has written"
        )
    if not (newest / SAVED_MODEL_FILE).is_file():
        raise DataError(
            f"{newest}: {SAVED_MODEL_FILE} is missing; export the model "
            "again, with --format saved_model"
        )
    return ModelVersion(folder.name, int(newest.name), newest)


def newest_version(folder: Path) -> Path | None:
    """Finds the folder of the highest number; None where there is none."""
    versions = [path for path in folder.glob("*/") if path.name.isdecimal()]
    return max(versions, key=lambda path: int(path.name), default=None)


def refuse_export(folder: str) -> None:
    """Tells an exported model from a model folder.

    Raises:
        ConfigError: the folder holds an export, or versions of one, and no
            checkpoints beside them.
    """
    if Path(folder, "checkpoints").is_dir():
        return
    for place in (Path(folder), newest_version(Path(folder))):
        names = (SAVED_MODEL_FILE, ONNX_FILE, CHECKSUMS_FILE)
        if place and any((place / name).is_file() for name in names):
            raise ConfigError(
                f"{folder}: an export, which has no checkpoints; expected the "
                "model folder that it was exported from. featsr predict takes "
                "an export, and featsr evaluate --annotations FILE "
                "--detections OUTPUT/detections.json judges what it finds"
            )


def version_folder(model: Path, version: int | None = None) -> Path:
    """Chooses the folder of a new version.

    Args:
        version: its number; None = one more than the newest.

    Raises:
        ConfigError: the version exists, or `model` is a file.
    """
    if model.is_file():
        raise ConfigError(f"{model}: is a file; expected a folder")
    found = [
        int(path.name)
        for path in (model.iterdir() if model.exists() else ())
        if path.name.isdecimal()
    ]
    if version is None:
        version = max(found, default=0) + 1
    if version in found:
        raise ConfigError(
            f"{model / str(version)}: the version exists; give another "
            "--version, or none for the next number"
        )
    return model / str(version)


@contextlib.contextmanager
def atomic_directory(final: Path) -> Iterator[Path]:
    """Makes a version, whole or not at all.

    A server that watches the folder never sees half a version.

    Raises:
        ConfigError: the version was made by another export meanwhile.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{final.name}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=final.parent))
    try:
        yield folder
        # mkdtemp makes private folders; servers run as other users.
        folder.chmod(0o755)
        _rename(folder, final)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _rename(folder: Path, final: Path) -> None:
    try:
        os.rename(folder, final)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        raise ConfigError(
            f"{final}: another export has made this version meanwhile; "
            "export again"
        ) from None


def write_checksums(folder: Path) -> None:
    """Writes the checksums of all files, for `sha256sum --check`."""
    (folder / CHECKSUMS_FILE).write_text("".join(_checksum_lines(folder)))


def is_as_written(folder: Path) -> bool:
    """Whether all files of a version fit their checksums; False without any."""
    path = folder / CHECKSUMS_FILE
    if not path.exists():
        return False
    expected = path.read_text("utf-8", "replace").splitlines(keepends=True)
    return set(expected) <= set(_checksum_lines(folder))


def _checksum_lines(folder: Path) -> list[str]:
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != CHECKSUMS_FILE:
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return lines
