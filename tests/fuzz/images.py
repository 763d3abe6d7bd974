"""Mutated image files: all readers refuse them in one line, or agree."""

import io
import os
import random
import struct
import tempfile
import warnings

import numpy as np
import PIL.Image
import tensorflow as tf

from featsr_tf.data.decode import decode_image
from featsr_tf.data.examples import check_image
from featsr_tf.errors import DataError
from featsr_tf.prediction.sources import read_image
from tests.data.example_files import noise_image
from tests.fuzz.fuzzing import Target
from tests.fuzz.mutation import mutate_bytes
from tfrecords_tools.images import prepare_image

SOURCES = (
    *("featsr_tf/", "tfrecords_tools/images", "PIL/Jpeg", "PIL/Png"),
    *("PIL/Gif", "PIL/Tiff", "PIL/Bmp", "PIL/WebP", "PIL/Ppm", "PIL/ImageFile"),
)
SECONDS = 10.0
ORIENTATION = 0x0112
# Sides that people send by mistake, and some that only an attacker would.
SIDES = (0, 1, 2, 9_999, 10_000, 65_500, 65_535, 2**31 - 1, 2**32 - 1)


def image_file(mode: str, image_format: str, size=(20, 30), **options) -> bytes:
    """An image file of noise."""
    file = io.BytesIO()
    pixels = PIL.Image.fromarray(noise_image(*size))
    if mode == "I;16":
        values = np.asarray(pixels.convert("L"), np.uint16) * 257
        pixels = PIL.Image.fromarray(values)
    else:
        pixels = pixels.convert(mode)
    pixels.save(file, image_format, **options)
    return file.getvalue()


def exif(orientation: int) -> PIL.Image.Exif:
    """EXIF data that turn an image."""
    data = PIL.Image.Exif()
    data[ORIENTATION] = orientation
    return data


def seeds() -> list[bytes]:
    """Small files of every kind that people send."""
    plain = [
        *(image_file(mode, "JPEG") for mode in ("RGB", "L", "CMYK", "YCbCr")),
        image_file("RGB", "JPEG", progressive=True),
        *(image_file(m, "PNG") for m in ("RGB", "RGBA", "P", "L", "LA", "1")),
        image_file("I;16", "PNG"),
        *(image_file("RGB", kind) for kind in ("GIF", "BMP", "PPM", "WEBP")),
        image_file("I;16", "TIFF"),
        image_file("RGB", "TIFF", compression="tiff_lzw"),
        image_file("RGB", "TIFF", compression="jpeg"),
    ]
    turned = [image_file("RGB", "JPEG", exif=exif(n)) for n in range(1, 9)]
    shapes = [
        image_file("RGB", kind, size)
        for kind in ("JPEG", "PNG")
        for size in ((1, 1), (1, 300), (300, 1))
    ]
    return [*plain, *turned, *shapes, animation(), side_of_10_000()]


def animation() -> bytes:
    """A GIF of three pictures."""
    file = io.BytesIO()
    first, *others = (
        PIL.Image.fromarray(noise_image(20, 30, seed)) for seed in range(3)
    )
    first.save(file, "GIF", save_all=True, append_images=others)
    return file.getvalue()


def side_of_10_000() -> bytes:
    """A long PNG that is a small file."""
    file = io.BytesIO()
    PIL.Image.new("RGB", (10_000, 4)).save(file, "PNG")
    return file.getvalue()


def mutate_image(content: bytes, chance: random.Random) -> bytes:
    """Cuts a file off, changes the size that it claims, or other bytes."""
    kind = chance.randrange(4)
    if kind == 0:
        return content[: chance.randrange(len(content) + 1)]
    if kind == 1:
        return claim_size(content, chance.choice(SIDES), chance.choice(SIDES))
    for _ in range(chance.randint(1, 3)):
        content = mutate_bytes(content, chance)
    return content


def claim_size(content: bytes, height: int, width: int) -> bytes:
    """Writes another size into the head of a PNG or JPEG file."""
    if content.startswith(b"\x89PNG") and len(content) > 33:
        import zlib

        head = b"IHDR" + struct.pack(">II", width, height) + content[24:29]
        checksum = struct.pack(">I", zlib.crc32(head))
        return content[:12] + head + checksum + content[33:]
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        place = content.find(marker)
        if place >= 0 and len(content) > place + 9:
            size = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
            return content[: place + 5] + size + content[place + 9 :]
    return content


def read_everywhere(content: bytes) -> None:
    """Reads an image as records, converters and predictions do."""
    with warnings.catch_warnings():
        # Pillow warns of large images and of odd metadata.
        warnings.simplefilter("ignore")
        accepted, refusals = [], []
        for read in (_by_record, _by_converter, _by_prediction):
            try:
                read(content)
                accepted.append(read)
            except DataError as error:
                refusals.append(error)
        if not accepted:
            raise refusals[0]


def _by_record(content: bytes) -> None:
    size = check_image(content)
    try:
        pixels = decode_image(tf.constant(content))
    except tf.errors.InvalidArgumentError:
        # Pillow forgives what TensorFlow does not; training names these.
        return
    assert pixels.shape[:2] == size


def _by_converter(content: bytes) -> None:
    image, _ = prepare_image(content)
    assert check_image(image.data) == (image.height, image.width)


def _by_prediction(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "image")
        with open(path, "wb") as file:
            file.write(content)
        pixels = read_image(path)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3


def image_target() -> Target:
    """All readers of images."""
    return Target(
        "images", seeds(), mutate_image, read_everywhere, SOURCES, SECONDS
    )
