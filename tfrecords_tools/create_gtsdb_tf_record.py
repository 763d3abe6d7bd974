"""Converts the German Traffic Sign Detection Benchmark to TFRecords.

For example:

    python -m tfrecords_tools.create_gtsdb_tf_record \
        --data_dir ../shared/data/gtsdb --output_path data/gtsdb --classes 4
"""

import argparse
from collections.abc import Sequence

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from tfrecords_tools.gtsdb import NUM_CLASSES
from tfrecords_tools.gtsdb import Frame
from tfrecords_tools.gtsdb import frame_example
from tfrecords_tools.gtsdb import gtsdb_label_map
from tfrecords_tools.gtsdb import is_validation_frame
from tfrecords_tools.gtsdb import read_frames
from tfrecords_tools.shards import Split
from tfrecords_tools.shards import write_data_set
from tfrecords_tools.summary import summary_table


def create(
    data_dir: str,
    output_path: str,
    classes: int = 4,
    validation_fraction: float = 0.2,
    num_shards: int = 4,
) -> str:
    """Writes `gtsdb_train.record-*`, `gtsdb_val.record-*` and the label map.

    Args:
        data_dir: folder of the data set, see `gtsdb.read_frames`.
        output_path: folder to write to.
        classes: 43 signs, or the 4 categories prohibitory, danger,
            mandatory, other.
        validation_fraction: share of the frames for validation, by a hash
            of the frame's name.
        num_shards: files per split.

    Returns:
        A table of what was written.

    Raises:
        DataError: anything wrong with the input; nothing is written then.
    """
    if not 0 < validation_fraction < 1:
        raise DataError(
            f"--validation_fraction is {validation_fraction}; expected a"
            " number between 0 and 1"
        )
    frames = read_frames(data_dir)
    label_map = gtsdb_label_map(classes)
    parts: dict[bool, list[Frame]] = {False: [], True: []}
    for frame in frames:
        part = is_validation_frame(frame.path.name, validation_fraction)
        parts[part].append(frame)
    splits = [
        _split("gtsdb_train", parts[False], label_map, classes),
        _split("gtsdb_val", parts[True], label_map, classes),
    ]
    summaries = write_data_set(output_path, splits, label_map, num_shards)
    return summary_table(summaries, label_map)


def _split(
    name: str, frames: list[Frame], label_map: LabelMap, classes: int
) -> Split:
    examples = (frame_example(frame, label_map, classes) for frame in frames)
    return Split(name, len(frames), examples)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data_dir", required=True, help="folder with gt.txt and the frames"
    )
    parser.add_argument(
        "--output_path", required=True, help="folder to write the records to"
    )
    parser.add_argument(
        "--classes",
        type=int,
        default=4,
        choices=(4, NUM_CLASSES),
        help="all 43 classes or the 4 categories (default %(default)s)",
    )
    parser.add_argument(
        "--validation_fraction",
        type=float,
        default=0.2,
        help="share of the frames for validation (default %(default)s)",
    )
    parser.add_argument(
        "--num_shards",
        type=int,
        default=4,
        help="files per split (default %(default)s)",
    )
    with exit_on_error():
        print(create(**vars(parser.parse_args(argv))))


if __name__ == "__main__":
    main()
