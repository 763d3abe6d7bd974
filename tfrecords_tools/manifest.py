"""`NAME.manifest.json`: what the record files of a split must contain."""

import collections
import dataclasses
import importlib.metadata
import json
import os
import shlex
import sys
import typing
from collections.abc import Sequence

from featsr_tf.data.manifests import FORMAT
from featsr_tf.data.manifests import manifest_name
from featsr_tf.data.manifests import read_manifest
from featsr_tf.errors import DataError
from tfrecords_tools import storage

_RECORDED_PACKAGES = ("featsr_tf", "tensorflow", "pillow")


def package_versions() -> dict[str, str]:
    """The installed versions of what decides about the bytes of records."""
    return {
        name: importlib.metadata.version(name) for name in _RECORDED_PACKAGES
    }


@dataclasses.dataclass(frozen=True)
class ShardEntry:
    """One record file.

    Args:
        file: its name.
        num_examples: images in it.
        num_objects: objects in it.
        bytes: its size.
        sha256: its checksum, in hexadecimal digits.
    """

    file: str
    num_examples: int
    num_objects: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The record files of a split.

    Args:
        name: of the split, with which the file names begin.
        label_map: file name of the label map.
        num_examples: images in all files.
        num_objects: objects in all files.
        num_images_without_objects: images that have none.
        class_counts: objects by the name of their class, zeros too.
        size_counts: objects by "small", "medium", "large" (by area).
        outcomes: how often each `Outcome` occurred.
        command: that wrote the files.
        versions: of the packages that decide about the bytes.
        shards: the files.
    """

    name: str
    label_map: str
    num_examples: int
    num_objects: int
    num_images_without_objects: int
    class_counts: dict[str, int]
    size_counts: dict[str, int]
    outcomes: dict[str, int]
    shards: tuple[ShardEntry, ...]
    command: str = dataclasses.field(
        default_factory=lambda: shlex.join(sys.orig_argv)
    )
    versions: dict[str, str] = dataclasses.field(
        default_factory=package_versions
    )

    def to_text(self) -> str:
        """The JSON text of the manifest."""
        values = {"format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(values, indent=1, ensure_ascii=False) + "\n"

    def write(self, folder: str) -> None:
        """Writes `NAME.manifest.json` into a folder, atomically."""
        path = os.path.join(folder, manifest_name(self.name))
        storage.write_text(path, self.to_text())


def load_manifest(path: str) -> Manifest:
    """Reads a manifest.

    Args:
        path: a file `NAME.manifest.json`.

    Returns:
        The manifest.

    Raises:
        DataError: the file cannot be read, or is no manifest of this format.
    """
    values = read_manifest(path)
    try:
        shards = tuple(ShardEntry(**shard) for shard in values.pop("shards"))
        manifest = Manifest(**values, shards=shards)
        _check_types(manifest, *shards)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not a whole manifest: {error}") from None
    return manifest


def check_files(manifest: Manifest, folder: str) -> list[str]:
    """Compares record files with their manifest.

    Args:
        manifest: what there should be.
        folder: where the files are.

    Returns:
        A line for each file that is missing or different; none when all are
        as they were written.
    """
    problems = []
    for shard in manifest.shards:
        path = os.path.join(folder, shard.file)
        if not os.path.isfile(path):
            problems.append(f"{path}: is missing")
        elif os.path.getsize(path) != shard.bytes:
            problems.append(
                f"{path}: has {os.path.getsize(path)} bytes, expected"
                f" {shard.bytes}"
            )
        elif storage.sha256(path) != shard.sha256:
            problems.append(f"{path}: has another checksum than when written")
    return problems


def add_counts(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    """Adds up numbers of the same name."""
    total: collections.Counter[str] = collections.Counter()
    for part in counts:
        total.update(part)
    return dict(total)


def _check_types(*values: Manifest | ShardEntry) -> None:
    for value in values:
        for field in dataclasses.fields(value):
            kind = typing.get_origin(field.type) or field.type
            found = getattr(value, field.name)
            if not isinstance(found, kind):
                raise TypeError(f"{field.name} is {found!r:.80}")
