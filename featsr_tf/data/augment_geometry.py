"""Random changes of training images that move their objects.

Those of `RESHAPING` may change the size of an image, too. Names, arguments and
defaults are those of the Object Detection API. As in `augment`, each takes a
`LabeledImage` and a stateless seed, `[2]` int32.
"""

from collections.abc import Callable

import tensorflow as tf

from featsr_tf.data.decode import LabeledImage
from featsr_tf.data.resize import resize_image

# Less than this share of an object's area inside a crop = ignored.
MINIMUM_VISIBLE_SHARE = 0.5
# Below this share of its area an object can shrink to a line.
_SLIVER_SHARE = 0.5


def random_horizontal_flip(
    labeled: LabeledImage, seed: tf.Tensor, probability: float = 0.5
) -> LabeledImage:
    """Mirrors image and boxes left to right."""
    return sometimes(labeled, seed, probability, lambda: _mirror(labeled, 1))


def random_vertical_flip(
    labeled: LabeledImage, seed: tf.Tensor, probability: float = 0.5
) -> LabeledImage:
    """Mirrors image and boxes top to bottom."""
    return sometimes(labeled, seed, probability, lambda: _mirror(labeled, 0))


def _mirror(labeled: LabeledImage, axis: int) -> LabeledImage:
    side = image_size(labeled)[axis]
    corners = tf.unstack(labeled.boxes, axis=-1)
    low, high = axis, axis + 2
    corners[low], corners[high] = side - corners[high], side - corners[low]
    return labeled._replace(
        image=tf.reverse(labeled.image, axis=[axis]),
        boxes=tf.stack(corners, axis=-1),
    )


def random_rotation90(
    labeled: LabeledImage, seed: tf.Tensor, probability: float = 0.5
) -> LabeledImage:
    """Turns image and boxes by 90 degrees, counter-clockwise.

    Height and width change places where the image is turned.
    """

    def turned() -> LabeledImage:
        width = image_size(labeled)[1]
        ymin, xmin, ymax, xmax = tf.unstack(labeled.boxes, axis=-1)
        return labeled._replace(
            image=tf.image.rot90(labeled.image),
            boxes=tf.stack([width - xmax, ymin, width - xmin, ymax], axis=-1),
            scale=labeled.scale[::-1],
            original_size=labeled.original_size[::-1],
        )

    return sometimes(labeled, seed, probability, turned)


def random_image_scale(
    labeled: LabeledImage,
    seed: tf.Tensor,
    min_scale_ratio: float = 0.5,
    max_scale_ratio: float = 2.0,
) -> LabeledImage:
    """Resizes image and boxes by a random factor."""
    factor = tf.random.stateless_uniform(
        [], seed, min_scale_ratio, max_scale_ratio
    )
    old_size = image_size(labeled)
    size = tf.maximum(tf.cast(old_size * factor, tf.int32), 1)
    scale = tf.cast(size, tf.float32) / old_size
    return labeled._replace(
        image=resize_image(labeled.image, size),
        boxes=labeled.boxes * tf.tile(scale, [2]),
        scale=labeled.scale * scale,
    )


def random_crop_image(
    labeled: LabeledImage,
    seed: tf.Tensor,
    min_object_covered: float = 1.0,
    min_aspect_ratio: float = 0.75,
    max_aspect_ratio: float = 1.33,
    min_area: float = 0.1,
    max_area: float = 1.0,
    overlap_thresh: float = 0.3,
    random_coef: float = 0.0,
) -> LabeledImage:
    """Crops a random rectangle that covers enough of at least one object.

    Where no such rectangle was found, the whole frame is left.
    """

    def cropped() -> LabeledImage:
        normalized = labeled.boxes / tf.tile(image_size(labeled), [2])
        begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            tf.shape(labeled.image),
            tf.clip_by_value(normalized, 0.0, 1.0)[None],
            tf.random.experimental.stateless_fold_in(seed, 0),
            min_object_covered=min_object_covered,
            aspect_ratio_range=(min_aspect_ratio, max_aspect_ratio),
            area_range=(min_area, max_area),
            max_attempts=100,
            use_image_if_no_bounding_boxes=True,
        )
        kept = clip_objects(labeled, begin[:2], size[:2], overlap_thresh)
        return kept._replace(
            image=window_of(labeled.image, begin[:2], size[:2])
        )

    return sometimes(labeled, seed, 1.0 - random_coef, cropped)


def random_square_crop_by_scale(
    labeled: LabeledImage,
    seed: tf.Tensor,
    max_border: int = 128,
    scale_min: float = 0.6,
    scale_max: float = 1.3,
    num_scales: int = 8,
) -> LabeledImage:
    """Crops a square of even side around a random point.

    Beyond the image it is black.

    Args:
        max_border: px at the border of the image in which no centre lies;
            halved until it is at most half of the image.
    """
    draws = tf.random.stateless_uniform([3], seed)
    size = image_size(labeled)
    drawn = tf.floor(draws[0] * num_scales) / max(num_scales - 1, 1)
    factor = scale_min + (scale_max - scale_min) * drawn
    half = tf.maximum(tf.cast(factor * tf.reduce_max(size) / 2, tf.int32), 1)
    halvings = tf.math.ceil(
        tf.math.log(2 * max_border / size) / tf.math.log(2.0)
    )
    border = tf.floor(max_border / 2.0 ** tf.maximum(halvings, 0.0))
    center = border + tf.floor(draws[1:] * (size - 2 * border + 1))
    corner = tf.cast(center, tf.int32) - half
    side = tf.stack([2 * half, 2 * half])
    begin = tf.maximum(corner, 0)
    end = tf.minimum(corner + side, tf.shape(labeled.image)[:2])
    before = begin - corner
    image = tf.image.pad_to_bounding_box(
        window_of(labeled.image, begin, end - begin),
        *tf.unstack(before),
        *tf.unstack(side),
    )
    return clip_objects(labeled, corner, side, 0.0)._replace(image=image)


# Steps that may change the size of an image.
RESHAPING = (
    random_rotation90,
    random_image_scale,
    random_crop_image,
    random_square_crop_by_scale,
)


def image_size(labeled: LabeledImage) -> tf.Tensor:
    """Height and width of the image in px, `[2]` float32."""
    return tf.cast(tf.shape(labeled.image)[:2], tf.float32)


def clip_objects(
    labeled: LabeledImage,
    offset: tf.Tensor,
    window: tf.Tensor,
    minimum_share: float,
) -> LabeledImage:
    """Moves objects into a window and clips them there.

    Args:
        offset: `[2]` int32, upper left corner of the window in px.
        window: `[2]` int32, height and width of the window in px.
        minimum_share: of the area of each object; where less is left, it is
            ignored.

    Returns:
        The objects in px of the window, with the image as it was. An object
        of which nothing, or a sliver thinner than 1 px, is left is dropped.
    """
    moved = labeled.boxes - tf.cast(tf.tile(offset, [2]), tf.float32)
    limit = tf.cast(tf.tile(window, [2]), tf.float32)
    clipped = tf.clip_by_value(moved, 0.0, limit)
    sides = clipped[:, 2:] - clipped[:, :2]
    area = tf.reduce_prod(moved[:, 2:] - moved[:, :2], axis=-1)
    share = tf.math.divide_no_nan(tf.reduce_prod(sides, axis=-1), area)
    is_thin = tf.reduce_min(sides, axis=-1) < 1
    sliver = (share < _SLIVER_SHARE) & is_thin
    ignored = labeled.ignored | (share < minimum_share)
    return labeled._replace(
        boxes=tf.boolean_mask(clipped, ~sliver),
        classes=tf.boolean_mask(labeled.classes, ~sliver),
        ignored=tf.boolean_mask(ignored, ~sliver),
    )


def _offsets_around_object(
    labeled: LabeledImage, window: tf.Tensor, draw: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """First and last window corner that keeps a random object inside."""
    candidates = tf.boolean_mask(labeled.boxes, ~labeled.ignored)
    count = tf.shape(candidates)[0]
    chosen = tf.cast(draw * tf.cast(count, tf.float32), tf.int32)
    box = candidates[tf.minimum(chosen, count - 1)]
    first = tf.cast(tf.math.ceil(box[2:]), tf.int32) - window
    last = tf.cast(tf.math.floor(box[:2]), tf.int32)
    highest = tf.shape(labeled.image)[:2] - window
    bounds = tf.clip_by_value(tf.stack([first, last]), 0, highest)
    # An object larger than the window swaps the two: it then fills the crop.
    return tf.reduce_min(bounds, axis=0), tf.reduce_max(bounds, axis=0)


def draw_offset(
    labeled: LabeledImage,
    window: tf.Tensor,
    draws: tf.Tensor,
    object_probability: float,
) -> tf.Tensor:
    """Draws the upper left corner of a window.

    Args:
        window: `[2]` int32, height and width in px, at most the image's.
        draws: `[4]` numbers in 0..1.
        object_probability: that it holds a random object which is not
            ignored, where there is one.

    Returns:
        `[2]` int32 px.
    """
    low, high = tf.cond(
        (draws[0] < object_probability) & tf.reduce_any(~labeled.ignored),
        lambda: _offsets_around_object(labeled, window, draws[1]),
        lambda: (
            tf.zeros_like(window),
            tf.shape(labeled.image)[:2] - window,
        ),
    )
    count = tf.cast(high - low + 1, tf.float32)
    return tf.minimum(low + tf.cast(draws[2:] * count, tf.int32), high)


def sometimes(
    labeled: LabeledImage,
    seed: tf.Tensor,
    probability: float,
    changed: Callable[[], LabeledImage],
) -> LabeledImage:
    """Changes a share of the images."""
    draw = tf.random.stateless_uniform([], seed)
    return tf.cond(draw < probability, changed, lambda: labeled)


def window_of(image: tf.Tensor, begin: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Cuts a window, `[2]` px of corner and size each, out of an image."""
    end = begin + size
    return image[begin[0] : end[0], begin[1] : end[1]]
