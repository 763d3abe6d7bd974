"""Makes a training step again that gave numbers which are not finite.

    python -m featsr_tf.replay MODEL_DIR/non_finite/STAGE-STEP

Training writes such a folder when it stops because a loss, a gradient or a
variable is NaN or infinite: the batch with its records and pictures, the
weights before the step and the config.
"""

import argparse
from collections.abc import Sequence

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.errors import exit_on_error
from featsr_tf.training import model_folder


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = CommandParser(
        "featsr_tf.replay",
        description="Makes a step again that gave numbers which are not "
        "finite. Exit code 1: now other ones are.",
    )
    parser.add_argument(
        "dump", metavar="DIR", help="what training has left in non_finite/"
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Makes the step and says what is not finite."""
    # A wrong folder is told before TensorFlow is imported.
    model_folder.load(arguments.dump)
    from featsr_tf.training.dump import replay

    line, is_repeated = replay(arguments.dump)
    print(line)
    if not is_repeated:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
