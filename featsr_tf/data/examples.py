"""TF Examples: which features they have, and the check of one or all of them.

What the checks call sound, decoding accepts: `FEATURES` declares once what
both read.
"""

import concurrent.futures
import dataclasses
import functools
import io
import itertools
import os
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import PIL.Image

from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.pictures import TOO_LARGE
from featsr_tf.data.tfrecord_files import RawRecord
from featsr_tf.data.tfrecord_files import walk_records
from featsr_tf.errors import DataError
from featsr_tf.errors import printable

# The lists of `tf.train.Feature`, and what to call the values in them.
_BYTES, _FLOATS, _INTEGERS = "bytes_list", "float_list", "int64_list"
_WORDS = {_BYTES: "text or bytes", _FLOATS: "decimals", _INTEGERS: "integers"}


@dataclasses.dataclass(frozen=True)
class Feature:
    """What decoding demands of a feature.

    Args:
        is_single: one value per example, rather than one per object.
        is_required: whether each example must have it.
    """

    kind: str
    is_single: bool = False
    is_required: bool = False


BOX_KEYS = (Example.YMIN, Example.XMIN, Example.YMAX, Example.XMAX)
# Each of them makes an object neither truth nor background in training.
FLAG_KEYS = (Example.DIFFICULT, Example.IS_CROWD, Example.GROUP_OF)
# All that is decoded, and the names of classes, which labels are compared with
# as the image is with its size.
FEATURES: Mapping[str, Feature] = {
    Example.ENCODED: Feature(_BYTES, is_single=True, is_required=True),
    Example.SOURCE_ID: Feature(_BYTES, is_single=True),
    Example.LABEL: Feature(_INTEGERS),
    Example.TEXT: Feature(_BYTES),
    Example.AREA: Feature(_FLOATS),
    **{key: Feature(_FLOATS) for key in BOX_KEYS},
    **{key: Feature(_INTEGERS) for key in FLAG_KEYS},
}

# Rounding in other people's converters puts borders this far outside.
BORDER_TOLERANCE = 1e-3
# Boxes within the size of an image around it were probably never clipped.
_NEAR = 1.0
_CONVERTED = "; `featsr convert FOLDER` writes such records anew"
# The last marker of a JPEG and of a PNG, and how many bytes may follow it.
_ENDS = (b"\xff\xd9", b"IEND")
_TAIL = 1024


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
    """Parses and checks one serialized TF Example: the one judge of records.

    Args:
        serialized: the bytes of the record.
        label_map: the classes that labels must belong to; None allows all
            from 1.
        decode: whether to decode all as training does; else of the image
            only its header and its end are looked at, which shows most
            truncated files.

    Raises:
        DataError: what is wrong; the caller adds the file and the record.
    """
    features = parse_example(serialized)
    name = feature_texts(features, Example.FILENAME) or feature_texts(
        features, Example.SOURCE_ID
    )
    try:
        _check_kinds(features)
        height, width = _read_image_size(features, decode)
        boxes = _read_boxes(features)
        labels = _read_labels(features, len(boxes), label_map)
        _check_areas(features)
        if decode:
            _check_decoding(serialized)
    except DataError as error:
        prefix = f"{printable(name[0])}: " if name else ""
        raise DataError(f"{prefix}{error}") from None
    return ExampleContent(height, width, boxes, labels)


def parse_example(serialized: bytes) -> Mapping:
    """Parses one serialized TF Example into its features by key.

    Raises:
        DataError: the bytes are no TF Example.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from google.protobuf.unknown_fields import UnknownFieldSet

    try:
        example = tf.train.Example.FromString(serialized)
    except DecodeError:
        raise DataError("not a TF Example") from None
    # The context of a SequenceExample reads as an Example without its lists.
    if len(UnknownFieldSet(example)):
        raise DataError(
            "not a TF Example: it has fields that these lack, perhaps a "
            "SequenceExample, which the API does not read either"
        )
    return example.features.feature


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
        decode: whether to decode all of it, not its header alone. Where its
            end is missing, it is decoded anyway.

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
    except PIL.Image.DecompressionBombError:
        raise DataError(TOO_LARGE) from None
    except MemoryError:
        raise DataError("the image is too large for the memory") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"the image is damaged: {error}") from None


def _check_kinds(features: Mapping) -> None:
    """Refuses what TensorFlow's parser would refuse when records are read."""
    for key, expected in FEATURES.items():
        kind = features[key].WhichOneof("kind") if key in features else None
        if kind is None:
            if expected.is_required:
                raise DataError(f"has no {key}")
            continue
        if kind != expected.kind:
            raise DataError(
                f"{key} holds {_WORDS[kind]} ({kind}); expected"
                f" {_WORDS[expected.kind]} ({expected.kind})"
            )
        count = len(getattr(features[key], kind).value)
        if expected.is_single and count != 1:
            raise DataError(f"{key} holds {count} values; expected one")


def _check_decoding(serialized: bytes) -> None:
    """Decodes as training does: Pillow forgives what TensorFlow does not."""
    import tensorflow as tf

    from featsr_tf.data.decode import decode_details
    from featsr_tf.data.decode import decode_example
    from featsr_tf.data.decode import explain_error

    try:
        decode_example(tf.constant(serialized))
        decode_details(tf.constant(serialized))
    except tf.errors.OpError as error:
        raise DataError(explain_error(error)) from None


def _read_image_size(features: Mapping, decode: bool) -> tuple[int, int]:
    (encoded,) = feature_values(features, Example.ENCODED)
    size = check_image(encoded, decode)
    for key, pixels in zip((Example.HEIGHT, Example.WIDTH), size, strict=True):
        declared = feature_values(features, key)
        if declared and declared[0] != pixels:
            raise DataError(
                f"{key} is {declared[0]} but the encoded image has {pixels} px"
            )
    return size


def _read_boxes(features: Mapping) -> np.ndarray:
    columns = [feature_values(features, key) for key in BOX_KEYS]
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
        is_near = box.min() >= -_NEAR and box.max() <= 1 + _NEAR
        raise DataError(
            f"{values} is outside the image; coordinates are fractions of its"
            f" height and width, 0 to 1{_CONVERTED if is_near else ''}"
        )
    if box[0] >= box[2] or box[1] >= box[3]:
        raise DataError(
            f"{values} is degenerate; expected min < max{_CONVERTED}"
        )


def _check_areas(features: Mapping) -> None:
    areas = feature_values(features, Example.AREA)
    if not np.isfinite(areas).all():
        raise DataError(f"{Example.AREA} holds {areas}; expected finite px^2")


def _read_labels(
    features: Mapping, num_boxes: int, label_map: LabelMap | None
) -> np.ndarray:
    labels = feature_values(features, Example.LABEL)
    texts = feature_texts(features, Example.TEXT)
    if len(labels) != num_boxes:
        # The API looks names up in the label map where there are no labels.
        is_named = not labels and len(texts) == num_boxes
        raise DataError(
            f"has {num_boxes} boxes but {len(labels)} values of {Example.LABEL}"
            f"{_CONVERTED if is_named else ''}"
        )
    if texts and len(texts) != num_boxes:
        raise DataError(
            f"has {num_boxes} boxes but {len(texts)} values of {Example.TEXT}"
        )
    for number, label in enumerate(labels, start=1):
        if label_map is None and label < 1:
            raise DataError(
                f"box {number} has the label {label}; expected 1 or more, 0 is"
                " the background"
            )
        if label_map is not None and label not in label_map.names:
            raise DataError(
                f"box {number} has the label {label}, which is not in"
                f" {label_map.path} (ids 1 to {label_map.num_classes})"
            )
    for label, text in zip(labels, texts, strict=False):
        if label_map and text and not label_map.knows(label, text):
            raise DataError(
                f"the label {label} is called '{printable(text)}' in the"
                f" record but '{label_map.names[label]}' in {label_map.path}"
            )
    return np.array(labels, np.int64)


# Records in memory at one time; threads decode their images.
_RECORDS_AT_ONCE = 32


class CorruptRecordScan:
    """Reads all examples of files and sorts the bad ones out.

    Whatever training could stumble over is found beforehand, so that a run
    sees the same examples in each epoch and can be continued bit by bit.

    Attributes:
        contents: of the good examples.
        offsets: see `RecordFiles.offsets`.
        num_bad: how many examples were left out.
    """

    def __init__(
        self,
        label_map: LabelMap | None,
        maximum: int,
        expected: Mapping[str, int],
    ):
        self.contents: list[ExampleContent] = []
        self.offsets: dict[str, dict[int, int]] = {}
        self.num_bad = 0
        self._check = functools.partial(_check_record, label_map)
        self._maximum = maximum
        self._expected = expected

    def read(self, path: str, progress: Callable[[int], object]) -> None:
        """Reads a file; `progress` gets the size of each record in bytes.

        Raises:
            DataError: the file holds no good example or more records than
                expected, or there are more bad ones than allowed.
        """
        offsets = {}
        bad_before = self.num_bad
        records = walk_records(path)
        number = -1
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            while batch := list(itertools.islice(records, _RECORDS_AT_ONCE)):
                found = pool.map(self._check, batch)
                for record, outcome in zip(batch, found, strict=True):
                    number = record.number
                    progress(record.size)
                    if isinstance(outcome, DataError):
                        self._leave_out(f"{path}: record {number}: {outcome}")
                    else:
                        offsets[number] = record.offset
                        self.contents.append(outcome)
        expected = self._expected.get(path, number + 1)
        if number + 1 > expected:
            raise DataError(
                f"{path}: record {expected} is one too many: the manifest says"
                f" {expected} records, the file holds {number + 1}; write or"
                " copy the file again"
            )
        # One stretch of damage may have swallowed several records.
        for lost in range(number + 1, expected):
            self._leave_out(f"{path}: record {lost}: is missing")
        if not offsets:
            raise DataError(f"{path}: not one sound record in it")
        if self.num_bad > bad_before:
            self.offsets[path] = offsets

    def _leave_out(self, line: str) -> None:
        self.num_bad += 1
        if self.num_bad > self._maximum:
            raise DataError(
                f"{line}; this is bad example {self.num_bad}, and"
                f" max_bad_examples allows {self._maximum}"
            )
        warnings.warn(
            f"{line}; left out (bad example {self.num_bad} of at most"
            f" {self._maximum})",
            stacklevel=2,
        )


def _check_record(
    label_map: LabelMap | None, record: RawRecord
) -> ExampleContent | DataError:
    if record.damage:
        return DataError(f"damaged, {record.damage}")
    try:
        return read_example(record.payload, label_map, decode=True)
    except DataError as error:
        return error
