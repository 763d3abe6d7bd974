"""The files of checkpoints: written whole or not at all, damage is noticed.

FOLDER/ckpt-STEP.data-*   the variables
FOLDER/ckpt-STEP.index    their names; the checkpoint is there when it is
FOLDER/ckpt-STEP.json     notes, such as the losses that are not logged yet
FOLDER/ckpt-STEP.sha256   checksums of all these, for `sha256sum --check`
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import tensorflow as tf

_INDEX = re.compile(r"ckpt-(\d+)\.index")
_WRITING = ".writing"


def prefix_of(folder: str, step: int) -> str:
    """Names a checkpoint, as TensorFlow wants it."""
    return os.path.join(folder, f"ckpt-{step}")


def written_steps(folder: str) -> list[int]:
    """Lists the steps of the checkpoints in a folder, rising."""
    if not os.path.isdir(folder):
        return []
    found = map(_INDEX.fullmatch, os.listdir(folder))
    return sorted(int(match[1]) for match in found if match)


def write(checkpoint: tf.train.Checkpoint, prefix: str, notes: dict) -> None:
    """Writes a checkpoint; killed at any moment, it leaves a whole one or none.

    Args:
        checkpoint: what to write.
        prefix: of `prefix_of`.
        notes: what else to keep, fit for JSON.
    """
    folder, name = os.path.split(prefix)
    # Always the same place: what a killed run has left goes away.
    writing = Path(folder, _WRITING)
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir(parents=True)
    try:
        checkpoint.write(str(writing / name))
        (writing / f"{name}.json").write_text(json.dumps(notes))
        sums = {file: _checksum(writing / file) for file in os.listdir(writing)}
        lines = [f"{digest}  {file}\n" for file, digest in sorted(sums.items())]
        (writing / f"{name}.sha256").write_text("".join(lines))
        _wait_for_disk(writing)
        index = f"{name}.index"
        for file in (*sums.keys() - {index}, f"{name}.sha256", index):
            os.replace(writing / file, Path(folder, file))
    finally:
        shutil.rmtree(writing, ignore_errors=True)


def remove(prefix: str) -> None:
    """Removes a checkpoint."""
    Path(f"{prefix}.index").unlink(missing_ok=True)
    for path in _files(prefix):
        path.unlink()


def find_damage(prefix: str) -> str | None:
    """Compares the files of a checkpoint with their checksums.

    TensorFlow alone overlooks flipped bits, or takes them for another config.

    Args:
        prefix: of `prefix_of`.

    Returns:
        What is wrong; None where nothing is, or there are no checksums.
    """
    sums = Path(f"{prefix}.sha256")
    if not sums.exists():
        return None
    lines = sums.read_text(errors="replace").splitlines()
    entries = [line.partition("  ") for line in lines]
    expected = {file: digest for digest, _, file in entries}
    files = {path.name: path for path in _files(prefix) if path != sums}
    if files.keys() != expected.keys():
        names = ", ".join(sorted(files.keys() ^ expected.keys()))
        return f"{names} missing, or not in {sums.name}"
    for file, path in files.items():
        if _checksum(path) != expected[file]:
            return f"{file} is not what was written"
    return None


def read_notes(prefix: str) -> dict:
    """Reads what was kept with a sound checkpoint; nothing where none was."""
    path = Path(f"{prefix}.json")
    return json.loads(path.read_text()) if path.exists() else {}


def _files(prefix: str) -> list[Path]:
    folder, name = os.path.split(prefix)
    return [
        Path(folder, file)
        for file in os.listdir(folder)
        if file.startswith(f"{name}.")
    ]


def _checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wait_for_disk(folder: Path) -> None:
    """Returns when all files are on the disk, so that no rename comes first."""
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
