"""Evaluates the base detector and the super-resolved one by object size.

    python -m featsr_tf.evaluate --pipeline P --model_dir DIR \
        --output metrics.json

Recall, accuracy and F1 are taken at the score threshold that is best for
each detector on the training records, never on the evaluated ones.
"""

import argparse
import json
from collections.abc import Sequence

from featsr_tf.command_line import add_pipeline_flags
from featsr_tf.command_line import read_pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m featsr_tf.evaluate",
        description="Compares the base detector with the super-resolved one.",
    )
    add_pipeline_flags(parser)
    parser.add_argument("--model_dir", required=True, metavar="DIR")
    parser.add_argument(
        "--output", metavar="FILE", help="metrics and curves as JSON"
    )
    parser.add_argument(
        "--min_score",
        type=float,
        metavar="SCORE",
        help="score threshold of recall, accuracy and F1; default: the best "
        "one on the training records, for each detector",
    )
    parser.add_argument(
        "--threshold_images",
        type=int,
        default=500,
        metavar="N",
        help="so many training images decide on that threshold at the most; "
        "default %(default)s",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        if arguments.min_score is not None:
            check_score(arguments.min_score)
        run(arguments)


def check_score(score: float) -> None:
    """Refuses a score threshold outside 0..1."""
    if not 0.0 <= score <= 1.0:
        raise ConfigError(f"--min_score: expected 0 to 1, found {score}")


def run(arguments: argparse.Namespace) -> None:
    """Evaluates, prints the table and writes the JSON file."""
    pipeline = read_pipeline(arguments)
    from featsr_tf.evaluation.evaluator import format_table
    from featsr_tf.files import write_text
    from featsr_tf.model_evaluation import evaluate_model

    metrics = evaluate_model(
        pipeline,
        arguments.model_dir,
        arguments.min_score,
        arguments.threshold_images,
    )
    results = {name: metrics[name] for name in ("base", "super_resolved")}
    print(format_table(results))
    for name, threshold in metrics["settings"]["score_thresholds"].items():
        print(f"score threshold of {name}: {threshold:g}")
    if arguments.output:
        write_text(arguments.output, json.dumps(metrics, indent=1) + "\n")
        print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
