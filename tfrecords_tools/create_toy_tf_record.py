"""Draws the toy data set and writes it as TFRecords.

For example:

    python -m tfrecords_tools.create_toy_tf_record --output_path output/toy
"""

import argparse
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from tfrecords_tools.example import EncodedImage
from tfrecords_tools.example import encode_jpeg
from tfrecords_tools.example import make_example
from tfrecords_tools.shards import Split
from tfrecords_tools.shards import staging_folder
from tfrecords_tools.shards import write_data_set
from tfrecords_tools.summary import summary_table
from tfrecords_tools.toy_images import ToyImage
from tfrecords_tools.toy_images import draw_toy_image
from tfrecords_tools.toy_signs import TOY_CLASSES

if TYPE_CHECKING:
    import tensorflow as tf

_TRAIN = "toy_train"
_VALIDATION = "toy_val"
_MINIMUM_SIDE = 200


def create(
    output_path: str,
    num_train: int = 400,
    num_val: int = 100,
    num_pictures: int = 6,
    seed: int = 0,
    image_height: int = 384,
    image_width: int = 640,
    num_shards: int = 2,
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
        num_shards: files per split.

    Returns:
        A table of what was written.

    Raises:
        DataError: impossible sizes or numbers; nothing is written then.
    """
    size = (image_height, image_width)
    if min(size) < _MINIMUM_SIDE:
        raise DataError(
            f"toy images of {image_width} x {image_height} px; expected at"
            f" least {_MINIMUM_SIDE} px each way, or signs do not fit"
        )
    if seed < 0:
        raise DataError(f"--seed is {seed}; expected 0 or more")
    label_map = LabelMap(dict(TOY_CLASSES))
    splits = [
        Split(name, count, _examples(name, count, seed, size, label_map))
        for name, count in ((_TRAIN, num_train), (_VALIDATION, num_val))
    ]
    summaries = write_data_set(output_path, splits, label_map, num_shards)
    with staging_folder(Path(output_path).resolve() / "pictures") as folder:
        for index in range(min(num_pictures, num_val)):
            picture = _encode(_draw(_VALIDATION, index, seed, size), index)
            (folder / picture.filename).write_bytes(picture.data)
    return summary_table(summaries, label_map)


def _draw(split: str, index: int, seed: int, size: tuple[int, int]) -> ToyImage:
    """The image of a split and an index is always the same."""
    source = np.random.default_rng([seed, int(split == _VALIDATION), index])
    return draw_toy_image(*size, source)


def _encode(toy: ToyImage, index: int) -> EncodedImage:
    return EncodedImage(
        encode_jpeg(toy.image),
        "jpeg",
        toy.image.height,
        toy.image.width,
        f"toy_{index:05d}.jpg",
    )


def _examples(
    split: str,
    count: int,
    seed: int,
    size: tuple[int, int],
    label_map: LabelMap,
) -> Iterator["tf.train.Example"]:
    for index in range(count):
        toy = _draw(split, index, seed, size)
        yield make_example(
            _encode(toy, index), toy.boxes, toy.labels, label_map
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and writes the data set.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--output_path", required=True, help="folder to write the records to"
    )
    numbers = (
        ("--num_train", 400, "number of training images"),
        ("--num_val", 100, "number of validation images"),
        ("--num_pictures", 6, "validation images to write as JPEG files too"),
        ("--seed", 0, "the same seed gives the same images"),
        ("--image_height", 384, "height of the images in px"),
        ("--image_width", 640, "width of the images in px"),
        ("--num_shards", 2, "files per split"),
    )
    for flag, default, text in numbers:
        parser.add_argument(
            flag,
            type=int,
            default=default,
            help=f"{text} (default %(default)s)",
        )
    with exit_on_error():
        print(create(**vars(parser.parse_args(argv))))


if __name__ == "__main__":
    main()
