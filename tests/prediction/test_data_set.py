"""Objects and images must come out of records as they went in."""

import numpy as np
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.data.records import scan_records
from featsr_tf.prediction.data_set import read_images
from featsr_tf.prediction.data_set import truth_of_row
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image


def batch_of(boxes, scale, **details):
    """One image with room for one box more than it has, scaled in float32."""
    boxes = np.array(boxes, np.float32)
    count = len(boxes)
    empty = np.zeros([1, count + 1])
    batch = {
        Batch.SCALES: np.full([1, 2], scale, np.float32),
        Batch.BOXES: np.zeros([1, count + 1, 4], np.float32),
        Batch.CLASSES: np.array([[1] * count + [0]]),
        Batch.ORIGINAL_SIZES: np.array([[800, 1360]]),
        Batch.SOURCE_IDS: np.array([b"frame.jpg"]),
        Batch.CROWD: empty.astype(bool),
        Batch.DIFFICULT: empty.astype(bool),
        Batch.AREAS: empty.astype(np.float32),
    }
    batch[Batch.BOXES][0, :count] = boxes * np.float32(scale)
    for key, values in details.items():
        batch[key][0, :count] = values
    return batch


def test_whole_pixels_come_back_although_records_have_float32():
    boxes = [[7, 13, 39, 45], [465, 1091, 497, 1123]]
    truth = truth_of_row(batch_of(boxes, 1333 / 1360), 0, 5)
    np.testing.assert_array_equal(truth.boxes, boxes)
    np.testing.assert_array_equal(truth.areas, [1024, 1024])
    assert (truth.image_id, truth.file_name) == (5, "frame.jpg")


def test_flags_stay_apart_and_outlines_have_their_own_area():
    batch = batch_of(
        [[0, 0, 10, 10]] * 3,
        0.5,
        crowd=[True, False, False],
        difficult=[False, True, False],
        areas=[0, 60, 70],
    )
    truth = truth_of_row(batch, 0, 0)
    np.testing.assert_array_equal(truth.crowd, [True, False, False])
    np.testing.assert_array_equal(truth.difficult, [False, True, False])
    np.testing.assert_array_equal(truth.ignored, [True, True, False])
    np.testing.assert_array_equal(truth.areas, [100, 60, 70])


def test_images_are_read_by_their_position_over_all_files(tmp_path):
    images = [noise_image(6, 8, seed) for seed in range(5)]
    paths = [str(tmp_path / name) for name in ("a.record", "b.record")]
    for path, part in zip(paths, (images[:2], images[2:]), strict=True):
        with tf.io.TFRecordWriter(path) as writer:
            for image in part:
                writer.write(example(encode(image)))
    found = read_images(scan_records(paths, None), [3, 0])
    assert set(found) == {0, 3}
    for position, image in found.items():
        np.testing.assert_array_equal(image, images[position])
