"""Converts Tsinghua-Tencent 100K (edition of 2016) to TFRecords.

For example:

    python -m tfrecords_tools.create_tt100k_tf_record --data_dir TT100K \\
        --output_path output/tt100k

Its 45 classes with at least 100 objects are those of the published figures;
objects of other classes are left out and counted. A score threshold is to be
chosen on validation images, never on test images: --validation_fraction parts
some of the training images from the others.
"""

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featsr_tf.data.annotation_values import Box
from featsr_tf.data.annotation_values import check_kind
from featsr_tf.data.annotation_values import shown
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from featsr_tf.metrics.detections import area_ranges
from featsr_tf.metrics.detections import long_side_ranges
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Split
from tfrecords_tools.annotations import load_json
from tfrecords_tools.annotations import member
from tfrecords_tools.annotations import part_validation
from tfrecords_tools.annotations import path_inside
from tfrecords_tools.annotations import read_names
from tfrecords_tools.annotations import shipped_label_map
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter

ANNOTATIONS = "annotations.json"
LABEL_MAP = shipped_label_map("tt100k_45")
# Images of train and test; objects of the test split by their long side: the
# figures of the official evaluation, which compares at these sizes.
PUBLISHED_IMAGES = (6105, 3071)
PUBLISHED_OBJECTS = (2926, 4031, 762, 7719)
_ANNOTATIONS_OF_2021 = "annotations_all.json"
# Of the 45 classes these are not among the 232 types of 2021; three of the new
# types, which 2016 has not.
_GONE_IN_2021 = {"io", "po", "wo"}
_NEW_IN_2021 = {"im", "pss", "wc"}
_CORNERS = ("ymin", "xmin", "ymax", "xmax")


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts."""
    parser = converter_parser(
        "tfrecords_tools.create_tt100k_tf_record", __doc__
    )
    parser.add_argument(
        "--data_dir",
        required=True,
        help="folder with annotations.json, train/ids.txt and test/ids.txt",
    )
    parser.add_argument(
        "--validation_fraction",
        type=float,
        default=0.0,
        help="share of the training images for validation (default"
        " %(default)s)",
    )
    run_converter(parser, create, argv)


def create(
    data_dir: str,
    output_path: str,
    validation_fraction: float = 0.0,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `tt100k_train.record-*`, `tt100k_test.record-*`, the label map.

    `output_path`, `options`, result and errors are those of `convert`.

    Args:
        validation_fraction: share of the training images that go to
            `tt100k_val.record-*` instead, by a hash of their ids. Default 0.
        options: how records are written; objects of other than the 45 classes
            are left out whatever it says.

    Returns:
        What was read beside the published counts, and a table of what was
        written and repaired.
    """
    if not 0 <= validation_fraction < 1:
        raise DataError(
            f"--validation_fraction is {validation_fraction}; expected 0 or"
            " more, and less than 1"
        )
    label_map = load_label_map(LABEL_MAP)
    class_names = set(label_map.names.values())
    data = read_tt100k(data_dir, class_names)
    train, val = part_validation(data.train, validation_fraction)
    splits = [Split("tt100k_train", train)]
    if validation_fraction:
        splits.append(Split("tt100k_val", val))
    splits.append(Split("tt100k_test", data.test))
    options = dataclasses.replace(
        options or ConversionOptions(), skip_other_classes=True
    )
    table = describe(data, class_names)
    return f"{table}\n\n{convert(output_path, splits, label_map, options)}"


@dataclasses.dataclass(frozen=True)
class TT100K:
    """The two splits; images of neither belong to the data set's `other`.

    Args:
        num_without_annotation: images of the splits that the annotations do
            not mention; they have no objects.
    """

    train: list[AnnotatedImage]
    test: list[AnnotatedImage]
    num_other: int
    num_without_annotation: int


def read_tt100k(data_dir: str | Path, class_names: set[str]) -> TT100K:
    """Reads the annotations and the splits.

    Args:
        data_dir: folder with annotations.json, train/ids.txt and
            test/ids.txt, or the folder above it, called `data`.
        class_names: the 45 classes; a file that lacks some draws a warning.

    Raises:
        DataError: files are missing, cannot be understood or contradict each
            other, or are those of 2021.
    """
    folder = _find_folder(Path(data_dir))
    path = folder / ANNOTATIONS
    content = load_json(path, leave_out=("polygon", "ellipse", "ellipse_org"))
    _check_edition(member(content, "types", list, str(path)), class_names, path)
    entries = member(content, "imgs", dict, str(path))
    splits: dict[str, list[AnnotatedImage]] = {"train": [], "test": []}
    places: dict[str, str] = {}
    for split, images in splits.items():
        for name, where in read_names(folder / split / "ids.txt"):
            if name in places:
                raise DataError(
                    f"{where}: {shown(name)} is in {places[name]} already"
                )
            places[name] = where
            # An image without signs need not be in the annotations.
            empty = {"path": f"{split}/{name}.jpg", "objects": []}
            entry = entries.get(name, empty)
            images.append(_read_image(entry, name, path))
    return TT100K(
        **splits,
        num_other=len(entries.keys() - places.keys()),
        num_without_annotation=len(places.keys() - entries.keys()),
    )


def count_objects(
    images: list[AnnotatedImage], class_names: set[str]
) -> tuple[list[int], list[int]]:
    """Counts objects by size.

    Returns:
        Objects by their long side, [0, 32), [32, 96), [96, 400) px and all
        of these; and by their area, at most 32^2, at most 96^2, more, all.
    """
    boxes = np.array(
        [
            thing.box
            for image in images
            for thing in image.objects
            if thing.name in class_names
        ],
        np.float64,
    ).reshape(-1, 4)
    by_side, by_area = (
        [int(size.contains(boxes).sum()) for size in ranges]
        for ranges in (long_side_ranges(), area_ranges())
    )
    return by_side, by_area


def describe(data: TT100K, class_names: set[str]) -> str:
    """Compares what was read with what is published.

    A difference is a warning: part of the data set is a data set as well.

    Args:
        class_names: the 45 classes.
    """
    by_side, by_area = count_objects(data.test, class_names)
    num_images = (len(data.train), len(data.test))
    found = (*num_images, *by_side)
    published = (*PUBLISHED_IMAGES, *PUBLISHED_OBJECTS)
    if found != published:
        warnings.warn(
            "not the whole Tsinghua-Tencent 100K of 2016: counts differ from"
            " the published ones (see the table); figures cannot be compared"
            " with published figures",
            stacklevel=2,
        )
    names = (
        "train images",
        "test images",
        "test objects, long side [0, 32)",
        "test objects, long side [32, 96)",
        "test objects, long side [96, 400)",
        "test objects, long side [0, 400)",
    )
    rows = [
        f"{name:<35}{count:>7}{expected:>11}"
        for name, count, expected in zip(names, found, published, strict=True)
    ]
    areas = ("up to 32 x 32", "up to 96 x 96", "larger", "all")
    rows += [
        f"{f'test objects, area {name}':<35}{count:>7}"
        for name, count in zip(areas, by_area, strict=True)
    ]
    rows += [
        f"{'images of neither, left out':<35}{data.num_other:>7}",
        f"{'images without annotation, kept':<35}"
        f"{data.num_without_annotation:>7}",
    ]
    header = f"{'45 classes':<35}{'found':>7}{'published':>11}"
    return "\n".join([header, *rows])


def _find_folder(data_dir: Path) -> Path:
    folders = (data_dir, data_dir / "data")
    for folder in folders:
        if (folder / ANNOTATIONS).is_file():
            return folder
    for folder in folders:
        if (folder / _ANNOTATIONS_OF_2021).is_file():
            raise DataError(_refusal_of_2021(folder / _ANNOTATIONS_OF_2021))
    raise DataError(
        f"{data_dir}: no {ANNOTATIONS} in this folder; expected {ANNOTATIONS},"
        " train/ids.txt, test/ids.txt and the images that it names"
    )


def _check_edition(types: list, class_names: set[str], path: Path) -> None:
    known = {check_kind(name, str, f"{path}: 'types'") for name in types}
    missing = class_names - known
    if missing == _GONE_IN_2021 or (missing and known & _NEW_IN_2021):
        raise DataError(_refusal_of_2021(path))
    if missing == class_names:
        raise DataError(
            f"{path}: 'types' has none of the {len(class_names)} classes of"
            f" {LABEL_MAP}"
        )
    if missing:
        warnings.warn(
            f"{path}: 'types' lacks {', '.join(sorted(missing))} of the"
            f" {len(class_names)} classes",
            stacklevel=3,
        )


def _refusal_of_2021(path: Path) -> str:
    return (
        f"{path}: the annotations of 2021, in which the classes"
        f" {', '.join(sorted(_GONE_IN_2021))} of the 45 are divided into"
        f" others; published figures need {ANNOTATIONS} of 2016 (data.zip)"
    )


def _read_image(entry: object, name: str, path: Path) -> AnnotatedImage:
    where = f"{path}: image {name}"
    image = check_kind(entry, dict, where)
    if str(image.get("id", name)) != name:
        raise DataError(f"{where}: its 'id' is {shown(image['id'])}")
    file = member(image, "path", str, where)
    objects = member(image, "objects", list, where)
    return AnnotatedImage(
        source_id=name,
        filename=file,
        objects=tuple(
            _read_object(thing, f"{where}: object {number}")
            for number, thing in enumerate(objects, start=1)
        ),
        where=where,
        path=path_inside(path.parent, file, where),
    )


def _read_object(entry: object, where: str) -> AnnotatedObject:
    thing = check_kind(entry, dict, where)
    return AnnotatedObject(
        box=_read_box(member(thing, "bbox", dict, where), f"{where}: 'bbox'"),
        name=member(thing, "category", str, where),
        where=where,
    )


def _read_box(bbox: dict, where: str) -> Box:
    ymin, xmin, ymax, xmax = (
        member(bbox, corner, float, where) for corner in _CORNERS
    )
    return (ymin, xmin, ymax, xmax)


if __name__ == "__main__":
    main()
