"""Detects objects in image files and draws them.

    python -m featsr_tf.predict --model_dir DIR --images photos/ --output out/

Writes `detections.json` (COCO layout, standing alone) and a picture for each
image; `--compare` draws the base detector beside the super-resolved one, as
in the paper's Figure 7.
"""

import argparse
from collections.abc import Sequence

from featsr_tf.errors import exit_on_error
from featsr_tf.evaluate import check_score


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: arguments; default is the command line's.

    Raises:
        SystemExit: code 2 for bad input, 1 where an image could not be read.
    """
    parser = argparse.ArgumentParser(
        prog="python -m featsr_tf.predict",
        description="Detects objects in images.",
    )
    parser.add_argument("--model_dir", required=True, metavar="DIR")
    parser.add_argument(
        "--images",
        required=True,
        nargs="+",
        metavar="FILE_OR_FOLDER",
        help="image files, or folders of them",
    )
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument(
        "--compare",
        action="store_true",
        help="draw base and super-resolved detections side by side",
    )
    parser.add_argument(
        "--base",
        action="store_true",
        help="use the base detector instead of the super-resolved one",
    )
    parser.add_argument(
        "--min_score",
        type=float,
        metavar="SCORE",
        help="lowest score that is drawn; default is "
        "eval_config.min_score_threshold of the model's config",
    )
    parser.add_argument(
        "--max_pictures",
        type=int,
        metavar="N",
        help="draw only the first N images; default all",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        if arguments.min_score is not None:
            check_score(arguments.min_score)
        unreadable = run(arguments)
    if unreadable:
        raise SystemExit(1)


def run(arguments: argparse.Namespace) -> int:
    """Detects and draws.

    Returns:
        The number of images that could not be read.
    """
    from featsr_tf.prediction import PredictionOptions
    from featsr_tf.prediction import predict_files

    return predict_files(
        arguments.model_dir,
        arguments.images,
        arguments.output,
        PredictionOptions(
            compare=arguments.compare,
            base_only=arguments.base,
            drawn_score=arguments.min_score,
            max_pictures=arguments.max_pictures,
        ),
    )


if __name__ == "__main__":
    main()
