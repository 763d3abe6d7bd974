"""Random changes of training images that take pixels of other images.

As in `augment`, each takes a `LabeledImage` and a stateless seed, `[2]` int32.
Nothing is rescaled: objects have the size here that they have in their records.
"""

from collections.abc import Callable

import tensorflow as tf

from featsr_tf.data.augment_geometry import MINIMUM_VISIBLE_SHARE
from featsr_tf.data.augment_geometry import clip_objects
from featsr_tf.data.augment_geometry import draw_offset
from featsr_tf.data.augment_geometry import image_size
from featsr_tf.data.augment_geometry import sometimes
from featsr_tf.data.augment_geometry import window_of
from featsr_tf.data.decode import LabeledImage

PartnerFunction = Callable[[int], LabeledImage]

# How many other images a step takes.
PARTNERS = {"random_mosaic": 3, "random_copy_paste": 1}
# Places that are drawn for a copy; where none is free it is left out.
_PLACES = 10


def random_mosaic(
    labeled: LabeledImage,
    seed: tf.Tensor,
    probability: float = 0.5,
    *,
    partner: PartnerFunction | None = None,
) -> LabeledImage:
    """Shows parts of the image and of three others on one canvas.

    The canvas has the size of the image and is split at a random point of its
    middle half. Each part holds an object as a whole, where there is one and
    it fits, and clips the others as `training_crop` does. An image that is
    smaller than its part leaves the rest black.

    Args:
        partner: gives another image by its number; None = the image itself.
    """

    def mixed() -> LabeledImage:
        draws = tf.random.stateless_uniform([18], _fold_in(seed))
        size = tf.shape(labeled.image)[:2]
        share = 0.25 + 0.5 * draws[:2]
        split = tf.cast(tf.cast(size, tf.float32) * share, tf.int32)
        # Where each part begins, row by row, and how large it is.
        rows = ((0, split[0]), (split[0], size[0] - split[0]))
        columns = ((0, split[1]), (split[1], size[1] - split[1]))
        parts = []
        for number in range(4):
            (top, height), (left, width) = (
                rows[number // 2],
                columns[number % 2],
            )
            part = _part(
                _partner(labeled, number - 1, partner if number else None),
                tf.stack([height, width]),
                draws[2 + 4 * number :][:4],
            )
            corner = tf.cast(tf.stack([top, left, top, left]), tf.float32)
            parts.append(part._replace(boxes=part.boxes + corner))
        images = [part.image for part in parts]
        return labeled._replace(
            image=tf.concat(
                [tf.concat(images[:2], axis=1), tf.concat(images[2:], axis=1)],
                axis=0,
            ),
            boxes=tf.concat([part.boxes for part in parts], axis=0),
            classes=tf.concat([part.classes for part in parts], axis=0),
            ignored=tf.concat([part.ignored for part in parts], axis=0),
        )

    return sometimes(labeled, seed, probability, mixed)


def random_copy_paste(
    labeled: LabeledImage,
    seed: tf.Tensor,
    probability: float = 0.5,
    num_copies: int = 3,
    max_size: float = 32.0,
    margin: float = 0.25,
    other_image_probability: float = 0.5,
    *,
    partner: PartnerFunction | None = None,
) -> LabeledImage:
    """Copies small objects, of the image or of another, to free places.

    Copied is the box with a margin, moved by whole pixels. Objects that are
    ignored, or have another one within the margin, are not copied, and no
    copy covers a part of an object.

    Args:
        num_copies: objects that are drawn; one for which no free place was
            found is left out.
        max_size: greatest root of the area of what is copied, px.
        margin: context on every side, by the longer side of the object.
        partner: see `random_mosaic`.
    """

    def pasted() -> LabeledImage:
        draws = tf.random.stateless_uniform(
            [1 + num_copies * (1 + 2 * _PLACES)], _fold_in(seed)
        )
        source = tf.cond(
            draws[0] < other_image_probability,
            lambda: _partner(labeled, 0, partner),
            lambda: labeled,
        )
        windows = _windows_of(source, margin)
        room = image_size(labeled)
        is_copied = (
            ~source.ignored
            & (tf.sqrt(_area(source.boxes)) <= max_size)
            & tf.reduce_all(windows[:, 2:] - windows[:, :2] <= room, axis=1)
            # The one box is its own.
            & (tf.reduce_sum(_overlaps(windows, source.boxes), axis=1) == 1)
        )
        candidates = tf.where(is_copied)[:, 0]
        changed = labeled
        for of_copy in tf.split(draws[1:], num_copies):
            changed = _paste(changed, source, windows, candidates, of_copy)
        return changed

    return sometimes(labeled, seed, probability, pasted)


def _fold_in(seed: tf.Tensor) -> tf.Tensor:
    # `sometimes` draws by the seed itself.
    return tf.random.experimental.stateless_fold_in(seed, 1)


def _partner(
    labeled: LabeledImage, number: int, partner: PartnerFunction | None
) -> LabeledImage:
    found = labeled if partner is None else partner(number)
    return found._replace(image=tf.cast(found.image, tf.float32))


def _part(
    labeled: LabeledImage, size: tf.Tensor, draws: tf.Tensor
) -> LabeledImage:
    """Cuts a part of `size` `[2]` px out of an image, black beyond it."""
    window = tf.minimum(size, tf.shape(labeled.image)[:2])
    offset = draw_offset(labeled, window, draws, object_probability=1.0)
    missing = size - window
    kept = clip_objects(labeled, offset, window, MINIMUM_VISIBLE_SHARE)
    return kept._replace(
        image=tf.pad(
            window_of(labeled.image, offset, window),
            [[0, missing[0]], [0, missing[1]], [0, 0]],
        )
    )


def _windows_of(labeled: LabeledImage, margin: float) -> tf.Tensor:
    """`[N, 4]` whole px: boxes with their margins, inside the image."""
    low, high = labeled.boxes[:, :2], labeled.boxes[:, 2:]
    border = margin * tf.reduce_max(high - low, axis=1, keepdims=True)
    first = tf.maximum(tf.floor(low - border), 0.0)
    last = tf.minimum(tf.math.ceil(high + border), image_size(labeled))
    return tf.concat([first, last], axis=1)


def _area(boxes: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def _overlaps(windows: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """`[N, M]` int32: 1 where a window covers a part of a box, else 0."""
    low = tf.maximum(windows[:, None, :2], boxes[None, :, :2])
    high = tf.minimum(windows[:, None, 2:], boxes[None, :, 2:])
    return tf.cast(tf.reduce_all(low < high, axis=-1), tf.int32)


def _paste(
    labeled: LabeledImage,
    source: LabeledImage,
    windows: tf.Tensor,
    candidates: tf.Tensor,
    draws: tf.Tensor,
) -> LabeledImage:
    """Copies a random one of `candidates`, rows of `windows`, if it can."""

    def copied() -> LabeledImage:
        count = tf.shape(candidates)[0]
        drawn = tf.cast(draws[0] * tf.cast(count, tf.float32), tf.int32)
        chosen = candidates[tf.minimum(drawn, count - 1)]
        window = windows[chosen]
        size = window[2:] - window[:2]
        room = image_size(labeled) - size
        corners = tf.floor(tf.reshape(draws[1:], [_PLACES, 2]) * (room + 1.0))
        corners = tf.minimum(corners, room)
        places = tf.concat([corners, corners + size], axis=1)
        is_free = tf.reduce_sum(_overlaps(places, labeled.boxes), axis=1) == 0
        corner = corners[tf.argmax(tf.cast(is_free, tf.int32))]
        first, begin, extent = (
            tf.cast(value, tf.int32) for value in (window[:2], corner, size)
        )

        def with_copy() -> LabeledImage:
            move = tf.tile(corner - window[:2], [2])
            return labeled._replace(
                image=tf.raw_ops.TensorStridedSliceUpdate(
                    input=labeled.image,
                    begin=begin,
                    end=begin + extent,
                    strides=[1, 1],
                    value=window_of(source.image, first, extent),
                ),
                boxes=_with(labeled.boxes, source.boxes[chosen] + move),
                classes=_with(labeled.classes, source.classes[chosen]),
                ignored=_with(labeled.ignored, False),
            )

        return tf.cond(tf.reduce_any(is_free), with_copy, lambda: labeled)

    return tf.cond(tf.size(candidates) > 0, copied, lambda: labeled)


def _with(values: tf.Tensor, value: tf.Tensor | bool) -> tf.Tensor:
    return tf.concat([values, [value]], axis=0)
