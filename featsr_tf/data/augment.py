"""Random changes of training images, named as in the Object Detection API.

Each takes a `LabeledImage` with a float32 image of 0..255 and a stateless seed,
`[2]` int32, and gives the changed image, clipped to 0..255 again.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from featsr_tf.data import augment_geometry
from featsr_tf.data import augment_mixing
from featsr_tf.data.augment_geometry import MINIMUM_VISIBLE_SHARE
from featsr_tf.data.augment_geometry import clip_objects
from featsr_tf.data.augment_geometry import draw_offset
from featsr_tf.data.augment_geometry import window_of
from featsr_tf.data.augment_mixing import PartnerFunction
from featsr_tf.data.decode import LabeledImage
from featsr_tf.data.resize import resize_image
from featsr_tf.errors import ConfigError


def random_adjust_brightness(
    labeled: LabeledImage, seed: tf.Tensor, max_delta: float = 0.2
) -> LabeledImage:
    """Adds one number to all channels, at most `max_delta` of their range."""
    delta = tf.random.stateless_uniform([], seed, -max_delta, max_delta)
    return _with_image(labeled, labeled.image + 255.0 * delta)


def random_adjust_contrast(
    labeled: LabeledImage,
    seed: tf.Tensor,
    min_delta: float = 0.8,
    max_delta: float = 1.25,
) -> LabeledImage:
    """Scales the distance of each channel from its mean by a random factor."""
    factor = tf.random.stateless_uniform([], seed, min_delta, max_delta)
    return _with_image(labeled, tf.image.adjust_contrast(labeled.image, factor))


def random_adjust_saturation(
    labeled: LabeledImage,
    seed: tf.Tensor,
    min_delta: float = 0.8,
    max_delta: float = 1.25,
) -> LabeledImage:
    """Scales the saturation by a random factor."""
    factor = tf.random.stateless_uniform([], seed, min_delta, max_delta)
    return _with_image(
        labeled, tf.image.adjust_saturation(labeled.image, factor)
    )


def random_adjust_hue(
    labeled: LabeledImage, seed: tf.Tensor, max_delta: float = 0.02
) -> LabeledImage:
    """Turns the hue by a random angle of at most `max_delta` turns."""
    delta = tf.random.stateless_uniform([], seed, -max_delta, max_delta)
    return _with_image(labeled, tf.image.adjust_hue(labeled.image, delta))


def random_distort_color(
    labeled: LabeledImage, seed: tf.Tensor, color_ordering: int = 0
) -> LabeledImage:
    """Changes brightness, saturation, hue and contrast, widely.

    Args:
        color_ordering: 0 changes the contrast last, 1 before the saturation.
    """
    brightness, contrast, saturation, hue = tf.unstack(
        tf.random.experimental.stateless_split(seed, 4)
    )
    labeled = random_adjust_brightness(labeled, brightness, 32.0 / 255.0)
    if color_ordering == 1:
        labeled = random_adjust_contrast(labeled, contrast, 0.5, 1.5)
    labeled = random_adjust_saturation(labeled, saturation, 0.5, 1.5)
    labeled = random_adjust_hue(labeled, hue, 0.2)
    if color_ordering == 0:
        labeled = random_adjust_contrast(labeled, contrast, 0.5, 1.5)
    return labeled


def random_pixel_value_scale(
    labeled: LabeledImage,
    seed: tf.Tensor,
    minval: float = 0.9,
    maxval: float = 1.1,
) -> LabeledImage:
    """Multiplies every value of every pixel by another random factor."""
    factors = tf.random.stateless_uniform(
        tf.shape(labeled.image), seed, minval, maxval
    )
    return _with_image(labeled, labeled.image * factors)


def random_rgb_to_gray(
    labeled: LabeledImage, seed: tf.Tensor, probability: float = 0.1
) -> LabeledImage:
    """Takes the colour away; the image keeps its three channels."""
    image = tf.cond(
        tf.random.stateless_uniform([], seed) < probability,
        lambda: tf.tile(tf.image.rgb_to_grayscale(labeled.image), [1, 1, 3]),
        lambda: labeled.image,
    )
    return labeled._replace(image=image)


def _with_image(labeled: LabeledImage, image: tf.Tensor) -> LabeledImage:
    return labeled._replace(image=tf.clip_by_value(image, 0.0, 255.0))


@dataclasses.dataclass(frozen=True)
class TrainingCrop:
    """How training crops are cut out of the frames.

    Args:
        height: in px.
        width: in px.
        minimum_scale: smallest px of the crop per px of the original frame.
        maximum_scale: largest px of the crop per px of the original frame.
        log_uniform_scale: whether the scale's logarithm is drawn evenly, not
            the scale.
    """

    height: int
    width: int
    minimum_scale: float = 1.0
    maximum_scale: float = 1.0
    object_probability: float = 0.9
    log_uniform_scale: bool = False

    def scale(self, draw: tf.Tensor) -> tf.Tensor:
        """Makes a scale of a number in 0..1."""
        if self.log_uniform_scale:
            ratio = self.maximum_scale / self.minimum_scale
            return self.minimum_scale * tf.pow(ratio, draw)
        return self.minimum_scale + draw * (
            self.maximum_scale - self.minimum_scale
        )


def training_crop(
    labeled: LabeledImage, seed: tf.Tensor, crop: TrainingCrop
) -> LabeledImage:
    """Cuts a crop out of the frame rescaled by a random factor.

    With `object_probability` the crop holds a randomly chosen object that is
    not ignored, at a place drawn evenly from all that hold it whole (an
    object larger than the crop fills it); else the place is drawn evenly
    from the frame. Of each object the part inside the crop is kept. Where
    less than half of its area is left, it becomes `ignored`, so that it is
    neither truth nor background; where nothing, or a sliver thinner than 1 px
    of the frame, is left, it is dropped.

    Returns:
        A float32 image of `crop.height` x `crop.width` px, or smaller where
        the rescaled frame is, and its objects.
    """
    draws = tf.random.stateless_uniform([5], seed)
    window, size = _window_and_size(labeled, crop.scale(draws[0]), crop)
    offset = draw_offset(labeled, window, draws[1:], crop.object_probability)
    # Only the window is rescaled, which is several times cheaper than the
    # whole frame.
    source = window_of(labeled.image, offset, window)
    scale = tf.cast(size, tf.float32) / tf.cast(window, tf.float32)
    clipped = clip_objects(labeled, offset, window, MINIMUM_VISIBLE_SHARE)
    return clipped._replace(
        image=resize_image(source, size),
        boxes=clipped.boxes * tf.tile(scale, [2]),
        scale=labeled.scale * scale,
    )


AUGMENTATIONS: Mapping[str, Callable[..., LabeledImage]] = {
    function.__name__: function
    for function in (
        augment_geometry.random_horizontal_flip,
        augment_geometry.random_vertical_flip,
        *augment_geometry.RESHAPING,
        augment_mixing.random_mosaic,
        augment_mixing.random_copy_paste,
        random_adjust_brightness,
        random_adjust_contrast,
        random_adjust_saturation,
        random_adjust_hue,
        random_distort_color,
        random_pixel_value_scale,
        random_rgb_to_gray,
    )
}

Augmentations = Sequence[tuple[str, Mapping[str, float]]]


_RESHAPING = {function.__name__ for function in augment_geometry.RESHAPING}


def changes_sizes(augmentations: Augmentations) -> bool:
    """Tells whether an augmentation may change the size of an image."""
    return any(name in _RESHAPING for name, _ in augmentations)


def count_partners(augmentations: Augmentations) -> int:
    """Tells how many other images augmentations take for each image."""
    counts = [augment_mixing.PARTNERS.get(name, 0) for name, _ in augmentations]
    return max(counts, default=0)


def count_before_resizing(augmentations: Augmentations) -> int:
    """Tells how many augmentations work on the original frame.

    They are all up to the last one that may change the size of an image, or
    takes pixels of others; those after it do the same to fewer pixels once
    the image is resized.
    """
    positions = [
        position
        for position, (name, _) in enumerate(augmentations, start=1)
        if name in _RESHAPING or name in augment_mixing.PARTNERS
    ]
    return max(positions, default=0)


def augment(
    labeled: LabeledImage,
    seed: tf.Tensor,
    augmentations: Augmentations,
    first_position: int = 0,
    partner: PartnerFunction | None = None,
) -> LabeledImage:
    """Applies augmentations in their order, each with another seed.

    Args:
        labeled: with an image of 0..255.
        seed: `[2]` int32, stateless seed of the example.
        augmentations: names out of `AUGMENTATIONS`, each with the arguments
            that differ from the defaults.
        partner: gives other images of the data set; None = the image itself
            stands in for them.

    Raises:
        ConfigError: an augmentation of an unknown name.
    """
    for position, (name, arguments) in enumerate(augmentations, first_position):
        if name not in AUGMENTATIONS:
            raise ConfigError(
                f"augmentation {name} is unknown; expected one of"
                f" {', '.join(AUGMENTATIONS)}"
            )
        own_seed = tf.random.experimental.stateless_fold_in(seed, position)
        labeled = labeled._replace(image=tf.cast(labeled.image, tf.float32))
        others = {"partner": partner} if name in augment_mixing.PARTNERS else {}
        labeled = AUGMENTATIONS[name](labeled, own_seed, **arguments, **others)
    return labeled


def _window_and_size(
    labeled: LabeledImage, factor: tf.Tensor, crop: TrainingCrop
) -> tuple[tf.Tensor, tf.Tensor]:
    """Whole-pixel sizes of the source window and of the crop made of it."""
    full_size = tf.constant([crop.height, crop.width])
    wanted = tf.cast(
        tf.round(tf.cast(full_size, tf.float32) / factor), tf.int32
    )
    window = tf.minimum(tf.maximum(wanted, 1), tf.shape(labeled.image)[:2])
    rescaled = tf.cast(tf.round(tf.cast(window, tf.float32) * factor), tf.int32)
    size = tf.where(
        window < wanted,
        tf.clip_by_value(rescaled, 1, full_size),
        full_size,
    )
    return window, size
