"""Every kind of image file has one outcome, and the right pixels."""

import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from featsr_tf.errors import DataError
from tests.data.example_files import noise_image
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.images import image_size
from tfrecords_tools.images import prepare_image

HEIGHT, WIDTH = 24, 40
ORIENTATION = 0x0112
# How the stored pixels become those that a viewer shows, as the EXIF standard
# says where the row 0 and the column 0 of the stored pixels belong.
UPRIGHT = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: np.swapaxes(pixels, 0, 1),
    6: lambda pixels: np.swapaxes(pixels, 0, 1)[:, ::-1],
    7: lambda pixels: np.swapaxes(pixels, 0, 1)[::-1, ::-1],
    8: lambda pixels: np.swapaxes(pixels, 0, 1)[::-1],
}


def smooth_image(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Pixels that a JPEG file hardly changes, and no turn leaves equal."""
    rows, columns = np.mgrid[0:height, 0:width]
    channels = (4 * rows, 3 * columns, 60 + rows + 2 * columns)
    return np.stack(channels, axis=-1).astype(np.uint8)


def encode(image, image_format: str, orientation=None, **options) -> bytes:
    buffer = io.BytesIO()
    if orientation is not None:
        options["exif"] = PIL.Image.Exif()
        options["exif"][ORIENTATION] = orientation
    if isinstance(image, np.ndarray):
        image = PIL.Image.fromarray(image)
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def decode(data: bytes) -> np.ndarray:
    """The pixels as training decodes them."""
    image = tf.io.decode_image(data, channels=3, expand_animations=False)
    return image.numpy().astype(int)


def test_pictures_of_satellites_are_not_too_large():
    # A header is enough to know the size.
    assert image_size(b"P5 20000 10000 255\n") == (10000, 20000)
    data = b"P5 40000 40000 255\n"
    message = "the image is too large: expected 1073741824 pixels at most"
    with pytest.raises(DataError, match=message):
        prepare_image(data)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_an_oriented_image_is_turned_upright(orientation, image_format):
    stored = smooth_image()
    options = {"quality": 95, "subsampling": 0}
    data = encode(
        stored,
        image_format,
        orientation,
        **(options if image_format == "JPEG" else {}),
    )
    encoded, outcomes = prepare_image(data)
    expected = UPRIGHT[orientation](stored.astype(int))
    assert (encoded.height, encoded.width) == expected.shape[:2]
    difference = np.abs(decode(encoded.data) - expected)
    assert difference.max() <= (6 if image_format == "JPEG" else 0)
    assert difference.mean() < 2
    if orientation == 1:
        assert outcomes == []
        assert encoded.data == data
    else:
        assert outcomes == [Outcome.TURNED_UPRIGHT]
        image = PIL.Image.open(io.BytesIO(encoded.data))
        assert ORIENTATION not in image.getexif()
    assert encoded.format == image_format.lower()


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_an_annotation_of_the_stored_pixels_keeps_them(
    orientation, image_format
):
    stored = noise_image(HEIGHT, WIDTH)
    data = encode(stored, image_format, orientation)
    encoded, outcomes = prepare_image(data, (HEIGHT, WIDTH))
    assert outcomes == [Outcome.ORIENTATION_REMOVED]
    # Byte for byte the file that never had the tag.
    assert encoded.data == encode(stored, image_format)
    _, outcomes = prepare_image(data, (WIDTH, HEIGHT))
    assert outcomes == [Outcome.TURNED_UPRIGHT]


def test_fill_bytes_between_the_segments_of_a_jpeg_do_no_harm():
    stored = noise_image(HEIGHT, WIDTH)
    data = encode(stored, "JPEG", 6)
    filled = data[:2] + b"\xff\xff" + data[2:]
    encoded, _ = prepare_image(filled, (HEIGHT, WIDTH))
    assert encoded.data == encode(stored, "JPEG")


def test_a_square_image_is_turned_upright():
    data = encode(smooth_image(HEIGHT, HEIGHT), "PNG", 6)
    _, outcomes = prepare_image(data, (HEIGHT, HEIGHT))
    assert outcomes == [Outcome.TURNED_UPRIGHT]


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation):
    data = encode(smooth_image(), "JPEG", orientation)
    encoded, outcomes = prepare_image(data)
    assert outcomes == []
    assert encoded.data == data


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_a_plain_file_stays_as_it_is(image_format):
    data = encode(noise_image(HEIGHT, WIDTH), image_format)
    encoded, outcomes = prepare_image(data, (HEIGHT, WIDTH))
    assert outcomes == []
    assert encoded.data == data
    assert encoded.format == image_format.lower()
    assert (encoded.height, encoded.width) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_a_greyscale_image_stays_as_it_is(image_format):
    data = encode(noise_image(HEIGHT, WIDTH)[..., 0], image_format)
    encoded, outcomes = prepare_image(data)
    assert outcomes == [Outcome.GREYSCALE]
    assert encoded.data == data


def test_a_cmyk_jpeg_becomes_an_rgb_jpeg():
    pixels = smooth_image()
    image = PIL.Image.fromarray(pixels).convert("CMYK")
    data = encode(image, "JPEG", quality=95, subsampling=0)
    encoded, outcomes = prepare_image(data)
    assert outcomes == [Outcome.MADE_RGB]
    assert encoded.format == "jpeg"
    assert np.abs(decode(encoded.data) - pixels).max() <= 6


def test_transparency_is_dropped():
    pixels = noise_image(HEIGHT, WIDTH)
    alpha = noise_image(HEIGHT, WIDTH, seed=1)[..., :1]
    data = encode(np.concatenate([pixels, alpha], axis=-1), "PNG")
    encoded, outcomes = prepare_image(data)
    assert outcomes == [Outcome.MADE_RGB]
    assert PIL.Image.open(io.BytesIO(encoded.data)).mode == "RGB"
    np.testing.assert_array_equal(decode(encoded.data), pixels)


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "BMP"])
def test_a_palette_becomes_rgb(image_format):
    palette = PIL.Image.fromarray(smooth_image()).quantize(32)
    data = encode(palette, image_format)
    encoded, outcomes = prepare_image(data)
    assert outcomes == [Outcome.MADE_RGB]
    assert encoded.format == "png"
    pixels = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(decode(encoded.data), pixels)


def test_a_transparent_palette_becomes_rgb_without_a_warning(recwarn):
    palette = PIL.Image.fromarray(smooth_image()).quantize(8)
    data = encode(palette, "PNG", transparency=bytes(range(8)))
    encoded, _ = prepare_image(data)
    pixels = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(decode(encoded.data), pixels)
    assert not recwarn.list


def wide_image(channels: int) -> np.ndarray:
    """16-bit pixels, black, white and all between."""
    shape = (HEIGHT, WIDTH, channels)
    pixels = np.linspace(0, 65535, np.prod(shape)).astype(np.uint16)
    return pixels.reshape(shape)


def check_narrow(data: bytes, wide: np.ndarray) -> None:
    encoded, outcomes = prepare_image(data)
    assert outcomes == [Outcome.MADE_RGB, Outcome.SIXTEEN_BITS]
    expected = np.broadcast_to(np.round(wide / 257), (HEIGHT, WIDTH, 3))
    np.testing.assert_array_equal(decode(encoded.data), expected)
    assert PIL.Image.open(io.BytesIO(encoded.data)).mode == "RGB"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_16_bit_png_is_scaled(channels):
    wide = wide_image(channels)
    check_narrow(tf.io.encode_png(wide).numpy(), wide)


def test_a_16_bit_tiff_is_scaled():
    wide = wide_image(1)
    check_narrow(encode(wide[..., 0], "TIFF"), wide)


def test_a_16_bit_pgm_is_scaled():
    wide = wide_image(1)
    head = f"P5 {WIDTH} {HEIGHT} 65535\n".encode()
    check_narrow(head + wide.astype(">u2").tobytes(), wide)


@pytest.mark.filterwarnings("ignore:16-bit pixels that reach")
@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
def test_16_bits_that_are_fewer_are_scaled_on_demand(image_format):
    # What a camera of 12 bits writes.
    wide = wide_image(1)[..., 0] >> 4
    data = encode(wide, image_format)
    dark = [Outcome.MADE_RGB, Outcome.SIXTEEN_BITS, Outcome.DARK]
    encoded, outcomes = prepare_image(data)
    assert (decode(encoded.data).max(), outcomes) == (16, dark)
    encoded, outcomes = prepare_image(data, bits=12)
    assert outcomes == dark[:2]
    expected = np.round(wide * 16.0 / 257)
    np.testing.assert_array_equal(decode(encoded.data)[..., 0], expected)
    encoded, _ = prepare_image(data, bits=10)
    assert decode(encoded.data).max() == 255


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_a_rule_for_the_data_set_is_above_the_declared_size(
    orientation, image_format
):
    stored = smooth_image()
    options = {"quality": 95, "subsampling": 0}
    data = encode(
        stored,
        image_format,
        orientation,
        **(options if image_format == "JPEG" else {}),
    )
    for size in (None, (HEIGHT, WIDTH)):
        encoded, outcomes = prepare_image(data, size, as_stored=True)
        assert outcomes == [Outcome.ORIENTATION_REMOVED]
        assert np.abs(decode(encoded.data) - stored).max() < 10
        encoded, outcomes = prepare_image(data, size, as_stored=False)
        assert outcomes == [Outcome.TURNED_UPRIGHT]
        upright = UPRIGHT[orientation](stored.astype(int))
        assert np.abs(decode(encoded.data) - upright).max() < 10


def test_floats_of_0_to_1_become_8_bits():
    pixels = smooth_image()[..., 0]
    data = encode((pixels / 255).astype(np.float32), "TIFF")
    encoded, outcomes = prepare_image(data)
    assert outcomes == [Outcome.MADE_RGB]
    np.testing.assert_array_equal(decode(encoded.data)[..., 1], pixels)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4), np.int32), "32-bit pixels; expected 8 or 16"),
        (np.full((4, 4), 2, np.float32), "floats of 0 to 1, found 2 to 2"),
    ],
)
def test_pixels_of_unknown_range_are_refused(pixels, message):
    with pytest.raises(DataError, match=message):
        prepare_image(encode(pixels, "TIFF"))


@pytest.mark.parametrize("image_format", ["PPM", "BMP", "TIFF", "WEBP"])
def test_other_formats_become_png_without_loss(image_format):
    pixels = noise_image(HEIGHT, WIDTH)
    options = {"lossless": True} if image_format == "WEBP" else {}
    data = encode(pixels, image_format, **options)
    encoded, outcomes = prepare_image(data, (HEIGHT, WIDTH))
    assert outcomes == [Outcome.MADE_RGB]
    assert encoded.format == "png"
    np.testing.assert_array_equal(decode(encoded.data), pixels)


def test_of_an_animation_the_first_picture_is_taken():
    frames = [PIL.Image.new("P", (WIDTH, HEIGHT), n) for n in range(3)]
    for frame in frames:
        frame.putpalette([9, 80, 200, 1, 2, 3, 4, 5, 6])
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    encoded, _ = prepare_image(data)
    assert (decode(encoded.data) == (9, 80, 200)).all()


@pytest.mark.parametrize("image_format", ["WEBP", "TIFF"])
def test_other_formats_are_turned_upright_too(image_format):
    options = {"lossless": True} if image_format == "WEBP" else {}
    data = encode(smooth_image(), image_format, 6, **options)
    encoded, outcomes = prepare_image(data, (WIDTH, HEIGHT))
    assert Outcome.MADE_RGB in outcomes
    expected = UPRIGHT[6](smooth_image())
    np.testing.assert_array_equal(decode(encoded.data), expected)


@pytest.mark.parametrize("size", [(HEIGHT + 1, WIDTH), (WIDTH, HEIGHT)])
def test_another_size_than_the_annotation_says_is_an_error(size):
    data = encode(smooth_image(), "PNG")
    message = f"says {size[1]} x {size[0]} px, the image has 40 x 24 px; "
    message += "was it cut" if size[1] == WIDTH else "are width and height exch"
    with pytest.raises(DataError, match=message):
        prepare_image(data, size)


@pytest.mark.parametrize("size", [None, (0, 0)])
def test_a_size_that_is_not_declared_is_not_checked(size):
    encoded, _ = prepare_image(encode(smooth_image(), "PNG"), size)
    assert (encoded.height, encoded.width) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "PPM", "GIF", "TIFF"])
def test_a_truncated_image_is_an_error(image_format):
    data = encode(noise_image(HEIGHT, WIDTH), image_format)
    with pytest.raises(DataError, match="image") as caught:
        prepare_image(data[: len(data) // 2])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"no image", b"\xff\xd8\xff"])
def test_what_is_no_image_is_an_error(data):
    with pytest.raises(DataError, match="image"):
        prepare_image(data)


def test_a_picture_of_a_phone_is_called_so():
    data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    with pytest.raises(DataError, match="a HEIC picture, .*: save it as JPEG"):
        prepare_image(data)
