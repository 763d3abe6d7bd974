"""Good records out of damaged files, written to another folder."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from tfrecords_tools import storage
from tfrecords_tools.manifest import Manifest
from tfrecords_tools.record_files import LABEL_MAP_NAME
from tfrecords_tools.record_files import data_set_of
from tfrecords_tools.shards import scan_shard

if TYPE_CHECKING:
    import tensorflow as tf


class RepairedFiles:
    """Takes records and writes them under the names of their old files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._writers: dict[str, tf.io.TFRecordWriter] = {}

    def add(self, source: str, record: bytes) -> None:
        """Writes a record that comes from a file `source`."""
        import tensorflow as tf

        name = os.path.basename(source)
        if name not in self._writers:
            path = str(self.folder / name)
            self._writers[name] = tf.io.TFRecordWriter(path)
        self._writers[name].write(record)

    def finish(self, label_map: LabelMap) -> None:
        """Closes the files and writes label map and manifests beside them.

        Raises:
            DataError: there was no record to write.
        """
        if not self._writers:
            raise DataError("not one good record: nothing is written")
        for writer in self._writers.values():
            writer.close()
        path = str(self.folder / LABEL_MAP_NAME)
        storage.write_text(path, label_map.to_text())
        data_sets: dict[str, list[str]] = {}
        for name in self._writers:
            data_sets.setdefault(data_set_of(name), []).append(name)
        for name, files in data_sets.items():
            shards = [
                scan_shard(str(self.folder / f), label_map) for f in files
            ]
            split = name.removesuffix(".record")
            manifest = Manifest.of_shards(split, shards, label_map)
            manifest.write(str(self.folder))


@contextlib.contextmanager
def repaired_files(
    folder: str, sources: Sequence[str]
) -> Iterator[RepairedFiles]:
    """Lets repaired files appear all at once, when the block has ended.

    Args:
        folder: where to write, made when needed. Files of the same names
            are replaced.

    Raises:
        DataError: two sources of one name, a folder that holds one of the
            sources, or one that cannot be written to.
    """
    output = Path(folder).resolve()
    _check_names(output, sources)
    try:
        output.mkdir(parents=True, exist_ok=True)
        staging = tempfile.TemporaryDirectory(prefix=".repair-", dir=output)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot write there: {error.strerror}"
        ) from None
    with staging as name:
        yield RepairedFiles(Path(name))
        for path in sorted(Path(name).iterdir()):
            os.replace(path, output / path.name)


def _check_names(output: Path, sources: Sequence[str]) -> None:
    names: dict[str, str] = {}
    for source in sources:
        first = names.setdefault(os.path.basename(source), source)
        if first != source:
            raise DataError(
                f"{source}: has the same name as {first}; repair them one"
                " after the other, into two folders"
            )
        if Path(source).resolve().parent == output:
            raise DataError(
                f"{output}: holds {os.path.basename(source)} itself, and"
                " nothing is repaired in place; give --repair another folder"
            )
