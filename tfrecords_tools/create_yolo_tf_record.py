"""Converts YOLO data sets (Ultralytics, Roboflow, Darknet, CVAT) to TFRecords.

For example:

    python -m tfrecords_tools.create_yolo_tf_record --data_dir mydata \\
        --output_path output/mydata

Takes a folder with data.yaml, the file itself, or a zip as downloaded. Images
without a label file have no objects; outlines become the boxes around them.
"""

import collections
from collections.abc import Sequence
from pathlib import Path

import tqdm

from featsr_tf.data.annotation_values import Box
from featsr_tf.data.annotation_values import finite
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from featsr_tf.files import read_text
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import Split
from tfrecords_tools.archives import unpacked
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter
from tfrecords_tools.layouts import VALIDATION_FRACTION
from tfrecords_tools.layouts import add_data_flags
from tfrecords_tools.layouts import hull
from tfrecords_tools.layouts import list_files
from tfrecords_tools.layouts import list_images
from tfrecords_tools.layouts import make_splits
from tfrecords_tools.layouts import relative_name
from tfrecords_tools.layouts import upright_size
from tfrecords_tools.layouts import warn_of
from tfrecords_tools.yolo_layout import YoloLayout
from tfrecords_tools.yolo_layout import read_layout

# The library supervision reads such files too, but does not see the splits of
# data.yaml, the scores and odd numbers of lines, label files without an image
# and classes without a name; of LabelMe it leaves out circles and the images
# inside the files.
# Labels lie in another folder of the same path, or beside the images.
_IMAGE_FOLDERS = ("images", "jpegimages")
_LABEL_FOLDERS = ("labels", "Labels", "LABELS")
# Rounding puts corners this far outside, as Ultralytics allows too.
_TOLERANCE = 0.01
_BOX_VALUES = 4
_TRIANGLE_VALUES = 6


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts."""
    parser = converter_parser("tfrecords_tools.create_yolo_tf_record", __doc__)
    add_data_flags(parser, "folder or zip of the data set, or its data.yaml")
    run_converter(parser, create, argv)


def create(
    data_dir: str,
    output_path: str | None,
    validation_fraction: float = VALIDATION_FRACTION,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `yolo_train.record-*` and so on, and the label map.

    `output_path`, `options`, result and errors are those of `convert`.

    Args:
        data_dir: folder, data.yaml or zip.
        validation_fraction: share of the images for validation where the
            data set has no splits.
    """
    with unpacked(data_dir) as place:
        is_closed = place != Path(data_dir)
        splits, label_map = read_yolo(place, validation_fraction, is_closed)
        return convert(output_path, splits, label_map, options)


def read_yolo(
    place: Path,
    validation_fraction: float = VALIDATION_FRACTION,
    is_closed: bool = False,
) -> tuple[list[Split], LabelMap]:
    """Reads the images of a YOLO data set and their objects.

    Args:
        place: the folder, or its data.yaml.
        is_closed: whether paths may not leave the folder.

    Returns:
        The splits; and the classes, under their numbers plus 1.

    Raises:
        DataError: a line or file that cannot be understood.
    """
    layout = read_layout(place, is_closed)
    parts = {}
    for split, paths in layout.images.items():
        title = f"reading {split}".strip()
        with tqdm.tqdm(paths, desc=title, unit="file") as progress:
            parts[split] = [_read_image(path, layout) for path in progress]
    _check_labels(parts, layout)
    orphans = _orphans(layout)
    warn_of(orphans, "label file without an image: left out")
    splits = make_splits(
        "yolo",
        parts,
        lambda image: image.source_id,
        validation_fraction,
        [Outcome.LABELS_WITHOUT_IMAGE] * len(orphans),
    )
    # Class 0 is a class: 0 in records is the background.
    names = {index + 1: name for index, name in layout.names.items()}
    return splits, LabelMap(names, path=str(layout.described_by))


def _check_labels(
    parts: dict[str, list[AnnotatedImage]], layout: YoloLayout
) -> None:
    """Asks whether the labels are there at all."""
    bare = {
        split
        for split, images in parts.items()
        if images
        and all(Outcome.WITHOUT_LABEL_FILE in i.outcomes for i in images)
    }
    if parts and bare == parts.keys():
        first = next(iter(parts.values()))[0]
        raise DataError(
            f"{layout.root}: not one image has a label file, such as"
            f" {label_places(Path(str(first.path)))[0]} for {first.path}"
        )
    paths = [Path(str(i.path)) for images in parts.values() for i in images]
    kinds = collections.Counter(path.with_suffix("") for path in set(paths))
    twins = [path for path in set(paths) if kinds[path.with_suffix("")] > 1]
    warn_of(sorted(twins), "images of one name share one file of labels")
    for split in sorted(bare):
        warn_of(
            [layout.root],
            f"no image of {split!r} has a label file: none of them has objects",
        )


def label_places(image: Path) -> list[Path]:
    """Where the labels of an image may be, best first."""
    places = [image]
    for parent in image.parents:
        if parent.name.lower() in _IMAGE_FOLDERS:
            folders = [parent.with_name(name) for name in _LABEL_FOLDERS]
            folder = next(filter(Path.is_dir, folders), folders[0])
            places.insert(0, folder / image.relative_to(parent))
            break
    return [
        place.with_suffix(ending)
        for ending in (".txt", ".TXT")
        for place in places
    ]


def _orphans(layout: YoloLayout) -> list[Path]:
    """Label files that no image belongs to."""
    images = [path for paths in layout.images.values() for path in paths]
    places = {place for path in images for place in label_places(path)}
    folders = {_label_root(place.parent) for place in places}
    # Those that no split names have labels, too.
    for path in list_images(layout.root):
        places.update(label_places(path))
    return [
        path
        for folder in sorted(folders)
        for path in list_files(folder, ".txt")
        if path not in places
        and path != layout.described_by
        and is_label_file(path)
    ]


def _label_root(folder: Path) -> Path:
    """The folder `labels` that a folder is in, else itself."""
    above = [folder, *folder.parents]
    return next((p for p in above if p.name in _LABEL_FOLDERS), folder)


def is_label_file(path: Path) -> bool:
    """Whether a text begins as labels do, unlike lists and read-me files."""
    try:
        words = read_text(path).split(maxsplit=_BOX_VALUES + 1)
        numbers = [finite(word, "") for word in words[: _BOX_VALUES + 1]]
    except DataError:
        return False
    return len(numbers) > _BOX_VALUES


def _read_image(path: Path, layout: YoloLayout) -> AnnotatedImage:
    name = relative_name(path, layout.root)
    labels = next((p for p in label_places(path) if p.is_file()), None)
    lines = [] if labels is None else _read_lines(labels, layout)
    size = upright_size(path) if lines else None
    height, width = size or (0, 0)
    scale = (height, width, height, width)
    outcomes = [outcome for *_, outcome in lines if outcome is not None]
    if labels is None:
        outcomes.append(Outcome.WITHOUT_LABEL_FILE)
    return AnnotatedImage(
        source_id=name,
        filename=name,
        # Without a size there is no place for boxes, and no image either.
        objects=tuple(
            AnnotatedObject(
                tuple(c * side for c, side in zip(box, scale, strict=True)),
                class_name,
                where,
            )
            for box, class_name, where, _ in lines
        )
        if size
        else (),
        where=str(labels or path),
        path=str(path),
        as_stored=False,
        outcomes=tuple(outcomes),
    )


def _read_lines(
    path: Path, layout: YoloLayout
) -> list[tuple[Box, str, str, Outcome | None]]:
    """Normalised boxes, their classes and places, and what was done."""
    result = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            index, *values = (finite(word, where) for word in line.split())
        except DataError as error:
            raise DataError(
                f"{error}; expected the number of a class and those of a box,"
                " parted by spaces, such as 0 0.5 0.5 0.2 0.1"
            ) from None
        name = _class_name(index, layout, where)
        box, outcome = _read_box(values, layout.keypoint_values, where)
        result.append((box, name, where, outcome))
    return result


def _class_name(index: float, layout: YoloLayout, where: str) -> str:
    if index not in layout.names:
        numbers = sorted(layout.names)
        cure = "add its name there, or mend the line"
        if numbers[0] == 0 and index == numbers[-1] + 1:
            cure += "; where the lines count from 1, take 1 off each class"
        raise DataError(
            f"{where}: class {index:g} is not among the"
            f" {len(numbers)} of {layout.described_by}, {numbers[0]} to"
            f" {numbers[-1]}; {cure}"
        )
    return layout.names[int(index)]


def _read_box(
    values: list[float], keypoint_values: int, where: str
) -> tuple[Box, Outcome | None]:
    """The normalised box of the numbers behind the class."""
    outcome = None
    if keypoint_values and len(values) == _BOX_VALUES + keypoint_values:
        values, outcome = values[:_BOX_VALUES], Outcome.KEYPOINTS
    is_box = len(values) == _BOX_VALUES
    if not is_box and (len(values) < _TRIANGLE_VALUES or len(values) % 2):
        cause = ""
        if len(values) == _BOX_VALUES + 1:
            cause = "; is the last one a score of a detector? remove it"
        elif len(values) > _TRIANGLE_VALUES:
            cause = "; keypoints need kpt_shape in data.yaml"
        raise DataError(
            f"{where}: expected a class and 4 numbers of a box, or the x y of"
            f" 3 or more corners; found {len(values)} numbers{cause}"
        )
    worst = max(values, key=lambda value: abs(value - 0.5))
    if not -_TOLERANCE <= worst <= 1 + _TOLERANCE:
        raise DataError(
            f"{where}: expected fractions of the image from 0 to 1, found"
            f" {worst:g}; divide pixels by the image's width and height"
        )
    if not is_box:
        points = zip(values[::2], values[1::2], strict=True)
        return hull(points), Outcome.BOX_OF_OUTLINE
    x, y, width, height = values
    box = (y - height / 2, x - width / 2, y + height / 2, x + width / 2)
    return box, outcome


if __name__ == "__main__":
    main()
