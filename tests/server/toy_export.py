"""A SavedModel whose answers are known by hand, written in a second."""

import io

import numpy as np
import PIL.Image
import tensorflow as tf

from featsr_tf.config import parse_pipeline
from featsr_tf.config import to_text
from featsr_tf.data.label_map import LabelMap
from featsr_tf.exporting.saved_model import write_warm_up
from tests.config.sample import SAMPLE

MIN_SCORE = 0.7
# Two detections: a small one in the middle, and the left half.
BOXES = [[0.4, 0.4, 0.5, 0.6], [0.0, 0.0, 1.0, 0.5]]
# A window around the small one, and padding.
WINDOWS = [[0.25, 0.25, 0.75, 0.75], [0.0, 0.0, 0.0, 0.0]]


class ToyDetector(tf.Module):
    """Its first score is the first pixel's red, the base one's half of it."""

    def images(self, input_tensor, factor=1.0):
        red = tf.cast(input_tensor[:, 0, 0, 0], tf.float32)
        first = factor * red / 256
        count = tf.shape(input_tensor)[0]
        return {
            "detection_boxes": tf.tile(tf.constant([BOXES]), [count, 1, 1]),
            "detection_scores": tf.stack([first, 0.125 * tf.ones(count)], 1),
            "detection_classes": tf.tile([[1.0, 2.0]], [count, 1]),
            "num_detections": tf.fill([count], 2.0),
        }

    def with_windows(self, input_tensor):
        count = tf.shape(input_tensor)[0]
        return {
            **self.images(input_tensor),
            "window_boxes": tf.tile(tf.constant([WINDOWS]), [count, 1, 1]),
            "window_magnifications": tf.tile([[3.0, 0.0]], [count, 1]),
        }

    def base(self, input_tensor):
        return self.images(input_tensor, 0.5)

    def encoded(self, input_tensor):
        def one(content):
            image = tf.io.decode_image(content, 3, expand_animations=False)
            found = self.images(tf.ensure_shape(image, [None, None, 3])[None])
            return {name: value[0] for name, value in found.items()}

        types = {
            "detection_boxes": tf.TensorSpec([2, 4]),
            "detection_scores": tf.TensorSpec([2]),
            "detection_classes": tf.TensorSpec([2]),
            "num_detections": tf.TensorSpec([]),
        }
        return tf.map_fn(one, input_tensor, fn_output_signature=types)

    def examples(self, input_tensor):
        features = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        parsed = tf.io.parse_example(input_tensor, features)
        return self.encoded(parsed["image/encoded"])


def write_toy_export(folder, has_base=True, looks_again=False):
    """Writes a version folder.

    Args:
        folder: to be made, named after its number.
        has_base: whether there is a signature of the base detector.
        looks_again: whether there is one that tells windows.

    Returns:
        The folder.
    """
    module = ToyDetector()
    images = tf.TensorSpec([None, None, None, 3], tf.uint8, "input_tensor")
    strings = tf.TensorSpec([None], tf.string, "input_tensor")
    functions = {
        "serving_default": (module.images, images),
        "image": (module.images, images),
        "encoded_image": (module.encoded, strings),
        "tf_example": (module.examples, strings),
    }
    if has_base:
        functions["base"] = (module.base, images)
    if looks_again:
        functions["image_with_windows"] = (module.with_windows, images)
    signatures = {
        name: tf.function(function, input_signature=[spec])
        for name, (function, spec) in functions.items()
    }
    tf.saved_model.save(module, str(folder), signatures)
    (folder / "label_map.pbtxt").write_text(
        LabelMap({1: "stop", 2: "yield"}).to_text()
    )
    override = f"eval_config.min_score_threshold={MIN_SCORE}"
    pipeline = parse_pipeline(SAMPLE.encode(), "sample", [override])
    (folder / "pipeline.config").write_text(to_text(pipeline))
    request = tf.zeros([1, 8, 8, 3], tf.uint8)
    write_warm_up(str(folder), folder.parent.name, {"image": request})
    return folder


def grey(value, height=20, width=40):
    """An image of one brightness."""
    return np.full([height, width, 3], value, np.uint8)


def picture(image, kind="PNG", **options):
    """The bytes of an image file."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()
