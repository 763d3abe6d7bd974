"""Flags that the commands share; nothing here imports TensorFlow."""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import shlex
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from featsr_tf.config import find_warnings
from featsr_tf.config import load_pipeline
from featsr_tf.config.load import input_paths
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.tfrecord_files import expand_patterns
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.files import decode_text
from featsr_tf.files import find_paths
from featsr_tf.files import read_text
from featsr_tf.metrics.evaluator import Protocol
from featsr_tf.training import model_folder

MODELS = Path("output", "models")


def add_pipeline_flags(
    parser: argparse.ArgumentParser, required: bool = True
) -> None:
    """Adds `--pipeline` and `--set`.

    Args:
        required: whether the command needs a pipeline. Default True.
            Otherwise the folder of a trained model has it.
    """
    parser.add_argument(
        "--pipeline",
        "--pipeline_config_path",
        required=required,
        metavar="FILE",
        help="config in the syntax of the TF Object Detection API",
    )
    add_set_flag(parser)


def add_set_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--set`."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="FIELD=VALUE",
        help="overrides a field of the config, for example "
        "train_config.num_steps=100; may be repeated. Of a trained model "
        "those that affect inference, see docs/config_reference.md",
    )


def read_pipeline(arguments: argparse.Namespace) -> Pipeline:
    """Loads the config of `--pipeline` with the overrides of `--set`.

    Fields without effect are named on stderr.

    Raises:
        ConfigError: the config cannot be used.
    """
    return _with_warnings(
        load_pipeline(arguments.pipeline, arguments.overrides)
    )


def read_trained_pipeline(arguments: argparse.Namespace) -> Pipeline:
    """Loads the config of a trained model with the overrides of `--set`.

    Args:
        arguments: parsed flags of `add_pipeline_flags`, not required, and
            `add_model_dir_flag`.

    Raises:
        ConfigError: there is no model, it was trained with another config, or
            `--set` names a field on which it depends.
    """
    model_dir = model_dir_of(arguments)
    if arguments.pipeline:
        pipeline = read_pipeline(arguments)
        return model_folder.check_trained(model_dir, pipeline)
    return _with_warnings(model_folder.load(model_dir, arguments.overrides))


def _with_warnings(pipeline: Pipeline) -> Pipeline:
    for warning in find_warnings(pipeline):
        print(f"warning: {warning}", file=sys.stderr)
    return pipeline


def add_model_dir_flag(
    parser: argparse.ArgumentParser, purpose: str, *spellings: str
) -> None:
    """Adds `--model_dir`, whose default `model_dir_of` tells."""
    parser.add_argument(
        "--model_dir",
        "--model",
        *spellings,
        metavar="DIR",
        help=f"{purpose}; default: {MODELS / 'NAME'} for pipelines/NAME.config",
    )


def model_dir_of(arguments: argparse.Namespace) -> str:
    """Tells the model folder.

    Args:
        arguments: parsed flags of `add_pipeline_flags` and
            `add_model_dir_flag`.

    Raises:
        ConfigError: neither is given.
    """
    if arguments.model_dir:
        return arguments.model_dir
    if not arguments.pipeline:
        raise ConfigError("expected --model_dir or --pipeline; found neither")
    return str(MODELS / Path(arguments.pipeline).stem)


def check_input_files(
    pipeline: Pipeline, training: bool = True, evaluation: bool = True
) -> None:
    """Makes sure that label maps and records are there.

    It takes no time, whereas TensorFlow, which reads them, takes seconds to
    import.

    Args:
        training: whether those to train on are read. Default True.
        evaluation: whether those to evaluate on are read. Default True.

    Raises:
        DataError: which file is missing, and the command that makes it.
    """
    readers = [pipeline.train_input_reader] if training else []
    readers += pipeline.eval_input_reader if evaluation else []
    # What is left out is told when the records are read.
    with say_where_looked(pipeline), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for reader in readers:
            load_label_map(reader.label_map_path)
            expand_patterns(reader.tf_record_input_reader.input_path)


@contextlib.contextmanager
def say_where_looked(pipeline: Pipeline) -> Iterator[None]:
    """Adds to an error about a missing file where relative paths begin."""
    try:
        yield
    except DataError as error:
        paths = [path for path in input_paths(pipeline) if path in str(error)]
        here = os.path.abspath("")
        beside = os.path.dirname(os.path.abspath(pipeline.source))
        is_missing = any(
            path and not os.path.isabs(path) and not find_paths(path)
            for path in paths
        )
        if not is_missing or beside == here:
            raise
        raise DataError(
            f"{error}; relative paths are looked up from {here}, then from "
            f"{beside}, where the config is"
        ) from None


_FILES = ("annotations", "detections")
SIZES = ("area", "long_side")


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
    """How detections are judged, and what is told of mistakes.

    Attributes:
        protocol: the rules.
        min_score: score threshold of recall, accuracy and F1, or one by name
            of the detector. None chooses, for a model, the best one on the
            training records.
        threshold_source: where the threshold is from, for the settings.
        threshold_images: most training images that decide on it; None = all.
            Default 500.
        classes: file that names the evaluated classes; None = all.
        num_worst_images: number of images with mistakes that are listed.
            Default 10.
        pictures: folder for pictures of these; None = none are drawn.
        image_dir: where the images of an annotation file are.
    """

    protocol: Protocol = Protocol()
    min_score: float | dict[str, float] | None = None
    threshold_source: str = "default"
    threshold_images: int | None = 500
    classes: str | None = None
    num_worst_images: int = 10
    pictures: str | None = None
    image_dir: str | None = None


def add_source_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is judged: files of any detector, or a model folder."""
    files = parser.add_argument_group("detections of any detector")
    files.add_argument(
        "--annotations", metavar="FILE", help="objects in the layout of COCO"
    )
    files.add_argument(
        "--detections",
        metavar="FILE_OR_DIR",
        help="results in the layout of COCO, a table (.csv), a folder of "
        "YOLO's text files, or what featsr_tf.predict wrote",
    )
    add_pipeline_flags(parser, required=False)
    add_model_dir_flag(parser, "folder of the model that is evaluated")
    add_classes_flag(parser)
    parser.add_argument(
        "--size_by",
        choices=SIZES,
        default="area",
        help="measure of small, medium and large: the paper's area, or the "
        "long side of the official evaluation of Tsinghua-Tencent 100K; "
        "default %(default)s",
    )


def add_classes_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--classes`, which `select_classes` reads."""
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="label map or names, one per line, of the classes that count; "
        "default all",
    )


def has_files(arguments: argparse.Namespace) -> bool:
    """Tells whether files are judged, or a model folder.

    Raises:
        ConfigError: neither, both, or half of them are given.
    """
    given = [name for name in _FILES if getattr(arguments, name)]
    if given and (arguments.pipeline or arguments.model_dir):
        raise ConfigError(
            f"--{given[0]}: found with --pipeline or --model_dir; expected "
            "either files or a model folder"
        )
    if len(given) == 1:
        raise ConfigError(
            "expected both --annotations and --detections, found only "
            f"--{given[0]}"
        )
    if not given and not (arguments.pipeline or arguments.model_dir):
        raise ConfigError(
            "expected --annotations and --detections, or --model_dir or "
            "--pipeline; found none of them"
        )
    return bool(given)


def add_min_score_flag(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Adds `--min_score`, which `read_min_score` reads.

    Args:
        purpose: what the threshold is for, with its default.
    """
    parser.add_argument(
        "--min_score",
        "--score_threshold",
        metavar="SCORE_OR_FILE",
        help="a number, or the file of featsr_tf.choose_threshold: " + purpose,
    )


def read_min_score(text: str, highest: float = 1.0) -> float | dict[str, float]:
    """Reads `--min_score`: a number, or the file of `choose_threshold`.

    Args:
        highest: largest score. Default 1.0; infinity for detections of
            others, whose scores may be on any scale.

    Raises:
        ConfigError: the number is not on the scale of the scores.
        DataError: the file cannot be used.
    """
    try:
        return check_score(float(text), highest)
    except ValueError:
        pass
    try:
        content = json.loads(decode_text(Path(text).read_bytes()))
        scores = content["min_score"]
        if isinstance(scores, dict):
            return {name: check_score(scores[name], highest) for name in scores}
        return check_score(scores, highest)
    except OSError as error:
        raise DataError(
            f"--min_score: expected a number or a file of "
            f"featsr_tf.choose_threshold, found {text!r}: {error.strerror}"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"{text}: expected what featsr_tf.choose_threshold writes, an "
            "object with numbers under 'min_score'"
        ) from None


def scores_by_detector(
    scores: float | Mapping[str, float], names: Sequence[str], source: str
) -> dict[str, float]:
    """Gives each detector its score threshold.

    Raises:
        DataError: `scores` leave a detector out.
    """
    if not isinstance(scores, Mapping):
        return dict.fromkeys(names, scores)
    for name in names:
        if name not in scores:
            raise DataError(
                f"{source}: expected a threshold of {name!r}, found those of "
                f"{', '.join(scores)}"
            )
    return {name: scores[name] for name in names}


def check_score(score: float, highest: float = 1.0) -> float:
    """Returns a score threshold, if it is within 0 to `highest`.

    Args:
        highest: infinity allows any finite number, negative ones too.

    Raises:
        ConfigError: it is not.
    """
    if math.isinf(highest):
        if not math.isfinite(score):
            raise ConfigError(
                f"--min_score: expected a finite number, found {score}"
            )
    elif not 0.0 <= score <= highest:
        raise ConfigError(
            f"--min_score: expected 0 to {highest:g}, found {score}"
        )
    return score


def select_classes(
    names: Mapping[int, str], path: str | None, source: str
) -> dict[int, str]:
    """Keeps the classes that a file names.

    Args:
        path: label map (.pbtxt) or text file with a name per line; None
            keeps all classes.

    Raises:
        DataError: the file cannot be read, is empty or has unknown names.
    """
    if path is None:
        return dict(names)
    wanted = _read_names(path)
    unknown = [name for name in wanted if name not in names.values()]
    if unknown or not wanted:
        raise DataError(
            f"{path}: expected names of classes of {source}, such as "
            f"{', '.join(list(names.values())[:5])}; found "
            f"{repr(unknown[0]) if unknown else 'none'}"
        )
    return {id_: name for id_, name in names.items() if name in wanted}


def describe_options(options: EvaluationOptions) -> dict[str, str]:
    """Returns the settings of an evaluation that its results record."""
    protocol = options.protocol
    return {
        "protocol": protocol.name,
        "size_by": f"{protocol.size_by.replace('_', ' ')} in original pixels",
        "threshold_chosen_on": options.threshold_source,
        "classes": options.classes or "all",
        "command": _command(),
    }


def _command() -> str:
    """This call, as it can be repeated from either form of the command."""
    words = sys.argv[1:]
    if words[:1] == ["evaluate"]:
        words = words[1:]
    return shlex.join(["python", "-m", "featsr_tf.evaluate", *words])


def _read_names(path: str) -> list[str]:
    if path.endswith(".pbtxt"):
        return list(load_label_map(path).names.values())
    lines = read_text(path).splitlines()
    return [line.strip() for line in lines if line.strip()]
