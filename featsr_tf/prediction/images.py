"""Pictures as people have them, as arrays."""

import os

import numpy as np
import PIL.Image
import PIL.ImageOps

from featsr_tf.errors import DataError

Image = str | os.PathLike | np.ndarray | PIL.Image.Image


def as_array(image: Image) -> np.ndarray:
    """Turns a picture into an array.

    Args:
        image: path, array `[H, W, 3]` uint8 RGB, or PIL image.

    Returns:
        `[H, W, 3]` uint8 RGB; files and PIL images are turned upright.

    Raises:
        DataError: it cannot be read, or the array is no RGB image.
    """
    if isinstance(image, PIL.Image.Image):
        return _pixels(PIL.ImageOps.exif_transpose(image))
    if isinstance(image, str | os.PathLike):
        return read_image(os.fspath(image))
    if not isinstance(image, np.ndarray):
        raise DataError(
            "expected a path, an array or a PIL image, found "
            f"{type(image).__name__}"
        )
    is_rgb = image.ndim == 3 and image.shape[2] == 3 and image.size > 0
    if not is_rgb or image.dtype != np.uint8:
        raise DataError(
            "expected an RGB image [height, width, 3] of uint8, found an array "
            f"{list(image.shape)} of {image.dtype}"
        )
    return image


def read_image(path: str) -> np.ndarray:
    """Reads an image, upright and in colour.

    Args:
        path: an image file of any kind that PIL reads.

    Returns:
        `[H, W, 3]` uint8 RGB, turned as its EXIF orientation says.

    Raises:
        DataError: the file is no image, damaged, or too large for PIL or for
            the memory.
    """
    try:
        with PIL.Image.open(path) as image:
            # In place: a large image is not copied.
            PIL.ImageOps.exif_transpose(image, in_place=True)
            return _pixels(image)
    except PIL.Image.DecompressionBombError as error:
        raise DataError(f"{path}: {error}") from None
    except MemoryError:
        raise DataError(f"{path}: too large for the memory") from None
    except FileNotFoundError:
        raise DataError(f"{path}: no such image file") from None
    except (OSError, ValueError, SyntaxError):
        raise DataError(
            f"{path}: no readable image; it is damaged or of another kind"
        ) from None


def _pixels(image: PIL.Image.Image) -> np.ndarray:
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
