"""Writes one self-contained HTML page about a detector.

For example:

    python -m featsr_tf.report --metrics metrics.json \
        --history DIR/history.jsonl --pictures DIR --output report.html
"""

import argparse
from collections.abc import Sequence

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.errors import exit_on_error

TITLE = "Feature super-resolution for small objects"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: Arguments; default is the command line's.
    """
    parser = CommandParser(
        "featsr_tf.report",
        description="Shows figures, curves and pictures on one HTML page.",
    )
    parser.add_argument(
        "--metrics",
        required=True,
        nargs="+",
        metavar="FILE",
        help="what featsr_tf.evaluate --output wrote; several files, of "
        "several detectors, are set side by side",
    )
    parser.add_argument(
        "--history", metavar="FILE", help="history.jsonl of the model folder"
    )
    parser.add_argument(
        "--pictures", metavar="DIR", help="folder of PNG or JPEG pictures"
    )
    parser.add_argument(
        "--max_pictures",
        type=int,
        default=12,
        metavar="N",
        help="the most pictures to show, default 12",
    )
    parser.add_argument("--title", default=TITLE, help="title of the page")
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="the page",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Reads what the page is made of and writes it."""
    from featsr_tf.files import write_text
    from featsr_tf.html_report import inputs
    from featsr_tf.html_report.page import render_page

    if len(arguments.metrics) > 1:
        metrics = inputs.compare_metrics(arguments.metrics)
    else:
        metrics = inputs.read_metrics(arguments.metrics[0])
    history, pictures, num_left_out = {}, [], 0
    if arguments.history:
        history = inputs.read_history(arguments.history)
    if arguments.pictures:
        pictures, num_left_out = inputs.read_pictures(
            arguments.pictures, arguments.max_pictures
        )
    page = render_page(
        arguments.title, metrics, history, pictures, num_left_out
    )
    write_text(arguments.output, page)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
