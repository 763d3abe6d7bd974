"""One image becomes one TF Example with the Object Detection API's keys."""

import hashlib
import sys
from unittest import mock

import numpy as np
import pytest

from featsr_tf.data.examples import read_example
from featsr_tf.data.label_map import LabelMap
from tests.data.example_files import encode
from tests.data.example_files import noise_image
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.example import make_example
from tfrecords_tools.images import EncodedImage

LABEL_MAP = LabelMap({1: "stop", 2: "yield"})
IMAGE = AnnotatedImage("id 7", "street.png", (), "a.xml")
STOP = AnnotatedObject((0, 10, 20, 60), "stop", "a.xml", crowd=True)
YIELD = AnnotatedObject(
    (8, 0, 40, 80), "yield", "a.xml", difficult=True, truncated=True
)


@pytest.fixture
def encoded() -> EncodedImage:
    return EncodedImage(encode(noise_image(40, 80)), "png", 40, 80)


def values(example, key: str) -> list:
    feature = example.features.feature[key]
    return list(getattr(feature, feature.WhichOneof("kind")).value)


def test_an_example_comes_back_through_the_scan_as_it_was(encoded):
    example = make_example(IMAGE, [YIELD, STOP], encoded, LABEL_MAP)
    content = read_example(example.SerializeToString(), LABEL_MAP, decode=True)
    assert (content.height, content.width) == (40, 80)
    assert content.labels.tolist() == [2, 1]
    expected = [[0.2, 0, 1, 1], [0, 0.125, 0.5, 0.75]]
    np.testing.assert_allclose(content.normalized_boxes, expected, atol=1e-7)
    assert content.object_sizes.tolist() == [[32, 80], [20, 50]]


def test_an_image_without_objects_gives_an_example_without_boxes(encoded):
    example = make_example(IMAGE, [], encoded, LABEL_MAP)
    content = read_example(example.SerializeToString(), LABEL_MAP)
    assert content.normalized_boxes.shape == (0, 4)


def test_names_sizes_and_flags_have_their_keys(encoded):
    example = make_example(IMAGE, [YIELD, STOP], encoded, LABEL_MAP)
    digest = hashlib.sha256(encoded.data).hexdigest().encode()
    expected = {
        "image/source_id": [b"id 7"],
        "image/filename": [b"street.png"],
        "image/format": [b"png"],
        "image/key/sha256": [digest],
        "image/height": [40],
        "image/width": [80],
        "image/object/class/text": [b"yield", b"stop"],
        "image/object/difficult": [1, 0],
        "image/object/truncated": [1, 0],
        "image/object/is_crowd": [0, 1],
    }
    assert {key: values(example, key) for key in expected} == expected


def test_without_tf_models_official_an_example_is_the_same(encoded):
    def write():
        example = make_example(IMAGE, [YIELD, STOP], encoded, LABEL_MAP)
        return example.SerializeToString(deterministic=True)

    expected = write()
    with mock.patch.dict(sys.modules, {"official": None}):
        assert write() == expected


def test_areas_are_written_only_where_there_are_segments(encoded):
    without = make_example(IMAGE, [STOP], encoded, LABEL_MAP)
    assert "image/object/area" not in without.features.feature
    segment = AnnotatedObject((0, 0, 4, 4), "stop", "a.json", area=9.5)
    example = make_example(IMAGE, [segment, STOP], encoded, LABEL_MAP)
    assert values(example, "image/object/area") == [9.5, 20 * 50]
