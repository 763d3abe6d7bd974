"""Prints the effective config: `python -m featsr_tf.config PIPELINE`."""

import argparse
import sys
from collections.abc import Sequence

from featsr_tf.config.checks import find_warnings
from featsr_tf.config.load import load_pipeline
from featsr_tf.config.reference import reference
from featsr_tf.config.text_format import to_text
from featsr_tf.errors import exit_on_error


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a checked config to stdout and its warnings to stderr.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m featsr_tf.config", description=__doc__
    )
    parser.add_argument("pipeline", nargs="?", help="pipeline config file")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="override a field, such as model.faster_rcnn.num_classes=4",
    )
    parser.add_argument(
        "--reference",
        action="store_true",
        help="print the reference of all fields instead",
    )
    arguments = parser.parse_args(argv)
    if arguments.pipeline is None and not arguments.reference:
        parser.error("expected a pipeline config file")
    with exit_on_error():
        if arguments.reference:
            print(reference(), end="")
            return
        pipeline = load_pipeline(arguments.pipeline, arguments.overrides)
        print(to_text(pipeline), end="")
        for warning in find_warnings(pipeline):
            print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    main()
