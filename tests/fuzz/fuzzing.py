"""Feeds mutated inputs to a reader, and keeps those that reach new lines."""

import dataclasses
import random
import sys
import time
from collections.abc import Callable, Sequence

from featsr_tf.errors import FeatsrError

# Following the lines makes Python slow, so only some inputs are followed.
FOLLOWED = 0.2
LARGEST_CORPUS = 2000
LONGEST_KEPT = 200_000


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader of files from elsewhere.

    Args:
        kind: what it reads.
        seeds: sound inputs that mutations begin with.
        mutate: makes a new input of another one.
        read: reads an input, checks what it gives, and raises a
            `FeatsrError` where it refuses the input. Whatever else is
            raised is a failure.
        sources: parts of file names; the lines of these count as reached.
        seconds: the longest time that an input may take on the processor.
    """

    kind: str
    seeds: Sequence[bytes]
    mutate: Callable[[bytes, random.Random], bytes]
    read: Callable[[bytes], None]
    sources: tuple[str, ...]
    seconds: float


@dataclasses.dataclass
class Report:
    """What became of the inputs.

    Args:
        kind: of the target.
        tried: number of inputs.
        refused: those refused by an error of ours.
        accepted: those read.
        kept: those that reached new lines.
        slowest: processor time of the slowest one in seconds.
        failures: messages and inputs of those that failed.
    """

    kind: str
    tried: int = 0
    refused: int = 0
    accepted: int = 0
    kept: int = 0
    slowest: float = 0.0
    failures: list[tuple[str, bytes]] = dataclasses.field(default_factory=list)


class Lines:
    """Follows which lines of some source files are run.

    Args:
        sources: parts of the names of these files.
    """

    def __init__(self, sources: tuple[str, ...]):
        self.seen: set[tuple[str, int]] = set()
        self._sources = sources
        self._wanted: dict[str, bool] = {}

    def __enter__(self) -> "Lines":
        """Begins to follow."""
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        sys.settrace(None)

    def _call(self, frame, event, argument):
        name = frame.f_code.co_filename
        if name not in self._wanted:
            self._wanted[name] = any(part in name for part in self._sources)
        return self._line if self._wanted[name] else None

    def _line(self, frame, event, argument):
        self.seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


def fuzz(
    target: Target,
    count: int,
    seed: int,
    before: Callable[[int, bytes], object] = lambda number, content: None,
) -> Report:
    """Tries inputs one after the other.

    Args:
        target: what reads them.
        count: how many inputs.
        seed: the same seed gives the same inputs.
        before: called with the number of each input and the input itself.

    Returns:
        What became of them.
    """
    chance = random.Random(f"{target.kind} {seed}")
    corpus = list(target.seeds)
    lines = Lines(target.sources)
    report = Report(target.kind)
    for number in range(count):
        # What has been mutated often is seldom sound.
        origins = target.seeds if chance.random() < 0.5 else corpus
        content = target.mutate(chance.choice(origins), chance)
        before(number, content)
        report.tried += 1
        if chance.random() >= FOLLOWED:
            _try(target, content, report)
            continue
        known = len(lines.seen)
        with lines:
            _try(target, content, report, timed=False)
        is_new = len(lines.seen) > known and len(content) < LONGEST_KEPT
        if is_new and len(corpus) < LARGEST_CORPUS:
            corpus.append(content)
            report.kept += 1
    return report


def _try(
    target: Target, content: bytes, report: Report, timed: bool = True
) -> None:
    begin = time.process_time()
    try:
        target.read(content)
        report.accepted += 1
    except FeatsrError as error:
        report.refused += 1
        if len(str(error).splitlines()) != 1:
            report.failures.append((f"not one line: {error!r}", content))
    except Exception as error:
        report.failures.append((f"{type(error).__name__}: {error}", content))
    seconds = time.process_time() - begin
    if timed and seconds > max(target.seconds, report.slowest):
        # Something else may have taken the time.
        seconds = min(seconds, _seconds(target, content))
        if seconds > target.seconds:
            report.failures.append((f"took {seconds:.2f} s", content))
    if timed:
        report.slowest = max(report.slowest, seconds)


def _seconds(target: Target, content: bytes) -> float:
    """The least processor time of three more tries."""
    times = []
    for _ in range(3):
        begin = time.process_time()
        try:
            target.read(content)
        except Exception:  # noqa: BLE001, S110
            pass
        times.append(time.process_time() - begin)
    return min(times)
