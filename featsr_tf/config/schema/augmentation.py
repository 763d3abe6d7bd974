"""Steps of data augmentation."""

from featsr_tf.config.fields import config_message
from featsr_tf.config.fields import field
from featsr_tf.config.fields import optional


@config_message
class RandomHorizontalFlip:
    """Mirrors the image left to right."""

    probability: float = field(0.5, "Share of images changed.", limits=(0, 1))


@config_message
class RandomVerticalFlip:
    """Mirrors the image top to bottom."""

    probability: float = field(0.5, "Share of images changed.", limits=(0, 1))


@config_message
class RandomRotation90:
    """Turns the image by 90 degrees, counter-clockwise."""

    probability: float = field(0.5, "Share of images changed.", limits=(0, 1))


@config_message
class RandomAdjustBrightness:
    """Adds one random number to all pixels."""

    max_delta: float = field(
        0.2, "Greatest change; 1 = from black to white.", limits=(0, 1)
    )


@config_message
class RandomAdjustContrast:
    """Scales the difference of every pixel from the mean."""

    min_delta: float = field(0.8, "Least factor.", limits=(0, 100))
    max_delta: float = field(1.25, "Greatest factor.", limits=(0, 100))


@config_message
class RandomAdjustSaturation:
    """Scales the saturation of the colours."""

    min_delta: float = field(0.8, "Least factor.", limits=(0, 100))
    max_delta: float = field(1.25, "Greatest factor.", limits=(0, 100))


@config_message
class RandomAdjustHue:
    """Turns the hue of the colours."""

    max_delta: float = field(
        0.02, "Greatest change; 1 = once around.", limits=(0, 0.5)
    )


@config_message
class RandomDistortColor:
    """Brightness, saturation, hue and contrast in one of two orders."""

    color_ordering: int = field(
        0,
        "0 = contrast comes last, 1 = contrast comes before saturation.",
        limits=(0, 1),
    )


@config_message
class RandomPixelValueScale:
    """Multiplies every value of every pixel by its own random number."""

    minval: float = field(0.9, "Least factor.", limits=(0, 100))
    maxval: float = field(1.1, "Greatest factor.", limits=(0, 100))


@config_message
class RandomRGBtoGray:
    """Takes the colour away."""

    probability: float = field(0.1, "Share of images changed.", limits=(0, 1))


@config_message
class RandomImageScale:
    """Resizes the frame, before `image_resizer` or `training_crop`."""

    min_scale_ratio: float = field(0.5, "Least factor.", limits=(0.01, 16))
    max_scale_ratio: float = field(2.0, "Greatest factor.", limits=(0.01, 16))


@config_message
class RandomCropImage:
    """Crops the frame, before `image_resizer` or `training_crop`."""

    min_object_covered: float = field(
        1.0,
        "Share of at least one box that the crop must cover.",
        limits=(0, 1),
    )
    min_aspect_ratio: float = field(
        0.75, "Least width by height.", limits=(0.01, 100)
    )
    max_aspect_ratio: float = field(
        1.33, "Greatest width by height.", limits=(0.01, 100)
    )
    min_area: float = field(
        0.1, "Least share of the frame.", limits=(0.0001, 1)
    )
    max_area: float = field(
        1.0, "Greatest share of the frame.", limits=(0.0001, 1)
    )
    overlap_thresh: float = field(
        0.3,
        "Objects of which a smaller share is left are ignored (removed in the "
        "API).",
        limits=(0, 1),
    )
    random_coef: float = field(
        0.0, "Share of frames left alone.", limits=(0, 1)
    )


@config_message
class RandomSquareCropByScale:
    """Crops a square; where it goes beyond the frame, it is black."""

    max_border: int = field(
        128,
        "Pixels at the border of the frame in which no crop is centred; "
        "halved until less than half of the frame.",
        limits=(1, 16384),
    )
    scale_min: float = field(
        0.6, "Least side by the longer side of the frame.", limits=(0.01, 16)
    )
    scale_max: float = field(
        1.3, "Greatest side by the longer side of the frame.", limits=(0.01, 16)
    )
    num_scales: int = field(
        8, "Number of sides to draw from.", limits=(1, 10000)
    )


@config_message
class RandomMosaic:
    """Shows parts of four images on one canvas of the first one's size."""

    probability: float = field(0.5, "Share of images changed.", limits=(0, 1))


@config_message
class RandomCopyPaste:
    """Copies small objects, with what is around them, to free places."""

    probability: float = field(0.5, "Share of images changed.", limits=(0, 1))
    num_copies: int = field(
        3,
        "Objects copied to an image, as far as there is room.",
        limits=(1, 20),
    )
    max_size: float = field(
        32.0,
        "Greatest root of the area of objects that are copied, in pixels of "
        "the frame.",
        limits=(1, 16384),
    )
    margin: float = field(
        0.25,
        "Context that is copied along on every side, by the longer side of "
        "the object.",
        limits=(0, 10),
    )
    other_image_probability: float = field(
        0.5,
        "Share of changed images whose copies are of another image, not "
        "their own.",
        limits=(0, 1),
    )


_STEP = "preprocessing_step"


@config_message
class PreprocessingStep:
    """One step of data augmentation; exactly one kind per step."""

    random_horizontal_flip: RandomHorizontalFlip | None = optional(
        "Mirrors left to right.", oneof=_STEP
    )
    random_vertical_flip: RandomVerticalFlip | None = optional(
        "Mirrors top to bottom.", oneof=_STEP
    )
    random_rotation90: RandomRotation90 | None = optional(
        "Turns by 90 degrees.", oneof=_STEP
    )
    random_adjust_brightness: RandomAdjustBrightness | None = optional(
        "Changes the brightness.", oneof=_STEP
    )
    random_adjust_contrast: RandomAdjustContrast | None = optional(
        "Changes the contrast.", oneof=_STEP
    )
    random_adjust_saturation: RandomAdjustSaturation | None = optional(
        "Changes the saturation.", oneof=_STEP
    )
    random_adjust_hue: RandomAdjustHue | None = optional(
        "Changes the hue.", oneof=_STEP
    )
    random_distort_color: RandomDistortColor | None = optional(
        "Changes all of these.", oneof=_STEP
    )
    random_pixel_value_scale: RandomPixelValueScale | None = optional(
        "Scales single values.", oneof=_STEP
    )
    random_rgb_to_gray: RandomRGBtoGray | None = optional(
        "Takes the colour away.", oneof=_STEP
    )
    random_image_scale: RandomImageScale | None = optional(
        "Resizes.", oneof=_STEP
    )
    random_crop_image: RandomCropImage | None = optional("Crops.", oneof=_STEP)
    random_square_crop_by_scale: RandomSquareCropByScale | None = optional(
        "Crops a square.", oneof=_STEP
    )
    random_mosaic: RandomMosaic | None = optional(
        "Shows parts of four images.", oneof=_STEP
    )
    random_copy_paste: RandomCopyPaste | None = optional(
        "Copies small objects.", oneof=_STEP
    )
