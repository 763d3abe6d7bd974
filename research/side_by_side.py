"""What benchmarks share: turns, medians with their spread, the machine.

The speed of a machine changes while it is used, so that times of two runs say
little. Works that take turns see the same machine: their ratios last.
"""

import argparse
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from featsr_tf.errors import ConfigError
from tfrecords_tools.tables import text_table

Name = TypeVar("Name", bound=Hashable)
# Fewer say nothing about the spread.
MINIMUM_ROUNDS = 5
# Threads of a library that has just finished still wait for work for a moment.
PAUSE = 0.05


def in_turns(
    works: Mapping[Name, Callable[[], object]],
    rounds: int,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
    pause: float = 0.0,
) -> dict[Name, list[float]]:
    """Times works that take turns.

    Args:
        works: what is timed, by name.
        rounds: how often each is timed, `MINIMUM_ROUNDS` or more.
        warm_up: rounds before, in which graphs are made. Default 2.
        clock: gives seconds. Default is time as it passes;
            `time.process_time` is that of all cores, which other processes
            change little.
        pause: seconds before each work, such as `PAUSE` where they are of
            different libraries. Default none.

    Returns:
        Seconds of each round, by name.

    Raises:
        ConfigError: there are too few rounds.
    """
    check_rounds(rounds)
    times: dict[Name, list[float]] = {name: [] for name in works}
    for number in range(-warm_up, rounds):
        for name, work in works.items():
            time.sleep(pause)
            begin = clock()
            work()
            wait_for_devices()
            if number >= 0:
                times[name].append(clock() - begin)
    return times


def time_per_frame(
    works_of_frames: Iterable[Mapping[Name, Callable[[], object]]],
    rounds: int,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Name, list[float]]:
    """Times works that take turns at each of some frames.

    What a frame costs may depend on what it shows: each round is the mean
    over all frames.

    Args:
        works_of_frames: what is timed, by name, for each frame.
        rounds: how often each frame is looked at.
        warm_up: rounds before, for each frame. Default 2.
        clock: as for `in_turns`.

    Returns:
        Seconds per frame of each round, by name.
    """
    of_frames = [
        in_turns(works, rounds, warm_up, clock) for works in works_of_frames
    ]
    return {
        name: [
            statistics.fmean(seconds)
            for seconds in zip(
                *(times[name] for times in of_frames), strict=True
            )
        ]
        for name in of_frames[0]
    }


def add_clock_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--busy`, of which `clock_of` makes a clock."""
    parser.add_argument(
        "--busy",
        action="store_true",
        help="tell the time of all cores instead of the time that passes: "
        "other processes change it little",
    )


def add_enlarge_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--enlarge`, the sizes at which the base sees frames as well."""
    parser.add_argument(
        "--enlarge",
        type=float,
        nargs="*",
        default=[4 / 3, 2.0],
        metavar="F",
        help="times the size at which the config shows frames to the base; "
        "default 4/3 2",
    )


def clock_of(arguments: argparse.Namespace) -> Callable[[], float]:
    """Chooses the clock of `in_turns`.

    Args:
        arguments: parsed flags of `add_clock_flag`.
    """
    return time.process_time if arguments.busy else time.perf_counter


def check_rounds(rounds: int) -> None:
    """Refuses medians of too few rounds.

    Args:
        rounds: their number.

    Raises:
        ConfigError: there are too few.
    """
    if rounds < MINIMUM_ROUNDS:
        raise ConfigError(
            f"--rounds: expected {MINIMUM_ROUNDS} or more, found {rounds}"
        )


def wait_for_devices() -> None:
    """Waits for what is still computed; a benchmark may need no TensorFlow."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        tensorflow.test.experimental.sync_devices()


def ratio(
    seconds: Sequence[float], base: Sequence[float]
) -> tuple[float, float, float]:
    """Compares the times of two works that took turns.

    Args:
        seconds: of each round.
        base: those of the other work, in the same order.

    Returns:
        Ratio of the medians; lower and upper quartile of the rounds' ratios.
    """
    by_round = [a / b for a, b in zip(seconds, base, strict=True)]
    lower, _, upper = statistics.quantiles(by_round, method="inclusive")
    return statistics.median(seconds) / statistics.median(base), lower, upper


def comparison(times: Mapping[str, Sequence[float]], base: str) -> str:
    """Writes a table of times, and of ratios to one of them.

    Args:
        times: seconds of each round by name, from `in_turns`.
        base: name of the work that the others are compared with.

    Returns:
        One line per work.
    """
    rows = [("", "median ms", "quartiles", f"x {base}", "quartiles")]
    for name, seconds in times.items():
        lower, _, upper = statistics.quantiles(seconds, method="inclusive")
        times_base, *quartiles = ratio(seconds, times[base])
        rows.append(
            (
                name,
                milliseconds(statistics.median(seconds)),
                f"{milliseconds(lower)} to {milliseconds(upper)}",
                f"{times_base:.2f}",
                "{:.2f} to {:.2f}".format(*quartiles),
            )
        )
    return text_table(rows)


def milliseconds(seconds: float) -> str:
    """Writes a time in milliseconds, with three digits or more."""
    value = 1000 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def command_line() -> str:
    """Writes the command that runs, as a shell takes it."""
    return shlex.join(["python", *sys.orig_argv[1:]])


def print_environment() -> None:
    """Prints date, versions and machine."""
    from featsr_tf.html_report.inputs import describe_environment

    print("; ".join(describe_environment().values()))
