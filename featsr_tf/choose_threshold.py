"""Chooses the score threshold of recall, accuracy and F1 on validation data.

    python -m featsr_tf.choose_threshold --annotations val.json \
        --detections val_det.json --output threshold.json
    python -m featsr_tf.choose_threshold --model_dir DIR \
        --output threshold.json

It is the one with the best F1 over all sizes. `--min_score threshold.json` of
evaluate, predict and export takes it to other images; on those of the test it
must not be chosen.
"""

import argparse
import json
import warnings
from collections.abc import Sequence

from featsr_tf.command_line.flags import add_source_flags
from featsr_tf.command_line.flags import check_input_files
from featsr_tf.command_line.flags import has_files
from featsr_tf.command_line.flags import model_dir_of
from featsr_tf.command_line.flags import read_trained_pipeline
from featsr_tf.command_line.parser import CommandParser
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.files import write_text
from featsr_tf.metrics.evaluator import Protocol
from featsr_tf.metrics.options import EvaluationOptions
from featsr_tf.metrics.options import select_classes


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = CommandParser(
        "featsr_tf.choose_threshold",
        description="Finds the score threshold with the best F1.",
    )
    add_source_flags(parser)
    parser.add_argument(
        "--records",
        nargs="+",
        metavar="FILE",
        help="records that decide for a model; default: those of its "
        "train_input_reader",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="threshold as JSON, for --min_score of the other commands",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Chooses, prints and writes the threshold."""
    if has_files(arguments):
        if arguments.records:
            raise ConfigError(
                "--records: expected only with --model_dir or --pipeline"
            )
        content = _choose_on_files(arguments)
    else:
        content = _choose_on_records(arguments)
    _check_found(content["f1"])
    for key in ("min_score", "f1"):
        print(f"{key}: {content[key]}")
    write_text(arguments.output, json.dumps(content, indent=1) + "\n")
    print(f"wrote {arguments.output}")


def _check_found(f1) -> None:
    """Refuses a threshold that nothing has decided."""
    by_detector = f1 if isinstance(f1, dict) else {"": f1}
    if any(value is None for value in by_detector.values()):
        raise DataError(
            "there is no object among the images, by which a threshold could "
            "be chosen; give images with objects"
        )
    for detector, value in by_detector.items():
        if not value:
            of = f"{detector}: " if detector else ""
            warnings.warn(
                f"{of}no object is found at any threshold: the one chosen "
                "means nothing",
                stacklevel=2,
            )


def _choose_on_files(arguments: argparse.Namespace) -> dict:
    from featsr_tf.metrics.coco_files import read_annotations
    from featsr_tf.metrics.detection_tables import read_detections
    from featsr_tf.metrics.evaluator import choose_threshold

    annotations = read_annotations(arguments.annotations)
    found = read_detections(arguments.detections, annotations)
    names = select_classes(
        annotations.names, arguments.classes, arguments.annotations
    )
    threshold, f1 = choose_threshold(
        annotations.truths, found, names, arguments.size_by
    )
    return {
        "min_score": threshold,
        "f1": f1,
        "size_by": arguments.size_by,
        "classes": arguments.classes or "all",
        "annotations": arguments.annotations,
        "detections": arguments.detections,
        "num_images": len(annotations.truths),
    }


def _choose_on_records(arguments: argparse.Namespace) -> dict:
    pipeline = read_trained_pipeline(arguments)
    if arguments.records:
        reader = pipeline.train_input_reader.tf_record_input_reader
        reader.input_path = arguments.records
    check_input_files(pipeline, evaluation=False)
    options = EvaluationOptions(
        Protocol(size_by=arguments.size_by),
        threshold_images=None,
        classes=arguments.classes,
    )
    from featsr_tf.prediction.evaluation import choose_model_thresholds

    return choose_model_thresholds(pipeline, model_dir_of(arguments), options)


if __name__ == "__main__":
    main()
