"""Cross-validation: which frames a detector may see, and which judge it."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.data.examples import feature_texts
from featsr_tf.data.examples import parse_example
from featsr_tf.data.keys import Example
from featsr_tf.errors import DataError
from featsr_tf.files import write_text

# What the folds were made of, beside them.
_SOURCES = "sources.json"


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


def fold_of_pattern(where: str, patterns: Sequence[str]) -> int:
    """Tells which fold takes a frame, where patterns part them.

    Args:
        where: File of the record and name of the frame, such as
            "output/voc/voc_val.record-00000:2008_000008.jpg".
        patterns: A regular expression for each fold, which matches anywhere.

    Returns:
        The number of the one pattern that matches.

    Raises:
        DataError: None does, or several do.
    """
    matching = [
        number
        for number, pattern in enumerate(patterns)
        if re.search(pattern, where)
    ]
    if len(matching) != 1:
        raise DataError(
            f"{where}: expected one of the patterns of --fold_patterns to "
            f"match, found {len(matching)}; every frame has one fold"
        )
    return matching[0]


def fold_paths(folder: str | Path, num_folds: int) -> list[str]:
    """Names the record files of the folds, one each."""
    return [
        str(Path(folder, f"fold_{fold}.record")) for fold in range(num_folds)
    ]


def write_folds(
    paths: Sequence[str],
    folder: str | Path,
    num_folds: int,
    patterns: Sequence[str] = (),
) -> None:
    """Deals records out to the files of the folds, all of them or none.

    The records stay as they are, byte for byte.

    Args:
        paths: Record files with sound records.
        folder: To write to; one that was made of the same files is left as it
            is.
        num_folds: Number of folds.
        patterns: Of `fold_of_pattern`; without, hashes of names decide.

    Raises:
        DataError: A record has no name, a fold gets no frame, the patterns do
            not give each frame one fold, or files have changed since the folder
            was made.
    """
    import tensorflow as tf

    if os.path.isdir(folder):
        _check_sources(paths, folder)
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
            name = frame_name(record, f"{path}: record {number}")
            if patterns:
                fold = fold_of_pattern(place(path, record, name), patterns)
            else:
                fold = fold_of(name, num_folds)
            writers[fold].write(record)
            counts[fold] += 1
    for writer in writers:
        writer.close()
    if not all(counts):
        raise DataError(
            f"{', '.join(paths)}: {sum(counts)} frames leave fold "
            f"{counts.index(0)} of {num_folds} empty; give fewer --folds"
        )
    write_text(Path(partial, _SOURCES), json.dumps(_states(paths), indent=1))
    os.rename(partial, folder)


def _check_sources(paths: Sequence[str], folder: str | Path) -> None:
    try:
        known = json.loads(Path(folder, _SOURCES).read_text(encoding="utf-8"))
    # Folders of before have none.
    except FileNotFoundError:
        return
    except ValueError:
        known = {}
    for path, state in _states(paths).items():
        if known.get(path) != state:
            raise DataError(
                f"{folder}: folds of other records; {path} is new or was "
                "written anew since; give another --output, or delete the "
                "folder with the detectors that were trained on its folds"
            )


def _states(paths: Sequence[str]) -> dict[str, list[int]]:
    """Size and time of the files that are there."""
    return {
        path: [os.stat(path).st_size, os.stat(path).st_mtime_ns]
        for path in paths
        if os.path.exists(path)
    }


def place(path: str, record: bytes, name: str) -> str:
    """Says where a frame is from, for patterns.

    Args:
        path: Its record file.
        record: A TF Example.
        name: Of `frame_name`, which in COCO is a number.

    Returns:
        FILE:NAME, with the name of its image file where the record has one.
    """
    files = feature_texts(parse_example(record), Example.FILENAME)
    return f"{path}:{files[0] if files and files[0] else name}"


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
