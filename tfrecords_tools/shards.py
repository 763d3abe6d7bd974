"""Writes a whole data set as sharded TFRecords, or nothing at all."""

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import tqdm

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.records import RecordSummary
from featsr_tf.data.records import scan_records
from featsr_tf.errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf

LABEL_MAP_NAME = "label_map.pbtxt"


@dataclasses.dataclass(frozen=True)
class Split:
    """One part of a data set.

    Args:
        name: beginning of the names of its files, such as "gtsdb_train".
        num_examples: how many examples there are.
        examples: the examples, made while they are written.
    """

    name: str
    num_examples: int
    examples: Iterable["tf.train.Example"]


def write_data_set(
    output_path: str | os.PathLike,
    splits: list[Split],
    label_map: LabelMap,
    num_shards: int,
) -> dict[str, RecordSummary]:
    """Writes the shards of all splits and the label map, then reads them back.

    Files are `NAME.record-00000-of-00004` and `label_map.pbtxt`. They appear
    under these names only when all of them are written and checked; older
    shards of the same splits are replaced.

    Args:
        output_path: folder to write to, made when needed.
        splits: the parts of the data set.
        label_map: its classes.
        num_shards: files per split; at most one per example.

    Returns:
        What each split contains, by the name of the split.

    Raises:
        DataError: a split without images, or anything wrong with an example.
    """
    if num_shards < 1:
        raise DataError(f"--num_shards is {num_shards}; expected 1 or more")
    for split in splits:
        if split.num_examples < 1:
            raise DataError(f"no images for the split {split.name}")
    output = Path(output_path).resolve()
    with staging_folder(output) as staging:
        (staging / LABEL_MAP_NAME).write_text(label_map.to_text())
        summaries = {}
        for split in splits:
            paths = _write_split(staging, split, num_shards)
            summaries[split.name] = scan_records(paths, label_map)
        for split in splits:
            for old in output.glob(f"{split.name}.record-?????-of-?????"):
                old.unlink()
    return summaries


@contextlib.contextmanager
def staging_folder(output: Path) -> Iterator[Path]:
    """A hidden neighbour of a folder, whose files move there at the end.

    Args:
        output: the folder to fill.

    Yields:
        The empty neighbour; it vanishes when the block fails.

    Raises:
        DataError: the folder cannot be made.
    """
    if output.is_file():
        raise DataError(f"{output}: is a file, expected a folder")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{output.name}-"
        staging = Path(tempfile.mkdtemp(prefix=prefix, dir=output.parent))
    except OSError as error:
        raise DataError(
            f"{output}: cannot write there: {error.strerror}"
        ) from None
    try:
        yield staging
        output.mkdir(exist_ok=True)
        for path in sorted(staging.iterdir()):
            os.replace(path, output / path.name)
    finally:
        shutil.rmtree(staging)


def _write_split(folder: Path, split: Split, num_shards: int) -> list[str]:
    """Deals the examples out to the shards in turn."""
    import tensorflow as tf

    num_shards = min(num_shards, split.num_examples)
    paths = [
        str(folder / f"{split.name}.record-{shard:05d}-of-{num_shards:05d}")
        for shard in range(num_shards)
    ]
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(tf.io.TFRecordWriter(path)) for path in paths
        ]
        examples = tqdm.tqdm(
            split.examples,
            total=split.num_examples,
            desc=split.name,
            unit="image",
        )
        for index, example in enumerate(examples):
            writers[index % num_shards].write(example.SerializeToString())
    return paths
