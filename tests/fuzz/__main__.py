"""Tries mutated inputs on every reader of files from elsewhere.

    python -m tests.fuzz --configs 100000 --label_maps 100000 \\
        --records 10000 --record_files 10000 --images 10000 --seed 0

Only errors of ours may come out: no crash, no hang, no more memory than
allowed. Each kind runs in another process. Exit code 1 where an input
fails; such inputs are kept in the folder of --output.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.fuzz.child import CURRENT
from tests.fuzz.child import NUMBER
from tests.fuzz.child import REPORT

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
KINDS = {
    "configs": 2000,
    "label maps": 2000,
    "records": 1000,
    "record files": 200,
    "images": 500,
}
MEGABYTES = 2048
# Longer than anything takes on a busy machine.
HANG_SECONDS = 120
POLL_SECONDS = 0.5
STOPPED = set("Tt")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Outcome:
    """What became of a kind of input.

    Args:
        kind: which.
        seconds: how long it took.
        values: what the process has counted.
        failures: what went wrong.
    """

    kind: str
    seconds: float
    values: dict
    failures: list[str]

    def row(self) -> list[str]:
        """A row of the table."""
        counts = [
            f"{self.values.get(name, 0):,}"
            for name in ("tried", "refused", "accepted", "kept")
        ]
        return [
            self.kind,
            *counts,
            str(len(self.failures)),
            f"{1000 * self.values.get('slowest', 0.0):.0f} ms",
            f"{self.values.get('peak_megabytes', 0):,} MB",
            f"{self.values.get('grown_megabytes', 0):,} MB",
            f"{self.seconds:.0f} s",
        ]


HEADS = [
    *("kind", "tried", "refused", "accepted", "kept", "failed", "slowest"),
    *("peak memory", "of it by inputs", "time"),
]


def run_kind(
    kind: str,
    count: int,
    seed: int,
    folder: pathlib.Path,
    megabytes: int = MEGABYTES,
    hang_seconds: float = HANG_SECONDS,
) -> Outcome:
    """Fuzzes one kind in another process.

    Args:
        kind: of the target.
        count: how many inputs.
        seed: of the mutations.
        folder: gets the report and the inputs that fail.
        megabytes: how much memory the process may take beside what it has
            after reading the seeds.
        hang_seconds: an input that takes longer hangs.

    Returns:
        What became of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    begin = time.monotonic()
    words = [kind, str(count), str(seed), str(megabytes), str(folder)]
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.child", *words],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    hangs = _wait(child, folder / NUMBER, hang_seconds)
    _, said = child.communicate()
    seconds = time.monotonic() - begin
    if (folder / REPORT).exists():
        values = json.loads((folder / REPORT).read_text())
        return Outcome(kind, seconds, values, values["failures"])
    number = _number(folder / NUMBER)
    what = "hangs" if hangs else f"ends the process ({child.returncode})"
    last = said.strip().splitlines()[-1:] or [""]
    failure = f"input {number} {what}: {folder / CURRENT} {last[0]}"
    return Outcome(kind, seconds, {"tried": number + 1}, [failure])


def _wait(
    child: subprocess.Popen, number_file: pathlib.Path, hang_seconds: float
) -> bool:
    """Waits for the end; ends it itself where an input takes for ever."""
    last, stood_still, used = -1, 0.0, 0.0
    while child.poll() is None:
        time.sleep(POLL_SECONDS)
        number, before = _number(number_file), used
        states, used = _condition(child.pid)
        if number != last or states & STOPPED:
            last, stood_still = number, 0.0
            continue
        # On a busy machine a process may have to wait for the processor.
        stood_still += used - before if "R" in states else POLL_SECONDS
        if number >= 0 and stood_still > hang_seconds:
            child.kill()
            return True
    return False


def _number(path: pathlib.Path) -> int:
    try:
        return int(path.read_text() or -1)
    except FileNotFoundError:
        return -1


def _condition(pid: int) -> tuple[set[str], float]:
    """States of the threads of a process, and its processor time."""
    states, used = set(), 0.0
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            words = path.read_text().rpartition(")")[2].split()
            states.add(words[0])
            used += (int(words[11]) + int(words[12])) / TICKS
    return states, used


def table(outcomes: Sequence[Outcome]) -> str:
    """The summary, as rows of Markdown."""
    rows = [HEADS, ["---"] * len(HEADS), *(item.row() for item in outcomes)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags, fuzzes and prints the summary."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for kind, count in KINDS.items():
        parser.add_argument(
            f"--{kind.replace(' ', '_')}",
            type=int,
            default=count,
            metavar="N",
            help="inputs of this kind, 0 for none (default %(default)s)",
        )
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=REPOSITORY / "output" / "fuzz",
        metavar="DIR",
        help="gets reports and inputs that fail (default output/fuzz)",
    )
    arguments = parser.parse_args(argv)
    outcomes = []
    for kind in KINDS:
        name = kind.replace(" ", "_")
        if count := getattr(arguments, name):
            folder = arguments.output.resolve() / name
            outcomes.append(run_kind(kind, count, arguments.seed, folder))
            print(table(outcomes[-1:]).splitlines()[-1], file=sys.stderr)
    print(f"seed {arguments.seed}, {time.strftime('%Y-%m-%d %H:%M')}\n")
    print(table(outcomes))
    for outcome in outcomes:
        for failure in outcome.failures[:20]:
            print(f"{outcome.kind}: {failure}")
    if any(outcome.failures for outcome in outcomes):
        sys.exit(1)


if __name__ == "__main__":
    main()
