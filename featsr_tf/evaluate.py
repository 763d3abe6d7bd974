"""Judges detections of any detector, or of a trained model, by object size.

    python -m featsr_tf.evaluate --annotations gt.json \
        --detections det.json --protocol coco --output metrics.json
    python -m featsr_tf.evaluate --model_dir DIR --output metrics.json

The second form compares the base detector with the super-resolved one, on the
records of the folder's config, of `--pipeline` or of `--records`; `--set`
changes fields that affect inference. Their recall, accuracy and F1 are taken at
the score threshold that is best for each on the training records, never on the
evaluated ones.
"""

import argparse
import json
import math
import os
from collections.abc import Sequence

import numpy as np

from featsr_tf.command_line.api_flags import EVALUATE_FLAGS
from featsr_tf.command_line.api_flags import add_api_flags
from featsr_tf.command_line.flags import add_min_score_flag
from featsr_tf.command_line.flags import add_source_flags
from featsr_tf.command_line.flags import check_input_files
from featsr_tf.command_line.flags import check_score as check_score
from featsr_tf.command_line.flags import has_files
from featsr_tf.command_line.flags import judge_records
from featsr_tf.command_line.flags import model_dir_of
from featsr_tf.command_line.flags import read_min_score
from featsr_tf.command_line.flags import read_trained_pipeline
from featsr_tf.command_line.parser import CommandParser
from featsr_tf.data.pictures import read_image
from featsr_tf.drawing.comparison import draw_error_gallery
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.errors import printable
from featsr_tf.exporting.names import DETECTORS
from featsr_tf.files import is_inside
from featsr_tf.html_report.inputs import describe_environment
from featsr_tf.metrics.coco_files import read_annotations
from featsr_tf.metrics.detection_tables import read_detections
from featsr_tf.metrics.evaluator import PROTOCOLS
from featsr_tf.metrics.evaluator import Protocol
from featsr_tf.metrics.evaluator import evaluate
from featsr_tf.metrics.options import EvaluationOptions
from featsr_tf.metrics.options import describe_options
from featsr_tf.metrics.options import select_classes


def evaluate_files(
    annotations_path: str, detections_path: str, options: EvaluationOptions
) -> dict:
    """Evaluates a file of detections.

    Raises:
        DataError: a file is unsound; names the entry.
    """
    annotations = read_annotations(annotations_path)
    found = read_detections(detections_path, annotations)
    names = select_classes(annotations.names, options.classes, annotations_path)
    truths = annotations.truths
    result = evaluate(
        truths,
        found,
        names,
        options.min_score,
        options.protocol,
        options.num_worst_images,
    )
    if options.pictures is not None:
        draw_error_gallery(
            options.pictures,
            "detections",
            result,
            truths,
            found,
            names,
            lambda position: _read_image(
                options.image_dir,
                truths[position].file_name,
                (truths[position].height, truths[position].width),
            ),
        )
    settings = {
        "annotations": annotations_path,
        "detections": detections_path,
        **describe_options(options),
        "score_threshold": options.min_score,
        "num_classes": len(names),
        "num_images": len(truths),
        "num_detections": sum(len(item.scores) for item in found),
    }
    return {
        **result,
        "settings": settings,
        "environment": describe_environment(),
    }


def _read_image(
    folder: str, name: str, size: tuple[int, int] | None = None
) -> np.ndarray:
    path = os.path.join(folder, name)
    if name and not is_inside(name):
        raise DataError(
            f"{printable(name)}: leads out of --image_dir {folder}; expected"
            " the path of an image below it"
        )
    if not name or not os.path.isfile(path):
        raise DataError(f"{path}: no such image; look whether --image_dir fits")
    return read_image(path, size)


DEFAULT_SCORE = 0.5


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = CommandParser(
        "featsr_tf.evaluate",
        description="Judges detections by object size.",
    )
    add_source_flags(parser)
    parser.add_argument(
        "--records",
        nargs="+",
        metavar="FILE",
        help="records that judge a model; default: those of its first "
        "eval_input_reader",
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        help="rules of the figures; default: those of "
        "eval_config.metrics_set, else tt100k",
    )
    parser.add_argument(
        "--eleven_point",
        action="store_true",
        help="voc: precision at eleven recalls, as in VOC 2007",
    )
    add_min_score_flag(
        parser,
        "threshold of recall, accuracy and F1, for files on the scale of "
        f"their scores; default: {DEFAULT_SCORE} for files, and for a model "
        "the best one on the training records, for each detector",
    )
    parser.add_argument(
        "--threshold_images",
        type=int,
        default=500,
        metavar="N",
        help="most training images that decide on that threshold; default "
        "%(default)s",
    )
    _add_mistakes_flags(parser)
    parser.add_argument(
        "--output", metavar="FILE", help="figures and curves as JSON"
    )
    # Of the API, where --model_dir is the place of what is written.
    parser.add_argument("--checkpoint_dir", help=argparse.SUPPRESS)
    add_api_flags(parser, EVALUATE_FLAGS)
    arguments = parser.parse_args(argv)
    arguments.model_dir = arguments.checkpoint_dir or arguments.model_dir
    with exit_on_error():
        run(arguments)


def _add_mistakes_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--worst_images",
        type=int,
        default=10,
        metavar="N",
        help="list the N images with the most mistakes; default %(default)s",
    )
    parser.add_argument(
        "--pictures", metavar="DIR", help="draw the worst images into DIR"
    )
    parser.add_argument(
        "--image_dir",
        metavar="DIR",
        help="where the images of --annotations are, for --pictures",
    )


def run(arguments: argparse.Namespace) -> None:
    """Evaluates, prints the table and writes the JSON file."""
    from featsr_tf.files import write_text
    from featsr_tf.metrics.changes import format_changes
    from featsr_tf.metrics.evaluator import format_table

    if arguments.worst_images < 0:
        raise ConfigError(
            f"--worst_images: expected 0 or more, found "
            f"{arguments.worst_images}"
        )
    if arguments.threshold_images < 1:
        raise ConfigError(
            f"--threshold_images: expected 1 or more, found "
            f"{arguments.threshold_images}"
        )
    scores = None
    if arguments.min_score is not None:
        highest = math.inf if has_files(arguments) else 1.0
        scores = read_min_score(arguments.min_score, highest)
    if has_files(arguments):
        metrics = _evaluate_files(arguments, scores)
        results = {"detections": metrics}
    else:
        metrics = _evaluate_model(arguments, scores)
        results = {name: metrics[name] for name in DETECTORS}
    print(format_table(results))
    if "changes" in metrics:
        print("\nsuper resolved against base:")
        print(format_changes(metrics["changes"]) + "\n")
    for name, result in results.items():
        print(f"score threshold of {name}: {result['min_score']:g}")
    measure = result["size_by"].replace("_", " ")
    print(f"protocol: {result['protocol']}, sizes by {measure}")
    if arguments.output:
        write_text(arguments.output, json.dumps(metrics, indent=1) + "\n")
        print(f"wrote {arguments.output}")


def _evaluate_files(arguments: argparse.Namespace, scores) -> dict:

    if isinstance(scores, dict):
        raise ConfigError(
            f"--min_score: {arguments.min_score} has thresholds of "
            f"{', '.join(scores)}; expected one for a detections file"
        )
    if arguments.overrides:
        raise ConfigError("--set: expected only with --model_dir or --pipeline")
    if arguments.records:
        raise ConfigError(
            "--records: expected only with --model_dir or --pipeline"
        )
    if arguments.pictures and not arguments.image_dir:
        raise ConfigError("--pictures: expected --image_dir with it")
    options = _options(arguments, DEFAULT_SCORE if scores is None else scores)
    return evaluate_files(arguments.annotations, arguments.detections, options)


def _evaluate_model(arguments: argparse.Namespace, scores) -> dict:
    pipeline = read_trained_pipeline(arguments)
    if arguments.records:
        judge_records(pipeline, arguments.records)
    check_input_files(pipeline, training=scores is None)
    if arguments.image_dir:
        raise ConfigError("--image_dir: expected only with --annotations")
    arguments.protocol = arguments.protocol or protocol_of(
        pipeline.eval_config.metrics_set
    )
    options = _options(arguments, scores)
    from featsr_tf.prediction.evaluation import evaluate_model

    return evaluate_model(pipeline, model_dir_of(arguments), options)


def _options(arguments: argparse.Namespace, scores) -> EvaluationOptions:
    return EvaluationOptions(
        Protocol(
            arguments.protocol or Protocol.name,
            arguments.size_by,
            arguments.eleven_point,
        ),
        min_score=scores,
        threshold_source=arguments.min_score or "default",
        threshold_images=arguments.threshold_images,
        classes=arguments.classes,
        num_worst_images=arguments.worst_images,
        pictures=arguments.pictures,
        image_dir=arguments.image_dir,
    )


def protocol_of(metrics_set: Sequence[str]) -> str:
    """Returns the protocol that `eval_config.metrics_set` asks for first."""
    known = {
        "coco_detection_metrics": "coco",
        "pascal_voc_detection_metrics": "voc",
    }
    return next(
        (known[name] for name in metrics_set if name in known), "tt100k"
    )


if __name__ == "__main__":
    main()
