"""Our own pictures of traffic-sign-like objects on cluttered backgrounds.

The sizes are spread like those of Tsinghua-Tencent 100K (paper, section 5.1):
42% small (area at most 32^2 px^2), 50% medium (at most 96^2), 8% large.
"""

import dataclasses

import numpy as np
import PIL.Image
import PIL.ImageFilter

from tfrecords_tools.toy_backgrounds import draw_background
from tfrecords_tools.toy_backgrounds import smooth_noise
from tfrecords_tools.toy_signs import TOY_CLASSES
from tfrecords_tools.toy_signs import draw_sign

Box = tuple[int, int, int, int]

SHARE_WITHOUT_OBJECTS = 0.1
MAX_OBJECTS = 6
# Share of the objects, and their sides (square root of the area) in px.
SIZE_SPREAD = ((0.42, 10, 32), (0.5, 32, 96), (0.08, 96, 140))
# Objects keep this far from each other and from the border, in px.
_GAP = 3
_PLACING_ATTEMPTS = 200
_SOFT = PIL.ImageFilter.Kernel((3, 3), (1, 2, 1, 2, 4, 2, 1, 2, 1))


@dataclasses.dataclass(frozen=True)
class ToyImage:
    """A picture and its objects.

    Args:
        image: the RGB picture.
        boxes: `[num_objects, 4]` int px, ymin, xmin, ymax, xmax.
        labels: class ids, keys of `TOY_CLASSES`.
    """

    image: PIL.Image.Image
    boxes: np.ndarray
    labels: list[int]


def draw_toy_image(
    height: int, width: int, generator: np.random.Generator
) -> ToyImage:
    """Draws one picture with 0 to 6 objects that do not overlap.

    Args:
        height: of the picture in px, at least 200.
        width: of the picture in px, at least 200.
        generator: source of randomness; the same state gives the same picture.

    Returns:
        The picture with its boxes and labels.
    """
    scene = draw_background(height, width, generator)
    boxes: list[Box] = []
    placed = []
    for label, sign in _draw_signs(generator):
        box = _find_place(sign, height, width, boxes, generator)
        if box is not None:
            boxes.append(box)
            placed.append((label, sign))
    # All poles before all signs: nothing hides a sign.
    for ymin, xmin, ymax, xmax in boxes:
        base = max(scene.horizon + 0.12 * height, ymax + 0.5 * (ymax - ymin))
        scene.pole((xmin + xmax) / 2, ymin + 2, base, xmax - xmin)
    for (_, sign), (ymin, xmin, _, _) in zip(placed, boxes, strict=True):
        scene.image.paste(sign, (xmin, ymin), sign)
    return ToyImage(
        _photograph(scene.image, generator),
        np.array(boxes, np.int64).reshape(-1, 4),
        [label for label, _ in placed],
    )


def _draw_signs(
    generator: np.random.Generator,
) -> list[tuple[int, PIL.Image.Image]]:
    """Labels and drawings of a picture's signs, the largest first."""
    if generator.random() < SHARE_WITHOUT_OBJECTS:
        return []
    count = int(generator.integers(1, MAX_OBJECTS + 1))
    sizes = sorted((_draw_size(generator) for _ in range(count)), reverse=True)
    labels = generator.choice(list(TOY_CLASSES), size=count).tolist()
    return [
        (label, draw_sign(label, size, generator))
        for label, size in zip(labels, sizes, strict=True)
    ]


def _draw_size(generator: np.random.Generator) -> float:
    """Square root of an object's area in px, after `SIZE_SPREAD`."""
    shares = [share for share, _, _ in SIZE_SPREAD]
    _, low, high = SIZE_SPREAD[generator.choice(len(shares), p=shares)]
    # In each range smaller ones are commoner, as things far away are; the
    # smallest range is spread evenly, or most would be too small to read.
    if low == SIZE_SPREAD[0][1]:
        return float(generator.uniform(low, high))
    return float(np.exp(generator.uniform(np.log(low), np.log(high))))


def _find_place(
    sign: PIL.Image.Image,
    height: int,
    width: int,
    boxes: list[Box],
    generator: np.random.Generator,
) -> Box | None:
    """A free place for the sign; None when the picture is full."""
    for _ in range(_PLACING_ATTEMPTS):
        x = int(generator.integers(_GAP, width - sign.width - _GAP))
        y = int(generator.integers(_GAP, height - sign.height - _GAP))
        box = (y, x, y + sign.height, x + sign.width)
        if not any(_touch(box, other) for other in boxes):
            return box
    return None


def _touch(one: Box, other: Box) -> bool:
    return (
        one[0] < other[2] + _GAP
        and other[0] < one[2] + _GAP
        and one[1] < other[3] + _GAP
        and other[1] < one[3] + _GAP
    )


def _photograph(
    image: PIL.Image.Image, generator: np.random.Generator
) -> PIL.Image.Image:
    """Takes the picture: blur, light, haze, shadows and the camera's noise."""
    blurred = image.filter(_SOFT)
    image = PIL.Image.blend(image, blurred, generator.uniform(0, 1))
    light = generator.uniform(0.65, 1.2)
    tint = generator.uniform(0.93, 1.07, size=3)
    haze = generator.uniform(0, 0.2)
    levels = np.outer(light * (1 - haze) * tint, np.arange(256))
    levels = np.clip(levels + 190 * light * haze, 0, 255)
    image = image.point(levels.astype(int).ravel().tolist())
    pixels = np.array(image, np.float32)
    height, width, _ = pixels.shape
    shadow = smooth_noise(height, width, 5, generator)
    pixels *= (1 + 0.15 * shadow)[..., None]
    noise = generator.standard_normal((height, width), dtype=np.float32)
    pixels += (noise * generator.uniform(1, 6))[..., None]
    return PIL.Image.fromarray(pixels.clip(0, 255, out=pixels).astype(np.uint8))
