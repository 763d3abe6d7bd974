"""Names of record files, their shards and the label map beside them."""

import argparse
import collections
import os
from collections.abc import Iterable, Sequence

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.data.examples import feature_texts
from featsr_tf.data.examples import feature_values
from featsr_tf.data.examples import parse_example
from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.records import scan_records
from featsr_tf.data.tfrecord_files import SHARD
from featsr_tf.data.tfrecord_files import expand_patterns
from featsr_tf.errors import DataError

LABEL_MAP_NAME = "label_map.pbtxt"


def record_tool_parser(module: str, description: str) -> CommandParser:
    """The parser of a tool for records: record files and `--label_map`."""
    parser = CommandParser(
        module,
        description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILES", help="record files, or globs"
    )
    parser.add_argument(
        "--label_map",
        metavar="FILE",
        help=f"the classes (default: {LABEL_MAP_NAME} beside the files)",
    )
    return parser


def add_max_bad_examples_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--max_bad_examples`, for tools that read all records."""
    parser.add_argument(
        "--max_bad_examples",
        type=int,
        default=0,
        metavar="N",
        help="how many damaged or unsound records may be left out, each with a"
        " warning (default %(default)s)",
    )


def is_record_file(name: str) -> bool:
    """Whether a file is called as records are."""
    # One that is compressed is refused where it is read.
    name = name.lower().removesuffix(".gz")
    return name.endswith((".tfrecord", ".tfrecords", ".record")) or (
        ".record-" in name or ".tfrecord-" in name
    )


def data_set_of(path: str) -> str:
    """The path of a record file without the number of its shard."""
    match = SHARD.fullmatch(path)
    return match["name"] if match else path


def title_of(paths: Sequence[str]) -> str:
    """Names the data sets of record files, for people."""
    names = dict.fromkeys(os.path.basename(data_set_of(p)) for p in paths)
    return f"Records {', '.join(names)}"


def missing_shards(paths: Sequence[str]) -> dict[str, list[str]]:
    """Finds the shards that names speak of but that are not there."""
    totals: dict[str, set[int]] = collections.defaultdict(set)
    for path in paths:
        if match := SHARD.fullmatch(path):
            totals[match["name"]].add(int(match["total"]))
    missing = {}
    for name, numbers in totals.items():
        total = max(numbers)
        shards = [f"{name}-{i:05d}-of-{total:05d}" for i in range(total)]
        absent = [shard for shard in shards if not os.path.exists(shard)]
        if absent:
            missing[name] = absent
    return missing


def find_label_map(
    paths: Sequence[str], given: str | None = None
) -> LabelMap | None:
    """Finds the classes of record files.

    Returns:
        That label map, else `label_map.pbtxt` beside the files, else None.

    Raises:
        DataError: a label map cannot be read, or those beside the files
            differ.
    """
    folders = dict.fromkeys(os.path.dirname(path) for path in paths)
    beside = [os.path.join(folder, LABEL_MAP_NAME) for folder in folders]
    chosen = [given] if given else list(filter(os.path.exists, beside))
    maps = [load_label_map(path) for path in chosen]
    for other in maps[1:]:
        if other.names != maps[0].names:
            raise DataError(
                f"{maps[0].path} and {other.path} have different classes; name"
                " files of one data set, or give --label_map"
            )
    return maps[0] if maps else None


def open_records(
    patterns: Sequence[str], label_map: str | None, max_bad_examples: int
) -> RecordFiles:
    """Finds record files and their classes, and checks all records.

    Args:
        patterns: files and globs.
        label_map: as for `find_label_map`.
        max_bad_examples: how many records may be left out.

    Raises:
        DataError: as `expand_patterns`, `find_label_map` and `scan_records`.
    """
    paths = expand_patterns(patterns)
    return scan_records(
        paths,
        find_label_map(paths, label_map),
        decode=True,
        max_bad_examples=max_bad_examples,
    )


def names_in(records: Iterable[bytes]) -> dict[int, str]:
    """Names classes as records do.

    Raises:
        DataError: no TF Example, or an id goes by two names.
    """
    labels: set[tuple[int, str]] = set()
    for record in records:
        features = parse_example(record)
        ids = feature_values(features, Example.LABEL)
        texts = feature_texts(features, Example.TEXT) or [""] * len(ids)
        labels.update(zip(ids, texts, strict=False))
    return class_names(labels)


def class_names(labels: Iterable[tuple[int, str]]) -> dict[int, str]:
    """Names classes as their records do.

    Returns:
        The name of each id, "class 7" where the records have none.

    Raises:
        DataError: an id goes by two names.
    """
    names: dict[int, str] = {}
    for label, text in sorted(set(labels)):
        name = names.setdefault(label, text or nameless_class(label))
        if text and name != text:
            raise DataError(
                f"class {label} is called '{name}' and '{text}' in the"
                " records; give --label_map"
            )
    return names


def nameless_class(label: int) -> str:
    """What a class is called where neither records nor label maps name it."""
    return f"class {label}"
