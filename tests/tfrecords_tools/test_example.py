"""One image becomes one TF Example, and a damaged image becomes an error."""

import io

import numpy as np
import PIL.Image
import pytest

from featsr_tf.data.examples import read_example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from tfrecords_tools.example import load_image
from tfrecords_tools.example import make_example

LABEL_MAP = LabelMap({1: "stop", 2: "yield"})


@pytest.fixture
def noise() -> PIL.Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 80, 3))
    return PIL.Image.fromarray(pixels.astype(np.uint8))


def test_an_example_comes_back_through_the_scan_as_it_was(noise, tmp_path):
    noise.save(tmp_path / "street.jpg")
    image = load_image(tmp_path / "street.jpg")
    boxes = np.array([[0, 10, 20, 60], [8, 0, 40, 80]])
    example = make_example(image, boxes, [2, 1], LABEL_MAP)
    content = read_example(example.SerializeToString(), LABEL_MAP, decode=True)
    assert (content.height, content.width) == (40, 80)
    assert content.labels.tolist() == [2, 1]
    expected = [[0, 0.125, 0.5, 0.75], [0.2, 0, 1, 1]]
    np.testing.assert_allclose(content.normalized_boxes, expected, atol=1e-7)
    assert content.object_sizes.tolist() == [[20, 50], [32, 80]]


def test_an_image_without_objects_gives_an_example_without_boxes(
    noise, tmp_path
):
    noise.save(tmp_path / "street.png")
    image = load_image(tmp_path / "street.png")
    example = make_example(image, np.zeros((0, 4)), [], LABEL_MAP)
    content = read_example(example.SerializeToString(), LABEL_MAP)
    assert content.normalized_boxes.shape == (0, 4)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_jpeg_and_png_files_are_kept_byte_for_byte(noise, tmp_path, name):
    noise.save(tmp_path / name)
    image = load_image(tmp_path / name)
    assert image.data == (tmp_path / name).read_bytes()
    assert image.format == {"a.jpg": "jpeg", "a.png": "png"}[name]
    assert image.filename == name


def test_other_formats_become_png_without_loss(noise, tmp_path):
    noise.save(tmp_path / "a.ppm")
    image = load_image(tmp_path / "a.ppm")
    assert image.format == "png"
    decoded = PIL.Image.open(io.BytesIO(image.data))
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(noise))


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.ppm"])
def test_a_truncated_image_is_named(noise, tmp_path, name):
    noise.save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=name.replace(".", r"\.")) as caught:
        load_image(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.jpg"):
        load_image(tmp_path / "a.jpg")


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(DataError, match=r"a\.jpg: .*No such file"):
        load_image(tmp_path / "a.jpg")
