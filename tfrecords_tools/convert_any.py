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
from tfrecords_tools.create_gtsdb_tf_record import ANNOTATIONS
from tfrecords_tools.create_labelme_tf_record import read_labelme
from tfrecords_tools.create_voc_tf_record import read_annotation
from tfrecords_tools.create_yolo_tf_record import is_label_file
from tfrecords_tools.create_yolo_tf_record import label_places
from tfrecords_tools.create_yolo_tf_record import read_yolo
from tfrecords_tools.foreign_records import read_records
from tfrecords_tools.image_folders import ImageFolder
from tfrecords_tools.layouts import IMAGE_ENDINGS
from tfrecords_tools.layouts import VALIDATION_FRACTION
from tfrecords_tools.layouts import add_data_flags
from tfrecords_tools.layouts import list_files
from tfrecords_tools.layouts import list_images
from tfrecords_tools.layouts import load_xml
from tfrecords_tools.layouts import make_splits
from tfrecords_tools.layouts import numbered
from tfrecords_tools.layouts import relative_name
from tfrecords_tools.layouts import root_tag
from tfrecords_tools.layouts import split_of
from tfrecords_tools.layouts import split_of_file
from tfrecords_tools.layouts import warn_of
from tfrecords_tools.record_files import is_record_file
from tfrecords_tools.voc_layout import find_first_pixel
from tfrecords_tools.voc_layout import read_sets
from tfrecords_tools.yolo_layout import find_descriptions

Read = tuple[list[Split], LabelMap]
# So many file names of an annotation file tell which folder it speaks of.
_NAMES_TRIED = 100
_FILE_NAME = re.compile(
    r'"file_name"\s*:\s*("(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})+")'
)
# Images lie beside these folders, where there are none in them.
_ANNOTATION_FOLDERS = ("annotations", "annotation", "labels", "xmls")
# Names of the layouts that are read.
TITLES = {
    "coco": "COCO",
    "voc": "PASCAL VOC",
    "yolo": "YOLO",
    "labelme": "LabelMe",
    "cvat": "CVAT for images",
    "records": "TFRecords",
    "gtsdb": "GTSDB",
    "tt100k": "Tsinghua-Tencent 100K",
}
_JSON_LAYOUTS = {
    "labelme": {"shapes", "imagePath"},
    "tt100k": {"imgs", "types"},
    "coco": {"images", "annotations", "categories"},
}
_JSON_KEYS = set().union(*_JSON_LAYOUTS.values())
_SHOWN_FILES = 3
# How XML files begin that are empty, or a page of an error.
_OF_NO_LAYOUT = ("", "html")
# Keys of JSON files by the tools that write them.
_KEYS = {
    "JSON of Label Studio": ("rectanglelabels",),
    "JSON of VGG Image Annotator": ("regions", "shape_attributes"),
    "JSON of VoTT": ("asset", "regions"),
    "JSON of Supervisely": ("classTitle",),
    "JSON of CreateML": ("image", "coordinates"),
}
_COLUMNS = {"xmin", "ymin", "xmax", "ymax"}


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


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set that was given.

    Args:
        given: the path as it was typed.
        place: where its files are.
        validation_fraction: share of the images for validation where the data
            set has no splits.
    """

    given: str
    place: Path
    validation_fraction: float

    @property
    def is_archive(self) -> bool:
        """Whether the files lie in a temporary folder."""
        return self.place != Path(self.given)

    def named(self, path: Path) -> str:
        """A path below the place as a user knows it."""
        return str(path).replace(str(self.place), self.given, 1)


def recognise(source: Source) -> tuple[str, list[Path]]:
    """Tells the layout of a data set by what is in its files.

    Returns:
        A key of `TITLES`, and the files that show it.

    Raises:
        DataError: no layout that is known here, or several.
    """
    place = source.place
    files = [place] if place.is_file() else list_files(place)
    found: dict[str, list[Path]] = collections.defaultdict(list)
    for path in files:
        if layout := _layout_of(path):
            found[layout].append(path)
    if yolo := _yolo_files(place):
        found["yolo"] = yolo
    if "voc" in found:
        found["voc"] += _spoilt_neighbours(files, found["voc"])
    if not found:
        if problem := next(filter(None, map(_problem_of, files)), ""):
            raise DataError(f"{problem}; no other annotations are there")
        for path in files:
            if title := _unread_layout(path):
                raise DataError(
                    f"{source.named(path)}: {title}, which is not read; export"
                    " the data as COCO, YOLO or PASCAL VOC"
                )
        shown = ", ".join(source.named(path) for path in files[:_SHOWN_FILES])
        zips = any(path.suffix.lower() == ".zip" for path in files)
        raise DataError(
            f"{source.given}: no annotations that are known here among its"
            f" {len(files)} files ({shown or 'none'}); expected those of"
            f" {', '.join(TITLES.values())}"
            + ("; convert the zips in it one by one" if zips else "")
        )
    if len(found) > 1:
        shown = ", ".join(
            f"{layout} ({source.named(paths[0])})"
            for layout, paths in found.items()
        )
        raise DataError(
            f"{source.given}: holds annotations of several layouts: {shown};"
            " give the folder or file of one of them, or call featsr convert"
            f" {next(iter(found))}"
        )
    return next(iter(found.items()))


def _spoilt_neighbours(files: list[Path], known: list[Path]) -> list[Path]:
    """Files that should be what their neighbours are; read, they say why not.

    Args:
        known: XML files whose kind is known.
    """
    folders = {path.parent for path in known}
    return [
        path
        for path in files
        if path.suffix.lower() == ".xml"
        and path.parent in folders
        and root_tag(path) in _OF_NO_LAYOUT
    ]


def _problem_of(path: Path) -> str:
    """Why a file cannot be read that might be of annotations."""
    try:
        if path.suffix.lower() == ".xml":
            load_xml(path)
        elif path.suffix.lower() == ".json":
            json.loads(read_text(path))
    except DataError as error:
        return str(error)
    except (ValueError, RecursionError) as error:
        return f"{path}: not a JSON file: {error}"
    return ""


def _layout_of(path: Path) -> str | None:
    ending = path.suffix.lower()
    if is_record_file(path.name):
        return "records"
    if ending == ".json":
        return _layout_of_json(path)
    if ending == ".xml":
        return {"annotations": "cvat", "annotation": "voc"}.get(root_tag(path))
    return "gtsdb" if path.name == ANNOTATIONS else None


def _layout_of_json(path: Path) -> str | None:
    text = read_text(path)
    keys = {key for key in _JSON_KEYS if f'"{key}"' in text}
    if keys and not text.rstrip().endswith(("}", "]")):
        raise DataError(
            f"{path}: not a JSON file: its end is missing; export or copy it"
            " again"
        )
    return next(
        (layout for layout, needed in _JSON_LAYOUTS.items() if needed <= keys),
        None,
    )


def _yolo_files(place: Path) -> list[Path]:
    """What names the classes of YOLO data, else a file of labels."""
    if place.is_file():
        return [place] if place.suffix.lower() in (".yaml", ".yml") else []
    return find_descriptions(place) or [
        labels
        for image in list_images(place)
        for labels in label_places(image)
        if labels.is_file() and is_label_file(labels)
    ]


def _unread_layout(path: Path) -> str:
    """The name of the layout of a file; "" where it is none of these."""
    ending = path.suffix.lower()
    if ending not in (".json", ".csv"):
        return ""
    try:
        text = read_text(path)
    except DataError:
        return ""
    if ending == ".json":
        found = (
            name
            for name, keys in _KEYS.items()
            if all(f'"{key}"' in text for key in keys)
        )
        return next(found, "")
    titles = set(re.findall(r"\w+", text.partition("\n")[0].lower()))
    return "a table of boxes" if titles >= _COLUMNS else ""


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
