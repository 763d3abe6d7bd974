"""Stands in for `official.vision.data.tfrecord_lib` where that is missing.

The package that holds it, tf-models-official, cannot be installed on Windows.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

_LISTS = {
    "bytes_list": tf.train.BytesList,
    "float_list": tf.train.FloatList,
    "int64_list": tf.train.Int64List,
}


def convert_to_feature(values: Sequence, kind: str) -> tf.train.Feature:
    """Makes the feature of a list.

    Args:
        kind: "bytes_list", "float_list" or "int64_list".
    """
    return tf.train.Feature(**{kind: _LISTS[kind](value=values)})


def image_info_to_feature_dict(
    height: int,
    width: int,
    filename: str,
    image_id: Any,
    encoded: bytes,
    encoded_format: str,
) -> dict[str, tf.train.Feature]:
    """Makes the features of an image without its objects.

    Args:
        height: px.
        width: px.
        encoded_format: such as "jpeg".
    """
    texts = {
        "image/filename": filename,
        "image/source_id": str(image_id),
        "image/key/sha256": hashlib.sha256(encoded).hexdigest(),
        "image/format": encoded_format,
    }
    features = {
        key: convert_to_feature([text.encode()], "bytes_list")
        for key, text in texts.items()
    }
    features["image/encoded"] = convert_to_feature([encoded], "bytes_list")
    for key, size in (("image/height", height), ("image/width", width)):
        features[key] = convert_to_feature([size], "int64_list")
    return features
