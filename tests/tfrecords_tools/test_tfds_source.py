"""Data sets of TensorFlow Datasets: read one image at a time, or refused."""

import pickle

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from featsr_tf.errors import DataError
from tests.tfrecords_tools.tfds_data import HEIGHT
from tests.tfrecords_tools.tfds_data import WIDTH
from tests.tfrecords_tools.tfds_data import encoded_image
from tests.tfrecords_tools.tfds_data import write_tfds
from tfrecords_tools.from_tfds import open_builder
from tfrecords_tools.from_tfds import prepare
from tfrecords_tools.from_tfds import read_split


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_tfds(tmp_path_factory.mktemp("tfds"))


@pytest.fixture(scope="module")
def images(data_dir):
    return read_split("signs", "train", data_dir)


def test_an_image_has_the_bytes_boxes_and_flags_of_its_example(images):
    image = images[2]
    assert image.data == encoded_image(2)
    assert image.size == (HEIGHT, WIDTH)
    assert (image.source_id, image.filename) == ("102", "2.jpg")
    one, two = image.objects
    assert one.box == (10, 30, 30, 60)
    assert (one.name, one.area) == ("dog", 100)
    assert two.area == 101
    flags = [(x.difficult, x.truncated, x.crowd) for x in (one, two)]
    assert flags == [(False,) * 3, (True,) * 3]
    assert two.where == "signs: train: example 2: object 2"


def test_slices_have_the_images_of_their_indices(images):
    def names(part):
        return [image.filename for image in part]

    everything = [f"{number}.jpg" for number in range(7)]
    assert names(images) == everything
    for part in (slice(1, None, 3), slice(2, 5), slice(7, None), slice(0)):
        assert names(images[part]) == everything[part]
        assert len(images[part]) == len(everything[part])
    assert names(images[1::2][1::2]) == everything[1::2][1::2]
    assert images[-1].filename == "6.jpg"
    with pytest.raises(IndexError):
        images[7]


def test_a_worker_process_can_have_them(images):
    part = images[1::3]
    copy = pickle.loads(pickle.dumps(part))
    assert list(copy) == list(part)


def test_the_label_map_has_the_labels_plus_1(images):
    assert images.class_names == ("cat", "dog")


def test_a_part_of_a_split_is_a_split(data_dir):
    part = read_split("signs", "train[2:4]+test", data_dir)
    assert [image.filename for image in part] == [
        *("2.jpg", "3.jpg"),
        *("0.jpg", "1.jpg", "2.jpg"),
    ]


def test_images_without_names_are_numbered(tmp_path):
    data_dir = write_tfds(tmp_path, with_names=False)
    image = read_split("signs", "test", data_dir)[2]
    assert (image.source_id, image.filename) == ("test_000002",) * 2


def test_an_image_that_no_one_can_open_is_left_to_the_conversion(
    images, monkeypatch
):
    def refuse(*_):
        raise PIL.UnidentifiedImageError

    monkeypatch.setattr(PIL.Image, "open", refuse)
    image = images[2]
    assert image.data == encoded_image(2)
    assert (image.size, image.objects) == ((0, 0), ())


def test_a_damaged_file_is_named_with_the_example(tmp_path):
    data_dir = write_tfds(tmp_path)
    images = read_split("signs", "train", data_dir)
    (path,) = tmp_path.rglob("signs-train.tfrecord-*")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="signs: train: example 6: cannot be"):
        list(images)


def test_labels_and_boxes_that_cannot_be_placed_are_refused(tmp_path):
    unlabelled = write_tfds(tmp_path / "a", label=-1)
    with pytest.raises(
        DataError, match="object 1: has the label -1; .* 0 to 1"
    ):
        list(read_split("signs", "train", unlabelled))
    other_boxes = write_tfds(tmp_path / "b", box_format="REL_XYXY")
    with pytest.raises(DataError, match="format REL_YXYX, found REL_XYXY"):
        read_split("signs", "train", other_boxes)


@pytest.mark.parametrize(
    ("dataset", "split", "message"),
    [
        ("vco", "train", "no data set 'vco'; nearest known name: voc$"),
        ("zzzzzzzzzzz", "train", "no data set 'zzzzzzzzzzz'$"),
        ("", "train", "builder name"),
        ("voc/1999", "train", "BuilderConfig 1999 not found"),
        ("voc/2007", "train", "no data in .* the same command with --download"),
        ("mnist", "train", "expected the features 'image', and 'objects'"),
        ("wider_face", "train", "expected the features .* found .*'faces'"),
        ("signs", "valid", "'valid'. Should be one of .'train', 'test'."),
        ("signs", "train[", "Unrecognized split format"),
    ],
)
def test_what_cannot_be_found_is_said_in_one_line(
    data_dir, dataset, split, message
):
    with pytest.raises(DataError, match=message) as caught:
        read_split(dataset, split, data_dir)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_download_that_fails_is_one_line(tmp_path, monkeypatch):
    builder = open_builder("voc/2007", str(tmp_path))

    def fail(*_):
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(
        DataError, match="prepared: ConnectionError: no network"
    ):
        prepare(builder)


@pytest.fixture
def change_data(monkeypatch):
    """Puts a transformation behind what TensorFlow Datasets reads."""
    read = tfds.core.DatasetBuilder.as_dataset

    def change(transform) -> None:
        monkeypatch.setattr(
            tfds.core.DatasetBuilder,
            "as_dataset",
            lambda *values, **options: transform(read(*values, **options)),
        )

    return change


def every_example(example) -> bool:
    """A filter, behind which TensorFlow does not know the number any more."""
    return True


def test_images_are_counted_where_their_number_is_not_known(
    data_dir, change_data
):
    change_data(lambda data: data.filter(every_example))
    assert len(read_split("signs", "train", data_dir)) == 7


def test_a_split_without_end_is_refused(data_dir, change_data):
    change_data(lambda data: data.repeat())
    with pytest.raises(DataError, match="signs: train: has no end"):
        read_split("signs", "train", data_dir)


def test_examples_that_cannot_be_counted_are_refused(data_dir, change_data):
    def damage(example):
        return tf.io.decode_png("no picture")

    change_data(lambda data: data.map(damage).filter(every_example))
    with pytest.raises(DataError, match="signs: train: cannot be read: "):
        read_split("signs", "train", data_dir)


@pytest.fixture
def fake_example(monkeypatch):
    """Makes every example one whose image is no file but pixels."""

    def fake(num_boxes: int, num_labels: int) -> None:
        objects = {
            "bbox": np.zeros((num_boxes, 4)),
            "label": np.zeros(num_labels, int),
        }
        pixels = np.full((4, 6, 1), 9, np.uint8)
        example = {"image": pixels, "objects": objects}
        monkeypatch.setattr(tfds, "as_numpy", lambda _: [example])

    return fake


def test_pixels_that_are_no_files_become_png(images, fake_example):
    fake_example(num_boxes=1, num_labels=1)
    image = images[0]
    assert image.data.startswith(b"\x89PNG")
    assert image.size == (4, 6)
    assert [thing.name for thing in image.objects] == ["cat"]


def test_boxes_without_labels_are_refused(images, fake_example):
    fake_example(num_boxes=2, num_labels=1)
    with pytest.raises(DataError, match="example 0: .* of different lengths"):
        images[0]
