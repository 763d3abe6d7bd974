"""Memory of this process, as Linux knows it."""

import re
import statistics
from collections.abc import Sequence
from pathlib import Path


def resident_megabytes() -> float:
    """Tells how much memory the process has now."""
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes) / 1024


def drift(memory: Sequence[float]) -> float:
    """Growth of what was measured, from the first tenth to the last one."""
    tenth = max(len(memory) // 10, 1)
    before = statistics.median(memory[:tenth])
    return statistics.median(memory[-tenth:]) / before - 1
