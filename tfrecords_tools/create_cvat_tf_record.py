"""Converts "CVAT for images 1.1", an XML file of images, to TFRecords.

For example:

    python -m tfrecords_tools.create_cvat_tf_record --data_dir mytask.zip \\
        --output_path output/mytask

Export with the images, or give their folder with --image_dir. Boxes that are
turned, outlines, ellipses and masks become the upright boxes around them.
"""

import collections
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import tqdm

from featsr_tf.data.annotation_values import Box
from featsr_tf.data.annotation_values import check_kind
from featsr_tf.data.annotation_values import finite
from featsr_tf.data.annotation_values import shown
from featsr_tf.data.annotation_values import upright_hull
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import Split
from tfrecords_tools.annotations import read_flag
from tfrecords_tools.archives import unpacked
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter
from tfrecords_tools.image_folders import ImageFolder
from tfrecords_tools.layouts import SPLITS
from tfrecords_tools.layouts import VALIDATION_FRACTION
from tfrecords_tools.layouts import add_data_flags
from tfrecords_tools.layouts import find_file
from tfrecords_tools.layouts import hull
from tfrecords_tools.layouts import list_files
from tfrecords_tools.layouts import list_images
from tfrecords_tools.layouts import load_xml
from tfrecords_tools.layouts import make_splits
from tfrecords_tools.layouts import numbered
from tfrecords_tools.layouts import root_tag
from tfrecords_tools.layouts import split_of
from tfrecords_tools.layouts import warn_of

# What CVAT calls the one subset of a task without any.
_NO_SUBSET = ("", "default")


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts."""
    parser = converter_parser("tfrecords_tools.create_cvat_tf_record", __doc__)
    add_data_flags(parser, "zip, folder with annotations.xml, or this file")
    parser.add_argument(
        "--image_dir",
        metavar="FOLDER",
        help="the images, where the export has none",
    )
    run_converter(parser, create, argv)


def create(
    data_dir: str,
    output_path: str | None,
    image_dir: str | None = None,
    validation_fraction: float = VALIDATION_FRACTION,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `cvat_train.record-*` and so on, and the label map.

    `output_path`, `options`, result and errors are those of `convert`.

    Args:
        data_dir: folder, XML file or zip.
        image_dir: the images; None for those of the folder.
        validation_fraction: share of the images for validation where there
            are no subsets.
    """
    with unpacked(data_dir) as place:
        splits, label_map = read_cvat(place, image_dir, validation_fraction)
        return convert(output_path, splits, label_map, options)


def read_cvat(
    place: Path,
    image_dir: str | Path | None = None,
    validation_fraction: float = VALIDATION_FRACTION,
) -> tuple[list[Split], LabelMap]:
    """Reads the images of a task or project and their objects.

    Returns:
        The splits, by subset or folder, else by a hash; and the labels in the
        order of the file.

    Raises:
        DataError: no such file, or something in it cannot be understood.
    """
    path = place if place.is_file() else _find_file(place)
    root = _parse(path)
    _refuse_tracks(root, path)
    folder = place if place.is_dir() else path.parent
    folders = [Path(image_dir)] if image_dir else _image_folders(folder, path)
    images = ImageFolder(folders[-1])
    parts: dict[str, list[AnnotatedImage]] = collections.defaultdict(list)
    dropped: collections.Counter[str] = collections.Counter()
    used: set[str] = set()
    elements = root.findall("image")
    with tqdm.tqdm(elements, desc="reading", unit="image") as progress:
        for element in progress:
            image = _read_image(element, folders, images, path)
            dropped.update(
                child.tag for child in element if child.tag not in _READERS
            )
            used.add(str(image.path))
            parts[_split(element, image)].append(image)
    # A tag is about the whole image: no object is lost.
    dropped.pop("tag", None)
    for shape, count in sorted(dropped.items()):
        warn_of([path], f"shapes of the kind {shape!r} left out: {count}")
    if used and not any(Path(p).is_file() for p in used):
        raise DataError(
            f"{path}: none of its {len(used)} images is below {folders[-1]};"
            " export again with the images, or give their folder with"
            " --image_dir"
        )
    bare = [p for p in list_images(folder) if str(p) not in used]
    warn_of(bare, f"image that {path.name} does not have: left out")
    splits = make_splits(
        "cvat",
        parts,
        lambda image: image.filename,
        validation_fraction,
        [Outcome.NOT_ANNOTATED] * len(bare),
    )
    return splits, _label_map(root, parts, path)


def _find_file(folder: Path) -> Path:
    paths = [
        path
        for path in list_files(folder, ".xml")
        if root_tag(path) == "annotations"
    ]
    if len(paths) != 1:
        found = f"{len(paths)}, such as {paths[0]}" if paths else "none"
        raise DataError(
            f"{folder}: expected one XML file of CVAT, with <annotations>,"
            f" found {found}" + ("; convert them one by one" if paths else "")
        )
    return paths[0]


def _image_folders(folder: Path, path: Path) -> list[Path]:
    return [
        parent / name
        for parent in dict.fromkeys([path.parent, folder])
        for name in ("images", "")
    ]


def _parse(path: Path) -> Element:
    root = load_xml(path)
    if root.tag != "annotations":
        raise DataError(
            f"{path}: expected <annotations> of CVAT, found"
            f" <{shown(root.tag)[1:-1]}>"
        )
    version = (root.findtext("version") or "1.1").strip()
    if version != "1.1":
        raise DataError(f"{path}: version {shown(version)}; expected 1.1")
    return root


def _refuse_tracks(root: Element, path: Path) -> None:
    tracks = root.findall("track")
    if tracks:
        names = sorted({track.get("label", "?") for track in tracks})
        raise DataError(
            f"{path}: {len(tracks)} tracks of a video, the first of"
            f" {shown(names[0])}; export as 'CVAT for images 1.1' with the"
            " images, which has the boxes of each frame"
        )
    if root.find("image") is None:
        raise DataError(f"{path}: no <image> in this file")


def _read_image(
    element: Element, folders: list[Path], images: ImageFolder, path: Path
) -> AnnotatedImage:
    where = f"{path}: image {element.get('id', '?')}"
    name = (element.get("name") or "").strip()
    if not name:
        raise DataError(f"{where}: has no name")
    check_kind(name, str, where)
    subset = element.get("subset") or ""
    found = find_file(f"{subset}/{name}", folders) or find_file(name, folders)
    outcomes: list[Outcome] = []
    if found is None:
        inside, others = images.find(name, where)
        found = Path(images.folder, inside)
        outcomes += others
    size = None
    if element.get("height") and element.get("width"):
        size = (
            int(_number(element, "height", where)),
            int(_number(element, "width", where)),
        )
    objects = []
    for number, child in enumerate(element, start=1):
        place = f"{where}: <{shown(child.tag)[1:-1]}> {number}"
        if child.tag == "tag":
            continue
        if child.tag not in _READERS:
            outcomes.append(Outcome.OTHER_SHAPE)
            continue
        objects.append(_read_object(child, place))
        if child.tag != "box":
            outcomes.append(Outcome.BOX_OF_OUTLINE)
        elif _rotation(child, place):
            outcomes.append(Outcome.BOX_ROTATED)
    return AnnotatedImage(
        source_id=f"{subset}/{name}" if subset else name,
        filename=name,
        objects=tuple(objects),
        where=where,
        # The engine says which is missing, or leaves it out when asked to.
        path=str(found),
        size=size,
        outcomes=tuple(outcomes),
    )


def _read_object(element: Element, where: str) -> AnnotatedObject:
    name = (element.get("label") or "").strip()
    if not name:
        raise DataError(f"{where}: has no label")
    values = {
        (attribute.get("name") or "").lower(): (attribute.text or "")
        for attribute in element.findall("attribute")
    }
    is_difficult, unclear = read_flag(values.get("difficult", ""))
    is_truncated, others = read_flag(values.get("truncated", ""))
    return AnnotatedObject(
        box=_READERS[element.tag](element, where),
        name=name,
        where=where,
        difficult=is_difficult,
        truncated=is_truncated,
        outcomes=unclear + others,
    )


def _number(element: Element, key: str, where: str) -> float:
    if element.get(key) is None:
        raise DataError(f"{where}: has no {key}")
    return finite(element.get(key), f"{where}: {key}")


def _rotation(element: Element, where: str) -> float:
    return (
        _number(element, "rotation", where)
        if "rotation" in element.keys()
        else 0
    )


def _box(element: Element, where: str) -> Box:
    keys = ("ytl", "xtl", "ybr", "xbr")
    ymin, xmin, ymax, xmax = (_number(element, key, where) for key in keys)
    box = (ymin, xmin, ymax, xmax)
    degrees = _rotation(element, where)
    return upright_hull(box, degrees) if degrees else box


def _polygon(element: Element, where: str) -> Box:
    points = []
    for pair in (element.get("points") or "").split(";"):
        x, comma, y = pair.partition(",")
        if not comma:
            raise DataError(f"{where}: points: expected x,y;x,y;...")
        points.append((finite(x, where), finite(y, where)))
    return hull(points)


def _ellipse(element: Element, where: str) -> Box:
    x, y, rx, ry = (
        _number(element, k, where) for k in ("cx", "cy", "rx", "ry")
    )
    angle = math.radians(_rotation(element, where))
    width = math.hypot(rx * math.cos(angle), ry * math.sin(angle))
    height = math.hypot(rx * math.sin(angle), ry * math.cos(angle))
    return (y - height, x - width, y + height, x + width)


def _mask(element: Element, where: str) -> Box:
    keys = ("top", "left", "height", "width")
    top, left, height, width = (_number(element, key, where) for key in keys)
    return (top, left, top + height, left + width)


_READERS = {
    "box": _box,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "mask": _mask,
}


def _split(element: Element, image: AnnotatedImage) -> str:
    subset = (element.get("subset") or "").strip().lower()
    if subset in _NO_SUBSET:
        return split_of(image.filename.rpartition("/")[0])
    return SPLITS.get(subset) or re.sub(r"\W+", "_", subset)


def _label_map(
    root: Element, parts: dict[str, list[AnnotatedImage]], path: Path
) -> LabelMap:
    """The labels of the file, where it lists them, and those in use."""
    used = {
        item.name
        for images in parts.values()
        for image in images
        for item in image.objects
    }
    listed = list(dict.fromkeys(_listed_labels(root)))
    return numbered([*listed, *sorted(used - set(listed))], str(path))


def _listed_labels(root: Element) -> Iterator[str]:
    for label in root.iterfind("meta//labels/label"):
        name = (label.findtext("name") or "").strip()
        # The points of a skeleton are labels too, and no classes.
        if name and label.find("parent") is None:
            yield name


if __name__ == "__main__":
    main()
