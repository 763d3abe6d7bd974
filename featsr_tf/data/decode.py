"""From a serialized TF Example to an image and its boxes in pixels."""

from typing import NamedTuple

import tensorflow as tf

from featsr_tf.data.keys import Example

# Each of them makes an object neither truth nor background in training.
_FLAGS = (Example.DIFFICULT, Example.IS_CROWD, Example.GROUP_OF)


class Frame(NamedTuple):
    """An image and its objects, all in pixels of `image`.

    Attributes:
        image: `[height, width, 3]` RGB 0..255, uint8 or float32.
        boxes: `[num_boxes, 4]` float32 px, ymin, xmin, ymax, xmax.
        classes: `[num_boxes]` int32, ids of the label map.
        ignored: `[num_boxes]` bool, objects that are neither truth nor
            background: difficult, crowd, group or mostly cut off.
        scale: `[2]` float32, px of `image` per px of the original, y and x.
        original_size: `[2]` int32, height and width of the original in px.
        source_id: `[]` string, `image/source_id` of the record.
    """

    image: tf.Tensor
    boxes: tf.Tensor
    classes: tf.Tensor
    ignored: tf.Tensor
    scale: tf.Tensor
    original_size: tf.Tensor
    source_id: tf.Tensor


def decode_example(serialized: tf.Tensor) -> Frame:
    """Parses one record and decodes its image.

    Args:
        serialized: `[]` string, a TF Example of the Object Detection API.

    Returns:
        A `Frame` with a uint8 image at its original size. The size is that
        of the decoded image; `image/height` and `image/width` are not read.
    """
    features = tf.io.parse_single_example(serialized, _feature_types())
    image = decode_image(features[Example.ENCODED])
    size = tf.shape(image)[:2]
    return Frame(
        image=image,
        boxes=_pixel_boxes(features, size),
        classes=tf.cast(features[Example.LABEL], tf.int32),
        ignored=_ignored(features),
        scale=tf.ones([2]),
        original_size=size,
        source_id=features[Example.SOURCE_ID],
    )


class ObjectDetails(NamedTuple):
    """What protocols of evaluation ask of objects beside box and class.

    Attributes:
        crowd: `[num_boxes]` bool, crowds, and groups in one box.
        difficult: `[num_boxes]` bool.
        areas: `[num_boxes]` float32, of the outlines in px^2 of the original
            image, 0 where the record has none.
    """

    crowd: tf.Tensor
    difficult: tf.Tensor
    areas: tf.Tensor


def decode_details(serialized: tf.Tensor) -> ObjectDetails:
    """Parses the flags and areas of a record's objects.

    Args:
        serialized: `[]` string, a TF Example of the Object Detection API.

    Returns:
        One value of each kind per box, zeros where a record has too few.
    """
    features = tf.io.parse_single_example(
        serialized,
        {
            Example.AREA: tf.io.RaggedFeature(tf.float32),
            **_integer_types(Example.LABEL, *_FLAGS),
        },
    )
    return ObjectDetails(
        crowd=_flag(features, Example.IS_CROWD)
        | _flag(features, Example.GROUP_OF),
        difficult=_flag(features, Example.DIFFICULT),
        areas=_one_per_box(features, Example.AREA),
    )


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG, PNG, BMP or GIF image (of a GIF the first picture).

    The whole image is decoded even when only a crop is needed: decoding a
    crop saves half of the 5 ms of a 1360x800 frame but takes a truncated
    JPEG for a good one when the crop lies above the cut.

    Args:
        encoded: `[]` string, the image file.

    Returns:
        `[height, width, 3]` uint8 RGB; grey images become three equal
        channels, transparency is dropped.
    """
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3])


def _feature_types() -> dict:
    floats = (Example.YMIN, Example.XMIN, Example.YMAX, Example.XMAX)
    return {
        Example.ENCODED: tf.io.FixedLenFeature([], tf.string),
        Example.SOURCE_ID: tf.io.FixedLenFeature([], tf.string, ""),
        **{key: tf.io.RaggedFeature(tf.float32) for key in floats},
        **_integer_types(Example.LABEL, *_FLAGS),
    }


def _integer_types(*keys: str) -> dict:
    return {key: tf.io.RaggedFeature(tf.int64) for key in keys}


def _pixel_boxes(features: dict, size: tf.Tensor) -> tf.Tensor:
    sides = (Example.YMIN, Example.XMIN, Example.YMAX, Example.XMAX)
    normalized_boxes = tf.stack([features[side] for side in sides], axis=-1)
    # Rounding in converters leaves some corners a little outside.
    normalized_boxes = tf.clip_by_value(normalized_boxes, 0.0, 1.0)
    return normalized_boxes * tf.cast(tf.tile(size, [2]), tf.float32)


def _ignored(features: dict) -> tf.Tensor:
    return tf.reduce_any([_flag(features, key) for key in _FLAGS], axis=0)


def _flag(features: dict, key: str) -> tf.Tensor:
    return _one_per_box(features, key) > 0


def _one_per_box(features: dict, key: str) -> tf.Tensor:
    num_boxes = tf.size(features[Example.LABEL])
    # These keys are optional: a record without one has 0 values.
    values = features[key][:num_boxes]
    return tf.pad(values, [[0, num_boxes - tf.size(values)]])
