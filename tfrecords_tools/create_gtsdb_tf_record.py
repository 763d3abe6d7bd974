"""Converts the German Traffic Sign Detection Benchmark to TFRecords.

For example:

    python -m tfrecords_tools.create_gtsdb_tf_record \\
        --data_dir ../shared/data/gtsdb --output_path output/gtsdb --classes 4
"""

import collections
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Split
from tfrecords_tools.annotations import part_validation
from tfrecords_tools.annotations import shipped_label_map
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter

ANNOTATIONS = "gt.txt"
NUM_CLASSES = 43
_NUM_SHARDS = 4
_FOLDERS = ("", "FullIJCNN2013", "TrainIJCNN2013")
_FRAME_NAME = re.compile(r"\d{5}\.(ppm|png|jpg|jpeg)")
# The categories of the data set's ReadMe.txt: prohibitory, danger, mandatory,
# other. Classes that are not listed are the other ones.
_CATEGORIES = (
    (1, {0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16}),
    (2, {11, *range(18, 32)}),
    (3, set(range(33, 41))),
)
_OTHER = 4


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts."""
    parser = converter_parser("tfrecords_tools.create_gtsdb_tf_record", __doc__)
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
    run_converter(parser, create, argv, _NUM_SHARDS)


def create(
    data_dir: str,
    output_path: str,
    classes: int = 4,
    validation_fraction: float = 0.2,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `gtsdb_train.record-*`, `gtsdb_val.record-*` and the label map.

    `output_path`, `options`, result and errors are those of `convert`.

    Args:
        data_dir: folder of the data set, see `read_gtsdb`.
        classes: 43 signs, or the 4 categories prohibitory, danger,
            mandatory, other.
        validation_fraction: share of the frames for validation, by a hash
            of the frame's name.
        options: how records are written; default are 4 shards per split.
    """
    if not 0 < validation_fraction < 1:
        raise DataError(
            f"--validation_fraction is {validation_fraction}; expected a"
            " number between 0 and 1"
        )
    label_map = gtsdb_label_map(classes)
    train, val = part_validation(
        read_gtsdb(data_dir, label_map), validation_fraction
    )
    splits = [Split("gtsdb_train", train), Split("gtsdb_val", val)]
    options = options or ConversionOptions(num_shards=_NUM_SHARDS)
    return convert(output_path, splits, label_map, options)


def gtsdb_label_map(num_classes: int) -> LabelMap:
    """The label map of the 43 classes or of the 4 categories."""
    return load_label_map(shipped_label_map(f"gtsdb_{num_classes}"))


def gtsdb_label(class_id: int, num_classes: int) -> int:
    """Class id 0 to 42 of gt.txt -> id of the label map, from 1."""
    if num_classes == NUM_CLASSES:
        return class_id + 1
    for label, members in _CATEGORIES:
        if class_id in members:
            return label
    return _OTHER


def read_gtsdb(
    data_dir: str | Path, label_map: LabelMap
) -> list[AnnotatedImage]:
    """Finds the frames and their signs.

    Args:
        data_dir: folder with gt.txt, and the frames either beside it or in
            its folder `images`; or the folder above `FullIJCNN2013`.

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
    for stem, sign in _read_signs(folder / ANNOTATIONS, label_map):
        if stem not in paths:
            raise DataError(f"{sign.where}: no frame {stem} in {folder}")
        signs[stem].append(sign)
    return [
        AnnotatedImage(
            source_id=path.name,
            filename=path.name,
            objects=tuple(signs[stem]),
            where=str(path),
            path=str(path),
        )
        for stem, path in sorted(paths.items())
    ]


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


def _read_signs(
    path: Path, label_map: LabelMap
) -> Iterator[tuple[str, AnnotatedObject]]:
    """Yields the name of the frame, without its ending, and each sign."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _parse_line(line, label_map, f"{path}:{number}")


def _parse_line(
    line: str, label_map: LabelMap, where: str
) -> tuple[str, AnnotatedObject]:
    """Reads `image;left;top;right;bottom;class`, corners inclusive."""
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
    # Right and bottom name pixels that belong to the box: it ends behind them.
    box = (top, left, bottom + 1, right + 1)
    label = gtsdb_label(class_id, len(label_map.names))
    return Path(name).stem, AnnotatedObject(box, label_map.names[label], where)


if __name__ == "__main__":
    main()
