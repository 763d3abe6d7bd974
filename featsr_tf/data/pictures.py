"""Pictures of every kind become 8-bit RGB here, by one rule.

- 8 bits stay; 16 bits are divided by 257; floats reach from 0 to 1;
- grey becomes three equal channels, transparency is dropped, palettes and
  other colour spaces become RGB;
- files are turned upright as their EXIF data says; of an animation the first
  picture counts.

What fits no rule is refused.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator

import numpy as np
import PIL.Image
import PIL.PngImagePlugin

from featsr_tf.errors import DataError
from featsr_tf.files import stand_in_at

# Bytes are the content of an image file.
Image = str | os.PathLike | bytes | np.ndarray | PIL.Image.Image
Size = tuple[int, int]

_ORIENTATION = 0x0112
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
SIDEWAYS = {_TURNS[orientation] for orientation in (5, 6, 7, 8)}
# A picture below this part of the 16-bit range was made by fewer bits.
_DARK = 2**14
_BYTES = bytes | bytearray | memoryview

# Whoever names a file means it, also one of a satellite: Pillow warns from this
# many pixels on and refuses twice as many. The server has a limit of its own.
_LARGE_PIXELS = 2**29
if PIL.Image.MAX_IMAGE_PIXELS is not None:
    PIL.Image.MAX_IMAGE_PIXELS = max(PIL.Image.MAX_IMAGE_PIXELS, _LARGE_PIXELS)
TOO_LARGE = (
    f"the image is too large: expected {2 * _LARGE_PIXELS} pixels at most; cut"
    " it into parts"
)


def as_array(image: Image, bgr: bool = False) -> np.ndarray:
    """Turns a picture of any kind into an array of its own.

    Args:
        image: path, content of an image file, PIL image, or an array `[H, W]`
            or `[H, W, 1 to 4]` of uint8, uint16, bool or floats 0 to 1: grey
            or RGB, with or without transparency.
        bgr: whether the channels of an array are blue, green, red, as OpenCV
            has them. Default False.

    Returns:
        `[H, W, 3]` uint8 RGB, which nobody else holds.

    Raises:
        DataError: it cannot be read, or its values fit no rule.
    """
    if isinstance(image, str | os.PathLike):
        return read_image(os.fsdecode(image))
    if isinstance(image, PIL.Image.Image):
        with _explained("the PIL image"):
            return np.array(rgb_image(image))
    if isinstance(image, _BYTES):
        return _read(io.BytesIO(image), f"an image file of {len(image)} bytes")
    if not hasattr(image, "__array__"):
        raise DataError(
            "expected a path, an array or a PIL image, found "
            f"{type(image).__name__}; bytes of an image file do as well"
        )
    return _rgb_array(np.asarray(image), bgr)


def read_image(path: str, declared_size: Size | None = None) -> np.ndarray:
    """Reads an image file.

    Args:
        declared_size: height and width according to an annotation, as for
            `exif_turn`. Default None.

    Returns:
        `[H, W, 3]` uint8 RGB.

    Raises:
        DataError: the file is no image, damaged, or too large for PIL or for
            the memory.
    """
    return _read(path, path, declared_size)


def rgb_image(
    image: PIL.Image.Image,
    declared_size: Size | None = None,
    as_stored: bool | None = None,
    bits: int = 16,
) -> PIL.Image.Image:
    """Converts a PIL image to upright RGB.

    Args:
        declared_size: as for `exif_turn`. Default None.
        as_stored: as for `exif_turn`. Default None.
        bits: that pixels of 16 bits use, the lower ones. Default 16.

    Raises:
        DataError: its values fit no rule; damaged ones raise what PIL does.
    """
    # First of all, as asking a PNG for its EXIF data decodes it.
    wide = _wide_png(image)
    image.load()
    turn = exif_turn(image, declared_size, as_stored)
    if wide is not None:
        image = PIL.Image.fromarray(_rgb_array(wide, bits=bits))
    elif image.mode.startswith("I;16") or image.mode == "F":
        image = PIL.Image.fromarray(_rgb_array(np.asarray(image), bits=bits))
    elif image.mode == "I":
        # Pillow's name for the 16 bits of these formats.
        if image.format not in ("PPM", "PNG"):
            raise DataError("32-bit pixels; expected 8 or 16 bits per channel")
        wide = np.asarray(image).astype(np.uint16)
        image = PIL.Image.fromarray(_rgb_array(wide, bits=bits))
    elif image.mode in ("P", "PA", "RGBa", "La"):
        # Pillow warns of transparency in palettes unless they go this way.
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.mode != "RGB":
        image = image.convert("RGB")
    return image if turn is None else image.transpose(turn)


def exif_turn(
    image: PIL.Image.Image,
    declared_size: Size | None = None,
    as_stored: bool | None = None,
) -> PIL.Image.Transpose | None:
    """How to turn an image upright.

    Args:
        declared_size: height and width of the annotated pixels; where they are
            those of the stored pixels and not of the upright ones, these were
            annotated and stay. Default None.
        as_stored: whether the stored pixels were annotated, whatever the size
            says; None = the size decides. Default None.
    """
    if as_stored:
        return None
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    # EXIF data come from cameras, editors and damaged files of all kinds.
    except Exception:
        return None
    stored = (image.height, image.width)
    is_stored = declared_size is not None and tuple(declared_size) == stored
    is_stored = is_stored and as_stored is None
    if turn in SIDEWAYS and is_stored and stored != stored[::-1]:
        return None
    return turn


def _read(file, name: str, declared_size: Size | None = None) -> np.ndarray:
    with _explained(name), PIL.Image.open(file) as image:
        return np.array(rgb_image(image, declared_size))


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Says of any fault of a picture which one it is, and what is wrong."""
    try:
        yield
    except DataError as error:
        reason = str(error)
    except PIL.Image.DecompressionBombError:
        reason = TOO_LARGE
    except MemoryError:
        reason = "too large for the memory"
    except FileNotFoundError:
        reason = "no such image file"
    # Decoders raise whatever a damaged file leads them to.
    except Exception as error:
        reason = "no readable image; it is damaged or of another kind"
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        elif os.path.isfile(name) and (found := stand_in_at(name)):
            reason = found
        elif not isinstance(error, PIL.UnidentifiedImageError) and str(error):
            reason += f" ({error})"
    else:
        return
    raise DataError(f"{name}: {reason}")


def _wide_png(image: PIL.Image.Image) -> np.ndarray | None:
    """The 16-bit colours of a PNG file, of which Pillow drops the lower 8."""
    if not isinstance(image, PIL.PngImagePlugin.PngImageFile):
        return None
    # What is decoded already has no tiles any more.
    is_wide = image.tile and ";16" in str(image.tile[0].args)
    if not is_wide or image.fp is None or image.mode.startswith("I"):
        return None
    # TensorFlow takes seconds to import.
    import tensorflow as tf

    place = image.fp.tell()
    image.fp.seek(0)
    content = image.fp.read()
    image.fp.seek(place)
    # Pillow tells best what is damaged.
    image.load()
    return tf.io.decode_png(content, channels=3, dtype=tf.uint16).numpy()


def _rgb_array(
    values: np.ndarray, bgr: bool = False, bits: int = 16
) -> np.ndarray:
    found = f"an array {list(values.shape)} of {values.dtype}"
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or not values.size or values.shape[2] > 4:
        raise DataError(
            "expected a picture [height, width] or [height, width, channels] "
            f"of 1 to 4 channels, found {found}"
            + ("; give a batch as a list" if values.ndim == 4 else "")
        )
    if values.shape[2] in (2, 4):
        values = values[..., :-1]
    # TIFF files of other machines put the higher byte first.
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype == np.uint16 and bits < 16:
        wider = values.astype(np.uint32) << (16 - bits)
        values = np.minimum(wider, 2**16 - 1).astype(np.uint16)
    narrow = _to_8_bits(values, found)
    if bgr:
        narrow = narrow[..., ::-1]
    return np.array(np.broadcast_to(narrow, [*narrow.shape[:2], 3]), order="C")


def _to_8_bits(values: np.ndarray, found: str) -> np.ndarray:
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.uint16:
        largest = int(values.max())
        if 0 < largest < _DARK:
            warnings.warn(
                f"16-bit pixels that reach {largest} of 65535 make a dark "
                "picture; scale the values up where the camera has fewer bits",
                stacklevel=2,
            )
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if values.dtype == bool:
        return values.astype(np.uint8) * 255
    if values.dtype.kind != "f":
        raise DataError(
            f"expected uint8, uint16 or floats of 0 to 1, found {found}"
        )
    scaled = np.rint(values.astype(np.float32) * 255)
    # Comparisons with NaN are false.
    if not (scaled.min() >= 0 and scaled.max() <= 255):
        raise DataError(
            f"expected floats of 0 to 1, found {values.min():g} to "
            f"{values.max():g} in {found}; divide them by their full range, or "
            "give uint8"
        )
    return scaled.astype(np.uint8)
