"""Flags that the commands share; nothing here imports TensorFlow."""

import argparse
import sys

from featsr_tf.config import find_warnings
from featsr_tf.config import load_pipeline
from featsr_tf.config.schema import Pipeline


def add_pipeline_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--pipeline` and `--set`.

    Args:
        parser: gets the flags.
    """
    parser.add_argument(
        "--pipeline",
        "--pipeline_config_path",
        required=True,
        metavar="FILE",
        help="config in the syntax of the TF Object Detection API",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="FIELD=VALUE",
        help="overrides a field of the config, for example "
        "train_config.num_steps=100; may be repeated",
    )


def read_pipeline(arguments: argparse.Namespace) -> Pipeline:
    """Loads the config of `--pipeline` with the overrides of `--set`.

    Fields without effect are named on stderr.

    Args:
        arguments: parsed flags of `add_pipeline_flags`.

    Returns:
        The config.

    Raises:
        ConfigError: the config cannot be used.
    """
    pipeline = load_pipeline(arguments.pipeline, arguments.overrides)
    for warning in find_warnings(pipeline):
        print(f"warning: {warning}", file=sys.stderr)
    return pipeline
