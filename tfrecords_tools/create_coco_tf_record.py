"""Converts COCO, and data sets in its layout, to TFRecords.

For example:

    python -m tfrecords_tools.create_coco_tf_record \\
        --train_image_dir COCO/train2017 \\
        --train_annotations_file COCO/annotations/instances_train2017.json \\
        --val_image_dir COCO/val2017 \\
        --val_annotations_file COCO/annotations/instances_val2017.json \\
        --output_path output/coco

One of the two splits is enough. The ids of the categories become the ids of
the label map. Segments are not kept, only their areas.
"""

import collections
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Box
from tfrecords_tools.annotations import Split
from tfrecords_tools.annotations import check_kind
from tfrecords_tools.annotations import load_json
from tfrecords_tools.annotations import member
from tfrecords_tools.annotations import path_inside
from tfrecords_tools.annotations import shipped_label_map
from tfrecords_tools.annotations import shown
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter

LABEL_MAP = shipped_label_map("coco")
# Most of a file, and not read: the outlines of the objects.
_LEFT_OUT = ("segmentation",)
_SPLITS = ("train", "val")


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts."""
    parser = converter_parser("tfrecords_tools.create_coco_tf_record", __doc__)
    for split in _SPLITS:
        parser.add_argument(
            f"--{split}_image_dir", metavar="FOLDER", help="the images"
        )
        parser.add_argument(
            f"--{split}_annotations_file",
            metavar="FILE",
            help=f"such as annotations/instances_{split}2017.json",
        )
    parser.add_argument(
        "--include_masks",
        action="store_true",
        help="not supported: this detector has boxes only",
    )
    run_converter(parser, _create, argv)


def _create(
    output_path: str,
    include_masks: bool,
    options: ConversionOptions,
    **places: str | None,
) -> str:
    """Converts what the flags name."""
    if include_masks:
        raise DataError(
            "--include_masks is not supported: this detector has boxes"
            " only; leave the flag out"
        )
    splits = {}
    for split in _SPLITS:
        flags = (f"{split}_annotations_file", f"{split}_image_dir")
        annotations_file, image_dir = (places[flag] for flag in flags)
        if bool(annotations_file) != bool(image_dir):
            raise DataError(f"--{flags[0]} and --{flags[1]} go together")
        if annotations_file and image_dir:
            splits[split] = (annotations_file, image_dir)
    return create(output_path, **splits, options=options)


def create(
    output_path: str,
    train: tuple[str, str] | None = None,
    val: tuple[str, str] | None = None,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `coco_train.record-*`, `coco_val.record-*` and the label map.

    `output_path`, `options`, result and errors are those of `convert`.
    """
    splits: list[Split] = []
    label_maps: list[LabelMap] = []
    for name, places in zip(_SPLITS, (train, val), strict=True):
        if places is not None:
            images, label_map = read_coco(*places)
            splits.append(Split(f"coco_{name}", images))
            label_maps.append(label_map)
    if not splits:
        raise DataError(
            "nothing to convert; give --train_annotations_file and"
            " --train_image_dir, or the same for val"
        )
    if label_maps[0].names != label_maps[-1].names:
        raise DataError(
            f"{label_maps[0].path} and {label_maps[-1].path} differ; expected"
            " the same ids and names in both"
        )
    return convert(output_path, splits, label_maps[0], options)


def read_coco(
    annotations_file: str | Path, image_dir: str | Path
) -> tuple[list[AnnotatedImage], LabelMap]:
    """Reads the images of a split and their objects.

    Args:
        annotations_file: such as instances_train2017.json.

    Returns:
        The images in the order of the file, those without objects too; and
        the categories under their ids: the shipped label map where they are
        the 80 of COCO.

    Raises:
        DataError: the file cannot be understood, or names what is not in it.
    """
    path = Path(annotations_file)
    content = load_json(path, _LEFT_OUT)
    names = _read_categories(content, path)
    entries = _read_entries(content, path)
    objects: dict[int, list[AnnotatedObject]] = collections.defaultdict(list)
    annotations = member(content, "annotations", list, str(path))
    for number, annotation in enumerate(annotations, start=1):
        where = f"{path}: annotation {number}"
        annotation = check_kind(annotation, dict, where)
        image_id = member(annotation, "image_id", int, where)
        if image_id not in entries:
            raise DataError(f"{where}: no image has the id {image_id}")
        objects[image_id].append(_read_object(annotation, names, where))
    images = [
        _read_image(entry, Path(image_dir), tuple(objects[image_id]), path)
        for image_id, entry in entries.items()
    ]
    return images, _label_map(names, path)


def _read_categories(content: dict, path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    categories = member(content, "categories", list, str(path))
    for number, category in enumerate(categories, start=1):
        where = f"{path}: category {number}"
        category = check_kind(category, dict, where)
        id_ = member(category, "id", int, where)
        name = member(category, "name", str, where)
        if id_ < 1:
            raise DataError(
                f"{where} ({name!r}): has the id {id_}; ids start at 1, 0 is"
                " the background: add 1 to all ids"
            )
        if id_ in names or name in names.values():
            raise DataError(f"{where} ({name!r}): id or name occurs twice")
        names[id_] = name
    if not names:
        raise DataError(f"{path}: 'categories' is empty")
    return names


def _read_entries(content: dict, path: Path) -> dict[int, dict]:
    """The members of `images` by their ids."""
    entries: dict[int, dict] = {}
    for number, entry in enumerate(
        member(content, "images", list, str(path)), start=1
    ):
        where = f"{path}: image {number}"
        image_id = member(check_kind(entry, dict, where), "id", int, where)
        if image_id in entries:
            raise DataError(f"{where}: the id {image_id} occurs twice")
        entries[image_id] = entry
    return entries


def _read_image(
    entry: dict,
    image_dir: Path,
    objects: tuple[AnnotatedObject, ...],
    path: Path,
) -> AnnotatedImage:
    where = f"{path}: image {entry['id']}"
    name = member(entry, "file_name", str, where)
    size = None
    if "height" in entry or "width" in entry:
        size = (
            member(entry, "height", int, where),
            member(entry, "width", int, where),
        )
    return AnnotatedImage(
        source_id=str(entry["id"]),
        filename=name,
        objects=objects,
        where=where,
        path=path_inside(image_dir, name, where),
        size=size,
    )


def _read_object(
    annotation: dict, names: dict[int, str], where: str
) -> AnnotatedObject:
    category = member(annotation, "category_id", int, where)
    crowd = annotation.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise DataError(f"{where}: 'iscrowd': expected 0 or 1, found {crowd!r}")
    area = None
    if "area" in annotation:
        area = member(annotation, "area", float, where)
    return AnnotatedObject(
        box=_read_box(member(annotation, "bbox", list, where), where),
        # One that is not listed is a class that the label map has not.
        name=names.get(category, f"category_id {category}"),
        where=where,
        crowd=bool(crowd),
        area=area,
    )


def _read_box(bbox: list, where: str) -> Box:
    if len(bbox) != 4:
        raise DataError(
            f"{where}: 'bbox': expected x, y, width and height, found"
            f" {shown(bbox)}"
        )
    x, y, width, height = (
        check_kind(value, float, f"{where}: 'bbox'") for value in bbox
    )
    return (y, x, y + height, x + width)


def _label_map(names: dict[int, str], path: Path) -> LabelMap:
    shipped = load_label_map(LABEL_MAP)
    if names == shipped.names:
        return shipped
    return LabelMap(dict(sorted(names.items())), path=f"{path}: categories")


if __name__ == "__main__":
    main()
