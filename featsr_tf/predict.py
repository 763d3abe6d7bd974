"""Detects objects in images and videos and draws them.

    python -m featsr_tf.predict --model_dir DIR --images photos/ --output out/

Writes `detections.json` (COCO layout, standing alone) and a picture for each
image; `--compare` draws the base detector beside the super-resolved one, as
in the paper's Figure 7. A run that was stopped continues with the same command.
"""

import argparse
import os
from collections.abc import Sequence

from featsr_tf.command_line.flags import add_min_score_flag
from featsr_tf.command_line.flags import add_set_flag
from featsr_tf.command_line.flags import read_min_score
from featsr_tf.command_line.parser import CommandParser
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from featsr_tf.prediction.model import BATCH_SIZE
from featsr_tf.prediction.tiling import Tiling


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: arguments; default is the command line's.

    Raises:
        SystemExit: code 2 for bad input, 1 where an image could not be read.
    """
    parser = CommandParser(
        "featsr_tf.predict",
        description="Detects objects in images and videos.",
    )
    parser.add_argument(
        "--model",
        "--model_dir",
        required=True,
        metavar="DIR",
        help="model folder of featsr_tf.train; what featsr_tf.export wrote: "
        "NAME or NAME/VERSION; or a SavedModel or ONNX file of any detector "
        "with the signature of the Object Detection API",
    )
    parser.add_argument(
        "--label_map",
        metavar="FILE",
        help="names of the classes; default label_map.pbtxt beside the model",
    )
    add_set_flag(parser)
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="folder of detections.json, pictures and videos",
    )
    parser.add_argument(
        "--base_only",
        "--base",
        action="store_true",
        help="use the base detector instead of the super-resolved one",
    )
    parser.add_argument(
        "--batch_size",
        type=int,
        default=BATCH_SIZE,
        metavar="N",
        help="images of one size, or tiles, that are detected on at once; "
        "default %(default)s",
    )
    parser.add_argument(
        "--csv",
        action="store_true",
        help="write detections.csv, too, a row per detection",
    )
    _add_image_flags(parser)
    _add_picture_flags(parser)
    arguments = parser.parse_args(argv)
    with exit_on_error():
        unreadable = run(arguments)
    if unreadable:
        raise SystemExit(1)


def _add_image_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images",
        required=True,
        nargs="+",
        metavar="PLACE",
        help="image files, folders of them, patterns such as 'a/*.png', and "
        "videos",
    )
    parser.add_argument(
        "--recursive",
        action="store_true",
        help="search folders in folders, too",
    )
    parser.add_argument(
        "--tile",
        type=int,
        metavar="PX",
        help="cut larger images into tiles of PX x PX",
    )
    parser.add_argument(
        "--second_look",
        action="store_true",
        help="look at tiles only where small objects are in doubt; default of "
        "--tile with it: half an image's shorter side",
    )
    parser.add_argument(
        "--overlap",
        type=float,
        metavar="PART",
        help="least part of a tile that its neighbour shows as well; what is "
        "smaller is looked at a second time; default "
        f"{Tiling.overlap}",
    )
    parser.add_argument(
        "--no_whole_frame",
        action="store_true",
        help="look at the tiles alone: objects larger than the overlap may "
        "come in parts",
    )


def _add_picture_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--compare",
        nargs="*",
        metavar="MODEL",
        help="draw base and super-resolved detections side by side, and "
        "between them those of other models of the same classes",
    )
    add_min_score_flag(
        parser,
        "lowest score that is drawn; default is "
        "eval_config.min_score_threshold of the model's config",
    )
    drawn = parser.add_mutually_exclusive_group()
    drawn.add_argument(
        "--max_pictures",
        type=int,
        metavar="N",
        help="draw only the first N images; default all",
    )
    drawn.add_argument(
        "--no_pictures",
        action="store_const",
        const=0,
        dest="max_pictures",
        help="draw nothing, no videos either",
    )


def run(arguments: argparse.Namespace) -> int:
    """Detects and draws."""
    from featsr_tf.prediction.run import PredictionOptions
    from featsr_tf.prediction.run import predict_files

    if (arguments.max_pictures or 0) < 0:
        raise ConfigError(
            f"--max_pictures: expected 0 or more, found "
            f"{arguments.max_pictures}"
        )
    options = PredictionOptions(
        recursive=arguments.recursive,
        compare=_others(arguments),
        base_only=arguments.base_only,
        drawn_score=_drawn_score(arguments),
        label_map=arguments.label_map,
        overrides=tuple(arguments.overrides),
        max_pictures=arguments.max_pictures,
        csv=arguments.csv,
        tiling=_tiling(arguments),
        batch_size=arguments.batch_size,
    )
    return predict_files(
        arguments.model, arguments.images, arguments.output, options
    )


def _others(arguments: argparse.Namespace) -> tuple[str, ...] | None:
    if arguments.compare is None:
        return None
    # No path is the name of a detector of the model itself.
    return tuple(dict.fromkeys(map(os.path.abspath, arguments.compare)))


def _drawn_score(
    arguments: argparse.Namespace,
) -> float | dict[str, float] | None:
    if arguments.min_score is None:
        return None
    return read_min_score(arguments.min_score)


def _tiling(arguments: argparse.Namespace) -> Tiling | None:
    if arguments.tile is None and not arguments.second_look:
        for flag in ("overlap", "no_whole_frame"):
            if getattr(arguments, flag) not in (None, False):
                raise ConfigError(
                    f"--{flag}: expected --tile PX or --second_look with it"
                )
        return None
    overlap = arguments.overlap
    return Tiling(
        arguments.tile,
        Tiling.overlap if overlap is None else overlap,
        not arguments.no_whole_frame,
        arguments.second_look,
    )


if __name__ == "__main__":
    main()
