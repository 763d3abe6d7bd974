"""Timing of calls that take turns, so that all see the same machine."""

import statistics
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

# Threads of a library that has just finished still wait for work for a moment.
PAUSE = 0.05


def take_turns(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 1,
    pause: float = 0.0,
) -> dict[str, list[float]]:
    """Calls everything once in every round and notes how long it took.

    Args:
        calls: what is timed, by name.
        rounds: timed rounds.
        warm_up: rounds before them, in which graphs are made. Default 1.
        pause: seconds before each call, such as `PAUSE` where the calls are
            of different libraries. Default 0.0.

    Returns:
        Seconds of the timed rounds by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(warm_up + rounds):
        for name, call in calls.items():
            time.sleep(pause)
            begin = time.perf_counter()
            call()
            if number >= warm_up:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratios(
    seconds: Sequence[float], others: Sequence[float]
) -> tuple[float, float, float]:
    """Compares the times of two calls, round by round.

    Args:
        seconds: of one call.
        others: of the other, in the same order.

    Returns:
        Ratio of the medians, and the least and the most of the rounds' ratios.
    """
    ratio = statistics.median(seconds) / statistics.median(others)
    by_round = [a / b for a, b in zip(seconds, others, strict=True)]
    return ratio, min(by_round), max(by_round)


def table(
    seconds: Mapping[str, Sequence[float]], reference: str
) -> Iterator[str]:
    """Writes one line of each call.

    Args:
        seconds: from `take_turns`.
        reference: name of the call that the others are compared with.

    Yields:
        The lines.
    """
    width = max(map(len, seconds))
    for name, own in seconds.items():
        ratio, least, most = ratios(own, seconds[reference])
        yield (
            f"{name:{width}}  median {1000 * statistics.median(own):8.1f} ms, "
            f"least {1000 * min(own):8.1f} ms, {ratio:.2f} x {reference} "
            f"({least:.2f} to {most:.2f})"
        )
