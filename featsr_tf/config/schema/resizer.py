"""How a frame becomes the input of the network."""

import dataclasses
import enum

from featsr_tf.config.fields import optional
from featsr_tf.config.fields import refused
from featsr_tf.config.fields import setting
from featsr_tf.config.fields import unused


class ResizeType(enum.StrEnum):
    """Interpolation of an image resizer."""

    BILINEAR = "BILINEAR"
    NEAREST_NEIGHBOR = "NEAREST_NEIGHBOR"
    BICUBIC = "BICUBIC"
    AREA = "AREA"


@dataclasses.dataclass
class KeepAspectRatioResizer:
    """Resizes the shorter side, but never beyond a longest side."""

    min_dimension: int = setting(
        600, "Shorter side in pixels.", minimum=32, maximum=16384
    )
    max_dimension: int = setting(
        1024,
        "Longer side in pixels; when it would be more, it decides instead.",
        minimum=32,
        maximum=16384,
    )
    resize_method: ResizeType = unused(
        ResizeType.BILINEAR, "Always by area to shrink, bilinear to enlarge."
    )
    pad_to_max_dimension: bool = setting(
        False, "Whether to pad to a square of `max_dimension`."
    )
    convert_to_grayscale: bool = refused(False, "Images of one channel.")
    per_channel_pad_value: list[float] = unused(
        [], "Colour of the padding, which is black here."
    )


@dataclasses.dataclass
class FixedShapeResizer:
    """Resizes to one shape, whatever the aspect ratio of the image."""

    height: int = setting(300, "Height in pixels.", minimum=32, maximum=16384)
    width: int = setting(300, "Width in pixels.", minimum=32, maximum=16384)
    resize_method: ResizeType = unused(
        ResizeType.BILINEAR, "Always by area to shrink, bilinear to enlarge."
    )
    convert_to_grayscale: bool = refused(False, "Images of one channel.")


@dataclasses.dataclass
class OtherResizer:
    """An image resizer that is not built here."""


@dataclasses.dataclass
class ImageResizer:
    """How a frame becomes the input of the network; exactly one way."""

    keep_aspect_ratio_resizer: KeepAspectRatioResizer | None = optional(
        "Keeps the aspect ratio.", oneof="image_resizer_oneof"
    )
    fixed_shape_resizer: FixedShapeResizer | None = optional(
        "Gives every image the same shape.", oneof="image_resizer_oneof"
    )
    identity_resizer: OtherResizer | None = refused(
        None, "Leaves images as they are.", oneof="image_resizer_oneof"
    )
    conditional_shape_resizer: OtherResizer | None = refused(
        None, "Resizes some images only.", oneof="image_resizer_oneof"
    )
    pad_to_multiple_resizer: OtherResizer | None = refused(
        None, "Pads to a multiple.", oneof="image_resizer_oneof"
    )
