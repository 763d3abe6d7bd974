"""Runs the benchmarks of speed and memory one after the other.

    python -m research --pipeline pipelines/gtsdb_mobilenet.config \
        --output output/bench

Each is a command of its own, here with short settings; what it prints is kept
in a file of its name. Nothing needs to be trained before. Comparisons of
accuracy (`research.ablation`, `research.alternatives`, `research.probe`,
`research.zoom`) take hours or a trained detector and are not run.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import check_input_files
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import FeatsrError
from featsr_tf.errors import exit_on_error
from featsr_tf.files import write_text

# Those whose module takes a pipeline, with the flags of a short run.
OF_A_PIPELINE = {
    "input": ("--steps", "200"),
    "steps": (),
    "feature_cache": ("--sides", "384", "768", "1024"),
    "twin": (),
    "inference": (),
    "generator_cost": (),
    "precision": ("--skip", "float16", "xla"),
}
OTHERS = {"protocols": ("--num_images", "1000")}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m research",
        description="Runs the benchmarks of speed and memory.",
    )
    add_pipeline_flags(parser)
    parser.add_argument(
        "--output",
        default="research/results",
        metavar="DIR",
        help="for what they print (default %(default)s)",
    )
    names = [*OF_A_PIPELINE, *OTHERS]
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"some of {', '.join(names)}",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        check_input_files(read_pipeline(arguments))
        run_all(make_commands(arguments), Path(arguments.output))


def make_commands(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Makes the commands that are to be run.

    Args:
        arguments: parsed flags.

    Returns:
        Arguments of Python by name of the benchmark.
    """
    pipeline = ["--pipeline", arguments.pipeline]
    for override in arguments.overrides:
        pipeline += ["--set", override]
    flags = {
        **{name: [*pipeline, *own] for name, own in OF_A_PIPELINE.items()},
        **OTHERS,
    }
    return {
        name: ["-m", f"research.{name}", *flags[name]]
        for name in flags
        if name in arguments.only
    }


def run_all(commands: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Runs commands, shows what they print and keeps it.

    Args:
        commands: arguments of Python by name.
        folder: gets NAME.txt of each that succeeds.

    Raises:
        FeatsrError: some have failed; the others were run.
    """
    failed = []
    for name, arguments in commands.items():
        lines = [f"$ python {' '.join(arguments)}\n"]
        print(f"\n{lines[0]}", end="", flush=True)
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, text=True
        )
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
        if process.wait():
            failed.append(name)
        else:
            write_text(folder / f"{name}.txt", "".join(lines))
    if failed:
        raise FeatsrError(f"these benchmarks have failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
