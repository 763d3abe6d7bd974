"""What an exported detector takes and gives, as in the Object Detection API."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from featsr_tf.data.decode import decode_image
from featsr_tf.data.decode import parsing_spec
from featsr_tf.data.keys import Example
from featsr_tf.data.resize import AREA
from featsr_tf.data.resize import Resizer
from featsr_tf.data.resize import padded_size
from featsr_tf.data.resize import resize
from featsr_tf.data.resize import resize_image
from featsr_tf.data.resize import size_in_graph
from featsr_tf.exporting import names
from featsr_tf.model.postprocess import DetectionBatch
from featsr_tf.model.postprocess import RawDetections

Outputs = dict[str, tf.Tensor]
DetectionFunction = Callable[
    ..., DetectionBatch | tuple[DetectionBatch, RawDetections]
]
ResizeFunction = Callable[[tf.Tensor, Resizer], tf.Tensor]


class NetworkInputs(NamedTuple):
    """A batch as the detector takes it.

    Attributes:
        images: `[B, H, W, 3]` float32, I^1.0, sides multiples of 32.
        image_sizes: `[B, 2]` float32, height and width without padding, px.
        scales: `[B, 2]` float32, px of I^1.0 per px of the original image.
    """

    images: tf.Tensor
    image_sizes: tf.Tensor
    scales: tf.Tensor


def resize_one_by_one(images: tf.Tensor, resizer: Resizer) -> tf.Tensor:
    """Resizes as training does.

    Args:
        images: `[B, height, width, 3]` RGB, 0..255.

    Returns:
        `[B, new_height, new_width, 3]` float32.
    """
    return tf.map_fn(
        lambda image: resize(image, resizer),
        images,
        fn_output_signature=tf.TensorSpec([None, None, 3], tf.float32),
    )


def network_inputs(
    images: tf.Tensor,
    resizer: Resizer,
    resize_images: ResizeFunction = resize_one_by_one,
) -> NetworkInputs:
    """Resizes and pads images of one size.

    Args:
        images: `[B, height, width, 3]` RGB, 0..255.
        resize_images: default `resize_one_by_one`.
    """
    resized = resize_images(images, resizer)
    size, old_size = tf.shape(resized)[1:3], tf.shape(images)[1:3]
    height, width = tf.unstack(padded_size(size, resizer))
    padded = tf.image.pad_to_bounding_box(resized, 0, 0, height, width)
    ones = tf.ones([tf.shape(images)[0], 1])
    size = tf.cast(size, tf.float32)
    scale = size / tf.cast(old_size, tf.float32)
    return NetworkInputs(padded, ones * size, ones * scale)


class Signatures:
    """The functions of a SavedModel.

    Args:
        detect: from the three tensors of `NetworkInputs`, and the images
            themselves as `originals`, to detections; with `raw_outputs` to
            detections and the candidates for them.
        raw_outputs: whether candidates are put out as well. Default False.
        resize_images: default `resize_one_by_one`.
    """

    def __init__(
        self,
        detect: DetectionFunction,
        resizer: Resizer,
        raw_outputs: bool = False,
        resize_images: ResizeFunction = resize_one_by_one,
    ):
        self._detect = detect
        self._resizer = resizer
        self._raw_outputs = raw_outputs
        self._resize_images = resize_images
        # One graph, which all signatures share.
        self.uint8_images_with_windows = tf.function(
            self.images_with_windows,
            input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)],
            autograph=False,
        )

    def images(self, input_tensor: tf.Tensor) -> Outputs:
        """Does what `images_with_windows` does, without its windows."""
        return _without_windows(self.images_with_windows(input_tensor))

    def uint8_images(self, input_tensor: tf.Tensor) -> Outputs:
        """Does what `images` does, in the graph that all signatures share."""
        return _without_windows(self.uint8_images_with_windows(input_tensor))

    def images_with_windows(self, input_tensor: tf.Tensor) -> Outputs:
        """Detects objects in images of one size.

        Args:
            input_tensor: `[B, height, width, 3]` RGB, 0..255.

        Returns:
            `detection_boxes` `[B, K, 4]`, ymin, xmin, ymax, xmax as fractions
            of the image; `detection_scores` and `detection_classes` `[B, K]`,
            ids of the label map; `num_detections` `[B]`; all float32. With
            raw outputs `raw_detection_boxes` `[B, P, 4]`, of the best class
            of each proposal, and `raw_detection_scores` `[B, P, C + 1]`,
            background first, too. Behind a second look `window_boxes`
            `[B, W, 4]`, like the other boxes, and `window_magnifications`
            `[B, W]`, 0 for padding, too.
        """
        inputs = network_inputs(
            input_tensor, self._resizer, self._resize_images
        )
        found = self._detect(*inputs, originals=input_tensor)
        sides = tf.tile(inputs.image_sizes, [1, 2])[:, None]
        if isinstance(found, DetectionBatch):
            return _detection_outputs(found, sides)
        detections, candidates = found
        return {
            **_detection_outputs(detections, sides),
            **_raw_outputs(candidates, sides),
        }

    def encoded_images(self, input_tensor: tf.Tensor) -> Outputs:
        """Detects objects in image files, whose sizes may differ.

        Args:
            input_tensor: `[B]` string, JPEG or PNG files.
        """
        sizes, pixels = tf.map_fn(
            _decode,
            input_tensor,
            fn_output_signature=(
                tf.TensorSpec([2], tf.int32),
                tf.RaggedTensorSpec([None], tf.uint8, ragged_rank=0),
            ),
        )
        shape = tf.concat([[-1], sizes[0], [3]], axis=0)
        return tf.cond(
            tf.reduce_all(sizes == sizes[:1]),
            lambda: self.uint8_images(tf.reshape(pixels.values, shape)),
            lambda: self._one_by_one(sizes, pixels),
        )

    def examples(self, input_tensor: tf.Tensor) -> Outputs:
        """Detects objects in the images of TF Examples.

        Args:
            input_tensor: `[B]` string, serialized examples.
        """
        features = tf.io.parse_example(
            input_tensor, parsing_spec(Example.ENCODED)
        )
        return self.encoded_images(features[Example.ENCODED])

    def _one_by_one(self, sizes: tf.Tensor, pixels: tf.RaggedTensor) -> Outputs:
        # Padding to a common size would change what is seen at the borders.
        def detect_one(image: tuple[tf.Tensor, tf.Tensor]) -> Outputs:
            size, values = image
            shape = tf.concat([[1], size, [3]], axis=0)
            found = self.uint8_images(tf.reshape(values, shape))
            return {name: value[0] for name, value in found.items()}

        signature = {
            names.BOXES: tf.TensorSpec([None, 4]),
            names.SCORES: tf.TensorSpec([None]),
            names.CLASSES: tf.TensorSpec([None]),
            names.COUNT: tf.TensorSpec([]),
        }
        if self._raw_outputs:
            # Windows give each image a number of candidates of its own.
            signature |= {
                names.RAW_BOXES: tf.RaggedTensorSpec([None, 4], ragged_rank=0),
                names.RAW_SCORES: tf.RaggedTensorSpec(
                    [None, None], ragged_rank=0
                ),
            }
        found = tf.map_fn(
            detect_one, (sizes, pixels), fn_output_signature=signature
        )
        return {
            name: value.to_tensor()
            if isinstance(value, tf.RaggedTensor)
            else value
            for name, value in found.items()
        }


def _without_windows(outputs: Outputs) -> Outputs:
    left_out = (names.WINDOWS, names.MAGNIFICATIONS)
    return {key: outputs[key] for key in outputs if key not in left_out}


def _detection_outputs(found: DetectionBatch, sides: tf.Tensor) -> Outputs:
    windows = {}
    if found.windows is not None:
        windows = {
            names.WINDOWS: found.windows[..., :4] / sides,
            names.MAGNIFICATIONS: found.windows[..., 4],
        }
    return {
        **windows,
        names.BOXES: found.boxes / sides,
        names.SCORES: found.scores,
        names.CLASSES: tf.cast(tf.maximum(found.classes, 1), tf.float32),
        names.COUNT: tf.cast(found.count, tf.float32),
    }


def _raw_outputs(candidates: RawDetections, sides: tf.Tensor) -> Outputs:
    """Boxes of the best class, as in the API; rows of padding are 0."""
    boxes = candidates.boxes
    if boxes.shape[2] == 1:
        boxes = boxes[:, :, 0]
    else:
        best = tf.argmax(candidates.scores[..., 1:], axis=2)
        boxes = tf.gather(boxes, best, batch_dims=2)
    is_proposal = candidates.valid[..., None]
    return {
        names.RAW_BOXES: tf.where(is_proposal, boxes / sides, 0.0),
        names.RAW_SCORES: tf.where(is_proposal, candidates.scores, 0.0),
    }


def _decode(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Height and width, and all pixels in one row."""
    image = decode_image(encoded)
    return tf.shape(image)[:2], tf.reshape(image, [-1])


def resize_by_matrices(images: tf.Tensor, resizer: Resizer) -> tf.Tensor:
    """Does what `data/resize.py` does, without the kernel for areas.

    Other methods than AREA are left to `tf.image.resize`, which converters
    know.

    Args:
        images: `[B, height, width, 3]` uint8 or float32.

    Returns:
        `[B, new_height, new_width, 3]` float32.
    """
    old_size = tf.shape(images)[1:3]
    size = size_in_graph(old_size, resizer)
    if resizer.method != AREA:
        return resize_image(images, size, resizer.method, resizer.as_api)
    planes = tf.transpose(tf.cast(images, tf.float32), [0, 3, 1, 2])
    rows = _weights(old_size[0], size[0])
    columns = _weights(old_size[1], size[1])
    resized = tf.matmul(tf.matmul(rows, planes), columns, transpose_b=True)
    return tf.transpose(resized, [0, 2, 3, 1])


def _weights(old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
    """Share of each old pixel in each new one along one side, `[new, old]`."""
    scale = tf.cast(old, tf.float32) / tf.cast(new, tf.float32)
    new_pixels = tf.range(tf.cast(new, tf.float32))[:, None]
    pixels = tf.range(tf.cast(old, tf.float32))[None]
    # Where the side shrinks: the part of the new pixel that the old one covers.
    start, stop = new_pixels * scale, (new_pixels + 1.0) * scale
    overlap = tf.minimum(stop, pixels + 1.0) - tf.maximum(start, pixels)
    covered = tf.nn.relu(overlap) / scale
    # Where it grows: linear between the two nearest centres.
    center = (new_pixels + 0.5) * scale - 0.5
    center = tf.clip_by_value(center, 0.0, tf.cast(old - 1, tf.float32))
    between = tf.nn.relu(1.0 - tf.abs(center - pixels))
    return tf.where(new < old, covered, between)
