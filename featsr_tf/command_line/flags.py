"""Flags that the commands share; nothing here imports TensorFlow."""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from featsr_tf.config import find_warnings
from featsr_tf.config import load_pipeline
from featsr_tf.config.load import input_paths
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.schema import TFRecordInputReader
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.tfrecord_files import expand_patterns
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting.versions import refuse_export
from featsr_tf.files import decode_text
from featsr_tf.files import find_paths
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
        ConfigError: there is no model, or an exported one, it was trained with
            another config, or `--set` names a field on which it depends.
    """
    model_dir = model_dir_of(arguments)
    refuse_export(model_dir)
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


def judge_records(pipeline: Pipeline, records: Sequence[str]) -> None:
    """Makes given record files those that a config evaluates on."""
    readers = [*pipeline.eval_input_reader, pipeline.train_input_reader]
    pipeline.eval_input_reader = [
        dataclasses.replace(
            readers[0],
            tf_record_input_reader=TFRecordInputReader(list(records)),
        )
    ]


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
    """Adds `--classes`, which `metrics.options.select_classes` reads."""
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
