"""Classes that count, where not all do."""

import argparse
from collections.abc import Sequence

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import ConfigError


def add_classes_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--classes`."""
    parser.add_argument(
        "--classes",
        nargs="+",
        default=[],
        metavar="NAME",
        help="classes of the label map that are judged; default: all",
    )


def class_ids(label_map: LabelMap, names: Sequence[str]) -> list[int]:
    """Finds the numbers of classes.

    Args:
        label_map: Of the records.
        names: Of `--classes`; nothing = all.

    Raises:
        ConfigError: The label map has no such class.
    """
    known = label_map.names
    unknown = set(names) - set(known.values())
    if unknown:
        raise ConfigError(
            f"--classes: expected names of {', '.join(known.values())}, found "
            f"{', '.join(sorted(unknown))}"
        )
    return [
        number for number, name in known.items() if not names or name in names
    ]
