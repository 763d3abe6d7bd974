"""Image files as records hold them: upright, 8-bit, JPEG or PNG."""

import dataclasses
import io

import numpy as np
import PIL.Image

from featsr_tf.errors import DataError
from tfrecords_tools.annotations import Outcome

_JPEG_QUALITY = 95
# Pillow calls a JPEG file with further pictures behind the first one MPO.
_FORMATS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}
_GREY_MODES = ("1", "L")
_MODES_OF_UNKNOWN_RANGE = ("I", "F")
_PNG_BIT_DEPTH = 24
_APP1 = 0xE1
_FILL = 0xFF
_START_OF_SCAN = 0xDA
_ORIENTATION_TAG = 0x0112
# What turns an image upright, by the value of that tag; 1 is upright.
_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_TURNS[orientation] for orientation in (5, 6, 7, 8)}

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class EncodedImage:
    """An image file and what it is.

    Args:
        height: in px.
        width: in px.
    """

    data: bytes
    format: str
    height: int
    width: int


def prepare_image(
    data: bytes, declared_size: Size | None = None
) -> tuple[EncodedImage, list[Outcome]]:
    """Makes sure that an image can be decoded, and repairs what can be.

    JPEG and PNG files whose pixels are upright and 8-bit grey or RGB stay as
    they are, byte for byte.

    Args:
        data: an image file of any format that Pillow reads; of an animation
            the first picture is taken.
        declared_size: height and width in px according to the annotation;
            None or zeros where it does not say.

    Raises:
        DataError: no image, a damaged one, one of another size, or one that
            is too large.
    """
    try:
        image = PIL.Image.open(io.BytesIO(data))
        image.load()
        turn, outcomes = _turn(image, declared_size)
        plain, changes = _plain(image, data)
        outcomes += changes
        if turn is not None:
            plain = plain.transpose(turn)
        stored_as = _FORMATS.get(image.format or "", "png")
        data = _encode(plain, stored_as, data, outcomes)
    except PIL.UnidentifiedImageError:
        raise DataError(
            f"no image that can be read ({len(data)} bytes)"
        ) from None
    except DataError:
        raise
    except MemoryError:
        raise DataError("the image is too large for the memory") from None
    # Pillow's readers raise errors of many types on damaged files.
    except Exception as error:
        raise DataError(f"unreadable image: {error}") from None
    encoded = EncodedImage(data, stored_as, plain.height, plain.width)
    return encoded, outcomes


def encode_jpeg(image: PIL.Image.Image, quality: int = _JPEG_QUALITY) -> bytes:
    """Encodes an image as JPEG, colour at full resolution.

    Args:
        quality: 1 to 95. Default 95.

    Returns:
        The bytes of a JPEG file.
    """
    buffer = io.BytesIO()
    # Chroma subsampling would halve the resolution of small red rings.
    image.save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def encode_png(image: PIL.Image.Image) -> bytes:
    """Encodes an image as PNG, which loses nothing."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _turn(
    image: PIL.Image.Image, declared_size: Size | None
) -> tuple[PIL.Image.Transpose | None, list[Outcome]]:
    """How to turn an image as it was when it was annotated."""
    turn = _TURNS.get(image.getexif().get(_ORIENTATION_TAG))
    stored = (image.height, image.width)
    upright = stored[::-1] if turn in _SIDEWAYS else stored
    if declared_size and all(declared_size):
        declared = tuple(declared_size)
        if declared not in (upright, stored):
            raise DataError(
                f"the annotation says {_size_text(declared)}, the image has"
                f" {_size_text(upright)}"
            )
        if declared != upright:
            return None, [Outcome.ORIENTATION_REMOVED]
    return turn, [Outcome.TURNED_UPRIGHT] if turn is not None else []


def _size_text(size: Size) -> str:
    return f"{size[1]} x {size[0]} px"


def _plain(
    image: PIL.Image.Image, data: bytes
) -> tuple[PIL.Image.Image, list[Outcome]]:
    """The image with 8-bit grey or RGB pixels."""
    if image.format == "PNG" and data[_PNG_BIT_DEPTH] == 16:
        return _from_16_bit(_decode_16_bit_png(data)), [Outcome.MADE_RGB]
    if image.format in _FORMATS and image.mode == "RGB":
        return image, []
    if image.format in _FORMATS and image.mode in _GREY_MODES:
        return image, [Outcome.GREYSCALE]
    is_16_bit_pgm = image.mode == "I" and image.format == "PPM"
    if image.mode.startswith("I;16") or is_16_bit_pgm:
        image = _from_16_bit(np.asarray(image))
    elif image.mode in _MODES_OF_UNKNOWN_RANGE:
        raise DataError("32-bit pixels; expected 8 or 16 bits per channel")
    elif image.mode == "P":
        # Pillow warns of transparency in palettes unless they go this way.
        image = image.convert("RGBA")
    return image.convert("RGB"), [Outcome.MADE_RGB]


def _encode(
    image: PIL.Image.Image,
    stored_as: str,
    data: bytes,
    outcomes: list[Outcome],
) -> bytes:
    """The file of a repaired image; the given one where it can be kept."""
    is_jpeg = stored_as == "jpeg"
    if Outcome.TURNED_UPRIGHT in outcomes or Outcome.MADE_RGB in outcomes:
        return encode_jpeg(image) if is_jpeg else encode_png(image)
    if Outcome.ORIENTATION_REMOVED in outcomes:
        return _without_metadata(data) if is_jpeg else encode_png(image)
    return data


def _decode_16_bit_png(data: bytes) -> np.ndarray:
    """Decodes what Pillow would cut to the upper 8 bits."""
    import tensorflow as tf

    return tf.io.decode_png(data, channels=3, dtype=tf.uint16).numpy()


def _from_16_bit(pixels: np.ndarray) -> PIL.Image.Image:
    """0..65535 -> 0..255, rounded."""
    scaled = (pixels.astype(np.uint32) + 128) // 257
    return PIL.Image.fromarray(scaled.astype(np.uint8))


def _without_metadata(jpeg: bytes) -> bytes:
    """Drops the APP1 segments (EXIF, XMP) of a JPEG file, and only them."""
    kept = [jpeg[:2]]
    position = 2
    # The segments before the scan: 0xFF, a marker, a length, the content.
    while jpeg[position + 1] != _START_OF_SCAN:
        if jpeg[position + 1] == _FILL:
            position += 1
            continue
        length = int.from_bytes(jpeg[position + 2 : position + 4], "big")
        end = position + 2 + length
        if jpeg[position + 1] != _APP1:
            kept.append(jpeg[position:end])
        position = end
    return b"".join([*kept, jpeg[position:]])
