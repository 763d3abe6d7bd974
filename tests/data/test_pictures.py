"""Pictures of every kind become RGB by one rule, wherever they come from."""

import io
import re
import zlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from featsr_tf.data.decode import decode_image
from featsr_tf.data.pictures import as_array
from featsr_tf.data.pictures import read_image
from featsr_tf.errors import DataError

COLOR = np.random.default_rng(0).integers(0, 256, [4, 6, 3]).astype(np.uint8)
GREY = COLOR[..., 0]
GREY_RGB = np.stack([GREY] * 3, axis=-1)
ALPHA = np.full([4, 6, 1], 7, np.uint8)
ORIENTATION = 0x0112


def file_of(pixels, kind="PNG", **options):
    image = pixels
    if isinstance(pixels, np.ndarray):
        image = PIL.Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def wide(pixels):
    return pixels.astype(np.uint16) * 257


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (COLOR, COLOR),
        (GREY, GREY_RGB),
        (GREY[..., None], GREY_RGB),
        (np.concatenate([GREY[..., None], ALPHA], -1), GREY_RGB),
        (np.concatenate([COLOR, ALPHA], -1), COLOR),
        (wide(COLOR), COLOR),
        (wide(COLOR).astype(">u2"), COLOR),
        (
            np.uint16([[0, 128, 129, 65535]]),
            [[[v] * 3 for v in (0, 0, 1, 255)]],
        ),
        (COLOR / 255, COLOR),
        ((COLOR / 255).astype(np.float32), COLOR),
        (np.float64([[0.0, 0.5, 1.001]]), [[[0] * 3, [128] * 3, [255] * 3]]),
        (np.array([[False, True]]), [[[0] * 3, [255] * 3]]),
        (tf.constant(COLOR), COLOR),
        (COLOR[::-1, ::2], COLOR[::-1, ::2]),
    ],
)
def test_arrays(given, expected):
    found = as_array(given)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("pixels", [COLOR, np.concatenate([COLOR, ALPHA], -1)])
def test_blue_green_red_by_a_flag(pixels):
    found = as_array(pixels, bgr=True)
    np.testing.assert_array_equal(found, COLOR[..., ::-1])


def test_an_array_is_not_shared_with_its_owner():
    given = COLOR.copy()
    found = as_array(given)
    given[:] = 0
    np.testing.assert_array_equal(found, COLOR)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            np.zeros([2, 4, 4, 3]),
            "found an array [2, 4, 4, 3] of float64; give",
        ),
        (np.zeros([3, 4, 5]), "1 to 4 channels, found an array [3, 4, 5]"),
        (np.zeros([0, 4, 3]), "found an array [0, 4, 3]"),
        (np.zeros([4]), "found an array [4]"),
        (COLOR.astype(float), "expected floats of 0 to 1, found"),
        (np.full([4, 4], np.nan), "expected floats of 0 to 1, found nan"),
        (np.full([4, 4], -0.1), "expected floats of 0 to 1, found -0.1"),
        (
            COLOR.astype(int),
            "uint8, uint16 or floats of 0 to 1, found",
        ),
        (GREY.astype(complex), "found an array [4, 6] of complex128"),
    ],
)
def test_arrays_that_fit_no_rule_are_refused(given, message):
    with pytest.raises(DataError, match=re.escape(message)):
        as_array(given)


def test_16_bits_that_hold_fewer_are_told():
    with pytest.warns(UserWarning, match="reach 4080 of 65535 make a dark"):
        as_array(np.uint16([[0, 4080]]))


PALETTE = PIL.Image.fromarray(COLOR).quantize(24)
FILES = {
    "rgb": (file_of(COLOR), COLOR),
    "grey": (file_of(GREY), GREY_RGB),
    "bits": (file_of(PIL.Image.new("1", (6, 4), 1)), np.full([4, 6, 3], 255)),
    "alpha": (file_of(np.concatenate([COLOR, ALPHA], -1)), COLOR),
    "palette": (file_of(PALETTE), np.asarray(PALETTE.convert("RGB"))),
    "transparent palette": (
        file_of(PALETTE, transparency=bytes(range(24))),
        np.asarray(PALETTE.convert("RGB")),
    ),
    "gif": (file_of(PALETTE, "GIF"), np.asarray(PALETTE.convert("RGB"))),
    "16 bits": (file_of(wide(GREY)), GREY_RGB),
    "16 bits of tiff": (file_of(wide(GREY), "TIFF"), GREY_RGB),
    "16 bits of pgm": (
        b"P5 6 4 65535\n" + wide(GREY).astype(">u2").tobytes(),
        GREY_RGB,
    ),
    "16 bits in colour": (tf.io.encode_png(wide(COLOR)).numpy(), COLOR),
    "16 bits rounded": (
        tf.io.encode_png(np.full([4, 6, 3], 255, np.uint16)).numpy(),
        np.ones([4, 6, 3]),
    ),
    "floats": (file_of((GREY / 255).astype(np.float32), "TIFF"), GREY_RGB),
    "cmyk": (file_of(PIL.Image.new("CMYK", (6, 4)), "TIFF"), 255),
}


@pytest.mark.filterwarnings("ignore:16-bit pixels")
@pytest.mark.parametrize("kind", FILES)
def test_files_bytes_and_pil_images_are_the_same(kind, tmp_path):
    content, expected = FILES[kind]
    path = tmp_path / "picture"
    path.write_bytes(content)
    opened = PIL.Image.open(path)
    for given in (path, str(path), content, bytearray(content), opened):
        found = as_array(given)
        assert found.shape == (4, 6, 3)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "kind", ["rgb", "grey", "alpha", "16 bits", "16 bits in colour", "palette"]
)
def test_models_and_records_decode_alike(kind):
    content, expected = FILES[kind]
    np.testing.assert_array_equal(decode_image(content), expected)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("pixels", [COLOR, GREY, wide(GREY)])
def test_orientation(kind, pixels):
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    found = as_array(file_of(pixels, kind, exif=exif))
    expected = np.rot90(COLOR if pixels.ndim == 3 else GREY_RGB, -1)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("size", "shape"),
    [(None, (6, 4, 3)), ((6, 4), (6, 4, 3)), ((4, 6), (4, 6, 3))],
)
def test_pixels_that_were_annotated_as_stored_stay(tmp_path, size, shape):
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 8
    (tmp_path / "a.png").write_bytes(file_of(COLOR, exif=exif))
    assert read_image(str(tmp_path / "a.png"), size).shape == shape


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an image file of 0 bytes: no readable image"),
        (b"no image", "an image file of 8 bytes: no readable image"),
        (file_of(COLOR)[:60], "no readable image; it is damaged"),
        (FILES["16 bits in colour"][0][:90], "no readable image"),
        (file_of(GREY.astype(np.int32), "TIFF"), "32-bit pixels; expected 8"),
        (file_of(GREY.astype(np.float32), "TIFF"), "expected floats of 0 to 1"),
    ],
)
def test_files_that_cannot_be_read_are_refused(content, message):
    with pytest.raises(DataError, match=message):
        as_array(content)


@pytest.mark.parametrize(
    ("side", "message"),
    [
        # 400 million: what is missing is its content.
        (20_000, "no readable image; it is damaged"),
        (40_000, "the image is too large: expected 1073741824 pixels at most"),
    ],
)
def test_pictures_may_be_as_large_as_those_of_satellites(
    tmp_path, recwarn, side, message
):
    header = b"IHDR" + side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    content = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + header
    content += zlib.crc32(header).to_bytes(4, "big") + bytes(4) + b"IDAT"
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=f"a.png: {message}"):
        read_image(str(tmp_path / "a.png"))
    assert not recwarn.list


def test_a_path_that_cannot_be_read_says_why(tmp_path):
    for path, reason in (
        (tmp_path / "nowhere.png", "no such image file"),
        (tmp_path, "Is a directory"),
        (tmp_path / ("x" * 300), "File name too long"),
        ("a\0b", "no readable image"),
    ):
        with pytest.raises(DataError, match=f"{path}: {reason}"):
            as_array(path)
