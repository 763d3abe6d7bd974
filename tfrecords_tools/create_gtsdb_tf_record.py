"""Converts the German Traffic Sign Detection Benchmark to TFRecords.

For example:

    python -m tfrecords_tools.create_gtsdb_tf_record \\
        --data_dir ../shared/data/gtsdb --output_path output/gtsdb --classes 4
"""

import argparse
import collections
import dataclasses
import hashlib
import re
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.command_line.parser import CommandParser
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Split
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import add_conversion_flags
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import options_from
from tfrecords_tools.conversion import parse_arguments

ANNOTATIONS = "gt.txt"
NUM_CLASSES = 43
_FOLDERS = ("", "FullIJCNN2013", "TrainIJCNN2013")
_FRAME_NAME = re.compile(r"\d{5}\.(ppm|png|jpg|jpeg)")
_LABEL_MAPS = Path(__file__).parent / "label_maps"
# The categories of the data set's ReadMe.txt: prohibitory, danger, mandatory,
# other. Classes that are not listed are the other ones.
_CATEGORIES = (
    (1, {0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16}),
    (2, {11, *range(18, 32)}),
    (3, set(range(33, 41))),
)
_OTHER = 4


@dataclasses.dataclass(frozen=True)
class Sign:
    """One line of gt.txt.

    Args:
        box: px, ymin, xmin, ymax, xmax, continuous: the file's inclusive
            bottom and right, plus 1.
        class_id: 0 to 42, as in ReadMe.txt.
        where: file and line, for error messages.
    """

    box: tuple[int, int, int, int]
    class_id: int
    where: str


@dataclasses.dataclass(frozen=True)
class Frame:
    """One street frame and its signs, which may be none."""

    path: Path
    signs: tuple[Sign, ...]


def gtsdb_label_map(num_classes: int) -> LabelMap:
    """The label map of the 43 classes or of the 4 categories."""
    return load_label_map(
        str(_LABEL_MAPS / f"gtsdb_{num_classes}_label_map.pbtxt")
    )


def gtsdb_label(class_id: int, num_classes: int) -> int:
    """Class id 0 to 42 of gt.txt -> id of the label map, from 1."""
    if num_classes == NUM_CLASSES:
        return class_id + 1
    for label, members in _CATEGORIES:
        if class_id in members:
            return label
    return _OTHER


def is_validation_frame(name: str, validation_fraction: float) -> bool:
    """Whether a frame belongs to the validation split.

    A hash of the name decides, so that a frame stays on its side whatever
    other frames there are, and whatever format it is stored in.

    Args:
        name: file name of the frame.
        validation_fraction: share of the frames that are for validation.

    Returns:
        True for validation, False for training.
    """
    digest = hashlib.sha256(Path(name).stem.encode()).digest()
    return int.from_bytes(digest[:8], "big") < validation_fraction * 2**64


def read_frames(data_dir: str | Path) -> list[Frame]:
    """Finds the frames and their signs.

    Args:
        data_dir: folder with gt.txt, and the frames either beside it or in
            its folder `images`; or the folder above `FullIJCNN2013`.

    Returns:
        All frames by name, those without signs too.

    Raises:
        DataError: no such folder, a line that cannot be understood, or one
            that names a frame that is not there.
    """
    for folder in (Path(data_dir) / name for name in _FOLDERS):
        if (folder / ANNOTATIONS).is_file():
            break
    else:
        raise DataError(
            f"{data_dir}: no {ANNOTATIONS} in this folder; expected"
            f" {ANNOTATIONS} and frames 00000.ppm or images/00000.jpg"
        )
    paths = _frame_paths(folder)
    signs = collections.defaultdict(list)
    for stem, sign in read_annotations(folder / ANNOTATIONS):
        if stem not in paths:
            raise DataError(f"{sign.where}: no frame {stem} in {folder}")
        signs[stem].append(sign)
    return [Frame(paths[s], tuple(signs[s])) for s in sorted(paths)]


def read_annotations(path: Path) -> Iterator[tuple[str, Sign]]:
    """Reads gt.txt: `image;left;top;right;bottom;class`, corners inclusive.

    Args:
        path: the file.

    Yields:
        Name of the frame without its ending, and the sign.

    Raises:
        DataError: names file and line of what cannot be understood.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _parse_line(line, f"{path}:{number}")


def annotated_frame(
    frame: Frame, label_map: LabelMap, num_classes: int
) -> AnnotatedImage:
    """Names the signs of a frame by their classes.

    Args:
        frame: the frame and its signs.
        label_map: as given by `gtsdb_label_map(num_classes)`.
        num_classes: 43 or 4.

    Returns:
        The frame as the conversion takes it.
    """
    objects = tuple(
        AnnotatedObject(
            box=sign.box,
            name=label_map.names[gtsdb_label(sign.class_id, num_classes)],
            where=sign.where,
        )
        for sign in frame.signs
    )
    path = str(frame.path)
    name = frame.path.name
    return AnnotatedImage(name, name, objects, where=path, path=path)


def _frame_paths(folder: Path) -> dict[str, Path]:
    images = folder / "images"
    folder = images if images.is_dir() else folder
    paths = {
        path.stem: path
        for path in sorted(folder.iterdir())
        if _FRAME_NAME.fullmatch(path.name)
    }
    if not paths:
        raise DataError(
            f"{folder}: no frames here; expected 00000.ppm or 00000.jpg"
        )
    return paths


def _parse_line(line: str, where: str) -> tuple[str, Sign]:
    name, *numbers = line.strip().split(";")
    try:
        left, top, right, bottom, class_id = map(int, numbers)
    except ValueError:
        raise DataError(
            f"{where}: expected image;left;top;right;bottom;class with whole"
            f" numbers, found {line.strip()[:80]!r}"
        ) from None
    if not 0 <= class_id < NUM_CLASSES:
        raise DataError(
            f"{where}: unknown class {class_id}; expected 0 to"
            f" {NUM_CLASSES - 1}"
        )
    box = (top, left, bottom + 1, right + 1)
    return Path(name).stem, Sign(box, class_id, where)


_NUM_SHARDS = 4


def create(
    data_dir: str,
    output_path: str,
    classes: int = 4,
    validation_fraction: float = 0.2,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `gtsdb_train.record-*`, `gtsdb_val.record-*` and the label map.

    Args:
        data_dir: folder of the data set, see `gtsdb.read_frames`.
        output_path: folder to write to.
        classes: 43 signs, or the 4 categories prohibitory, danger,
            mandatory, other.
        validation_fraction: share of the frames for validation, by a hash
            of the frame's name.
        options: how records are written; default are 4 shards per split.

    Returns:
        A table of what was written and repaired.

    Raises:
        DataError: anything wrong with the input; nothing is written then.
    """
    if not 0 < validation_fraction < 1:
        raise DataError(
            f"--validation_fraction is {validation_fraction}; expected a"
            " number between 0 and 1"
        )
    label_map = gtsdb_label_map(classes)
    parts: dict[bool, list[AnnotatedImage]] = {False: [], True: []}
    for frame in read_frames(data_dir):
        part = is_validation_frame(frame.path.name, validation_fraction)
        parts[part].append(annotated_frame(frame, label_map, classes))
    splits = [
        Split("gtsdb_train", parts[False]),
        Split("gtsdb_val", parts[True]),
    ]
    options = options or ConversionOptions(num_shards=_NUM_SHARDS)
    return convert(output_path, splits, label_map, options)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = CommandParser(
        "tfrecords_tools.create_gtsdb_tf_record",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data_dir", required=True, help="folder with gt.txt and the frames"
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
    add_conversion_flags(parser, _NUM_SHARDS)
    arguments = parse_arguments(parser, argv)
    with exit_on_error():
        print(
            create(
                arguments.data_dir,
                arguments.output_path,
                arguments.classes,
                arguments.validation_fraction,
                options_from(arguments),
            )
        )


if __name__ == "__main__":
    main()
