"""The members of `annotations` in files of the COCO layout.

Converters and evaluation read them here, so that both mean the same objects.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from featsr_tf.data.annotation_values import Box
from featsr_tf.data.annotation_values import check_kind
from featsr_tf.data.annotation_values import finite
from featsr_tf.data.annotation_values import flag
from featsr_tf.data.annotation_values import shown
from featsr_tf.data.annotation_values import upright_hull
from featsr_tf.data.annotation_values import whole_number
from featsr_tf.errors import DataError

# The second is that of files made from PASCAL VOC.
_DIFFICULT = ("difficult", "ignore")
_NO_BOX = (math.nan,) * 4


@dataclasses.dataclass(frozen=True)
class CocoObject:
    """A member of `annotations`.

    Args:
        box: continuous; NaN where there is none, and inverted where the file
            has it so.
        category: its id.
        difficult: also where only an attribute says so, as CVAT writes it.
        area: of the outline in px^2; None where the file has none.
        is_of_outline: whether the box is that of the outline, for lack of one.
        is_turned: whether the box is the hull of a rotated one.
        unclear_flags: how many flags were neither 0 nor 1.
    """

    box: Box
    category: int
    difficult: bool
    crowd: bool
    area: float | None
    is_of_outline: bool
    is_turned: bool
    unclear_flags: int


def lacks_box(annotation: dict) -> bool:
    """Whether the outline of an object is needed."""
    box = annotation.get("bbox")
    return "image_id" in annotation and not (isinstance(box, list) and any(box))


def read_object(annotation: dict, where: str) -> CocoObject:
    """Reads a member of `annotations`.

    Raises:
        DataError: it cannot be understood.
    """
    if "category_id" not in annotation:
        raise DataError(f"{where}: has no 'category_id'")
    category = whole_number(
        annotation["category_id"], f"{where}: 'category_id'"
    )
    crowd = annotation.get("iscrowd") or 0
    if crowd not in (0, 1, "0", "1"):
        raise DataError(f"{where}: 'iscrowd': expected 0 or 1, found {crowd!r}")
    area = annotation.get("area")
    attributes = annotation.get("attributes")
    values = {**(attributes if isinstance(attributes, dict) else {})}
    values |= annotation
    flags = [flag(values.get(key)) for key in _DIFFICULT]
    box, is_of_outline = _read_box(annotation, where)
    rotation = _read_rotation(values.get("rotation"), where)
    return CocoObject(
        box=upright_hull(box, rotation) if rotation else box,
        category=category,
        difficult=any(is_set for is_set, _ in flags),
        crowd=crowd in (1, "1"),
        area=None if area is None else finite(area, f"{where}: 'area'"),
        is_of_outline=is_of_outline,
        is_turned=rotation != 0,
        unclear_flags=sum(not is_clear for _, is_clear in flags),
    )


def _read_rotation(value: Any, where: str) -> float:
    """Degrees, of which whole turns do nothing."""
    degrees = finite(value, f"{where}: 'rotation'") if value else 0.0
    return degrees % 360


def _read_box(annotation: dict, where: str) -> tuple[Box, bool]:
    """The box, else that of the outline (True), else one without area."""
    if lacks_box(annotation):
        outline = outline_box(annotation.get("segmentation"), where)
        if outline is not None:
            return outline, True
    bbox = annotation.get("bbox") or []
    if not bbox:
        return _NO_BOX, False
    if len(check_kind(bbox, list, f"{where}: 'bbox'")) != 4:
        raise DataError(
            f"{where}: 'bbox': expected x, y, width and height, found"
            f" {shown(bbox)}"
        )
    x, y, width, height = (_number(value, f"{where}: 'bbox'") for value in bbox)
    return (y, x, y + height, x + width), False


def _number(value: Any, where: str) -> float:
    """A number, which may be written as text."""
    if isinstance(value, str):
        return finite(value, where)
    return check_kind(value, float, where)


def outline_box(segmentation: Any, where: str) -> Box | None:
    """The box around polygons or a mask of runs; None where there are none.

    Raises:
        DataError: it is neither.
    """
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        return _mask_box(segmentation, where)
    try:
        points = np.concatenate(
            [np.array(part, float).reshape(-1, 2) for part in segmentation]
        )
    except (TypeError, ValueError):
        raise DataError(
            f"{where}: 'segmentation': expected polygons of x and y, found"
            f" {shown(segmentation)}"
        ) from None
    if not len(points):
        return None
    (xmin, ymin), (xmax, ymax) = points.min(axis=0), points.max(axis=0)
    return float(ymin), float(xmin), float(ymax), float(xmax)


def _mask_box(mask: dict, where: str) -> Box:
    from pycocotools import mask as masks

    try:
        if isinstance(mask["counts"], list):
            mask = masks.frPyObjects(mask, *mask["size"])
        x, y, width, height = masks.toBbox(mask).tolist()
    # The library raises whatever it comes upon.
    except Exception:
        raise DataError(
            f"{where}: 'segmentation': expected runs of a mask, found"
            f" {shown(mask)}"
        ) from None
    return y, x, y + height, x + width
