"""Checks record files to the last byte, and repairs damaged ones.

For example:

    python -m tfrecords_tools.verify output/gtsdb/*.record-*

Exit code 0: sound, perhaps with warnings; 1: errors were found; 2: nothing
could be read.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

import tqdm

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.tfrecord_files import match_patterns
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from tfrecords_tools.record_files import add_record_flags
from tfrecords_tools.record_files import class_names
from tfrecords_tools.record_files import find_label_map
from tfrecords_tools.verification import Verifier
from tfrecords_tools.verification import count_lines


def verify(
    files: Sequence[str],
    label_map: str | None = None,
    repair: str | None = None,
) -> bool:
    """Checks record files and prints what is wrong with them.

    Args:
        files: paths and globs.
        label_map: a label map; default is `label_map.pbtxt` beside the files.
        repair: folder to write the good records to, or None.

    Returns:
        Whether no errors were found.

    Raises:
        DataError: no record at all could be read.
    """
    paths = match_patterns(files)
    classes = find_label_map(paths, label_map)
    verifier = Verifier(classes, tqdm.tqdm.write)
    verifier.check_shards(paths)
    _check_files(verifier, paths, classes, repair)
    if not any(tally.readable for tally in verifier.tallies.values()):
        raise DataError(f"no readable record in {', '.join(files)}")
    print(verifier.table())
    if classes is None:
        print(_label_lines(verifier))
    print("\n".join(count_lines(verifier.counts)))
    return not verifier.has_errors()


def _check_files(verifier: Verifier, paths, classes, repair) -> None:
    with contextlib.ExitStack() as stack:
        repaired = None
        if repair:
            from tfrecords_tools.repair import repaired_files

            repaired = stack.enter_context(repaired_files(repair, paths))
        progress = stack.enter_context(
            tqdm.tqdm(
                total=sum(map(os.path.getsize, paths)),
                desc="verifying",
                unit="B",
                unit_scale=True,
            )
        )
        for path in paths:
            for frame, is_sound in verifier.check_file(path):
                progress.update(frame.size)
                if repaired and is_sound:
                    repaired.add(path, frame.payload)
        if repaired:
            repaired.finish(classes or LabelMap(class_names(verifier.labels)))


def _label_lines(verifier: Verifier) -> str:
    lines = ["no label map (--label_map); the labels of the records:"]
    lines += [
        f"{count:8d}  {label} {text}".rstrip()
        for (label, text), count in sorted(verifier.labels.items())
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and verifies.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = CommandParser(
        "tfrecords_tools.verify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_record_flags(parser)
    parser.add_argument(
        "--repair",
        metavar="DIR",
        help="folder to write the good records to, under the same names, with"
        " label map and manifest",
    )
    with exit_on_error():
        if not verify(**vars(parser.parse_args(argv))):
            sys.exit(1)


if __name__ == "__main__":
    main()
