"""Draws the paper's Figure 6 of trained models.

    python -m research.feature_figure --output features.png \
        --model naive=DIR --model atrous=DIR

It shows what generators make of the features of proposals, beside the features
that they were to follow. Detections of both detectors side by side (Figure 7)
are drawn by `python -m featsr_tf.predict --compare`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.command_line.flags import judge_records
from featsr_tf.config.schema import Pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from featsr_tf.files import atomic_write

ENDINGS = (".png", ".jpg", ".jpeg")
WIDTH = 1000


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m research.feature_figure",
        description="Draws features before and after super-resolution.",
    )
    # There was another figure once.
    parser.add_argument(
        "figure", nargs="?", choices=["features"], help=argparse.SUPPRESS
    )
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
        help="objects of each group; default %(default)s",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the choice of objects; default %(default)s",
    )
    parser.add_argument(
        "--records",
        nargs="+",
        metavar="FILE",
        help="records to take objects from; default: those of the "
        "eval_input_reader",
    )
    parser.add_argument(
        "--width",
        type=int,
        default=WIDTH,
        metavar="PX",
        help="of the figure; default %(default)s",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE_OR_DIR",
        help="a .png or .jpg file, or a folder that gets features.png",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        print(run(arguments))


def run(arguments: argparse.Namespace) -> Path:
    """Draws the figure.

    Returns:
        The file.

    Raises:
        ConfigError: a flag, or a model, cannot be used.
        DataError: checkpoints or records are missing or unsound.
    """
    for flag, least in (("count", 1), ("seed", 0), ("width", 400)):
        value = getattr(arguments, flag)
        if value < least:
            raise ConfigError(
                f"--{flag}: expected {least} or more, found {value}"
            )
    path = Path(arguments.output)
    if path.is_dir() or not path.suffix:
        path /= "features.png"
    elif path.suffix.lower() not in ENDINGS:
        raise ConfigError(
            f"--output {arguments.output}: expected a folder or a file that "
            f"ends in {', '.join(ENDINGS)}"
        )
    folders = _named_folders(arguments.models)
    pipelines = {
        name: _load(folder, arguments.records)
        for name, folder in folders.items()
    }
    import PIL.Image

    from research.feature_figure.figure import as_image
    from research.feature_figure.figure import draw_features
    from research.feature_figure.run import compare_features

    groups = compare_features(
        folders, pipelines, arguments.count, arguments.seed
    )
    image = as_image(draw_features(groups, arguments.width))
    with atomic_write(path) as temporary:
        PIL.Image.fromarray(image).save(temporary, quality=90)
    return path


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
    from featsr_tf.data.tfrecord_files import expand_patterns
    from featsr_tf.training import model_folder

    pipeline = model_folder.load(model_dir)
    if records:
        judge_records(pipeline, records)
    for reader in pipeline.eval_input_reader[:1]:
        expand_patterns(reader.tf_record_input_reader.input_path)
    return pipeline


if __name__ == "__main__":
    main()
