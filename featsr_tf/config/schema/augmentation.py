"""Steps of data augmentation."""

import dataclasses
import enum

from featsr_tf.config.fields import optional
from featsr_tf.config.fields import setting
from featsr_tf.config.fields import unused

_KEYPOINTS = "Records have no keypoints here."


@dataclasses.dataclass
class RandomHorizontalFlip:
    """Mirrors the image left to right."""

    keypoint_flip_permutation: list[int] = unused([], _KEYPOINTS)
    probability: float = setting(0.5, "Share of images changed.", maximum=1)


@dataclasses.dataclass
class RandomVerticalFlip:
    """Mirrors the image top to bottom."""

    keypoint_flip_permutation: list[int] = unused([], _KEYPOINTS)
    probability: float = setting(0.5, "Share of images changed.", maximum=1)


@dataclasses.dataclass
class RandomRotation90:
    """Turns the image by 90 degrees, counter-clockwise."""

    keypoint_rot_permutation: list[int] = unused([], _KEYPOINTS)
    probability: float = setting(0.5, "Share of images changed.", maximum=1)


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

    color_ordering: int = setting(
        0,
        "0 = contrast comes last, 1 = contrast comes before saturation.",
        maximum=1,
    )


@dataclasses.dataclass
class RandomPixelValueScale:
    """Multiplies every value of every pixel by its own random number."""

    minval: float = setting(0.9, "Least factor.", maximum=100)
    maxval: float = setting(1.1, "Greatest factor.", maximum=100)


@dataclasses.dataclass
class RandomRGBtoGray:
    """Takes the colour away."""

    probability: float = setting(0.1, "Share of images changed.", maximum=1)


@dataclasses.dataclass
class RandomImageScale:
    """Resizes the frame, before `image_resizer` or `training_crop`."""

    min_scale_ratio: float = setting(0.5, "Least factor.", 0.01, 16)
    max_scale_ratio: float = setting(2.0, "Greatest factor.", 0.01, 16)


@dataclasses.dataclass
class RandomCropImage:
    """Crops the frame, before `image_resizer` or `training_crop`."""

    min_object_covered: float = setting(
        1.0, "Share of at least one box that the crop must cover.", maximum=1
    )
    min_aspect_ratio: float = setting(0.75, "Least width by height.", 0.01, 100)
    max_aspect_ratio: float = setting(
        1.33, "Greatest width by height.", 0.01, 100
    )
    min_area: float = setting(0.1, "Least share of the frame.", 0.0001, 1)
    max_area: float = setting(1.0, "Greatest share of the frame.", 0.0001, 1)
    overlap_thresh: float = setting(
        0.3,
        "Objects of which a smaller share is left are ignored (removed in the "
        "API).",
        maximum=1,
    )
    clip_boxes: bool = unused(True, "Boxes are always clipped to the crop.")
    random_coef: float = setting(0.0, "Share of frames left alone.", maximum=1)


@dataclasses.dataclass
class RandomSquareCropByScale:
    """Crops a square; where it goes beyond the frame, it is black."""

    max_border: int = setting(
        128,
        "Pixels at the border of the frame in which no crop is centred; "
        "halved until less than half of the frame.",
        minimum=1,
        maximum=16384,
    )
    scale_min: float = setting(
        0.6, "Least side by the longer side of the frame.", 0.01, 16
    )
    scale_max: float = setting(
        1.3, "Greatest side by the longer side of the frame.", 0.01, 16
    )
    num_scales: int = setting(
        8, "Number of sides to draw from.", minimum=1, maximum=10000
    )


_STEP_NOT_BUILT = "The step is not built."


@dataclasses.dataclass
class RandomJitterBoxes:
    """Moves the corners of the boxes."""

    ratio: float = unused(0.05, _STEP_NOT_BUILT)


@dataclasses.dataclass
class RandomPadImage:
    """Pads the image."""

    min_image_height: int = unused(0, _STEP_NOT_BUILT)
    min_image_width: int = unused(0, _STEP_NOT_BUILT)
    max_image_height: int = unused(0, _STEP_NOT_BUILT)
    max_image_width: int = unused(0, _STEP_NOT_BUILT)
    pad_color: list[float] = unused([], _STEP_NOT_BUILT)


@dataclasses.dataclass
class RandomAbsolutePadImage:
    """Pads the image by up to so many pixels."""

    max_height_padding: int = unused(0, _STEP_NOT_BUILT)
    max_width_padding: int = unused(0, _STEP_NOT_BUILT)
    pad_color: list[float] = unused([], _STEP_NOT_BUILT)


@dataclasses.dataclass
class RandomCropPadImage(RandomCropImage):
    """Crops the image, then pads it."""

    min_padded_size_ratio: list[float] = unused([], _STEP_NOT_BUILT)
    max_padded_size_ratio: list[float] = unused([], _STEP_NOT_BUILT)
    pad_color: list[float] = unused([], _STEP_NOT_BUILT)


@dataclasses.dataclass
class RandomCropToAspectRatio:
    """Crops the image to an aspect ratio."""

    aspect_ratio: float = unused(1.0, _STEP_NOT_BUILT)
    overlap_thresh: float = unused(0.3, _STEP_NOT_BUILT)
    clip_boxes: bool = unused(True, _STEP_NOT_BUILT)


@dataclasses.dataclass
class RandomBlackPatches:
    """Paints black squares into the image."""

    max_black_patches: int = unused(10, _STEP_NOT_BUILT)
    probability: float = unused(0.5, _STEP_NOT_BUILT)
    size_to_image_ratio: float = unused(0.1, _STEP_NOT_BUILT)


@dataclasses.dataclass
class RandomResizeMethod:
    """Resizes by a random method."""

    target_height: int = unused(0, _STEP_NOT_BUILT)
    target_width: int = unused(0, _STEP_NOT_BUILT)


@dataclasses.dataclass
class RandomPatchGaussian:
    """Adds noise inside a square."""

    random_coef: float = unused(0.0, _STEP_NOT_BUILT)
    min_patch_size: int = unused(1, _STEP_NOT_BUILT)
    max_patch_size: int = unused(250, _STEP_NOT_BUILT)
    min_gaussian_stddev: float = unused(0.0, _STEP_NOT_BUILT)
    max_gaussian_stddev: float = unused(1.0, _STEP_NOT_BUILT)


@dataclasses.dataclass
class RandomJpegQuality:
    """Compresses the image."""

    random_coef: float = unused(0.0, _STEP_NOT_BUILT)
    min_jpeg_quality: int = unused(0, _STEP_NOT_BUILT)
    max_jpeg_quality: int = unused(100, _STEP_NOT_BUILT)


@dataclasses.dataclass
class RandomDownscaleToTargetPixels:
    """Shrinks the image to a number of pixels."""

    random_coef: float = unused(0.0, _STEP_NOT_BUILT)
    min_target_pixels: int = unused(300000, _STEP_NOT_BUILT)
    max_target_pixels: int = unused(500000, _STEP_NOT_BUILT)


@dataclasses.dataclass
class SsdCropOperation:
    """One kind of crop of SSD."""

    min_object_covered: float = unused(0.0, _STEP_NOT_BUILT)
    min_aspect_ratio: float = unused(0.0, _STEP_NOT_BUILT)
    max_aspect_ratio: float = unused(0.0, _STEP_NOT_BUILT)
    min_area: float = unused(0.0, _STEP_NOT_BUILT)
    max_area: float = unused(0.0, _STEP_NOT_BUILT)
    overlap_thresh: float = unused(0.0, _STEP_NOT_BUILT)
    clip_boxes: bool = unused(True, _STEP_NOT_BUILT)
    random_coef: float = unused(0.0, _STEP_NOT_BUILT)
    min_padded_size_ratio: list[float] = unused([], _STEP_NOT_BUILT)
    max_padded_size_ratio: list[float] = unused([], _STEP_NOT_BUILT)
    pad_color_r: float = unused(0.0, _STEP_NOT_BUILT)
    pad_color_g: float = unused(0.0, _STEP_NOT_BUILT)
    pad_color_b: float = unused(0.0, _STEP_NOT_BUILT)


@dataclasses.dataclass
class SsdRandomCrop:
    """One of several crops of SSD."""

    operations: list[SsdCropOperation] = unused([], _STEP_NOT_BUILT)
    aspect_ratio: float = unused(1.0, _STEP_NOT_BUILT)
    min_padded_size_ratio: list[float] = unused([], _STEP_NOT_BUILT)
    max_padded_size_ratio: list[float] = unused([], _STEP_NOT_BUILT)


@dataclasses.dataclass
class NormalizeImage:
    """Maps pixel values to another range; the backbone knows its own."""

    original_minval: float = unused(0.0, _STEP_NOT_BUILT)
    original_maxval: float = unused(0.0, _STEP_NOT_BUILT)
    target_minval: float = unused(0.0, _STEP_NOT_BUILT)
    target_maxval: float = unused(1.0, _STEP_NOT_BUILT)


@dataclasses.dataclass
class SubtractChannelMean:
    """Subtracts a colour; the backbone knows its own."""

    means: list[float] = unused([], _STEP_NOT_BUILT)


@dataclasses.dataclass
class ScaleBoxesToPixelCoordinates:
    """Boxes in pixels instead of shares of the image."""


class ResizeMethod(enum.StrEnum):
    """Interpolation of a resizing step; the API counts from 1."""

    UNKNOWN = "UNKNOWN"
    AREA = "AREA"
    BICUBIC = "BICUBIC"
    BILINEAR = "BILINEAR"
    NEAREST_NEIGHBOR = "NEAREST_NEIGHBOR"


@dataclasses.dataclass
class ResizeImage:
    """Resizes to one size."""

    new_height: int = unused(0, _STEP_NOT_BUILT)
    new_width: int = unused(0, _STEP_NOT_BUILT)
    method: ResizeMethod = unused(ResizeMethod.BILINEAR, _STEP_NOT_BUILT)


@dataclasses.dataclass
class RGBtoGray:
    """Makes images of one channel."""


@dataclasses.dataclass
class ConvertClassLogitsToSoftmax:
    """Makes soft labels of logits."""

    temperature: float = unused(1.0, _STEP_NOT_BUILT)


@dataclasses.dataclass
class RandomSelfConcatImage:
    """Puts copies of the image side by side."""

    concat_vertical_probability: float = unused(0.1, _STEP_NOT_BUILT)
    concat_horizontal_probability: float = unused(0.1, _STEP_NOT_BUILT)


@dataclasses.dataclass
class AutoAugmentImage:
    """A learned policy of several changes."""

    policy_name: str = unused("v0", _STEP_NOT_BUILT)


@dataclasses.dataclass
class DropLabelProbabilistically:
    """Removes objects of one class at random."""

    label: int = unused(0, _STEP_NOT_BUILT)
    drop_probability: float = unused(1.0, _STEP_NOT_BUILT)


@dataclasses.dataclass
class RemapLabels:
    """Gives classes another id."""

    original_labels: list[int] = unused([], _STEP_NOT_BUILT)
    new_label: int = unused(0, _STEP_NOT_BUILT)


@dataclasses.dataclass
class RandomScaleCropAndPadToSquare:
    """Scales, crops and pads to a square."""

    output_size: int = unused(512, _STEP_NOT_BUILT)
    scale_min: float = unused(0.1, _STEP_NOT_BUILT)
    scale_max: float = unused(2.0, _STEP_NOT_BUILT)


@dataclasses.dataclass
class AdjustGamma:
    """Raises all values to a power."""

    gamma: float = unused(1.0, _STEP_NOT_BUILT)
    gain: float = unused(1.0, _STEP_NOT_BUILT)


_STEP = "preprocessing_step"
_NOT_BUILT = "This step is not built; training goes on without it."
_CROP = (
    "This crop is not built; random_crop_image, random_square_crop_by_scale "
    "and training_crop are."
)
_BACKBONE = "Every backbone gets the range of values that it was made for."
_LABELS = "Classes stay as the records say."


@dataclasses.dataclass
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
    scale_boxes_to_pixel_coordinates: ScaleBoxesToPixelCoordinates | None = (
        unused(None, "Boxes are in pixels anyway.", oneof=_STEP)
    )
    normalize_image: NormalizeImage | None = unused(
        None, _BACKBONE, oneof=_STEP
    )
    subtract_channel_mean: SubtractChannelMean | None = unused(
        None, _BACKBONE, oneof=_STEP
    )
    resize_image: ResizeImage | None = unused(
        None, "image_resizer resizes.", oneof=_STEP
    )
    random_resize_method: RandomResizeMethod | None = unused(
        None, "image_resizer resizes.", oneof=_STEP
    )
    random_downscale_to_target_pixels: RandomDownscaleToTargetPixels | None = (
        unused(None, _NOT_BUILT, oneof=_STEP)
    )
    rgb_to_gray: RGBtoGray | None = unused(
        None,
        "Images have three channels; random_rgb_to_gray makes them grey.",
        oneof=_STEP,
    )
    random_jitter_boxes: RandomJitterBoxes | None = unused(
        None,
        "Boxes stay as they are; jittered_boxes_per_object jitters proposals.",
        oneof=_STEP,
    )
    random_pad_image: RandomPadImage | None = unused(
        None, _NOT_BUILT, oneof=_STEP
    )
    random_absolute_pad_image: RandomAbsolutePadImage | None = unused(
        None, _NOT_BUILT, oneof=_STEP
    )
    random_crop_pad_image: RandomCropPadImage | None = unused(
        None, _CROP, oneof=_STEP
    )
    random_crop_to_aspect_ratio: RandomCropToAspectRatio | None = unused(
        None, _CROP, oneof=_STEP
    )
    random_scale_crop_and_pad_to_square: (
        RandomScaleCropAndPadToSquare | None
    ) = unused(None, _CROP, oneof=_STEP)
    ssd_random_crop: SsdRandomCrop | None = unused(None, _CROP, oneof=_STEP)
    ssd_random_crop_pad: SsdRandomCrop | None = unused(None, _CROP, oneof=_STEP)
    ssd_random_crop_fixed_aspect_ratio: SsdRandomCrop | None = unused(
        None, _CROP, oneof=_STEP
    )
    ssd_random_crop_pad_fixed_aspect_ratio: SsdRandomCrop | None = unused(
        None, _CROP, oneof=_STEP
    )
    random_black_patches: RandomBlackPatches | None = unused(
        None, _NOT_BUILT, oneof=_STEP
    )
    random_patch_gaussian: RandomPatchGaussian | None = unused(
        None, _NOT_BUILT, oneof=_STEP
    )
    random_jpeg_quality: RandomJpegQuality | None = unused(
        None, _NOT_BUILT, oneof=_STEP
    )
    random_self_concat_image: RandomSelfConcatImage | None = unused(
        None, _NOT_BUILT, oneof=_STEP
    )
    autoaugment_image: AutoAugmentImage | None = unused(
        None, _NOT_BUILT, oneof=_STEP
    )
    adjust_gamma: AdjustGamma | None = unused(None, _NOT_BUILT, oneof=_STEP)
    drop_label_probabilistically: DropLabelProbabilistically | None = unused(
        None, _LABELS, oneof=_STEP
    )
    remap_labels: RemapLabels | None = unused(None, _LABELS, oneof=_STEP)
    convert_class_logits_to_softmax: ConvertClassLogitsToSoftmax | None = (
        unused(None, _LABELS, oneof=_STEP)
    )
