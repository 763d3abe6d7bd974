"""Writes a config for records, by the statistics of their objects.

The config says beside each choice why it was made; edit it as you like. For
example:

    featsr convert mine.zip
    featsr new --records output/mine --output pipelines/mine.config
    featsr train --pipeline pipelines/mine.config --model_dir output/mine_model
"""

import argparse
import glob
import json
import os
import re
import shlex
import string
import textwrap
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.config import load_pipeline
from featsr_tf.config.backbones import BACKBONES
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import is_manifest
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.files import text_sections
from featsr_tf.files import write_text
from tfrecords_tools.config_choices import RECIPES
from tfrecords_tools.config_choices import Choices
from tfrecords_tools.config_choices import choose
from tfrecords_tools.record_files import LABEL_MAP_NAME
from tfrecords_tools.record_files import add_max_bad_examples_flag
from tfrecords_tools.record_files import data_set_of
from tfrecords_tools.record_files import nameless_class
from tfrecords_tools.record_files import names_in
from tfrecords_tools.record_files import open_records

# Parts of the config by name.
_TEXTS = {
    name: string.Template(text)
    for name, text in text_sections(
        Path(__file__).with_name("new_config.txt")
    ).items()
}
_WIDTH = 80
_REASON = re.compile(r"^( *# )(\$why_\w+)$", re.MULTILINE)
_TRAINING = ("train",)
_EVALUATION = ("val", "eval", "test")


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and writes the config."""
    parser = CommandParser(
        "tfrecords_tools.new_config",
        __doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--records",
        nargs="+",
        required=True,
        metavar="PLACE",
        help="the folder that `featsr convert` has written, or record files "
        "or globs to train on",
    )
    parser.add_argument(
        "--eval_records",
        nargs="+",
        default=[],
        metavar="FILES",
        help="record files or globs to evaluate on (default: those of a "
        "folder that are called val, eval or test)",
    )
    parser.add_argument(
        "--label_map",
        metavar="FILE",
        help=f"the classes (default: {LABEL_MAP_NAME} beside the records, "
        "else one is written beside the config)",
    )
    parser.add_argument(
        "--backbone",
        choices=sorted(RECIPES),
        default="mobilenet_v1",
        help="default %(default)s, which a laptop can train",
    )
    parser.add_argument(
        "--alpha",
        type=float,
        default=1.0,
        help="width multiplier of MobileNet; default %(default)s",
    )
    parser.add_argument(
        "--weights",
        default="imagenet",
        metavar="FILE",
        help='first values: "imagenet" downloads them, "" are random ones; '
        "default %(default)s",
    )
    parser.add_argument(
        "--output", required=True, metavar="FILE.config", help="where to write"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace a config, and a label map beside it that does not fit",
    )
    add_max_bad_examples_flag(parser)
    with exit_on_error():
        run(parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Reads the records, writes the config and tells what was chosen."""
    output = arguments.output
    if os.path.exists(output) and not arguments.overwrite:
        raise ConfigError(
            f"{output}: is there already; give another --output, or "
            "--overwrite to replace it"
        )
    entry = BACKBONES[arguments.backbone]
    if arguments.weights == "imagenet" and not entry.has_imagenet_weights:
        raise ConfigError(
            f"--weights: Keras has no ImageNet weights of {arguments.backbone} "
            "to download; give a file of them, or --weights '' and train with "
            "--start_from and a detector of this backbone"
        )
    if arguments.weights not in ("", "imagenet"):
        # Whether they fit the backbone is better known now than in training.
        from featsr_tf.model.backbone import build_backbone

        build_backbone(arguments.backbone, arguments.alpha, arguments.weights)
    training, evaluation = find_splits(
        arguments.records, arguments.eval_records
    )
    records = open_records(
        training, arguments.label_map, arguments.max_bad_examples
    )
    label_map = records.label_map
    if not records.summary.num_objects:
        raise DataError(f"{', '.join(training)}: no objects in these records")
    if label_map is None:
        path = f"{os.path.splitext(output)[0]}_{LABEL_MAP_NAME}"
        label_map = _label_map_at(
            path, names_in(records.read()), arguments.overwrite
        )
    choices = choose(
        records.summary, label_map.names, RECIPES[arguments.backbone]
    )
    text = config_text(choices, arguments, label_map.path, training, evaluation)
    write_text(output, text)
    load_pipeline(output)
    print(_told(choices))
    print(f"\n{output}\nnext: {_train_command(output)} --check")


def _label_map_at(
    path: str, names: dict[int, str], may_replace: bool
) -> LabelMap:
    """Writes the classes of records, or reads the file that is there.

    Args:
        names: as `names_in` gives them.
        may_replace: whether to replace a file that does not fit them.
    """
    if os.path.exists(path):
        try:
            found = load_label_map(path)
            _check_fits(found, names)
        except DataError as error:
            if not may_replace:
                raise DataError(
                    f"{error}; give --label_map or another --output, or"
                    " --overwrite to replace it"
                ) from None
        else:
            print(f"{path}: was there, and has the classes of the records")
            return found
    label_map = LabelMap(names, {}, path)
    write_text(path, label_map.to_text())
    print(f"{path}: the classes as the records name them")
    return label_map


def _check_fits(label_map: LabelMap, names: dict[int, str]) -> None:
    for label, name in names.items():
        known = label_map.names.get(label)
        is_nameless = name == nameless_class(label)
        if known is None or not (is_nameless or label_map.knows(label, name)):
            raise DataError(
                f"{label_map.path}: is there already, and the class {label} of"
                f" the records, {name!r}, is {known!r} there"
            )


def find_splits(
    places: Sequence[str], evaluation: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """Finds the records to train on and those to evaluate on.

    Args:
        places: one folder, or record files and globs to train on.
        evaluation: record files and globs to evaluate on, where given.

    Returns:
        Files and globs of both; of the second there may be none.

    Raises:
        DataError: a folder without records, or of which it is not clear what
            to train on.
    """
    folders = [place for place in places if os.path.isdir(place)]
    if not folders:
        return list(places), list(evaluation)
    if len(places) > 1:
        raise DataError(
            f"--records {folders[0]}: expected one folder, or record files "
            "alone"
        )
    folder = folders[0]
    inside = os.path.join(glob.escape(folder), "*record*")
    found = sorted(
        {
            _pattern_of(path)
            for path in glob.glob(inside)
            if os.path.isfile(path) and not is_manifest(os.path.basename(path))
        }
    )
    if not found:
        raise DataError(
            f"{folder}: no record files (*record*) in this folder; give that "
            "of `featsr convert`, or record files"
        )
    training = [path for path in found if _is_called(path, _TRAINING)]
    if not training and len(found) == 1:
        training = found
    if not training:
        raise DataError(
            f"{folder}: expected one data set whose name has `train` in it, "
            f"found {', '.join(map(os.path.basename, found))}; give --records "
            "the files to train on"
        )
    if not evaluation:
        for word in _EVALUATION:
            evaluation = [
                path
                for path in found
                if _is_called(path, (word,)) and path not in training
            ]
            if evaluation:
                break
    return training, list(evaluation)


def _is_called(path: str, words: Sequence[str]) -> bool:
    found = re.split(r"[\W\d_]+", os.path.basename(path).lower())
    return any(word in found for word in words)


def _pattern_of(path: str) -> str:
    """A shard's path as the pattern of all shards."""
    name = data_set_of(path)
    return path if name == path else f"{name}-*"


def config_text(
    choices: Choices,
    arguments: argparse.Namespace,
    label_map: str,
    training: Sequence[str],
    evaluation: Sequence[str],
) -> str:
    """Writes the config.

    Args:
        label_map: path of the classes.
        training: record files and globs to train on.
        evaluation: those to evaluate on; none = the config has no reader.
    """
    recipe = RECIPES[arguments.backbone]
    values = {
        **choices.values,
        **{f"why_{name}": text for name, text in choices.reasons.items()},
        "headline": f"A detector of the objects in {', '.join(training)}.",
        "why_data": _data_line(evaluation),
        "command": _command(arguments),
        "output": shlex.quote(arguments.output),
        "model_dir": shlex.quote(_model_dir(arguments.output)),
        "extractor": "faster_rcnn_"
        + BACKBONES[arguments.backbone].spellings[0],
        "anchors": textwrap.indent(choices.anchors.to_text(), " " * 4),
        "rpn_depth": recipe.rpn_depth,
        "crop_cells": recipe.crop_cells,
        "pool": recipe.pool,
        "weights": _escaped(arguments.weights),
        "alpha": f"{arguments.alpha:g}",
        "optimizer": _TEXTS[recipe.optimizer].substitute(choices.values),
        "freeze": _frozen(recipe.frozen if arguments.weights else ()),
        "augmentation": "\n".join(
            f"  data_augmentation_options {{ {name} {{}} }}"
            for name in choices.values["augmentation"]
        ),
        "label_map": _escaped(label_map),
        "max_boxes": _max_boxes(choices.values["max_boxes"]),
        "train_records": _quoted(training),
        "eval_records": _quoted(evaluation),
    }
    stages = _TEXTS["windows" if choices.has_windows else "no_windows"]
    # Reasons within reasons: the parts are put in before they are filled.
    text = _TEXTS["config"].template.replace("$stages", stages.template)
    reader = "\n" + _TEXTS["evaluated"].template if evaluation else ""
    text = text.replace("$evaluated", reader)
    text = _REASON.sub(lambda match: _wrapped(match, values), text)
    filled = string.Template(text).substitute(values)
    return re.sub(r"\n{3,}", "\n\n", filled).strip("\n") + "\n"


def _wrapped(match: re.Match, values: dict[str, str]) -> str:
    text = values[match[2].removeprefix("$")].replace("$", "$$")
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=match[1],
        subsequent_indent=match[1],
        break_long_words=False,
    )


def _data_line(evaluation: Sequence[str]) -> str:
    if evaluation:
        return "Numbers in comments are those of the training records."
    return (
        "There are no records to evaluate on: write this file again with "
        "`--eval_records`. Numbers in comments are those of the training "
        "records."
    )


def _command(arguments: argparse.Namespace) -> str:
    words = ["featsr", "new", "--records", *arguments.records]
    if arguments.eval_records:
        words += ["--eval_records", *arguments.eval_records]
    if arguments.label_map:
        words += ["--label_map", arguments.label_map]
    words += ["--backbone", arguments.backbone]
    if arguments.alpha != 1.0:
        words += ["--alpha", f"{arguments.alpha:g}"]
    if arguments.weights != "imagenet":
        words += ["--weights", arguments.weights]
    lines = textwrap.wrap(
        shlex.join([*words, "--output", arguments.output]),
        _WIDTH - 16,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return " \\\n#               ".join(lines)


def _model_dir(output: str) -> str:
    return os.path.join("output", f"{Path(output).stem}_model")


def _train_command(output: str) -> str:
    return shlex.join(["featsr", "train", "--pipeline", output])


def _frozen(patterns: Sequence[str]) -> str:
    if not patterns:
        return ""
    listed = ", ".join(f'"{pattern}"' for pattern in patterns)
    return (
        "\n  # The first layers keep their ImageNet values.\n"
        f"  freeze_variables: [{listed}]"
    )


def _max_boxes(most: int | None) -> str:
    if most is None:
        return ""
    return f"\n  # The most objects of an image.\n  max_number_of_boxes: {most}"


def _escaped(text: str) -> str:
    """A string of a config, without its quotes."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _quoted(paths: Sequence[str]) -> str:
    quoted = [f'"{_escaped(path)}"' for path in paths]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


def _told(choices: Choices) -> str:
    shown = {
        "resizer": "{min_dimension} to {max_dimension} px",
        "small": "< {small_area_threshold} px^2",
        "refiner": "{refiner}",
        "first_pass": "x {first_pass_scale}",
        "crop": "{crop} px, {minimum_scale} to {maximum_scale}",
        "steps": "{steps_1}",
    }
    lines = []
    for name, reason in choices.reasons.items():
        value = shown.get(name, "").format(**choices.values)
        title = f"{name.replace('_', ' ')} {value}".rstrip()
        lines += [title, textwrap.indent(textwrap.fill(reason, 76), "    ")]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
