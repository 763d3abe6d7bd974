"""Time from a command to its help, to a checked config, to the first step.

    python -m research.startup --pipeline pipelines/gtsdb_mobilenet.config

Every command runs as a process of its own. Weights are random; the first step
is done when the history of the training has it.
"""

import argparse
import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import check_input_files
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import FeatsrError
from featsr_tf.errors import exit_on_error
from featsr_tf.training.history import HISTORY_FILE
from research.side_by_side import check_rounds
from research.side_by_side import comparison
from research.side_by_side import in_turns
from research.side_by_side import print_environment

IMPORT = "import tensorflow"
_TRAIN = ("-m", "featsr_tf.train")
_EXTENSION = "model.feature_super_resolution"
_TYPE = "model.faster_rcnn.feature_extractor.type"
_ONE_STEP = (
    "train_config.num_steps=1",
    f"{_EXTENSION}.super_resolution_stage.num_steps=0",
    f"{_EXTENSION}.fine_tune_stage.num_steps=0",
    f"{_EXTENSION}.backbone.weights=''",
)
_POLL_SECONDS = 0.02


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m research.startup",
        description="Time until a training makes its first step.",
    )
    add_pipeline_flags(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--types",
        nargs="+",
        default=["faster_rcnn_mobilenet_v1", "faster_rcnn_resnet101"],
        metavar="TYPE",
        help="feature extractors (default %(default)s)",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        check_rounds(arguments.rounds)
        check_input_files(read_pipeline(arguments))
        print_environment()
        works = make_works(arguments)
        times = in_turns(works, arguments.rounds, warm_up=1)
        print(comparison(times, IMPORT))


def make_works(arguments: argparse.Namespace) -> dict[str, Callable]:
    """Makes what is timed.

    Args:
        arguments: parsed flags.

    Returns:
        Functions without arguments, by name.
    """
    works = {
        "python": functools.partial(run, "-c", "pass"),
        IMPORT: functools.partial(run, "-c", "import tensorflow"),
        "--help": functools.partial(run, *_TRAIN, "--help"),
    }
    for name in arguments.types:
        fields = [*arguments.overrides, *_ONE_STEP, f"{_TYPE}='{name}'"]
        if "mobilenet" not in name:
            fields.append(f"{_EXTENSION}.backbone.alpha=1")
        flags = [*_TRAIN, "--pipeline", arguments.pipeline]
        flags += [part for field in fields for part in ("--set", field)]
        works[f"--check, {name}"] = functools.partial(run, *flags, "--check")
        works[f"first step, {name}"] = functools.partial(first_step, *flags)
    return works


def run(*arguments: str) -> None:
    """Runs Python and waits for its end.

    Args:
        *arguments: of the interpreter.

    Raises:
        FeatsrError: it failed.
    """
    with tempfile.TemporaryFile() as output:
        process = _start(arguments, output)
        if process.wait():
            raise _failure(process, output)


def first_step(*arguments: str) -> None:
    """Runs a training and ends it after its first step.

    Args:
        *arguments: of the interpreter, all but the model folder.

    Raises:
        FeatsrError: it ended before.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as output,
    ):
        history = Path(folder, HISTORY_FILE)
        process = _start([*arguments, "--model_dir", folder], output)
        while not (history.exists() and history.stat().st_size):
            if process.poll() is not None:
                raise _failure(process, output)
            time.sleep(_POLL_SECONDS)
        process.kill()
        process.wait()


def _start(arguments: Sequence[str], output: IO) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments], stdout=output, stderr=output
    )


def _failure(process: subprocess.Popen, output: IO) -> FeatsrError:
    output.seek(0)
    *_, last = output.read().decode().splitlines() or ["it says nothing"]
    return FeatsrError(f"{' '.join(process.args[1:])}: failed: {last}")


if __name__ == "__main__":
    main()
