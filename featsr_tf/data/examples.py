"""One TF Example: is it complete and are its boxes sound?"""

import dataclasses
import io
from collections.abc import Mapping

import numpy as np
import PIL.Image

from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from featsr_tf.errors import printable

# Rounding in other people's converters puts borders this far outside.
BORDER_TOLERANCE = 1e-3
# The last marker of a JPEG and of a PNG, and how many bytes may follow it.
_ENDS = (b"\xff\xd9", b"IEND")
_TAIL = 1024
_BOX_KEYS = (Example.YMIN, Example.XMIN, Example.YMAX, Example.XMAX)


@dataclasses.dataclass(frozen=True)
class ExampleContent:
    """What a scan needs to know of an example.

    Args:
        height: of the image in px.
        width: of the image in px.
        normalized_boxes: `[num_boxes, 4]`, ymin, xmin, ymax, xmax in 0..1.
        labels: `[num_boxes]`, class ids.
    """

    height: int
    width: int
    normalized_boxes: np.ndarray
    labels: np.ndarray

    @property
    def object_sizes(self) -> np.ndarray:
        """`[num_boxes, 2]` float32, heights and widths in px, to 1/100 px.

        Rounded, so that an object of 32 x 32 px has an area of 1024 px^2
        exactly although its normalised corners are float32.
        """
        corners = self.normalized_boxes.astype(np.float64)
        sides = (corners[:, 2:] - corners[:, :2]) * (self.height, self.width)
        return sides.round(2).astype(np.float32)


def read_example(
    serialized: bytes, label_map: LabelMap | None, decode: bool = False
) -> ExampleContent:
    """Parses and checks one serialized TF Example.

    Args:
        serialized: the bytes of the record.
        label_map: the classes that labels must belong to; None allows all
            from 1.
        decode: whether to decode the whole image; else its header and its
            end are looked at, which shows most truncated files.

    Returns:
        The content of the example.

    Raises:
        DataError: what is wrong; the caller adds the file and the record.
    """
    return check_features(parse_example(serialized), label_map, decode)


def check_features(
    features: Mapping, label_map: LabelMap | None, decode: bool = False
) -> ExampleContent:
    """Checks the features of an example.

    Args:
        features: as from `parse_example`.
        label_map: as for `read_example`.
        decode: as for `read_example`.

    Returns:
        The content of the example.

    Raises:
        DataError: what is wrong; the caller adds the file and the record.
    """
    name = feature_texts(features, Example.FILENAME) or feature_texts(
        features, Example.SOURCE_ID
    )
    try:
        height, width = _read_image_size(features, decode)
        boxes = _read_boxes(features)
        labels = _read_labels(features, len(boxes), label_map)
    except DataError as error:
        prefix = f"{printable(name[0])}: " if name else ""
        raise DataError(f"{prefix}{error}") from None
    return ExampleContent(height, width, boxes, labels)


def parse_example(serialized: bytes) -> Mapping:
    """Parses one serialized TF Example.

    Args:
        serialized: the bytes of the record.

    Returns:
        Its features by key.

    Raises:
        DataError: the bytes are no TF Example.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        return tf.train.Example.FromString(serialized).features.feature
    except DecodeError:
        raise DataError("not a TF Example") from None


def feature_values(features: Mapping, key: str) -> list:
    """The values under a key; empty when it is absent."""
    if key not in features:
        return []
    kind = features[key].WhichOneof("kind")
    return list(getattr(features[key], kind).value) if kind else []


def feature_texts(features: Mapping, key: str) -> list[str]:
    """The values under a key as text, "?" for numbers."""
    return [
        value.decode(errors="replace") if isinstance(value, bytes) else "?"
        for value in feature_values(features, key)
    ]


def check_image(encoded: bytes, decode: bool = True) -> tuple[int, int]:
    """Checks encoded image bytes.

    Args:
        encoded: bytes of a JPEG or PNG file.
        decode: whether to decode all of it rather than its header, unless
            its end is missing.

    Returns:
        Height and width in px, as stored (no EXIF rotation).

    Raises:
        DataError: neither JPEG nor PNG, damaged, or too large.
    """
    try:
        with PIL.Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG")) as im:
            # A file without its end is decoded to see what is missing.
            if decode or not any(end in encoded[-_TAIL:] for end in _ENDS):
                im.load()
            return im.height, im.width
    except PIL.UnidentifiedImageError:
        raise DataError(
            "the image is neither a JPEG nor a PNG, or damaged from its"
            f" beginning ({len(encoded)} bytes)"
        ) from None
    except PIL.Image.DecompressionBombError as error:
        raise DataError(f"the image is too large: {error}") from None
    except MemoryError:
        raise DataError("the image is too large for the memory") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"the image is damaged: {error}") from None


def _numbers(features: Mapping, key: str) -> list:
    values = feature_values(features, key)
    if values and isinstance(values[0], bytes):
        raise DataError(f"{key} holds text; expected numbers")
    return values


def _read_image_size(features: Mapping, decode: bool) -> tuple[int, int]:
    encoded = feature_values(features, Example.ENCODED)
    if not encoded or not isinstance(encoded[0], bytes):
        raise DataError(f"has no {Example.ENCODED}")
    size = check_image(encoded[0], decode)
    for key, pixels in zip((Example.HEIGHT, Example.WIDTH), size, strict=True):
        declared = _numbers(features, key)
        if declared and declared[0] != pixels:
            raise DataError(
                f"{key} is {declared[0]} but the encoded image has {pixels} px"
            )
    return size


def _read_boxes(features: Mapping) -> np.ndarray:
    columns = [_numbers(features, key) for key in _BOX_KEYS]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise DataError(
            "the bbox lists ymin, xmin, ymax, xmax differ in length:"
            f" {', '.join(map(str, lengths))}"
        )
    boxes = np.array(columns, np.float32).T.reshape(-1, 4)
    for number, box in enumerate(boxes, start=1):
        _check_box(box, f"box {number} of {len(boxes)}")
    return boxes


def _check_box(box: np.ndarray, where: str) -> None:
    corners = ", ".join(f"{value:.6g}" for value in box)
    values = f"{where} (ymin, xmin, ymax, xmax = {corners})"
    if not np.isfinite(box).all():
        raise DataError(f"{values} is not finite")
    if box.min() < -BORDER_TOLERANCE or box.max() > 1 + BORDER_TOLERANCE:
        raise DataError(
            f"{values} is outside the image; coordinates are fractions of its"
            " height and width, 0 to 1"
        )
    if box[0] >= box[2] or box[1] >= box[3]:
        raise DataError(f"{values} is degenerate; expected min < max")


def _read_labels(
    features: Mapping, num_boxes: int, label_map: LabelMap | None
) -> np.ndarray:
    labels = _numbers(features, Example.LABEL)
    texts = feature_texts(features, Example.TEXT)
    if len(labels) != num_boxes:
        raise DataError(
            f"has {num_boxes} boxes but {len(labels)} values of {Example.LABEL}"
        )
    if texts and len(texts) != num_boxes:
        raise DataError(
            f"has {num_boxes} boxes but {len(texts)} values of {Example.TEXT}"
        )
    if label_map is None:
        return _read_unnamed_labels(labels)
    for number, label in enumerate(labels, start=1):
        if label not in label_map.names:
            raise DataError(
                f"box {number} has the label {label}, which is not in"
                f" {label_map.path} (ids 1 to {label_map.num_classes})"
            )
    for label, text in zip(labels, texts, strict=False):
        if text and not label_map.knows(label, text):
            raise DataError(
                f"the label {label} is called '{printable(text)}' in the"
                f" record but '{label_map.names[label]}' in {label_map.path}"
            )
    return np.array(labels, np.int64)


def _read_unnamed_labels(labels: list) -> np.ndarray:
    for number, label in enumerate(labels, start=1):
        if not isinstance(label, int) or label < 1:
            raise DataError(
                f"box {number} has the label {label}; expected 1 or more, 0 is"
                " the background"
            )
    return np.array(labels, np.int64)
