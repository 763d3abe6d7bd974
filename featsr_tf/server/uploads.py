"""What clients send: bodies of requests, and the images in them."""

import io
import warnings
import zlib
from collections.abc import Sequence

import numpy as np
import PIL.Image
import tensorflow as tf
from google.protobuf.message import DecodeError
from starlette.exceptions import HTTPException

from featsr_tf.data.keys import Example
from featsr_tf.data.pictures import rgb_image
from featsr_tf.errors import DataError

# For zlib: the frame of gzip.
_GZIP = 16 + zlib.MAX_WBITS
# What photographs come in; each more is one more decoder to trust.
PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
# What a model itself can decode. Of a GIF that would be all frames, whose sizes
# the header of the file does not tell.
MODEL_FORMATS = ("JPEG", "PNG", "BMP")


class PlainBody:
    """A body that is used as it comes.

    Args:
        max_mb: 10^6 bytes that it may have.
    """

    def __init__(self, max_mb: float):
        self._max_mb = max_mb
        self._limit = round(max_mb * 1e6)
        self._content = bytearray()

    def check_size(self, size: int) -> None:
        """Refuses a number of bytes with 413 where it is too large."""
        if size > self._limit:
            raise HTTPException(
                413, f"the body is longer than {self._max_mb:g} MB"
            )

    def add(self, piece: bytes) -> None:
        """Takes the next piece."""
        self._content += piece
        self.check_size(len(self._content))

    def content(self) -> bytes:
        """Returns the body when all of it has come."""
        return bytes(self._content)


class GzipBody(PlainBody):
    """A body that is unpacked while it comes, up to the limit."""

    def __init__(self, max_mb: float):
        super().__init__(max_mb)
        self._unpacker = zlib.decompressobj(_GZIP)

    def add(self, piece: bytes) -> None:
        """Takes the next piece.

        Raises:
            DataError: it is no gzip data.
        """
        while piece:
            # Files that follow each other are one.
            if self._unpacker.eof:
                self._unpacker = zlib.decompressobj(_GZIP)
            room = self._limit + 1 - len(self._content)
            try:
                super().add(self._unpacker.decompress(piece, room))
            except zlib.error as error:
                raise DataError(
                    "the body is damaged, or not packed with gzip as its "
                    f"Content-Encoding says: {error}"
                ) from None
            piece = self._unpacker.unused_data or self._unpacker.unconsumed_tail

    def content(self) -> bytes:
        """Returns the body when all of it has come.

        Raises:
            DataError: its end is missing.
        """
        if not self._unpacker.eof:
            raise DataError("the body is cut off: its gzip data has no end")
        return super().content()


def unpacked(encoding: str, max_mb: float) -> PlainBody:
    """Makes the body of a request.

    Args:
        encoding: the request's Content-Encoding.
        max_mb: 10^6 bytes that it may have when it is unpacked.

    Raises:
        HTTPException: 415 where it is packed in another way.
    """
    name = encoding.strip().lower()
    if name in ("gzip", "x-gzip"):
        return GzipBody(max_mb)
    if name not in ("", "identity"):
        raise HTTPException(
            415, f"Content-Encoding {name!r}: expected gzip, or none"
        )
    return PlainBody(max_mb)


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
