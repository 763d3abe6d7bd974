"""Cross-validation: which frames a detector may see, and which judge it."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.data.examples import feature_texts
from featsr_tf.data.examples import parse_example
from featsr_tf.data.keys import Example
from featsr_tf.errors import DataError


def fold_of(name: str, num_folds: int) -> int:
    """Tells the fold of a frame.

    A hash of its name decides, so that it does not depend on the other
    frames or on the format of the file.

    Args:
        name: File name of the frame, with or without its ending.
        num_folds: Number of folds.

    Returns:
        A number from 0 to `num_folds` - 1.
    """
    digest = hashlib.sha256(Path(name).stem.encode()).digest()
    return int.from_bytes(digest[:8], "big") * num_folds >> 64


def fold_paths(folder: str | Path, num_folds: int) -> list[str]:
    """Names the record files of the folds, one each."""
    return [
        str(Path(folder, f"fold_{fold}.record")) for fold in range(num_folds)
    ]


def write_folds(
    paths: Sequence[str], folder: str | Path, num_folds: int
) -> None:
    """Deals records out to the files of the folds, all of them or none.

    The records stay as they are, byte for byte.

    Args:
        paths: Record files with sound records.
        folder: To write to; one that is there already is left alone.
        num_folds: Number of folds.

    Raises:
        DataError: A record has no name, or a fold gets no frame.
    """
    import tensorflow as tf

    if os.path.isdir(folder):
        return
    partial = f"{folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    writers = [
        tf.io.TFRecordWriter(path) for path in fold_paths(partial, num_folds)
    ]
    counts = [0] * num_folds
    for path in paths:
        records = tf.data.TFRecordDataset(path).as_numpy_iterator()
        for number, record in enumerate(records):
            fold = fold_of(
                frame_name(record, f"{path}: record {number}"), num_folds
            )
            writers[fold].write(record)
            counts[fold] += 1
    for writer in writers:
        writer.close()
    if not all(counts):
        raise DataError(
            f"{', '.join(paths)}: {sum(counts)} frames leave fold "
            f"{counts.index(0)} of {num_folds} empty; give fewer --folds"
        )
    os.rename(partial, folder)


def frame_name(record: bytes, where: str) -> str:
    """Reads the name of a frame.

    Args:
        record: A TF Example.
        where: File and number of the record.

    Raises:
        DataError: It has none.
    """
    names = feature_texts(parse_example(record), Example.SOURCE_ID)
    if not names or not names[0]:
        raise DataError(
            f"{where}: no {Example.SOURCE_ID}; frames are told apart by it"
        )
    return names[0]
