"""Draws the toy data set and writes it as TFRecords.

For example:

    python -m tfrecords_tools.create_toy_tf_record --output_path output/toy
"""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageFilter

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from tfrecords_tools import storage
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import LazyImages
from tfrecords_tools.annotations import Split
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter
from tfrecords_tools.images import encode_jpeg
from tfrecords_tools.toy_backgrounds import draw_background
from tfrecords_tools.toy_backgrounds import smooth_noise
from tfrecords_tools.toy_signs import TOY_CLASSES
from tfrecords_tools.toy_signs import draw_sign

TRAIN = "toy_train"
VALIDATION = "toy_val"
_NUM_SHARDS = 2
# With smaller images signs do not fit.
_MINIMUM_SIDE = 200
# Cameras compress harder than a conversion should.
_JPEG_QUALITY = 92
SHARE_WITHOUT_OBJECTS = 0.1
MAX_OBJECTS = 6
# Share of the objects, and their sides (square root of the area) in px, spread
# like those of Tsinghua-Tencent 100K (paper, section 5.1).
SIZE_SPREAD = ((0.42, 10, 32), (0.5, 32, 96), (0.08, 96, 140))
# Objects keep this far from each other and from the border, in px.
_GAP = 3
_PLACING_ATTEMPTS = 200
_SOFT = PIL.ImageFilter.Kernel((3, 3), (1, 2, 1, 2, 4, 2, 1, 2, 1))
_Box = tuple[int, int, int, int]


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and writes the data set."""
    parser = converter_parser("tfrecords_tools.create_toy_tf_record", __doc__)
    numbers = (
        ("--num_train", 400, "number of training images"),
        ("--num_val", 100, "number of validation images"),
        ("--num_pictures", 6, "validation images to write as JPEG files too"),
        ("--seed", 0, "the same seed gives the same images"),
        ("--image_height", 384, "height of the images in px"),
        ("--image_width", 640, "width of the images in px"),
    )
    for flag, default, text in numbers:
        parser.add_argument(
            flag,
            type=int,
            default=default,
            help=f"{text} (default %(default)s)",
        )
    run_converter(parser, create, argv, _NUM_SHARDS)


def create(
    output_path: str,
    num_train: int = 400,
    num_val: int = 100,
    num_pictures: int = 6,
    seed: int = 0,
    image_height: int = 384,
    image_width: int = 640,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `toy_train.record-*`, `toy_val.record-*` and the label map.

    `output_path`, `options`, result and errors are those of `convert`.

    Args:
        num_pictures: validation images that are also written as JPEG files,
            to the folder `pictures`, to try the detector on.
        image_height: in px.
        image_width: in px.
        options: how records are written; default are 2 shards per split.
    """
    if min(image_height, image_width) < _MINIMUM_SIDE:
        raise DataError(
            f"toy images of {image_width} x {image_height} px; expected at"
            f" least {_MINIMUM_SIDE} px each way, or signs do not fit"
        )
    if seed < 0:
        raise DataError(f"--seed is {seed}; expected 0 or more")
    splits = [
        Split(name, ToyImages(name, seed, image_height, image_width, range(n)))
        for name, n in ((TRAIN, num_train), (VALIDATION, num_val))
    ]
    options = options or ConversionOptions(num_shards=_NUM_SHARDS)
    label_map = LabelMap(dict(TOY_CLASSES))
    table = convert(output_path, splits, label_map, options)
    for picture in splits[-1].images[: max(num_pictures, 0)]:
        path = os.path.join(output_path, "pictures", picture.filename)
        storage.write_bytes(path, picture.data)
    return table


@dataclasses.dataclass(frozen=True)
class ToyImages(LazyImages):
    """Toy images of a split; one of the same split and index is the same.

    Args:
        height: of the images in px.
        width: of the images in px.
    """

    split: str
    seed: int
    height: int
    width: int
    indices: range

    def make(self, index: int) -> AnnotatedImage:
        """Draws an image."""
        is_validation = int(self.split == VALIDATION)
        source = np.random.default_rng([self.seed, is_validation, index])
        toy = draw_toy_image(self.height, self.width, source)
        name = f"toy_{index:05d}.jpg"
        where = f"{self.split}: image {index}"
        objects = tuple(
            AnnotatedObject(tuple(box), TOY_CLASSES[label], where)
            for box, label in zip(toy.boxes.tolist(), toy.labels, strict=True)
        )
        data = encode_jpeg(toy.image, _JPEG_QUALITY)
        return AnnotatedImage(name, name, objects, where, data=data)


@dataclasses.dataclass(frozen=True)
class ToyImage:
    """A picture and its objects.

    Args:
        boxes: `[num_objects, 4]` int px, ymin, xmin, ymax, xmax.
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
    """
    scene = draw_background(height, width, generator)
    boxes: list[_Box] = []
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
    boxes: list[_Box],
    generator: np.random.Generator,
) -> _Box | None:
    """A free place for the sign; None when the picture is full."""
    for _ in range(_PLACING_ATTEMPTS):
        x = int(generator.integers(_GAP, width - sign.width - _GAP))
        y = int(generator.integers(_GAP, height - sign.height - _GAP))
        box = (y, x, y + sign.height, x + sign.width)
        if not any(_touch(box, other) for other in boxes):
            return box
    return None


def _touch(one: _Box, other: _Box) -> bool:
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


if __name__ == "__main__":
    main()
