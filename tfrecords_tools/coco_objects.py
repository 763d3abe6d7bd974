"""The members of `annotations` in files of the COCO layout."""

import math
from typing import Any

import numpy as np

from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Box
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import check_kind
from tfrecords_tools.annotations import finite
from tfrecords_tools.annotations import read_flag
from tfrecords_tools.annotations import shown
from tfrecords_tools.annotations import upright_hull
from tfrecords_tools.annotations import whole_number

# As `featsr_tf.evaluate` reads them.
_DIFFICULT = ("difficult", "ignore")
_NO_BOX = (math.nan,) * 4


def lacks_box(annotation: dict) -> bool:
    """Whether the outline of an object is needed."""
    box = annotation.get("bbox")
    return "image_id" in annotation and not (isinstance(box, list) and any(box))


def read_object(
    annotation: dict, names: dict[int, str], where: str
) -> AnnotatedObject:
    """Reads a member of `annotations`.

    Args:
        names: of the categories by their ids.

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
    flags = {**(attributes if isinstance(attributes, dict) else {})}
    flags |= annotation
    is_difficult, unclear = False, ()
    for key in _DIFFICULT:
        is_set, outcomes = read_flag(flags.get(key))
        is_difficult, unclear = is_difficult or is_set, unclear + outcomes
    box, outcomes = _read_box(annotation, where)
    if rotation := _read_rotation(flags.get("rotation"), where):
        box = upright_hull(box, rotation)
        outcomes += (Outcome.BOX_ROTATED,)
    return AnnotatedObject(
        box=box,
        # One that is not listed is a class that the label map has not.
        name=names.get(category, f"category_id {category}"),
        where=where,
        difficult=is_difficult,
        crowd=crowd in (1, "1"),
        area=None if area is None else finite(area, f"{where}: 'area'"),
        outcomes=outcomes + unclear,
    )


def _read_rotation(value: Any, where: str) -> float:
    """Degrees, of which whole turns do nothing."""
    degrees = finite(value, f"{where}: 'rotation'") if value else 0.0
    return degrees % 360


def _read_box(annotation: dict, where: str) -> tuple[Box, tuple[Outcome, ...]]:
    """The box, else that of the outline, else one without area."""
    if lacks_box(annotation):
        outline = outline_box(annotation.get("segmentation"), where)
        if outline is not None:
            return outline, (Outcome.BOX_OF_OUTLINE,)
    bbox = annotation.get("bbox") or []
    if not bbox:
        return _NO_BOX, ()
    if len(check_kind(bbox, list, f"{where}: 'bbox'")) != 4:
        raise DataError(
            f"{where}: 'bbox': expected x, y, width and height, found"
            f" {shown(bbox)}"
        )
    x, y, width, height = (_number(value, f"{where}: 'bbox'") for value in bbox)
    return (y, x, y + height, x + width), ()


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
