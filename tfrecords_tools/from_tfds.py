"""Converts a detection data set of TensorFlow Datasets to TFRecords.

For example:

    python -m tfrecords_tools.from_tfds --dataset voc/2007 \\
        --split train validation --output_path output/voc_tfds

Any data set will do whose examples have an image and 'objects' with 'bbox'
and 'label'. Ids of the label map are the labels plus 1. Images are read while
they are written, all files of a split once for each of its shards.
"""

import argparse
import re
from collections.abc import Sequence

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.errors import exit_on_error
from tfrecords_tools.annotations import Split
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import add_conversion_flags
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import options_from
from tfrecords_tools.conversion import parse_arguments
from tfrecords_tools.tfds_source import open_builder
from tfrecords_tools.tfds_source import prepare
from tfrecords_tools.tfds_source import read_split
from tfrecords_tools.tfds_source import tfds_label_map


def create(
    dataset: str,
    split_names: Sequence[str],
    output_path: str,
    data_dir: str | None = None,
    download: bool = False,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `DATASET_SPLIT.record-*` for each split, and the label map.

    Args:
        dataset: such as "voc/2007".
        split_names: such as "train" or "test[:10%]".
        output_path: folder to write to.
        data_dir: folder of prepared data; None for that of TensorFlow
            Datasets.
        download: whether to download and prepare what is not there.
        options: how records are written.

    Returns:
        A table of what was written and repaired.

    Raises:
        DataError: no such data set or split, data that are not there, or
            anything wrong with them; nothing is written then.
    """
    if download:
        prepare(open_builder(dataset, data_dir))
    images = [read_split(dataset, name, data_dir) for name in split_names]
    splits = [
        Split(record_name(dataset, name), part)
        for name, part in zip(split_names, images, strict=True)
    ]
    return convert(output_path, splits, tfds_label_map(images[0]), options)


def record_name(dataset: str, split: str) -> str:
    """Name of a split's record files: `voc_train`, `voc_test_to10percent`."""
    words = f"{dataset.split('/')[0]}_{split}"
    words = words.replace("%", "percent").replace(":", "to")
    return re.sub(r"\W+", "_", words).strip("_")


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = CommandParser(
        "tfrecords_tools.from_tfds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--dataset", required=True, help="name of the data set: voc/2007"
    )
    parser.add_argument(
        "--split",
        nargs="+",
        default=["train"],
        help="splits or parts of them: train 'test[:10%%]' (default train)",
    )
    parser.add_argument(
        "--data_dir",
        metavar="FOLDER",
        help="prepared data (default: that of TensorFlow Datasets)",
    )
    parser.add_argument(
        "--download",
        action="store_true",
        help="download and prepare what is not there (default: an error)",
    )
    add_conversion_flags(parser)
    arguments = parse_arguments(parser, argv)
    with exit_on_error():
        print(
            create(
                arguments.dataset,
                arguments.split,
                arguments.output_path,
                arguments.data_dir,
                arguments.download,
                options_from(arguments),
            )
        )


if __name__ == "__main__":
    main()
