"""What manifests say of the record files beside them.

`tfrecords_tools` writes `NAME.manifest.json` when all files of a split are
whole; here only the number of records in each file is asked for.
"""

import json
import os
import re
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from featsr_tf.errors import DataError

FORMAT = 1
_ENDING = ".manifest.json"
_SHARD_NAME = re.compile(r"(.+)\.record-\d{5}-of-\d{5}")


def manifest_name(split_name: str) -> str:
    """The file name of a split's manifest."""
    return f"{split_name}{_ENDING}"


def is_manifest(name: str) -> bool:
    """Whether a file name is that of a manifest."""
    return name.endswith(_ENDING)


def manifests_beside(record_paths: Iterable[str]) -> list[str]:
    """Finds the manifests of record files.

    Args:
        record_paths: such as `data/voc_train.record-00000-of-00010`.

    Returns:
        Paths of the manifests that exist in the folders of the files, each
        once, in the order of the files.
    """
    paths: dict[str, None] = {}
    for record_path in record_paths:
        folder, name = os.path.split(record_path)
        match = _SHARD_NAME.fullmatch(name)
        if match:
            paths[os.path.join(folder, manifest_name(match[1]))] = None
    return [path for path in paths if os.path.isfile(path)]


def read_manifest(path: str) -> dict[str, Any]:
    """Reads a manifest as it is.

    Args:
        path: a file `NAME.manifest.json`.

    Returns:
        Its values without the format.

    Raises:
        DataError: the file cannot be read, or is no manifest of this format.
    """
    try:
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    # Lists may be nested too deeply for the parser.
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a JSON file: {error}") from None
    found = values.pop("format", None) if isinstance(values, dict) else None
    if found != FORMAT:
        raise DataError(
            f"{path}: expected a manifest of format {FORMAT}, found {found!r}"
        )
    return values


def expected_counts(record_paths: Iterable[str]) -> dict[str, int]:
    """Tells how many records there have to be in files that have a manifest.

    Args:
        record_paths: the record files that are to be read.

    Returns:
        The number of records by path; nothing of files without a manifest.

    Raises:
        DataError: a manifest cannot be used, or a file that it names is not
            there.
    """
    record_paths = list(record_paths)
    counts = {}
    for manifest in manifests_beside(record_paths):
        folder = os.path.dirname(manifest)
        for name, count in _shard_counts(manifest).items():
            path = os.path.join(folder, name)
            if not os.path.exists(path):
                raise DataError(
                    f"{path}: no such record file, but {manifest} names it;"
                    " copy it again, or remove the manifest to do without"
                )
            counts[path] = count
    return {path: counts[path] for path in record_paths if path in counts}


def check_counts(found: Mapping[str, int], expected: Mapping[str, int]) -> None:
    """Compares the records that files hold with those of their manifests.

    Args:
        found: number of records by path.
        expected: from `expected_counts`.

    Raises:
        DataError: which record is missing, or is one too many.
    """
    for path, count in expected.items():
        if found[path] != count:
            kind = "is missing" if found[path] < count else "is one too many"
            raise DataError(
                f"{path}: record {min(found[path], count)} {kind}: the"
                f" manifest says {count} records, the file holds"
                f" {found[path]}; write or copy the file again"
            )


def _shard_counts(manifest: str) -> dict[str, int]:
    try:
        counts = {
            os.path.basename(shard["file"]): shard["num_examples"]
            for shard in read_manifest(manifest)["shards"]
        }
    except (KeyError, TypeError) as error:
        raise DataError(f"{manifest}: not a whole manifest: {error}") from None
    for name, count in counts.items():
        if not isinstance(count, int):
            raise DataError(
                f"{manifest}: num_examples of {name} is {count!r:.80};"
                " expected a number"
            )
    return counts
