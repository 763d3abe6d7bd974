"""Images from outside, decoded only when they are not too large."""

import io
import warnings
from collections.abc import Sequence

import numpy as np
import PIL.Image
import tensorflow as tf
from google.protobuf.message import DecodeError

from featsr_tf.data.keys import Example
from featsr_tf.data.pictures import rgb_image
from featsr_tf.errors import DataError

# What photographs come in; each more is one more decoder to trust.
PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
# What a model itself can decode. Of a GIF that would be all frames, whose sizes
# the header of the file does not tell.
MODEL_FORMATS = ("JPEG", "PNG", "BMP")


def read_photo(
    content: bytes, max_pixels: int, formats: Sequence[str] = PHOTO_FORMATS
) -> np.ndarray:
    """Decodes a photo, upright, as `[height, width, 3]` uint8 RGB."""
    with _open_image(content, formats, max_pixels) as image:
        _check_pixels(image.width * image.height, max_pixels)
        try:
            return np.array(rgb_image(image))
        except DataError:
            raise
        # Decoders raise whatever a damaged file leads them to.
        except Exception as error:
            raise DataError(f"the image is damaged: {error}") from None


def is_example(content: bytes) -> bool:
    """Whether it is a TF Example and no image file."""
    return content[:1] == b"\n"


def check_images(batch: np.ndarray, max_pixels: int) -> None:
    """Counts the pixels of a model's input before anything is decoded.

    Args:
        batch: `[B, height, width, 3]`, or `[B]` bytes: image files or
            serialized TF Examples.
    """
    if batch.dtype != object:
        pixels = int(np.prod(batch.shape[:3]))
    else:
        pixels = sum(_pixels_of_file(content, max_pixels) for content in batch)
    _check_pixels(pixels, max_pixels)


def _check_pixels(pixels: int, max_pixels: int) -> None:
    if pixels > max_pixels:
        raise DataError(
            f"{pixels} pixels are too many; expected at most {max_pixels}"
        )


def _pixels_of_file(content: bytes, max_pixels: int) -> int:
    if is_example(content):
        try:
            example = tf.train.Example.FromString(content)
        except DecodeError:
            raise DataError("the TF Example is damaged") from None
        images = example.features.feature[Example.ENCODED].bytes_list.value
        content = images[0] if images else b""
    with _open_image(content, MODEL_FORMATS, max_pixels) as image:
        return image.width * image.height


def _open_image(
    content: bytes, formats: Sequence[str], max_pixels: int
) -> PIL.Image.Image:
    """Reads the header only."""
    try:
        with warnings.catch_warnings():
            # The limit on pixels is stricter.
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            return PIL.Image.open(io.BytesIO(content), formats=formats)
    except PIL.Image.DecompressionBombError:
        # Its message has no number of pixels, but Pillow's own limit.
        raise DataError(
            f"the image has too many pixels; expected at most {max_pixels}"
        ) from None
    except Exception:
        raise DataError(
            f"no readable image of {len(content)} bytes; expected "
            f"{', '.join(formats[:-1])} or {formats[-1]}"
        ) from None
