"""The engine of all converters: annotated images -> record files, or nothing.

A converter is a module with the reader of one layout of annotations. Its
`main` makes a parser with `converter_parser`, adds the flags of the layout and
calls `run_converter`; its `create` hands `Split`s to `convert`.
"""

import argparse
import dataclasses
import hashlib
import itertools
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from tfrecords_tools import manifest
from tfrecords_tools import storage
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import Split
from tfrecords_tools.archives import lasting_name
from tfrecords_tools.archives import origin_of
from tfrecords_tools.manifest import Manifest
from tfrecords_tools.manifest import package_versions
from tfrecords_tools.review import review
from tfrecords_tools.review import warn_of_alike_classes
from tfrecords_tools.review import warn_of_lost_objects
from tfrecords_tools.review import warn_of_reach
from tfrecords_tools.review import warn_of_same_pictures
from tfrecords_tools.shards import ConversionOptions
from tfrecords_tools.shards import ShardFacts
from tfrecords_tools.shards import read_facts
from tfrecords_tools.shards import renumber
from tfrecords_tools.shards import shard_jobs
from tfrecords_tools.shards import write_shards
from tfrecords_tools.tables import text_table


def converter_parser(module: str, description: str) -> CommandParser:
    """The parser of a converter, still without flags."""
    return CommandParser(
        module,
        description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run_converter(
    parser: CommandParser,
    create: Callable[..., str],
    argv: Sequence[str] | None,
    num_shards: int = 10,
    default_output: str | None = None,
) -> None:
    """Reads the flags of a converter, converts and prints the summary.

    Args:
        create: gets the values of these flags by their names, `output_path`
            and `options`; returns what is printed.
        argv: arguments; None for those of the command line.
        num_shards: default of `--num_shards`. Default 10.
        default_output: where `create` writes to when it is not told.
    """
    _add_conversion_flags(parser, num_shards, default_output)
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.runner is None:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    values = vars(arguments)
    may_choose = arguments.dry_run or default_output
    missing = [] if may_choose else ["output_path"]
    # A word or a flag, of which argparse cannot demand either.
    missing += [
        action.dest
        for action in parser._actions
        if action.default is argparse.SUPPRESS and not action.option_strings
    ]
    if missing := [f"--{m}" for m in missing if values.get(m) is None]:
        parser.error(
            "the following arguments are required: " + ", ".join(missing)
        )
    values["beam_flags"] = tuple(others)
    fields = dataclasses.fields(ConversionOptions)
    options = ConversionOptions(**{f.name: values.pop(f.name) for f in fields})
    with exit_on_error():
        print(create(**values, options=options))


def convert(
    output_path: str | os.PathLike | None,
    splits: Sequence[Split],
    label_map: LabelMap,
    options: ConversionOptions | None = None,
) -> str:
    """Writes the records of a data set, or nothing at all.

    Files are `NAME.record-00000-of-00010` and `NAME.manifest.json` for each
    split, and `label_map.pbtxt`. They appear under these names only when all
    of them are written and checked; older shards of the same splits are
    replaced. When the process is killed, the same call continues.

    Args:
        output_path: folder to write to, made when needed; also gs:// and
            whatever else TensorFlow can write to. A dry run needs none.
        options: default are those of `ConversionOptions`.

    Returns:
        What `summary_table` says.

    Raises:
        DataError: a split without images, an image or object that cannot be
            written, or other splits with another label map in the folder.
    """
    options = options or ConversionOptions()
    _check(splits, options)
    splits = review(splits)
    warn_of_alike_classes(label_map)
    if output_path is not None:
        output = storage.absolute(output_path)
        manifest.check_output(output, [s.name for s in splits], label_map)
    if not options.dry_run:
        return summary_table(
            _write(output, splits, label_map, options), label_map
        )
    # One shard at a time is written there, read back and removed.
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "records")
        manifests = _write(place, splits, label_map, options)
    table = summary_table(manifests, label_map)
    return f"{table}\nnothing is written: this was a dry run"


def _write(
    output: str,
    splits: Sequence[Split],
    label_map: LabelMap,
    options: ConversionOptions,
) -> list[Manifest]:
    folder = manifest.partial_path(output)
    jobs = {
        split.name: shard_jobs(split, folder, label_map, options)
        for split in splits
    }
    all_jobs = [job for part in jobs.values() for job in part]
    fingerprint = _fingerprint(splits, label_map, options)
    with manifest.unfinished(output, all_jobs, fingerprint) as missing:
        write_shards(missing, options)
        facts = {name: list(map(read_facts, jobs[name])) for name in jobs}
        for split in splits:
            _check_source_ids(split, facts[split.name])
            _check_not_empty(split, facts[split.name])
            if not options.dry_run:
                found = facts[split.name]
                facts[split.name] = renumber(folder, split.name, found)
        manifests = [
            Manifest.of_shards(
                split.name, facts[split.name], label_map, split.outcomes
            )
            for split in splits
        ]
        if not options.dry_run:
            manifest.publish(output, folder, label_map, manifests)
    for shard in itertools.chain.from_iterable(facts.values()):
        for message in shard.left_out:
            warnings.warn(f"left out: {message}", stacklevel=2)
    warn_of_same_pictures(splits, facts)
    warn_of_lost_objects(manifests)
    warn_of_reach(itertools.chain.from_iterable(facts.values()))
    _warn_of_dark_pictures(manifests, options)
    return manifests


def _warn_of_dark_pictures(
    manifests: Sequence[Manifest], options: ConversionOptions
) -> None:
    dark, wide = (
        sum(manifest.outcomes.get(outcome, 0) for manifest in manifests)
        for outcome in (Outcome.DARK, Outcome.SIXTEEN_BITS)
    )
    if dark and dark == wide:
        warnings.warn(
            f"none of the {wide} images of 16 bits uses the upper two of"
            f" {options.bits}: they have become dark; if the camera has 10, 12"
            " or 14 bits, convert again with --bits 10, 12 or 14",
            stacklevel=3,
        )


def summary_table(manifests: Sequence[Manifest], label_map: LabelMap) -> str:
    """Says how many images and objects a data set has, and what was repaired.

    One column per split, rows for images, objects, sizes (by area in the
    original images: small is at most 32^2 px^2, medium at most 96^2),
    classes, and each outcome that has occurred.
    """
    columns = [_column(manifest, label_map) for manifest in manifests]
    rows = [["", *(manifest.name for manifest in manifests)]]
    rows += [[name, *(c[name] for c in columns)] for name in columns[0]]
    for outcome in Outcome:
        counts = [manifest.outcomes.get(outcome, 0) for manifest in manifests]
        if any(counts):
            rows.append([outcome.description, *map(str, counts)])
    return text_table(rows)


def _column(manifest: Manifest, label_map: LabelMap) -> dict[str, str]:
    """The cells of one split, by the names of the rows."""
    cells = {
        "images": str(manifest.num_examples),
        "  without objects": str(manifest.num_images_without_objects),
        "objects": str(manifest.num_objects),
    }
    for size, count in manifest.size_counts.items():
        share = 100 * count / max(manifest.num_objects, 1)
        cells[f"  {size}"] = f"{count} ({share:.0f}%)"
    for label, name in sorted(label_map.names.items()):
        cells[f"  {label} {name}"] = str(manifest.class_counts[name])
    return cells


def _add_conversion_flags(
    parser: argparse.ArgumentParser,
    num_shards: int,
    default_output: str | None,
) -> None:
    default = f" (default {default_output})" if default_output else ""
    group = parser.add_argument_group("how records are written")
    group.add_argument(
        "--output_path",
        "--output",
        metavar="FOLDER",
        help=f"folder to write the records to{default}",
    )
    group.add_argument(
        "--dry_run",
        action="store_true",
        help="read and count all, and write nothing",
    )
    group.add_argument(
        "--num_shards",
        type=int,
        default=num_shards,
        help="files per split (default %(default)s)",
    )
    group.add_argument(
        "--num_workers",
        type=int,
        help="processes (default: one for few images, else one per core)",
    )
    group.add_argument(
        "--skip_bad_images",
        action="store_true",
        help="leave damaged, missing and wrongly sized images out, and say"
        " which, rather than stop",
    )
    group.add_argument(
        "--skip_other_classes",
        action="store_true",
        help="leave out and count objects whose class is not in the label map,"
        " rather than stop",
    )
    group.add_argument(
        "--bits",
        type=int,
        default=16,
        help="bits that images of 16 bits use, such as 12 of many cameras"
        " (default %(default)s)",
    )
    group.add_argument(
        "--runner",
        nargs="?",
        const="DirectRunner",
        help="write the shards as an Apache Beam pipeline on this runner"
        " (%(const)s without a name); further flags that are not known here"
        " are options of the pipeline",
    )


def _check(splits: Sequence[Split], options: ConversionOptions) -> None:
    for name in ("num_shards", "num_workers"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise DataError(f"--{name} is {value}; expected 1 or more")
    if not 8 <= options.bits <= 16:
        raise DataError(f"--bits is {options.bits}; expected 8 to 16")
    for split in splits:
        if not len(split.images):
            raise DataError(f"no images for the split {split.name}")


def _fingerprint(
    splits: Sequence[Split], label_map: LabelMap, options: ConversionOptions
) -> str:
    """A checksum of all that decides about the content of the shards."""
    digest = hashlib.sha256()
    for value in (
        package_versions(),
        label_map.to_text(),
        options.num_shards,
        options.skip_bad_images,
        options.skip_other_classes,
        options.bits,
    ):
        digest.update(f"{value!r}\n".encode())
    for split in splits:
        digest.update(f"{split.name!r}\n".encode())
        # Images that are made when they are asked for are not made for this.
        is_known = isinstance(split.images, list | tuple)
        for value in split.images if is_known else [split.images]:
            text = f"{value!r} {_state_of(getattr(value, 'path', None))}\n"
            digest.update(lasting_name(text).encode())
    return digest.hexdigest()


def _state_of(path: str | None) -> str:
    """What tells another file under the same name, if it is a local one."""
    try:
        state = os.stat(origin_of(path or ""))
    except (OSError, ValueError):
        return ""
    return f"{state.st_size} {state.st_mtime_ns}"


def _check_not_empty(split: Split, facts: Sequence[ShardFacts]) -> None:
    if not any(shard.num_examples for shard in facts):
        reason = next(line for shard in facts for line in shard.left_out)
        raise DataError(
            f"{split.name}: all {len(split.images)} images are left out, the"
            f" first because of {reason}"
        )


def _check_source_ids(split: Split, facts: Sequence[ShardFacts]) -> None:
    """Checks that no two images of a split have the same source id."""
    seen: dict[str, int] = {}
    for number, shard in enumerate(facts):
        for position, source_id in enumerate(shard.source_ids):
            index = number + position * len(facts)
            if source_id in seen:
                one = split.images[seen[source_id]].where
                raise DataError(
                    f"{one} and {split.images[index].where}: two images of the"
                    f" split {split.name} have the source id '{source_id}'"
                )
            seen[source_id] = index
