"""One image with its annotated objects -> one TF Example."""

import dataclasses
import difflib
import math
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from featsr_tf.data.annotation_values import Box
from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import is_shipped
from tfrecords_tools.images import EncodedImage

if TYPE_CHECKING:
    import tensorflow as tf

# Corners that move by less were outside by rounding only.
_ROUNDING = 0.01


def labels_by_name(label_map: LabelMap) -> dict[str, int]:
    """Class ids by name; by `name` and `display_name` where both are there."""
    identifiers = {name: id_ for id_, name in label_map.identifiers.items()}
    return identifiers | {name: id_ for id_, name in label_map.names.items()}


def prepare_objects(
    objects: Sequence[AnnotatedObject],
    height: int,
    width: int,
    label_map: LabelMap,
    skip_other_classes: bool = False,
) -> tuple[list[AnnotatedObject], list[Outcome]]:
    """Clips boxes and leaves out objects that no record can hold.

    Args:
        height: of the image in px.
        width: of the image in px.
        skip_other_classes: whether objects of classes that are not in the
            label map are left out. Default False: they are an error.

    Raises:
        DataError: names an object whose class is not in the label map.
    """
    labels = labels_by_name(label_map)
    kept, outcomes = [], []
    for item in objects:
        if item.name not in labels:
            if not skip_other_classes:
                raise _unknown_class(item, label_map)
            outcomes.append(Outcome.OTHER_CLASS)
            continue
        outcomes.extend(item.outcomes)
        box, outcome = clip_box(item.box, height, width)
        if outcome:
            outcomes.append(outcome)
        if box:
            kept.append(dataclasses.replace(item, box=box))
    return kept, outcomes


def clip_box(
    box: Box, height: int, width: int
) -> tuple[Box | None, Outcome | None]:
    """Clips a box to its image.

    Args:
        box: px, ymin, xmin, ymax, xmax, continuous.
        height: of the image in px.
        width: of the image in px.

    Returns:
        The part inside, None where there is none; and what was done, None
        where nothing was.
    """
    if not all(map(math.isfinite, box)) or _is_empty(box, height, width):
        return None, Outcome.BOX_WITHOUT_AREA
    if is_of_fractions(box) and min(height, width) > 1:
        return None, Outcome.BOX_OF_FRACTIONS
    bounds = (height, width, height, width)
    clipped = tuple(
        min(max(float(corner), 0.0), float(bound))
        for corner, bound in zip(box, bounds, strict=True)
    )
    if _is_empty(clipped, height, width):
        return None, Outcome.BOX_OUTSIDE
    moves = (abs(a - b) for a, b in zip(box, clipped, strict=True))
    outcome = Outcome.BOX_CLIPPED if max(moves) > _ROUNDING else None
    return clipped, outcome


def is_of_fractions(box: Box) -> bool:
    """Whether a box lies in the first pixel, as fractions of an image do."""
    is_whole = all(float(corner).is_integer() for corner in box)
    return min(box) >= 0 and max(box) <= 1 and not is_whole


def normalize(boxes: Sequence[Box], height: int, width: int) -> np.ndarray:
    """Boxes in px -> `[num_boxes, 4]` float32 fractions of height and width."""
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    return (corners / (height, width, height, width)).astype(np.float32)


def _is_empty(box: Box, height: int, width: int) -> bool:
    """Whether a box has no area in the precision of records."""
    ymin, xmin, ymax, xmax = normalize([box], height, width)[0]
    return bool(ymin >= ymax or xmin >= xmax)


def _unknown_class(item: AnnotatedObject, label_map: LabelMap) -> DataError:
    names = labels_by_name(label_map)
    close = difflib.get_close_matches(item.name, names, 1, cutoff=0)
    advice = "add it there"
    if is_shipped(label_map.path):
        advice = (
            "give --label_map_path FILE, or call `featsr convert FOLDER`,"
            " which takes the classes of the data"
        )
    return DataError(
        f"{item.where}: the class '{item.name}' is not in {label_map.path}"
        f" (nearest: '{close[0]}'); {advice}, or leave such objects out with"
        " --skip_other_classes"
    )


def make_example(
    image: AnnotatedImage,
    objects: Sequence[AnnotatedObject],
    encoded: EncodedImage,
    label_map: LabelMap,
) -> "tf.train.Example":
    """Builds the TF Example of one image.

    Args:
        objects: its objects, with boxes inside the encoded image and classes
            of the label map.
    """
    import tensorflow as tf

    tfrecord_lib = _record_library()
    features = tfrecord_lib.image_info_to_feature_dict(
        encoded.height,
        encoded.width,
        image.filename,
        image.source_id,
        encoded.data,
        encoded.format,
    )
    lists = _object_lists(objects, encoded, label_map)
    for kind, columns in lists.items():
        for key, values in columns.items():
            features[key] = tfrecord_lib.convert_to_feature(values, kind)
    return tf.train.Example(features=tf.train.Features(feature=features))


def _record_library() -> ModuleType:
    """The helpers of TensorFlow's models; they are not on every system."""
    try:
        from official.vision.data import tfrecord_lib
    except ImportError:
        from tfrecords_tools import tfrecord_lib
    return tfrecord_lib


def _object_lists(
    objects: Sequence[AnnotatedObject],
    encoded: EncodedImage,
    label_map: LabelMap,
) -> dict[str, dict[str, list]]:
    """The values of each key, one per object, by the kind of feature."""
    known = labels_by_name(label_map)
    labels = [known[item.name] for item in objects]
    boxes = normalize(
        [item.box for item in objects], encoded.height, encoded.width
    )
    sides = (Example.YMIN, Example.XMIN, Example.YMAX, Example.XMAX)
    floats = {
        key: column.tolist() for key, column in zip(sides, boxes.T, strict=True)
    }
    if any(item.area is not None for item in objects):
        floats[Example.AREA] = [_area(item) for item in objects]
    integers = {
        Example.LABEL: labels,
        Example.DIFFICULT: [int(item.difficult) for item in objects],
        Example.TRUNCATED: [int(item.truncated) for item in objects],
        Example.IS_CROWD: [int(item.crowd) for item in objects],
    }
    texts = [label_map.names[label].encode() for label in labels]
    return {
        "float_list": floats,
        "int64_list": integers,
        "bytes_list": {Example.TEXT: texts},
    }


def _area(item: AnnotatedObject) -> float:
    """Area of the segment, or of the box where there is no segment."""
    if item.area is not None:
        return item.area
    ymin, xmin, ymax, xmax = item.box
    return (ymax - ymin) * (xmax - xmin)
