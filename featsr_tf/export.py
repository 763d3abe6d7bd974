"""Exports a trained detector as a SavedModel, or as ONNX or TensorFlow Lite.

    python -m featsr_tf.export --model_dir DIR --output saved_models/NAME

Writes `saved_models/NAME/VERSION/`, which needs neither this package nor
Keras; the flags of the Object Detection API's exporter work as well. What the
models take and give is written in `docs/serving.md`.
"""

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from featsr_tf.command_line.api_flags import EXPORT_FLAGS
from featsr_tf.command_line.api_flags import add_api_flags
from featsr_tf.command_line.flags import add_min_score_flag
from featsr_tf.command_line.flags import add_model_dir_flag
from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import model_dir_of
from featsr_tf.command_line.flags import read_min_score
from featsr_tf.command_line.flags import read_trained_pipeline
from featsr_tf.command_line.parser import CommandParser
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from featsr_tf.exporting.names import INPUT_TYPES
from featsr_tf.exporting.versions import version_folder

FORMATS = ("saved_model", "onnx", "tflite")
SUPPRESSIONS = ("combined", "by_class")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = CommandParser(
        "featsr_tf.export",
        description="Exports a trained detector.",
    )
    add_pipeline_flags(parser, required=False)
    add_model_dir_flag(parser, "the trained model", "--trained_checkpoint_dir")
    parser.add_argument(
        "--output",
        "--output_directory",
        required=True,
        metavar="DIR",
        help="folder of the model, named as clients will call it; versions "
        "are its numbered folders",
    )
    parser.add_argument(
        "--version",
        type=int,
        metavar="N",
        help="default: one more than the newest in the folder",
    )
    parser.add_argument(
        "--base_only",
        "--base",
        action="store_true",
        help="export the plain base detector",
    )
    parser.add_argument(
        "--input_type",
        choices=INPUT_TYPES,
        default="image_tensor",
        help="what the signature serving_default takes; default %(default)s. "
        "SavedModels have the signatures image, encoded_image, tf_example too",
    )
    _add_format_flags(parser)
    _add_card_flags(parser)
    add_api_flags(parser, EXPORT_FLAGS)
    arguments = parser.parse_args(argv)
    with exit_on_error():
        _check(arguments)
        run(arguments)


def _add_format_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
        help="default %(default)s; onnx needs the extra of this name",
    )
    parser.add_argument(
        "--input_size",
        type=int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="of the images that a tflite model takes, one by one, px",
    )
    parser.add_argument(
        "--non_maximum_suppression",
        choices=SUPPRESSIONS,
        help="combined (the default of saved_model): TensorFlow's own kernel; "
        "by_class (always so in the other formats): for runtimes without it",
    )
    parser.add_argument(
        "--raw_outputs",
        action="store_true",
        help="put out raw_detection_boxes and raw_detection_scores as well, "
        "as they are before duplicates are suppressed",
    )


def _add_card_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics",
        metavar="FILE",
        help="figures for the model card, as featsr_tf.evaluate writes them",
    )
    parser.add_argument(
        "--card",
        metavar="FILE",
        help="Markdown for the model card: its sections, such as '## Data', "
        "follow what the card says by itself",
    )
    add_min_score_flag(
        parser,
        "lowest score that featsr_tf.predict draws; default is "
        "eval_config.min_score_threshold of the config",
    )


def _check(arguments: argparse.Namespace) -> None:
    if arguments.version is not None and arguments.version < 1:
        raise ConfigError(
            f"--version: expected 1 or more, found {arguments.version}"
        )
    if arguments.format == "tflite" and arguments.input_size is None:
        raise ConfigError(
            "--format tflite: expected --input_size HEIGHT WIDTH with it"
        )
    if arguments.format != "tflite" and arguments.input_size is not None:
        raise ConfigError(
            "--input_size: belongs to --format tflite, found --format "
            f"{arguments.format}"
        )
    if arguments.input_size and min(arguments.input_size) < 1:
        raise ConfigError(
            "--input_size: expected 1 or more, found "
            f"{arguments.input_size[0]} {arguments.input_size[1]}"
        )
    if arguments.format == FORMATS[0]:
        return
    if arguments.non_maximum_suppression == "combined":
        raise ConfigError(
            "--non_maximum_suppression combined: expected by_class, which "
            f"--format {arguments.format} can do"
        )
    if "image_tensor" not in arguments.input_type:
        raise ConfigError(
            f"--input_type {arguments.input_type}: expected image_tensor or "
            f"float_image_tensor with --format {arguments.format}"
        )
    if arguments.format == "onnx" and not importlib.util.find_spec("tf2onnx"):
        raise ConfigError(
            "--format onnx: needs tf2onnx; pip install 'featsr_tf[onnx]'"
        )


def run(arguments: argparse.Namespace) -> None:
    """Exports and says where."""
    # Mistakes are told before TensorFlow is imported, which takes seconds.
    pipeline = read_trained_pipeline(arguments)
    card = _card_options(arguments)
    model_dir = model_dir_of(arguments)
    version_folder(Path(arguments.output), arguments.version)
    from featsr_tf.exporting.other_runtimes import ExportOptions
    from featsr_tf.exporting.saved_model import export

    options = ExportOptions(
        version=arguments.version,
        base_only=arguments.base_only,
        input_type=arguments.input_type,
        format=arguments.format,
        non_maximum_suppression=arguments.non_maximum_suppression
        or SUPPRESSIONS[0],
        raw_outputs=arguments.raw_outputs,
        input_size=arguments.input_size,
        **card,
    )
    folder = export(pipeline, model_dir, arguments.output, options)
    print(f"wrote {folder}")


def _card_options(arguments: argparse.Namespace) -> dict[str, Any]:
    from featsr_tf.html_report.inputs import read_metrics

    options: dict[str, Any] = {}
    if arguments.metrics:
        options["metrics"] = read_metrics(arguments.metrics)
    if arguments.card:
        from featsr_tf.exporting.model_card import read_card_sections

        options["card_sections"] = read_card_sections(arguments.card)
    if arguments.min_score is not None:
        options["min_score"] = read_min_score(arguments.min_score)
    return options


if __name__ == "__main__":
    main()
