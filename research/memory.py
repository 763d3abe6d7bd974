"""Memory of this process, as Linux knows it."""

import re
from pathlib import Path

_STATUS = Path("/proc/self/status")
_FORGET_PEAK = "5"


def resident_megabytes() -> float:
    """Tells how much memory the process has now."""
    return _read("VmRSS")


def peak_megabytes() -> float:
    """Tells how much memory it had at most, since `forget_peak`."""
    return _read("VmHWM")


def forget_peak() -> None:
    """Lets the peak begin with the memory that the process has now."""
    Path("/proc/self/clear_refs").write_text(_FORGET_PEAK)


def _read(field: str) -> float:
    (kilobytes,) = re.findall(rf"{field}:\s+(\d+) kB", _STATUS.read_text())
    return int(kilobytes) / 1024
