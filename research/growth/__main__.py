"""How time and memory grow with images, proposals, batches and classes.

    python -m research.growth --pipeline pipelines/gtsdb_mobilenet.config

One size grows, the others keep their least value. Time is that of all cores,
memory what is taken beyond graph and weights. Exponents are those of the amount
of data: 1 is linear growth, and that of an image is its pixels. What costs the
same at any size makes them smaller, so that the last two values are also
compared alone.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import tqdm

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import FeatsrError
from featsr_tf.errors import exit_on_error
from research.growth.figures import Curve
from research.growth.figures import plot
from research.growth.figures import table
from research.growth.parts import PARTS
from research.growth.parts import make_part
from research.growth.points import AXES
from research.growth.points import SUBJECTS
from research.growth.points import points_of
from research.growth.points import size
from research.side_by_side import check_rounds
from research.side_by_side import in_turns
from research.side_by_side import print_environment


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m research.growth",
        description="Growth of time and memory of inference and training.",
    )
    add_pipeline_flags(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--axes", nargs="+", choices=AXES, default=list(AXES), metavar="AXIS"
    )
    parser.add_argument("--plot", metavar="FILE", help="picture of the curves")
    arguments = parser.parse_args(argv)
    with exit_on_error():
        check_rounds(arguments.rounds)
        read_pipeline(arguments)
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Measures, prints and draws."""
    print_environment()
    curves = []
    for axis in arguments.axes:
        subjects = [name for name, axes in SUBJECTS.items() if axis in axes]
        for subject in tqdm.tqdm(subjects, desc=axis):
            curves += model_curves(arguments, subject, axis)
        found = [curve for curve in curves if curve.axis == axis]
        print(f"\n{table(found)}", flush=True)
    for name in PARTS:
        print(f"\n{table([part_curve(name, arguments.rounds)])}", flush=True)
    if arguments.plot:
        plot(curves, arguments.plot)


def model_curves(
    arguments: argparse.Namespace, subject: str, axis: str
) -> list[Curve]:
    """Measures inference or training along an axis, in a process of its own.

    TensorFlow keeps the memory that it has had once: what one takes would
    hide what another needs.

    Args:
        arguments: parsed flags.
        subject: what is done.
        axis: what grows.

    Returns:
        Curves of time and of memory.
    """
    program = (
        "import json, sys; from research.growth.points import measure; "
        "print(json.dumps(measure(*json.loads(sys.argv[1]))))"
    )
    values = (
        arguments.pipeline,
        arguments.overrides,
        subject,
        axis,
        arguments.rounds,
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, json.dumps(values)],
        stdout=subprocess.PIPE,
        text=True,
    )
    if finished.returncode:
        raise FeatsrError(f"{subject}, {axis}: failed; see above")
    seconds, megabytes = json.loads(finished.stdout.splitlines()[-1])
    sizes = [size(point, axis) for point in points_of(axis)]
    return [
        Curve(subject, axis, AXES[axis], sizes, seconds, "s"),
        Curve(subject, axis, AXES[axis], sizes, megabytes, "MB"),
    ]


def part_curve(name: str, rounds: int) -> Curve:
    """Times a part of the detector for growing input.

    Args:
        name: of the part.
        rounds: how often each size is timed.

    Returns:
        The curve of time.
    """
    sizes = PARTS[name]
    works = {value: make_part(name, value) for value in sizes}
    times = in_turns(works, rounds, clock=time.process_time)
    medians = [statistics.median(times[value]) for value in sizes]
    return Curve("alone", name, sizes, sizes, medians, "s")


if __name__ == "__main__":
    main()
