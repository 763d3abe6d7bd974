"""Small images and record files written by hand for the tests of `data/`."""

import io
from collections.abc import Sequence

import numpy as np
import PIL.Image
import tensorflow as tf

from featsr_tf.data.decode import LabeledImage
from featsr_tf.data.keys import Example
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.records import RecordSummary


def noise_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """`[height, width, 3]` uint8 random noise."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), np.uint8)


def encode(image: np.ndarray, image_format: str = "PNG") -> bytes:
    """An image file; a 2-D array makes a grey one."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, image_format)
    return file.getvalue()


def labeled(image: np.ndarray, boxes: Sequence, ignored=None) -> LabeledImage:
    """As `decode_example` returns it; the classes are 1, 2, 3 ..."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    if ignored is None:
        ignored = [False] * len(boxes)
    return LabeledImage(
        image=tf.constant(image),
        boxes=tf.constant(boxes),
        classes=tf.range(1, len(boxes) + 1),
        ignored=tf.constant(ignored, tf.bool),
        scale=tf.ones([2]),
        original_size=tf.constant(image.shape[:2]),
        source_id=tf.constant("frame"),
    )


def example(
    encoded: bytes,
    normalized_boxes: Sequence = (),
    labels: Sequence[int] = (),
    source_id: str = "frame",
    **flags: Sequence[int],
) -> bytes:
    """A serialized TF Example; `flags` are `difficult`, `is_crowd` ..."""
    boxes = np.array(normalized_boxes, np.float32).reshape(-1, 4)
    corners = (Example.YMIN, Example.XMIN, Example.YMAX, Example.XMAX)
    features = {
        Example.ENCODED: _bytes(encoded),
        Example.SOURCE_ID: _bytes(source_id.encode()),
        Example.LABEL: _integers(labels),
        **{key: _floats(boxes[:, i]) for i, key in enumerate(corners)},
        **{f"image/object/{key}": _integers(flags[key]) for key in flags},
    }
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()


def write_records(path, records: Sequence[bytes]) -> str:
    """Writes a record file and returns its path."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def unchecked(paths: Sequence[str], num_examples: int = 1) -> RecordFiles:
    """Record files that nobody has looked into."""
    summary = RecordSummary(
        image_sizes=np.zeros([num_examples, 2], int),
        object_sizes=np.zeros([0, 2], np.float32),
        object_labels=np.zeros([0], int),
        boxes_per_image=np.zeros([num_examples], int),
    )
    return RecordFiles(list(paths), None, summary)


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integers(values: Sequence[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values: Sequence[float]) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))
