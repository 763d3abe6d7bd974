"""The command `featsr`: all commands of the package under one name.

    featsr train --pipeline pipelines/toy.config
    featsr convert coco --help
    featsr convert mydata.zip

Each does what its module does: `python -m featsr_tf.train` and the like.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

import featsr_tf
from featsr_tf.command_line.parser import CommandParser
from featsr_tf.command_line.parser import call_it

# Layout of annotations -> the module that reads it.
FORMATS = {
    "any": "tfrecords_tools.convert_any",
    "coco": "tfrecords_tools.create_coco_tf_record",
    "cvat": "tfrecords_tools.create_cvat_tf_record",
    "gtsdb": "tfrecords_tools.create_gtsdb_tf_record",
    "labelme": "tfrecords_tools.create_labelme_tf_record",
    "tfds": "tfrecords_tools.from_tfds",
    "toy": "tfrecords_tools.create_toy_tf_record",
    "tt100k": "tfrecords_tools.create_tt100k_tf_record",
    "voc": "tfrecords_tools.create_voc_tf_record",
    "yolo": "tfrecords_tools.create_yolo_tf_record",
}
# What a user wants -> command -> its module and what it does.
COMMANDS = {
    "prepare your data": {
        "convert": (
            "",
            "annotations to TFRecords: of a folder, a zip, or one of\n"
            f"{'':<20}{', '.join(FORMATS)}",
        ),
        "verify": ("tfrecords_tools.verify", "check records, repair damage"),
        "show": ("tfrecords_tools.show", "draw records, also as trained on"),
        "stats": ("tfrecords_tools.stats", "object sizes; proposes anchors"),
        "new": ("tfrecords_tools.new_config", "a config for your records"),
        "config": ("featsr_tf.config", "print a config with all its fields"),
    },
    "make a detector": {
        "train": ("featsr_tf.train", "train all three stages, or continue"),
        "import": (
            "featsr_tf.import_checkpoint",
            "a model folder of a checkpoint of the Object Detection API",
        ),
        "evaluate": ("featsr_tf.evaluate", "figures by object size"),
        "choose_threshold": (
            "featsr_tf.choose_threshold",
            "the score threshold with the best F1",
        ),
        "report": ("featsr_tf.report", "one HTML page of what was reached"),
        "data_service": (
            "featsr_tf.data_service",
            "decode training images for other machines",
        ),
    },
    "use it": {
        "predict": ("featsr_tf.predict", "detect in images and videos"),
        "export": ("featsr_tf.export", "SavedModel, ONNX or TensorFlow Lite"),
        "serve": ("featsr_tf.serve", "a small server with a page to try it"),
    },
}
_MODULES = {
    name: module
    for group in COMMANDS.values()
    for name, (module, _) in group.items()
}
_EPILOG = """`featsr COMMAND --help` lists the flags of a command.
For completion: eval "$(featsr --completion bash)"; zsh and fish likewise."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    is_completing = "_ARGCOMPLETE" in os.environ
    given = list(sys.argv[1:] if argv is None else argv)
    if is_completing:
        given = _typed_words()
    words, module = _find_command(given)
    if module is None:
        words = words[: given[:1] == ["convert"]]
    if is_completing:
        # The words that the command's own parser does not see.
        os.environ["_ARGCOMPLETE"] = str(1 + len(words))
    if module is None:
        _parse_own_flags(given)
        return
    call_it(module, " ".join(["featsr", *words]))
    command = importlib.import_module(
        f"{module}.__main__" if module == "featsr_tf.config" else module
    )
    command.main(given[len(words) :])


def _find_command(given: Sequence[str]) -> tuple[list[str], str | None]:
    """The words that name a command, and its module."""
    names = [word.replace("-", "_") for word in given[:2]]
    if names[:1] == ["convert"]:
        if len(names) > 1 and names[1] in FORMATS:
            return names, FORMATS[names[1]]
        # A data set in the place of its format.
        is_place = any(map(_is_place, given[1:]))
        return names[:1], FORMATS["any"] if is_place else None
    return names[:1], _MODULES.get(names[0]) if names else None


def _is_place(word: str) -> bool:
    """Whether a word can only be a path."""
    is_path = os.sep in word or word.endswith(".zip") or os.path.exists(word)
    return is_path and not word.startswith("-")


def _format(word: str) -> str:
    if word not in FORMATS:
        raise argparse.ArgumentTypeError(
            f"invalid choice: {word!r}: neither a folder or zip that is there"
            f" nor one of {', '.join(FORMATS)}"
        )
    return word


def _typed_words() -> list[str]:
    """The whole words of the line that a shell wants to complete."""
    line = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])]
    return line.split()[1 : None if line.endswith(" ") else -1]


def _parse_own_flags(given: Sequence[str]) -> None:
    """Prints help or version, or says what was expected instead."""
    if given[:1] == ["convert"]:
        call_it("featsr_tf", "featsr convert")
        parser = CommandParser(
            "featsr_tf",
            "Writes annotations as TFRecords. For example: featsr convert"
            " mydata.zip, which says what it has found there and converts it"
            " (featsr convert any --help); or featsr convert coco --help.",
        )
        parser.add_argument(
            "format",
            type=_format,
            choices=FORMATS,
            help="layout of the annotations, or the path of a folder or zip",
        )
        given = given[1:]
    else:
        call_it("featsr_tf", "featsr")
        parser = CommandParser(
            "featsr_tf",
            "Feature super-resolution for small object detection.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            usage="featsr COMMAND ...",
            epilog=f"{_listed_commands()}\n\n{_EPILOG}",
        )
        parser.add_argument("command", choices=_MODULES, help=argparse.SUPPRESS)
        parser.add_argument(
            "--version",
            action="version",
            version=f"featsr_tf {featsr_tf.__version__}",
        )
        parser.add_argument(
            "--completion",
            choices=("bash", "zsh", "fish"),
            action=_PrintCompletion,
            help="print what makes a shell complete commands and flags",
        )
    parser.parse_args(given or ["--help"])


class _PrintCompletion(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        import argcomplete

        print(argcomplete.shellcode(["featsr"], shell=values))
        parser.exit()


def _listed_commands() -> str:
    groups = []
    for purpose, commands in COMMANDS.items():
        lines = [f"  {name:<18}{does}" for name, (_, does) in commands.items()]
        groups.append("\n".join([f"{purpose}:", *lines]))
    return "\n\n".join(groups)


if __name__ == "__main__":
    main()
