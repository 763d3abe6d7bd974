"""Trains a detector through the three stages of the paper (section 4.3).

    python -m featsr_tf.train --pipeline pipelines/toy.config

The same command continues where a run stopped; a finished stage is not
repeated. `--check` reads everything, builds the model and trains nothing.
On several machines it is the same command too, with TF_CONFIG set.
"""

import argparse
from collections.abc import Sequence

from featsr_tf.command_line.api_flags import TRAIN_FLAGS
from featsr_tf.command_line.api_flags import add_api_flags
from featsr_tf.command_line.flags import add_model_dir_flag
from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import check_input_files
from featsr_tf.command_line.flags import model_dir_of
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.command_line.flags import say_where_looked
from featsr_tf.command_line.parser import CommandParser
from featsr_tf.config import Pipeline
from featsr_tf.errors import exit_on_error
from featsr_tf.training.cluster import read_cluster


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = CommandParser(
        "featsr_tf.train",
        description="Trains a detector: base, super-resolution, fine-tuning.",
    )
    add_pipeline_flags(parser)
    add_model_dir_flag(
        parser, "checkpoints, history and TensorBoard files", "--train_dir"
    )
    parser.add_argument(
        "--base_from",
        metavar="DIR",
        help="take the finished base stage of another model folder instead of "
        "training one, to compare variants of the later stages",
    )
    parser.add_argument(
        "--start_from",
        metavar="DIR",
        help="begin stage 1 with what fits of another detector, a model folder "
        "or an exported SavedModel; its classes may be others",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="read config, label map and records, build the model, print its "
        "summary and stop",
    )
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="same numbers in every run on the same hardware; slower",
    )
    parser.add_argument(
        "--data_service",
        action="append",
        default=[],
        metavar="grpc://HOST:PORT",
        help="decode images there, by `python -m featsr_tf.data_service`; may "
        "be repeated",
    )
    add_api_flags(parser, TRAIN_FLAGS)
    arguments = parser.parse_args(argv)
    with exit_on_error():
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Trains, or checks."""
    pipeline = read_pipeline(arguments)
    check_input_files(pipeline)
    # TensorFlow itself, seconds later, would say less of a mistake in it.
    read_cluster()
    with say_where_looked(pipeline):
        _train_or_check(pipeline, arguments)


def _train_or_check(pipeline: Pipeline, arguments: argparse.Namespace) -> None:
    if arguments.check:
        from featsr_tf.training.check import check

        print(
            check(
                pipeline,
                arguments.model_dir,
                arguments.base_from,
                arguments.start_from,
            )
        )
        return
    from featsr_tf.training.trainer import set_determinism
    from featsr_tf.training.trainer import train

    if arguments.deterministic:
        set_determinism()
    train(
        pipeline,
        model_dir_of(arguments),
        base_from=arguments.base_from,
        data_services=arguments.data_service,
        start_from=arguments.start_from,
    )


if __name__ == "__main__":
    main()
