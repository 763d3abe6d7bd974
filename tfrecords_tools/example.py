"""One image with its boxes -> one TF Example."""

import dataclasses
import io
import os
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

from featsr_tf.data.examples import check_image
from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf

_JPEG_QUALITY = 92
_STORED_AS_IT_IS = {"JPEG": "jpeg", "PNG": "png"}


@dataclasses.dataclass(frozen=True)
class EncodedImage:
    """The bytes of an image file and what they are.

    Args:
        data: a whole JPEG or PNG file.
        format: "jpeg" or "png".
        height: in px.
        width: in px.
        filename: the name by which people know the image.
    """

    data: bytes
    format: str
    height: int
    width: int
    filename: str


def load_image(path: str | os.PathLike) -> EncodedImage:
    """Reads an image file and makes sure that it can be decoded.

    Args:
        path: JPEG and PNG files are taken as they are; other formats that
            Pillow reads, such as PPM, become PNG, which loses nothing.

    Returns:
        The encoded image.

    Raises:
        DataError: the file cannot be read, or is truncated.
    """
    try:
        with PIL.Image.open(path) as image:
            if image.format in _STORED_AS_IT_IS:
                with open(path, "rb") as file:
                    data = file.read()
                stored = _STORED_AS_IT_IS[image.format]
            else:
                data, stored = encode_png(image), "png"
        height, width = check_image(data)
    except (OSError, SyntaxError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: unreadable image: {reason}") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return EncodedImage(data, stored, height, width, os.path.basename(path))


def encode_png(image: PIL.Image.Image) -> bytes:
    """Encodes an image as PNG."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()


def encode_jpeg(image: PIL.Image.Image) -> bytes:
    """Encodes an image as JPEG, colour at full resolution.

    Args:
        image: the picture.

    Returns:
        The bytes of a JPEG file.
    """
    buffer = io.BytesIO()
    # Chroma subsampling would halve the resolution of small red rings.
    image.save(buffer, format="JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def make_example(
    image: EncodedImage,
    boxes: np.ndarray,
    labels: list[int],
    label_map: LabelMap,
) -> "tf.train.Example":
    """Builds the TF Example of one image.

    Args:
        image: the encoded image.
        boxes: `[num_boxes, 4]` px, ymin, xmin, ymax, xmax, where the corners
            are continuous: a box of one pixel at the origin is 0, 0, 1, 1.
        labels: class id of each box.
        label_map: the names of the ids.

    Returns:
        The example, in the schema of the TF Object Detection API.
    """
    import tensorflow as tf
    from official.vision.data import tfrecord_lib

    features = tfrecord_lib.image_info_to_feature_dict(
        image.height,
        image.width,
        image.filename,
        image.filename,
        image.data,
        image.format,
    )
    size = np.array([image.height, image.width] * 2, np.float64)
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    columns = (corners / size).T
    keys = (Example.YMIN, Example.XMIN, Example.YMAX, Example.XMAX)
    for key, column in zip(keys, columns, strict=True):
        features[key] = tfrecord_lib.convert_to_feature(
            column.tolist(), "float_list"
        )
    features[Example.LABEL] = tfrecord_lib.convert_to_feature(
        list(labels), "int64_list"
    )
    features[Example.TEXT] = tfrecord_lib.convert_to_feature(
        [label_map.names[label].encode() for label in labels], "bytes_list"
    )
    return tf.train.Example(features=tf.train.Features(feature=features))
