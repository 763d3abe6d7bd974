"""Draws the paper's Figures 6 and 7 of trained models.

    python -m research.feature_figure features --output features.png \
        --model naive=DIR --model atrous=DIR
    python -m research.feature_figure detections --model_dir DIR --output DIR

`features` shows what generators make of the features of proposals, beside the
features that they were to follow; `detections` shows what the base detector
and the super-resolved one find in the same frames.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.command_line.flags import EvaluationOptions
from featsr_tf.command_line.flags import read_min_score
from featsr_tf.config.schema import Pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from featsr_tf.files import replaced_at_the_end
from featsr_tf.files import safe_stem

ENDINGS = (".png", ".jpg", ".jpeg")
WIDTH = 1000


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m research.feature_figure",
        description="Draws features and detections of trained models.",
    )
    figures = parser.add_subparsers(dest="figure", required=True)
    _add_features(figures)
    _add_detections(figures)
    arguments = parser.parse_args(argv)
    with exit_on_error():
        for path in arguments.run(arguments):
            print(path)


def _add_features(figures) -> None:
    parser = figures.add_parser(
        "features", help="features before and after super-resolution"
    )
    parser.set_defaults(run=run_features)
    parser.add_argument(
        "--model",
        action="append",
        required=True,
        dest="models",
        metavar="NAME=DIR",
        help="a model folder, and what the figure calls it; may be repeated "
        "for models that were trained from one base detector",
    )
    parser.add_argument(
        "--count",
        type=int,
        default=4,
        metavar="N",
        help="so many objects of each group; default %(default)s",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the choice of objects; default %(default)s",
    )
    _add_common(parser)


def _add_detections(figures) -> None:
    parser = figures.add_parser(
        "detections", help="base and super-resolved detections side by side"
    )
    parser.set_defaults(run=run_detections)
    parser.add_argument("--model_dir", required=True, metavar="DIR")
    frames = parser.add_mutually_exclusive_group()
    frames.add_argument(
        "--frames",
        type=int,
        default=4,
        metavar="N",
        help="the N frames with the most small objects; default %(default)s",
    )
    frames.add_argument(
        "--images", nargs="+", metavar="ID", help="source ids of the frames"
    )
    parser.add_argument(
        "--min_score",
        metavar="SCORE_OR_FILE",
        help="lowest score that is shown, or the file of "
        "featsr_tf.choose_threshold; default: the best one on the training "
        "records, for each detector",
    )
    parser.add_argument(
        "--threshold_images",
        type=int,
        default=500,
        metavar="N",
        help="so many training images decide on that threshold at the most; "
        "default %(default)s",
    )
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--records",
        nargs="+",
        metavar="FILE",
        help="records to take objects or frames from; default: those of the "
        "eval_input_reader",
    )
    parser.add_argument(
        "--width",
        type=int,
        default=WIDTH,
        metavar="PX",
        help="width of a picture; default %(default)s",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE_OR_DIR",
        help="a .png or .jpg file, or a folder for files",
    )


def run_features(arguments: argparse.Namespace) -> list[Path]:
    """Draws Figure 6.

    Args:
        arguments: parsed flags of `features`.

    Returns:
        The file.

    Raises:
        ConfigError: a flag, or a model, cannot be used.
        DataError: checkpoints or records are missing or unsound.
    """
    _check_least(arguments, "count", 1)
    _check_least(arguments, "seed", 0)
    _check_common(arguments)
    folders = _named_folders(arguments.models)
    pipelines = {
        name: _load(folder, arguments.records)
        for name, folder in folders.items()
    }
    from research.feature_figure.figure import as_picture
    from research.feature_figure.figure import draw_features
    from research.feature_figure.run import compare_features

    groups = compare_features(
        folders, pipelines, arguments.count, arguments.seed
    )
    path = Path(arguments.output)
    if _is_folder(path):
        path /= "features.png"
    return [_write(path, as_picture(draw_features(groups, arguments.width)))]


def run_detections(arguments: argparse.Namespace) -> list[Path]:
    """Draws Figure 7.

    Args:
        arguments: parsed flags of `detections`.

    Returns:
        The file, or those of the frames.

    Raises:
        ConfigError: a flag, or the model, cannot be used.
        DataError: checkpoints or records are missing or unsound.
    """
    _check_least(arguments, "frames", 1)
    _check_common(arguments)
    options = _score_options(arguments)
    pipeline = _load(arguments.model_dir, arguments.records)
    from research.feature_figure.comparison import draw_comparison
    from research.feature_figure.run import compare_detections

    frames, names, thresholds = compare_detections(
        pipeline,
        arguments.model_dir,
        arguments.frames,
        arguments.images,
        options,
    )
    levels = dict.fromkeys(f"{score:.2f}" for score in thresholds.values())
    note = f"score at least {' / '.join(levels)}"
    path = Path(arguments.output)
    parts = {path: frames}
    if _is_folder(path):
        stems = [safe_stem(frame.truth.file_name) for frame in frames]
        parts = {
            path / f"{number:02d}_{stem}.png": [frame]
            for number, (stem, frame) in enumerate(
                zip(stems, frames, strict=True), start=1
            )
        }
    return [
        _write(path, draw_comparison(shown, names, note, arguments.width))
        for path, shown in parts.items()
    ]


def _score_options(arguments: argparse.Namespace) -> EvaluationOptions:
    _check_least(arguments, "threshold_images", 1)
    if arguments.min_score is None:
        return EvaluationOptions(threshold_images=arguments.threshold_images)
    return EvaluationOptions(
        min_score=read_min_score(arguments.min_score),
        threshold_source=arguments.min_score,
    )


def _check_common(arguments: argparse.Namespace) -> None:
    _check_least(arguments, "width", 400)
    path = Path(arguments.output)
    if not _is_folder(path) and path.suffix.lower() not in ENDINGS:
        raise ConfigError(
            f"--output {arguments.output}: expected a folder or a file that "
            f"ends in {', '.join(ENDINGS)}"
        )


def _is_folder(path: Path) -> bool:
    return path.is_dir() or not path.suffix


def _check_least(arguments: argparse.Namespace, flag: str, least: int) -> None:
    value = getattr(arguments, flag)
    if value < least:
        raise ConfigError(f"--{flag}: expected {least} or more, found {value}")


def _named_folders(models: Sequence[str]) -> dict[str, str]:
    folders: dict[str, str] = {}
    for text in models:
        name, _, folder = text.partition("=")
        if not name or not folder:
            raise ConfigError(
                f"--model: expected NAME=DIR, such as atrous=output/atrous; "
                f"found {text!r}"
            )
        if name in folders:
            raise ConfigError(
                f"--model: found two models called {name!r}; give each a name "
                "of its own"
            )
        folders[name] = folder
    return folders


def _load(model_dir: str, records: Sequence[str] | None) -> Pipeline:
    """Reads the config of a model, and finds its evaluation records."""
    from featsr_tf.data.records import expand_patterns
    from featsr_tf.training import model_folder

    pipeline = model_folder.load(model_dir)
    for reader in pipeline.eval_input_reader[:1]:
        if records:
            reader.tf_record_input_reader.input_path = list(records)
        expand_patterns(reader.tf_record_input_reader.input_path)
    return pipeline


def _write(path: Path, picture) -> Path:
    import PIL.Image

    with replaced_at_the_end(path) as temporary:
        PIL.Image.fromarray(picture).save(temporary, quality=90)
    return path


if __name__ == "__main__":
    main()
