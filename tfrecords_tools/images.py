"""Image files as records hold them: upright, 8-bit, JPEG or PNG."""

import dataclasses
import io

import PIL.Image

from featsr_tf.data.pictures import SIDEWAYS
from featsr_tf.data.pictures import TOO_LARGE
from featsr_tf.data.pictures import Size
from featsr_tf.data.pictures import exif_turn
from featsr_tf.data.pictures import rgb_image
from featsr_tf.errors import DataError
from featsr_tf.files import stand_in
from tfrecords_tools.annotations import Outcome

_JPEG_QUALITY = 95
# Pillow calls a JPEG file with further pictures behind the first one MPO.
_FORMATS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}
_GREY_MODES = ("1", "L")
_PNG_BIT_DEPTH = 24
# Of 8 bits: no pixel of 16 bits has used the upper two.
_DARK = 64
_APP1 = 0xE1
_FILL = 0xFF
_START_OF_SCAN = 0xDA


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
    data: bytes,
    declared_size: Size | None = None,
    as_stored: bool | None = None,
    bits: int = 16,
) -> tuple[EncodedImage, list[Outcome]]:
    """Makes sure that an image can be decoded, and repairs what can be.

    JPEG and PNG files whose pixels are upright and 8-bit grey or RGB stay as
    they are, byte for byte.

    Args:
        data: an image file of any format that Pillow reads; of an animation
            the first picture is taken.
        declared_size: height and width in px according to the annotation;
            None or zeros where it does not say.
        as_stored: whether the pixels were annotated as they are stored,
            rather than upright; None: the declared size says so.
        bits: that images of 16 bits use. Default 16.

    Raises:
        DataError: no image, a damaged one, one of another size, or one that
            is too large.
    """
    try:
        if declared_size and not all(declared_size):
            declared_size = None
        image = PIL.Image.open(io.BytesIO(data))
        plain = rgb_image(image, declared_size, as_stored, bits)
        outcomes = [
            *_turns(image, declared_size, as_stored),
            *_changes(image, data, plain),
        ]
        if Outcome.GREYSCALE in outcomes:
            plain = plain.convert("L")
        stored_as = _FORMATS.get(image.format or "", "png")
        data = _encode(plain, stored_as, data, outcomes)
    except PIL.UnidentifiedImageError:
        found = stand_in(data)
        raise DataError(
            found or f"no image that can be read ({len(data)} bytes)"
        ) from None
    except DataError:
        raise
    except PIL.Image.DecompressionBombError:
        raise DataError(TOO_LARGE) from None
    except MemoryError:
        raise DataError("the image is too large for the memory") from None
    # Pillow's readers raise errors of many types on damaged files.
    except Exception as error:
        raise DataError(f"unreadable image: {error}") from None
    encoded = EncodedImage(data, stored_as, plain.height, plain.width)
    return encoded, outcomes


def image_size(data: bytes) -> Size:
    """Height and width in px of the stored pixels; zeros of no image."""
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            return image.height, image.width
    # Pillow's readers raise errors of many types on damaged files.
    except Exception:
        return 0, 0


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


def _turns(
    image: PIL.Image.Image, declared_size: Size | None, as_stored: bool | None
) -> list[Outcome]:
    """What becomes of the orientation of an image, as it was annotated."""
    turn = exif_turn(image)
    stored = (image.height, image.width)
    upright = stored[::-1] if turn in SIDEWAYS else stored
    if declared_size and tuple(declared_size) not in (upright, stored):
        is_exchanged = tuple(declared_size)[::-1] in (upright, stored)
        cause = (
            "are width and height exchanged there?"
            if is_exchanged
            else "was it cut or resized since?"
        )
        raise DataError(
            f"the annotation says {_size_text(declared_size)}, the image has"
            f" {_size_text(upright)}; {cause}"
        )
    if turn is None:
        return []
    if exif_turn(image, declared_size, as_stored) is None:
        return [Outcome.ORIENTATION_REMOVED]
    return [Outcome.TURNED_UPRIGHT]


def _size_text(size: Size) -> str:
    return f"{size[1]} x {size[0]} px"


def _changes(
    image: PIL.Image.Image, data: bytes, plain: PIL.Image.Image
) -> list[Outcome]:
    """What becomes of the pixels of an image."""
    is_wide = image.format == "PNG" and data[_PNG_BIT_DEPTH] == 16
    if is_wide or image.mode.startswith("I"):
        _, largest = plain.convert("L").getextrema()
        dark = [Outcome.DARK] if largest < _DARK else []
        return [Outcome.MADE_RGB, Outcome.SIXTEEN_BITS, *dark]
    if image.format in _FORMATS:
        if image.mode == "RGB":
            return []
        if image.mode in _GREY_MODES:
            return [Outcome.GREYSCALE]
    return [Outcome.MADE_RGB]


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
