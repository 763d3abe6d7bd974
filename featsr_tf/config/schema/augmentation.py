"""Data augmentation of the API: the steps that work and those that do not."""

import dataclasses

from featsr_tf.config.fields import optional
from featsr_tf.config.fields import setting
from featsr_tf.config.fields import unused

STEP = "preprocessing_step"


@dataclasses.dataclass
class RandomHorizontalFlip:
    """Mirrors the image left to right."""

    keypoint_flip_permutation: list[int] = unused([], "Order of keypoints.")
    probability: float = setting(0.5, "Share of images changed.", maximum=1)


@dataclasses.dataclass
class RandomVerticalFlip:
    """Mirrors the image top to bottom."""

    keypoint_flip_permutation: list[int] = unused([], "Order of keypoints.")
    probability: float = unused(0.5, "Share of images changed.")


@dataclasses.dataclass
class RandomRotation90:
    """Turns the image by 90 degrees."""

    keypoint_rot_permutation: list[int] = unused([], "Order of keypoints.")
    probability: float = unused(0.5, "Share of images changed.")


@dataclasses.dataclass
class RandomAdjustBrightness:
    """Adds one random number to all pixels."""

    max_delta: float = setting(
        0.2, "Greatest change; 1 = from black to white.", maximum=1
    )


@dataclasses.dataclass
class RandomAdjustContrast:
    """Scales the difference of every pixel from the mean."""

    min_delta: float = setting(0.8, "Least factor.", maximum=100)
    max_delta: float = setting(1.25, "Greatest factor.", maximum=100)


@dataclasses.dataclass
class RandomAdjustSaturation:
    """Scales the saturation of the colours."""

    min_delta: float = setting(0.8, "Least factor.", maximum=100)
    max_delta: float = setting(1.25, "Greatest factor.", maximum=100)


@dataclasses.dataclass
class RandomAdjustHue:
    """Turns the hue of the colours."""

    max_delta: float = setting(
        0.02, "Greatest change; 1 = once around.", maximum=0.5
    )


@dataclasses.dataclass
class RandomDistortColor:
    """Brightness, saturation, hue and contrast in one of two orders."""

    color_ordering: int = unused(0, "Order of the changes.")


@dataclasses.dataclass
class RandomPixelValueScale:
    """Multiplies every pixel by its own random number."""

    minval: float = unused(0.9, "Least factor.")
    maxval: float = unused(1.1, "Greatest factor.")


@dataclasses.dataclass
class RandomImageScale:
    """Resizes the image; `training_crop` does so here."""

    min_scale_ratio: float = unused(0.5, "Least factor.")
    max_scale_ratio: float = unused(2.0, "Greatest factor.")


@dataclasses.dataclass
class RandomRGBtoGray:
    """Takes the colour away."""

    probability: float = unused(0.1, "Share of images changed.")


@dataclasses.dataclass
class RandomJitterBoxes:
    """Moves the corners of the boxes."""

    ratio: float = unused(0.05, "Greatest move by side of the box.")


@dataclasses.dataclass
class RandomCropImage:
    """Crops the image; `training_crop` does so here."""

    min_object_covered: float = unused(1.0, "Covered share of one box.")
    min_aspect_ratio: float = unused(0.75, "Least width by height.")
    max_aspect_ratio: float = unused(1.33, "Greatest width by height.")
    min_area: float = unused(0.1, "Least share of the image.")
    max_area: float = unused(1.0, "Greatest share of the image.")
    overlap_thresh: float = unused(0.3, "Boxes less inside are dropped.")
    clip_boxes: bool = unused(True, "Whether boxes are clipped.")
    random_coef: float = unused(0.0, "Share of images left alone.")


@dataclasses.dataclass
class RandomCropPadImage(RandomCropImage):
    """Crops the image, then pads it."""

    min_padded_size_ratio: list[float] = unused([], "Least padded size.")
    max_padded_size_ratio: list[float] = unused([], "Greatest padded size.")
    pad_color: list[float] = unused([], "Colour of the padding.")


@dataclasses.dataclass
class RandomPadImage:
    """Pads the image."""

    min_image_height: int = unused(0, "Least height.")
    min_image_width: int = unused(0, "Least width.")
    max_image_height: int = unused(0, "Greatest height.")
    max_image_width: int = unused(0, "Greatest width.")
    pad_color: list[float] = unused([], "Colour of the padding.")


@dataclasses.dataclass
class RandomAbsolutePadImage:
    """Pads the image by up to so many pixels."""

    max_height_padding: int = unused(0, "Greatest padding in height.")
    max_width_padding: int = unused(0, "Greatest padding in width.")
    pad_color: list[float] = unused([], "Colour of the padding.")


@dataclasses.dataclass
class RandomCropToAspectRatio:
    """Crops the image to an aspect ratio."""

    aspect_ratio: float = unused(1.0, "Width by height.")
    overlap_thresh: float = unused(0.3, "Boxes less inside are dropped.")
    clip_boxes: bool = unused(True, "Whether boxes are clipped.")


@dataclasses.dataclass
class RandomBlackPatches:
    """Paints black squares into the image."""

    max_black_patches: int = unused(10, "Greatest number of squares.")
    probability: float = unused(0.5, "Share of squares painted.")
    size_to_image_ratio: float = unused(0.1, "Side by side of the image.")


@dataclasses.dataclass
class RandomResizeMethod:
    """Resizes by a random method."""

    target_height: int = unused(0, "New height.")
    target_width: int = unused(0, "New width.")


@dataclasses.dataclass
class RandomPatchGaussian:
    """Adds noise inside a square."""

    random_coef: float = unused(0.0, "Share of images left alone.")
    min_patch_size: int = unused(1, "Least side.")
    max_patch_size: int = unused(250, "Greatest side.")
    min_gaussian_stddev: float = unused(0.0, "Least noise.")
    max_gaussian_stddev: float = unused(1.0, "Greatest noise.")


@dataclasses.dataclass
class RandomJpegQuality:
    """Compresses the image."""

    random_coef: float = unused(0.0, "Share of images left alone.")
    min_jpeg_quality: int = unused(0, "Least quality.")
    max_jpeg_quality: int = unused(100, "Greatest quality.")


@dataclasses.dataclass
class RandomDownscaleToTargetPixels:
    """Shrinks the image to a number of pixels."""

    random_coef: float = unused(0.0, "Share of images left alone.")
    min_target_pixels: int = unused(300000, "Least number of pixels.")
    max_target_pixels: int = unused(500000, "Greatest number of pixels.")


@dataclasses.dataclass
class SsdCropOperation:
    """One kind of crop of SSD."""

    min_object_covered: float = unused(0.0, "Covered share of one box.")
    min_aspect_ratio: float = unused(0.0, "Least width by height.")
    max_aspect_ratio: float = unused(0.0, "Greatest width by height.")
    min_area: float = unused(0.0, "Least share of the image.")
    max_area: float = unused(0.0, "Greatest share of the image.")
    overlap_thresh: float = unused(0.0, "Boxes less inside are dropped.")
    clip_boxes: bool = unused(True, "Whether boxes are clipped.")
    random_coef: float = unused(0.0, "Share of images left alone.")
    min_padded_size_ratio: list[float] = unused([], "Least padded size.")
    max_padded_size_ratio: list[float] = unused([], "Greatest padded size.")
    pad_color_r: float = unused(0.0, "Colour of the padding: red.")
    pad_color_g: float = unused(0.0, "Colour of the padding: green.")
    pad_color_b: float = unused(0.0, "Colour of the padding: blue.")


@dataclasses.dataclass
class SsdRandomCrop:
    """One of several crops of SSD."""

    operations: list[SsdCropOperation] = unused([], "Kinds of crop.")
    aspect_ratio: float = unused(1.0, "Width by height of fixed crops.")
    min_padded_size_ratio: list[float] = unused([], "Least padded size.")
    max_padded_size_ratio: list[float] = unused([], "Greatest padded size.")


@dataclasses.dataclass
class NormalizeImage:
    """Maps pixel values to another range; the backbone knows its own."""

    original_minval: float = unused(0.0, "Least value before.")
    original_maxval: float = unused(0.0, "Greatest value before.")
    target_minval: float = unused(0.0, "Least value after.")
    target_maxval: float = unused(1.0, "Greatest value after.")


@dataclasses.dataclass
class SubtractChannelMean:
    """Subtracts a colour; the backbone knows its own."""

    means: list[float] = unused([], "The colour.")


@dataclasses.dataclass
class PreprocessingStep:
    """One step of data augmentation; exactly one kind per step."""

    random_horizontal_flip: RandomHorizontalFlip | None = optional(
        "Mirrors left to right.", oneof=STEP
    )
    random_adjust_brightness: RandomAdjustBrightness | None = optional(
        "Changes the brightness.", oneof=STEP
    )
    random_adjust_contrast: RandomAdjustContrast | None = optional(
        "Changes the contrast.", oneof=STEP
    )
    random_adjust_saturation: RandomAdjustSaturation | None = optional(
        "Changes the saturation.", oneof=STEP
    )
    random_adjust_hue: RandomAdjustHue | None = optional(
        "Changes the hue.", oneof=STEP
    )
    random_vertical_flip: RandomVerticalFlip | None = unused(
        None, "Mirrors top to bottom.", oneof=STEP
    )
    random_rotation90: RandomRotation90 | None = unused(
        None, "Turns by 90 degrees.", oneof=STEP
    )
    random_distort_color: RandomDistortColor | None = unused(
        None, "Changes colours in a given order.", oneof=STEP
    )
    random_pixel_value_scale: RandomPixelValueScale | None = unused(
        None, "Scales single pixels.", oneof=STEP
    )
    random_image_scale: RandomImageScale | None = unused(
        None, "Resizes.", oneof=STEP
    )
    random_rgb_to_gray: RandomRGBtoGray | None = unused(
        None, "Takes the colour away.", oneof=STEP
    )
    random_jitter_boxes: RandomJitterBoxes | None = unused(
        None, "Moves the corners of boxes.", oneof=STEP
    )
    random_crop_image: RandomCropImage | None = unused(
        None, "Crops.", oneof=STEP
    )
    random_pad_image: RandomPadImage | None = unused(None, "Pads.", oneof=STEP)
    random_absolute_pad_image: RandomAbsolutePadImage | None = unused(
        None, "Pads by pixels.", oneof=STEP
    )
    random_crop_pad_image: RandomCropPadImage | None = unused(
        None, "Crops and pads.", oneof=STEP
    )
    random_crop_to_aspect_ratio: RandomCropToAspectRatio | None = unused(
        None, "Crops to a ratio.", oneof=STEP
    )
    random_black_patches: RandomBlackPatches | None = unused(
        None, "Paints black squares.", oneof=STEP
    )
    random_resize_method: RandomResizeMethod | None = unused(
        None, "Resizes by a random method.", oneof=STEP
    )
    random_patch_gaussian: RandomPatchGaussian | None = unused(
        None, "Adds noise inside a square.", oneof=STEP
    )
    random_jpeg_quality: RandomJpegQuality | None = unused(
        None, "Compresses.", oneof=STEP
    )
    random_downscale_to_target_pixels: RandomDownscaleToTargetPixels | None = (
        unused(None, "Shrinks.", oneof=STEP)
    )
    ssd_random_crop: SsdRandomCrop | None = unused(
        None, "Crops as SSD does.", oneof=STEP
    )
    ssd_random_crop_pad: SsdRandomCrop | None = unused(
        None, "Crops and pads as SSD does.", oneof=STEP
    )
    ssd_random_crop_fixed_aspect_ratio: SsdRandomCrop | None = unused(
        None, "Crops to a fixed ratio.", oneof=STEP
    )
    ssd_random_crop_pad_fixed_aspect_ratio: SsdRandomCrop | None = unused(
        None, "Fixed ratio, padded.", oneof=STEP
    )
    normalize_image: NormalizeImage | None = unused(
        None, "Maps pixel values.", oneof=STEP
    )
    subtract_channel_mean: SubtractChannelMean | None = unused(
        None, "Subtracts a colour.", oneof=STEP
    )
