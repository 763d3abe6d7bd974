"""Draws the toy data set and writes it as TFRecords.

For example:

    python -m tfrecords_tools.create_toy_tf_record --output_path output/toy
"""

import argparse
import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from tfrecords_tools import storage
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Split
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import add_conversion_flags
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import options_from
from tfrecords_tools.conversion import parse_arguments
from tfrecords_tools.images import encode_jpeg
from tfrecords_tools.toy_images import draw_toy_image
from tfrecords_tools.toy_signs import TOY_CLASSES

TRAIN = "toy_train"
VALIDATION = "toy_val"
# Cameras compress harder than a conversion should.
_JPEG_QUALITY = 92


@dataclasses.dataclass(frozen=True)
class ToyImages(Sequence):
    """Toy images of a split; one of the same split and index is the same.

    Args:
        split: `TRAIN` or `VALIDATION`.
        seed: of the whole data set.
        height: of the images in px.
        width: of the images in px.
        indices: of the images in the split.
    """

    split: str
    seed: int
    height: int
    width: int
    indices: range

    def __len__(self) -> int:
        """Number of images."""
        return len(self.indices)

    def __getitem__(self, index):
        """Draws the image of an index, or chooses those of a slice."""
        if isinstance(index, slice):
            return dataclasses.replace(self, indices=self.indices[index])
        return self._draw(self.indices[index])

    def _draw(self, number: int) -> AnnotatedImage:
        is_validation = int(self.split == VALIDATION)
        source = np.random.default_rng([self.seed, is_validation, number])
        toy = draw_toy_image(self.height, self.width, source)
        name = f"toy_{number:05d}.jpg"
        where = f"{self.split}: image {number}"
        objects = tuple(
            AnnotatedObject(tuple(box), TOY_CLASSES[label], where)
            for box, label in zip(toy.boxes.tolist(), toy.labels, strict=True)
        )
        data = encode_jpeg(toy.image, _JPEG_QUALITY)
        return AnnotatedImage(name, name, objects, where, data=data)


_MINIMUM_SIDE = 200
_NUM_SHARDS = 2


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

    Args:
        output_path: folder to write to.
        num_train: number of training images.
        num_val: number of validation images.
        num_pictures: so many of the validation images are also written as
            JPEG files to the folder `pictures`, to try the detector on.
        seed: the same seed gives the same images.
        image_height: in px.
        image_width: in px.
        options: how records are written; default are 2 shards per split.

    Returns:
        A table of what was written.

    Raises:
        DataError: impossible sizes or numbers; nothing is written then.
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


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and writes the data set.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = CommandParser(
        "tfrecords_tools.create_toy_tf_record",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    add_conversion_flags(parser, _NUM_SHARDS)
    arguments = parse_arguments(parser, argv)
    with exit_on_error():
        print(
            create(
                arguments.output_path,
                arguments.num_train,
                arguments.num_val,
                arguments.num_pictures,
                arguments.seed,
                arguments.image_height,
                arguments.image_width,
                options_from(arguments),
            )
        )


if __name__ == "__main__":
    main()
