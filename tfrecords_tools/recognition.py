"""The layout of a data set, told by what is in its files."""

import collections
import dataclasses
import json
import re
from pathlib import Path

from featsr_tf.errors import DataError
from featsr_tf.files import read_text
from tfrecords_tools.create_gtsdb_tf_record import ANNOTATIONS
from tfrecords_tools.create_yolo_tf_record import is_label_file
from tfrecords_tools.create_yolo_tf_record import label_places
from tfrecords_tools.layouts import list_files
from tfrecords_tools.layouts import list_images
from tfrecords_tools.record_files import is_record_file
from tfrecords_tools.xml_files import load_xml
from tfrecords_tools.xml_files import root_tag
from tfrecords_tools.yolo_layout import find_descriptions

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
