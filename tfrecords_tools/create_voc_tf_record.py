"""Converts PASCAL VOC, and data sets in its layout, to TFRecords.

For example:

    python -m tfrecords_tools.create_voc_tf_record --data_dir VOCdevkit \\
        --year VOC2007 --set trainval --output_path output/voc

Several sets may be written to the same folder, one after the other.
"""

import xml.etree.ElementTree
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import tqdm

from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Box
from tfrecords_tools.annotations import Split
from tfrecords_tools.annotations import finite
from tfrecords_tools.annotations import path_inside
from tfrecords_tools.annotations import read_names
from tfrecords_tools.annotations import shipped_label_map
from tfrecords_tools.annotations import shown
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter

YEARS = ("VOC2007", "VOC2012", "merged")
SETS = ("train", "val", "trainval", "test")
LABEL_MAP = shipped_label_map("voc")
_CORNERS = ("ymin", "xmin", "ymax", "xmax")


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts."""
    parser = converter_parser("tfrecords_tools.create_voc_tf_record", __doc__)
    parser.add_argument(
        "--data_dir",
        required=True,
        help="VOCdevkit, the folder with VOC2007 or VOC2012",
    )
    parser.add_argument(
        "--year",
        default="VOC2007",
        choices=YEARS,
        help="year, or both merged (default %(default)s)",
    )
    parser.add_argument(
        "--set",
        default="train",
        choices=SETS,
        dest="image_set",
        help="which images (default %(default)s)",
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
    year: str = "VOC2007",
    image_set: str = "train",
    label_map_path: str = LABEL_MAP,
    ignore_difficult_instances: bool = False,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `voc_SET.record-*` and the label map.

    `output_path`, `options`, result and errors are those of `convert`.

    Args:
        year: "VOC2007", "VOC2012" or "merged" for both.
        label_map_path: the classes; by default the 20 of PASCAL VOC.
        ignore_difficult_instances: whether to leave out objects that are
            marked as difficult; otherwise the records mark them.
    """
    label_map = load_label_map(label_map_path)
    images = read_voc(data_dir, year, image_set, ignore_difficult_instances)
    splits = [Split(f"voc_{image_set}", images)]
    return convert(output_path, splits, label_map, options)


def read_voc(
    data_dir: str | Path,
    year: str,
    image_set: str,
    ignore_difficult_instances: bool = False,
) -> list[AnnotatedImage]:
    """Reads the images of a set and their objects.

    Args:
        data_dir: `VOCdevkit`, the folder with VOC2007 or VOC2012, or the
            folder above it.
        year: "VOC2007", "VOC2012" or "merged" for both.
        ignore_difficult_instances: whether to leave out objects that are
            marked as difficult.

    Returns:
        The images in the order of ImageSets/Main, those of 2007 first.

    Raises:
        DataError: a folder or file is missing, or cannot be understood.
    """
    years = YEARS[:2] if year == "merged" else (year,)
    return [
        image
        for name in years
        for image in _read_year(
            _year_folder(Path(data_dir), name),
            image_set,
            ignore_difficult_instances,
        )
    ]


def read_annotation(
    path: Path, image_folder: Path, ignore_difficult_instances: bool = False
) -> AnnotatedImage:
    """Reads the XML file of one image.

    Args:
        path: the file. Its corners count pixels from 1 and are inclusive.
        ignore_difficult_instances: whether to leave out difficult objects.

    Raises:
        DataError: not XML, or something in it is missing or senseless.
    """
    root = _parse(path)
    filename = _text(root, "filename", str(path))
    objects = tuple(
        _read_object(element, f"{path}: object {number}")
        for number, element in enumerate(root.findall("object"), start=1)
    )
    return AnnotatedImage(
        source_id=filename,
        filename=filename,
        objects=tuple(
            thing
            for thing in objects
            if not (ignore_difficult_instances and thing.difficult)
        ),
        where=str(path),
        path=path_inside(image_folder, filename, str(path)),
        size=_read_size(root, str(path)),
    )


def _year_folder(data_dir: Path, year: str) -> Path:
    for parent in (data_dir, data_dir / "VOCdevkit"):
        if (parent / year).is_dir():
            return parent / year
    raise DataError(
        f"{data_dir}: no folder {year} in it; expected VOCdevkit, with"
        f" {year}/Annotations, {year}/ImageSets and {year}/JPEGImages"
    )


def _read_year(
    folder: Path, image_set: str, ignore_difficult_instances: bool
) -> list[AnnotatedImage]:
    names = folder / "ImageSets" / "Main" / f"{image_set}.txt"
    images = []
    progress = tqdm.tqdm(
        list(read_names(names)), desc=f"reading {folder.name}", unit="file"
    )
    for name, where in progress:
        path = Path(path_inside(folder / "Annotations", f"{name}.xml", where))
        if not path.is_file():
            raise DataError(f"{where}: no annotation {path} of {shown(name)}")
        images.append(
            read_annotation(
                path, folder / "JPEGImages", ignore_difficult_instances
            )
        )
    return images


def _parse(path: Path) -> Element:
    # Expat stops entities that grow out of proportion and opens no others.
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (xml.etree.ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{path}: not an XML file: {error}") from None
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


def _flag(element: Element, tag: str, where: str) -> bool:
    """0 or 1; false where an annotation does without it."""
    text = (element.findtext(tag) or "0").strip()
    if text not in ("0", "1"):
        raise DataError(f"{where}: <{tag}>: expected 0 or 1, found {text!r}")
    return text == "1"


def _read_size(root: Element, where: str) -> tuple[int, int] | None:
    size = root.find("size")
    if size is None:
        return None
    height, width = (
        int(finite(_text(size, tag, where), f"{where}: <{tag}>"))
        for tag in ("height", "width")
    )
    return height, width


def _read_object(element: Element, where: str) -> AnnotatedObject:
    return AnnotatedObject(
        box=_read_box(element, where),
        name=_text(element, "name", where),
        where=where,
        difficult=_flag(element, "difficult", where),
        truncated=_flag(element, "truncated", where),
    )


def _read_box(element: Element, where: str) -> Box:
    box = element.find("bndbox")
    if box is None:
        raise DataError(f"{where}: has no <bndbox>")
    ymin, xmin, ymax, xmax = (
        finite(_text(box, tag, where), f"{where}: <{tag}>") for tag in _CORNERS
    )
    return (ymin - 1, xmin - 1, ymax, xmax)


if __name__ == "__main__":
    main()
