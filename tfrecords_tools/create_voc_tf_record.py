"""Converts PASCAL VOC, and data sets in its layout, to TFRecords.

For example:

    python -m tfrecords_tools.create_voc_tf_record --data_dir VOCdevkit \\
        --year VOC2007 --set trainval --output_path output/voc

Several sets may be written to the same folder, one after the other. Folders
without a year, with a folder for each set, or with XML files and images
together do as well.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import tqdm

from featsr_tf.data.annotation_values import Box
from featsr_tf.data.annotation_values import finite
from featsr_tf.data.annotation_values import shown
from featsr_tf.data.annotation_values import upright_hull
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import Split
from tfrecords_tools.annotations import path_inside
from tfrecords_tools.annotations import read_flag
from tfrecords_tools.annotations import shipped_label_map
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter
from tfrecords_tools.image_folders import ImageFolder
from tfrecords_tools.layouts import load_xml
from tfrecords_tools.voc_layout import DEFAULT_SET
from tfrecords_tools.voc_layout import YEARS
from tfrecords_tools.voc_layout import find_annotations
from tfrecords_tools.voc_layout import find_first_pixel

LABEL_MAP = shipped_label_map("voc")
_CORNERS = ("ymin", "xmin", "ymax", "xmax")


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts."""
    parser = converter_parser("tfrecords_tools.create_voc_tf_record", __doc__)
    parser.add_argument(
        "--data_dir",
        required=True,
        help="VOCdevkit, the folder with VOC2007 or VOC2012, or any folder"
        " with XML files",
    )
    parser.add_argument(
        "--year",
        choices=YEARS,
        help="year, or both merged (default: the first that is there)",
    )
    parser.add_argument(
        "--set",
        dest="image_set",
        metavar="NAME",
        help="which images, such as train, val, trainval or test (default:"
        " train, or all where there are no sets)",
    )
    parser.add_argument(
        "--first_pixel",
        type=int,
        choices=(0, 1),
        help="what the first pixel of a row is called: from 1 corners are"
        " inclusive, as in PASCAL VOC (default: 1, unless corners of 0 or"
        " fractions show the other)",
    )
    parser.add_argument(
        "--label_map_path",
        default=LABEL_MAP,
        metavar="FILE",
        help="the classes (default: the 20 of PASCAL VOC)",
    )
    parser.add_argument(
        "--ignore_difficult_instances",
        action="store_true",
        help="leave out difficult objects (default: the records mark them)",
    )
    run_converter(parser, create, argv)


def create(
    data_dir: str,
    output_path: str,
    year: str | None = None,
    image_set: str | None = None,
    label_map_path: str = LABEL_MAP,
    ignore_difficult_instances: bool = False,
    first_pixel: int | None = None,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `voc_SET.record-*` and the label map.

    `output_path`, `options`, result and errors are those of `convert`.

    Args:
        year: "VOC2007", "VOC2012", "merged" for both or None for the first
            that is there, and none at all.
        image_set: such as "train"; None for that one, or for all images where
            there are no sets.
        label_map_path: the classes; by default the 20 of PASCAL VOC.
        ignore_difficult_instances: whether to leave out objects that are
            marked as difficult; otherwise the records mark them.
        first_pixel: 0 or 1, see `read_annotation`; None decides by the
            corners of the whole data set.
    """
    label_map = load_label_map(label_map_path)
    split = read_voc(
        data_dir, year, image_set, ignore_difficult_instances, first_pixel
    )
    return convert(output_path, [split], label_map, options)


def read_voc(
    data_dir: str | Path,
    year: str | None = None,
    image_set: str | None = None,
    ignore_difficult_instances: bool = False,
    first_pixel: int | None = None,
) -> Split:
    """Reads the images of a set and their objects.

    Args:
        data_dir: `VOCdevkit`, the folder with VOC2007 or VOC2012, the folder
            above it, or one of another layout, see `find_annotations`.

    Returns:
        `voc_SET`, its images in the order of ImageSets/Main, those of 2007
        first, or in that of their names.

    Raises:
        DataError: a folder or file is missing, or cannot be understood.
    """
    images = []
    places = find_annotations(Path(data_dir), year, image_set)
    for found in places:
        first = first_pixel
        if first is None:
            first = find_first_pixel(found.data_set)
        folder = ImageFolder(found.image_folder)
        for path in tqdm.tqdm(
            found.paths, desc=f"reading {found.folder.name}", unit="file"
        ):
            images.append(
                read_annotation(path, folder, ignore_difficult_instances, first)
            )
    name = places[0].image_set or image_set or DEFAULT_SET
    return Split(f"voc_{name}", images)


def read_annotation(
    path: Path,
    folder: ImageFolder,
    ignore_difficult_instances: bool = False,
    first_pixel: int = 1,
) -> AnnotatedImage:
    """Reads the XML file of one image.

    Args:
        path: the file.
        folder: where its image is.
        ignore_difficult_instances: whether to leave out difficult objects.
        first_pixel: 1: corners count pixels from 1 and are inclusive. 0: they
            are distances from the border, in px.

    Raises:
        DataError: not XML, or something in it is missing or senseless.
    """
    root = _parse(path)
    name = (root.findtext("filename") or "").strip()
    own_name = os.path.join(path.parent.name, path.stem)
    filename, outcomes = folder.find(name or path.stem, str(path), own_name)
    objects = _read_objects(root, str(path), first_pixel)
    return AnnotatedImage(
        source_id=filename,
        filename=filename,
        objects=tuple(
            thing
            for thing in objects
            if not (ignore_difficult_instances and thing.difficult)
        ),
        where=str(path),
        path=path_inside(folder.folder, filename, str(path)),
        size=_read_size(root, str(path)),
        outcomes=outcomes if name else (Outcome.OTHER_NAME,),
    )


def _parse(path: Path) -> Element:
    root = load_xml(path)
    if root.tag != "annotation":
        raise DataError(
            f"{path}: expected <annotation>, found <{shown(root.tag)[1:-1]}>"
        )
    return root


def _text(element: Element, tag: str, where: str) -> str:
    text = (element.findtext(tag) or "").strip()
    if not text:
        raise DataError(f"{where}: has no <{tag}>")
    return text


def _read_size(root: Element, where: str) -> tuple[int, int] | None:
    """Height and width; None where they are not known, 0 or -1 as well."""
    texts = [
        (root.findtext(f"size/{tag}") or "").strip()
        for tag in ("height", "width")
    ]
    if not all(texts):
        return None
    height, width = (
        int(finite(text, f"{where}: <{tag}>"))
        for text, tag in zip(texts, ("height", "width"), strict=True)
    )
    return (height, width) if min(height, width) > 0 else None


def _read_objects(
    root: Element, where: str, first_pixel: int
) -> list[AnnotatedObject]:
    """Reads the objects, wherever they stand: each box makes one."""
    objects, num_boxes = [], 0
    for number, element in enumerate(root.iter("object"), start=1):
        place = f"{where}: object {number}"
        plain = element.findall("bndbox")
        num_boxes += len(plain)
        boxes = [_read_box(box, place, first_pixel) for box in plain]
        for turned in element.findall("robndbox"):
            boxes.append(_read_turned(turned, place))
        if not boxes:
            raise DataError(f"{place}: has no <bndbox>")
        objects += [_read_object(element, *box, place) for box in boxes]
    in_parts = sum(len(list(part.iter("bndbox"))) for part in root.iter("part"))
    others = len(list(root.iter("bndbox"))) - in_parts - num_boxes
    if others > 0:
        raise DataError(
            f"{where}: {others} <bndbox> outside of <object>; expected each in"
            " an <object> with a <name>"
        )
    return objects


def _read_object(
    element: Element, box: Box, outcomes: tuple[Outcome, ...], where: str
) -> AnnotatedObject:
    flags = {}
    for tag in ("difficult", "truncated"):
        flags[tag], unclear = read_flag(element.findtext(tag) or "")
        outcomes += unclear
    if rotation := _rotation_of(element, where):
        box = upright_hull(box, rotation)
        outcomes += (Outcome.BOX_ROTATED,)
    return AnnotatedObject(
        box=box,
        name=_text(element, "name", where),
        where=where,
        outcomes=outcomes,
        **flags,
    )


def _rotation_of(element: Element, where: str) -> float:
    """Degrees, as CVAT writes them among the attributes of an object."""
    text = element.findtext("rotation") or ""
    for attribute in element.findall("attributes/attribute"):
        if (attribute.findtext("name") or "").strip() == "rotation":
            text = attribute.findtext("value") or ""
    return finite(text, f"{where}: rotation") % 360 if text.strip() else 0.0


def _read_box(
    box: Element, where: str, first_pixel: int
) -> tuple[Box, tuple[Outcome, ...]]:
    ymin, xmin, ymax, xmax = (
        finite(_text(box, tag, where), f"{where}: <{tag}>") for tag in _CORNERS
    )
    return (ymin - first_pixel, xmin - first_pixel, ymax, xmax), ()


def _read_turned(box: Element, where: str) -> tuple[Box, tuple[Outcome, ...]]:
    """A box of roLabelImg: centre, size and an angle in radians."""
    y, x, height, width, angle = (
        finite(_text(box, tag, where), f"{where}: <{tag}>")
        for tag in ("cy", "cx", "h", "w", "angle")
    )
    upright = (y - height / 2, x - width / 2, y + height / 2, x + width / 2)
    hull = upright_hull(upright, math.degrees(angle))
    return hull, (Outcome.BOX_ROTATED,)


if __name__ == "__main__":
    main()
