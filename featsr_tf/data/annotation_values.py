"""Values of annotations as other tools write them: numbers, flags, boxes."""

import math
import re
from typing import Any

from featsr_tf.errors import DataError

# In px: ymin, xmin, ymax, xmax.
Box = tuple[float, float, float, float]

KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
}
_SHOWN = 60
# Control characters, and halves of characters that no file can be named by.
UNUSABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def shown(value: Any) -> str:
    """A value as messages show it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def check_kind(value: Any, kind: type, where: str) -> Any:
    """Checks what a value of a JSON file is.

    Raises:
        DataError: it is of another kind.
    """
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or isinstance(value, bool):
        raise DataError(
            f"{where}: expected {KINDS[kind]}, found {shown(value)}"
        )
    if kind is str and UNUSABLE.search(str(value)):
        raise DataError(f"{where}: expected text, found {shown(value)}")
    return finite(value, where) if kind is float else value


def finite(value: Any, where: str) -> float:
    """Reads a finite number from a number or its text.

    Raises:
        DataError: not a number, NaN or infinite.
    """
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    # Python takes "1_12" for 112.
    if isinstance(value, str) and "_" in value:
        result = math.nan
    if not math.isfinite(result):
        raise DataError(
            f"{where}: expected a finite number, found {shown(value)}"
        )
    return result


def whole_number(value: Any, where: str) -> int:
    """Reads a whole number, also from "640" and 640.0.

    Raises:
        DataError: it is something else.
    """
    try:
        number = finite(value, where)
    except DataError:
        number = math.nan
    if isinstance(value, bool) or not number.is_integer():
        raise DataError(
            f"{where}: expected a whole number, found {shown(value)}"
        )
    # Not every large number has a float of its own.
    return value if isinstance(value, int) else int(number)


_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False}
_FLAGS |= {"no": False, "": False, "none": False}


def flag(value: Any) -> tuple[bool, bool]:
    """Reads a flag as other tools write it: 1, "yes", "Unspecified", 0.35.

    Returns:
        Whether it is set, which what cannot be understood is not; and whether
        it was clear, thus 0 or 1.
    """
    text = str(value).strip().lower()
    if text in _FLAGS:
        return _FLAGS[text], True
    try:
        number = finite(text, "flag")
    except DataError:
        return False, False
    return number >= 0.5, number in (0, 1)


def upright_hull(box: Box, degrees: float) -> Box:
    """The smallest upright box around one that is turned about its centre."""
    ymin, xmin, ymax, xmax = box
    sine = abs(math.sin(math.radians(degrees)))
    cosine = abs(math.cos(math.radians(degrees)))
    height, width = ymax - ymin, xmax - xmin
    half_height = (height * cosine + width * sine) / 2
    half_width = (width * cosine + height * sine) / 2
    y, x = (ymin + ymax) / 2, (xmin + xmax) / 2
    corners = (y - half_height, x - half_width, y + half_height, x + half_width)
    # A quarter turn leaves whole pixels whole.
    top, left, bottom, right = (round(corner, 6) for corner in corners)
    return top, left, bottom, right
