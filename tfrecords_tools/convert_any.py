"""Converts annotations of any layout that is known here to TFRecords.

For example:

    featsr convert mydata.zip --output_path output/mydata

Looks into a folder, or a zip as downloaded, says what it has found, and
converts it: COCO, PASCAL VOC, YOLO, LabelMe, CVAT, TFRecords, GTSDB,
Tsinghua-Tencent 100K.
"""

import collections
import dataclasses
import importlib
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from featsr_tf.files import read_text
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import Split
from tfrecords_tools.archives import unpacked
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter
from tfrecords_tools.create_coco_tf_record import read_splits
from tfrecords_tools.create_cvat_tf_record import read_cvat
from tfrecords_tools.create_labelme_tf_record import read_labelme
from tfrecords_tools.create_voc_tf_record import read_annotation
from tfrecords_tools.create_yolo_tf_record import read_yolo
from tfrecords_tools.foreign_records import read_records
from tfrecords_tools.image_folders import ImageFolder
from tfrecords_tools.layouts import IMAGE_ENDINGS
from tfrecords_tools.layouts import VALIDATION_FRACTION
from tfrecords_tools.layouts import add_data_flags
from tfrecords_tools.layouts import list_files
from tfrecords_tools.layouts import list_images
from tfrecords_tools.layouts import make_splits
from tfrecords_tools.layouts import numbered
from tfrecords_tools.layouts import relative_name
from tfrecords_tools.layouts import split_of
from tfrecords_tools.layouts import split_of_file
from tfrecords_tools.layouts import warn_of
from tfrecords_tools.recognition import TITLES
from tfrecords_tools.recognition import Source
from tfrecords_tools.recognition import recognise
from tfrecords_tools.voc_layout import find_first_pixel
from tfrecords_tools.voc_layout import read_sets

Read = tuple[list[Split], LabelMap]
# So many file names of an annotation file tell which folder it speaks of.
_NAMES_TRIED = 100
_FILE_NAME = re.compile(
    r'"file_name"\s*:\s*("(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})+")'
)
# Images lie beside these folders, where there are none in them.
_ANNOTATION_FOLDERS = ("annotations", "annotation", "labels", "xmls")


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts."""
    parser = converter_parser("tfrecords_tools.convert_any", __doc__)
    add_data_flags(parser, "the data set, or its file of annotations")
    run_converter(parser, create, argv, default_output="output/NAME")


def create(
    data_dir: str,
    output_path: str | None = None,
    validation_fraction: float = VALIDATION_FRACTION,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `LAYOUT_train.record-*` and so on, and the label map.

    `options`, result and errors are those of `convert`.

    Args:
        data_dir: folder, file of annotations or zip.
        output_path: None for `output/NAME`, after the data set.
        validation_fraction: share of the images for validation where the
            data set has no splits.
    """
    options = options or ConversionOptions()
    with unpacked(data_dir) as place:
        source = Source(data_dir, place, validation_fraction)
        layout, paths = recognise(source)
        others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        print(f"found {TITLES[layout]}: {source.named(paths[0])}{others}")
        given = Path(data_dir).resolve()
        name = given.name if given.is_dir() else given.stem
        output = output_path or os.path.join("output", name)
        done = f"records and label map to {output}"
        print(f"writes {'nothing' if options.dry_run else done}")
        if layout in _READERS:
            splits, label_map = _READERS[layout](source, paths)
            return convert(output, splits, label_map, options)
        converter = importlib.import_module(
            f"tfrecords_tools.create_{layout}_tf_record"
        )
        return converter.create(str(paths[0].parent), output, options=options)


def _read_yolo(source: Source, paths: list[Path]) -> Read:
    place, fraction = source.place, source.validation_fraction
    return read_yolo(place, fraction, source.is_archive)


def _root_of(place: Path) -> Path:
    """The folder of a data set that is given by itself or by a file of it."""
    if place.is_dir():
        return place
    is_beside = place.parent.name.lower() in _ANNOTATION_FOLDERS
    is_alone = is_beside and not list_images(place.parent)
    return place.parent.parent if is_alone else place.parent


def _read_labelme(source: Source, paths: list[Path]) -> Read:
    folder = source.place if source.place.is_dir() else source.place.parent
    return read_labelme(folder, source.validation_fraction)


def _read_cvat(source: Source, paths: list[Path]) -> Read:
    root = _root_of(source.place)
    is_apart = source.place.is_file() and root != source.place.parent
    image_dir = root if is_apart else None
    return read_cvat(source.place, image_dir, source.validation_fraction)


def _read_records(source: Source, paths: list[Path]) -> Read:
    folder = source.place if source.place.is_dir() else source.place.parent
    return read_records(folder, paths, source.validation_fraction)


def _read_coco(source: Source, paths: list[Path]) -> Read:
    root = _root_of(source.place)
    folders = _folders_of_images(root)
    by_split: dict[str, list[Path]] = collections.defaultdict(list)
    for path in paths:
        by_split[split_of_file(relative_name(path, root))].append(path)
    places = {}
    for split, files in by_split.items():
        # Beside it there are files of keypoints and of captions.
        files = [f for f in files if f.name.startswith("instances")] or files
        if len(files) > 1:
            raise DataError(
                f"{files[0]} and {files[1]}: both are COCO files"
                f" {'of ' + split if split else 'without a split'}; convert"
                " one of them by its own path"
            )
        folder = _folder_of_coco(files[0], split, folders)
        print(f"{source.named(files[0])}: images in {source.named(folder)}")
        places[split] = (files[0], folder)
    splits, label_map = read_splits(places)
    parts = dict(zip(places, (split.images for split in splits), strict=True))
    return (
        make_splits(
            "coco",
            parts,
            lambda image: image.filename,
            source.validation_fraction,
            [outcome for split in splits for outcome in split.outcomes],
        ),
        label_map,
    )


def _folders_of_images(root: Path) -> list[Path]:
    """Folders with images somewhere below them."""
    folders = {root}
    for image in list_images(root):
        parents = [p for p in image.parents if p.is_relative_to(root)]
        folders.update(parents)
    return sorted(folders)


def _folder_of_coco(path: Path, split: str, folders: list[Path]) -> Path:
    """The folder in which most of the files are that the images name."""
    names = [
        json.loads(name, strict=False).replace("\\", "/")
        for name in _FILE_NAME.findall(read_text(path))[:_NAMES_TRIED]
    ]

    def quality(folder: Path) -> tuple:
        count = sum((folder / name).is_file() for name in names)
        is_same = split_of(folder.name) == split
        return count, folder == path.parent, is_same

    return max(folders, key=quality)


def _read_voc(source: Source, paths: list[Path]) -> Read:
    root = _root_of(source.place)
    parts: dict[str, list[AnnotatedImage]] = collections.defaultdict(list)
    used, names = set(), set()
    first_pixel = find_first_pixel(root)
    sets = {folder: read_sets(folder) for folder in _folders_with_sets(root)}
    for folder in dict.fromkeys(path.parent for path in paths):
        images = ImageFolder(_image_folder_of_voc(folder, root))
        own = next((s for f, s in sets.items() if folder.is_relative_to(f)), {})
        for path in (path for path in paths if path.parent == folder):
            image = read_annotation(path, images, first_pixel=first_pixel)
            used.add(str(image.path))
            names.update(item.name for item in image.objects)
            splits = own.get(path, {""})
            if not own:
                splits = {split_of(relative_name(folder, root))}
            for split in sorted(splits):
                parts[split].append(image)
    bare = [image for image in list_images(root) if str(image) not in used]
    warn_of(bare, "image without an XML file: left out")
    splits = make_splits(
        "voc",
        _with_own_ids(parts, root),
        lambda image: image.filename,
        source.validation_fraction,
        [Outcome.NOT_ANNOTATED] * len(bare),
    )
    return splits, numbered(sorted(names), source.given)


def _image_folder_of_voc(folder: Path, root: Path) -> Path:
    """Where the images of a folder of XML files are."""
    if any(path.suffix.lower() in IMAGE_ENDINGS for path in folder.iterdir()):
        return folder
    beside = [folder.parent / name for name in ("JPEGImages", "images")]
    return next((path for path in beside if path.is_dir()), root)


def _folders_with_sets(root: Path) -> list[Path]:
    return list(
        dict.fromkeys(
            path.parents[2]
            for path in list_files(root, ".txt")
            if path.parts[-3:-1] == ("ImageSets", "Main")
        )
    )


def _with_own_ids(
    parts: dict[str, list[AnnotatedImage]], root: Path
) -> dict[str, list[AnnotatedImage]]:
    """Tells images of one name in several folders apart by their paths."""
    ids = [(split, i.source_id) for split in parts for i in parts[split]]
    if len(set(ids)) == len(ids):
        return parts
    return {
        split: [
            dataclasses.replace(
                image, source_id=relative_name(Path(str(image.path)), root)
            )
            for image in images
        ]
        for split, images in parts.items()
    }


# What reads a layout; those that are not here have a converter that does all.
_READERS: dict[str, Callable[[Source, list[Path]], Read]] = {
    "coco": _read_coco,
    "voc": _read_voc,
    "yolo": _read_yolo,
    "labelme": _read_labelme,
    "cvat": _read_cvat,
    "records": _read_records,
}


if __name__ == "__main__":
    main()
