"""Converts COCO, and data sets in its layout, to TFRecords.

For example:

    python -m tfrecords_tools.create_coco_tf_record \\
        --train_image_dir COCO/train2017 \\
        --train_annotations_file COCO/annotations/instances_train2017.json \\
        --val_image_dir COCO/val2017 \\
        --val_annotations_file COCO/annotations/instances_val2017.json \\
        --output_path output/coco

One of the two splits is enough. The ids of the categories become the ids of
the label map; where they start at 0 each is raised by 1, unless 0 is only the
parent of the others. Segments are not kept, only their areas.
"""

import collections
import dataclasses
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from featsr_tf.data.annotation_values import check_kind
from featsr_tf.data.annotation_values import shown
from featsr_tf.data.annotation_values import whole_number
from featsr_tf.data.coco_objects import lacks_box
from featsr_tf.data.coco_objects import read_object
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from featsr_tf.metrics.matching_names import plain_id
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import Split
from tfrecords_tools.annotations import load_json
from tfrecords_tools.annotations import member
from tfrecords_tools.annotations import path_inside
from tfrecords_tools.annotations import shipped_label_map
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter
from tfrecords_tools.image_folders import ImageFolder
from tfrecords_tools.layouts import list_images
from tfrecords_tools.layouts import warn_of

Id = int | str
LABEL_MAP = shipped_label_map("coco")
# Most of a file, and read for objects without a box alone.
_OUTLINES = ("segmentation",)
# Where the path of an image stands.
_PLACES = ("file_name", "coco_url", "flickr_url")
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
    places = dict(zip(_SPLITS, (train, val), strict=True))
    given = {name: place for name, place in places.items() if place}
    if not given:
        raise DataError(
            "nothing to convert; give --train_annotations_file and"
            " --train_image_dir, or the same for val"
        )
    splits, label_map = read_splits(given)
    return convert(output_path, splits, label_map, options)


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
    (split,), label_map = read_splits({"": (annotations_file, image_dir)})
    return list(split.images), label_map


def read_splits(
    places: Mapping[str, tuple[str | Path, str | Path]],
) -> tuple[list[Split], LabelMap]:
    """Reads the splits of a data set, whose files share their categories.

    Args:
        places: the file of annotations and the folder of images of each split.

    Returns:
        The splits `coco_NAME`, and the categories of all files.

    Raises:
        DataError: as for `read_coco`, or the same id has two names.
    """
    contents = {
        Path(file): load_json(file, _OUTLINES, lacks_box)
        for file, _ in places.values()
    }
    names = read_categories(contents)
    splits = [
        Split(
            f"coco_{name}",
            _read_images(contents[Path(file)], names, Path(file), Path(folder)),
        )
        for name, (file, folder) in places.items()
    ]
    splits = _with_images_alone(
        splits, [folder for _, folder in places.values()]
    )
    used = {
        thing.name
        for split in splits
        for image in split.images
        for thing in image.objects
    }
    return splits, _label_map(names, used, contents)


def _with_images_alone(
    splits: Sequence[Split], folders: Sequence[str | Path]
) -> list[Split]:
    """Counts the images of the folders that no file speaks of."""
    known = {
        os.path.realpath(image.path)
        for split in splits
        for image in split.images
    }
    counted = []
    for split, folder in zip(splits, folders, strict=True):
        found = {os.path.realpath(path): path for path in list_images(folder)}
        alone = [found[path] for path in found if path not in known]
        known.update(found)
        warn_of(alone, "image that no annotation file names: left out")
        outcomes = (Outcome.NOT_ANNOTATED,) * len(alone)
        counted.append(dataclasses.replace(split, outcomes=outcomes))
    return counted


def _read_images(
    content: dict, names: dict[int, str], path: Path, image_dir: Path
) -> list[AnnotatedImage]:
    entries = _read_entries(content, path)
    objects: dict[Id, list[AnnotatedObject]] = collections.defaultdict(list)
    annotations = member(content, "annotations", list, str(path))
    for number, annotation in enumerate(annotations, start=1):
        where = f"{path}: annotation {number}"
        annotation = check_kind(annotation, dict, where)
        image_id = _read_id(annotation, "image_id", where)
        if image_id not in entries:
            raise DataError(f"{where}: no image has the id {shown(image_id)}")
        objects[image_id].append(_read_object(annotation, names, where))
    folder = ImageFolder(image_dir)
    return [
        _read_image(entry, image_id, folder, tuple(objects[image_id]), path)
        for image_id, entry in entries.items()
    ]


def _read_object(
    annotation: dict, names: dict[int, str], where: str
) -> AnnotatedObject:
    found = read_object(annotation, where)
    outcomes = [Outcome.BOX_OF_OUTLINE] * found.is_of_outline
    outcomes += [Outcome.BOX_ROTATED] * found.is_turned
    outcomes += [Outcome.UNCLEAR_FLAG] * found.unclear_flags
    return AnnotatedObject(
        box=found.box,
        # One that is not listed is a class that the label map has not.
        name=names.get(found.category, f"category_id {found.category}"),
        where=where,
        difficult=found.difficult,
        crowd=found.crowd,
        area=found.area,
        outcomes=tuple(outcomes),
    )


def _read_id(record: dict, key: str, where: str) -> Id:
    """A whole number, which may be written as text, or other text."""
    if key not in record:
        raise DataError(f"{where}: has no {key!r}; expected a whole number")
    # Not every number is one: 0012 is the text of another id than 12.
    value = plain_id(record[key])
    if isinstance(value, str) and value.strip():
        return check_kind(value, str, f"{where}: {key!r}")
    return whole_number(value, f"{where}: {key!r}")


def read_categories(contents: Mapping[Path, dict]) -> dict[int, str]:
    """Reads the categories of all files together.

    Returns:
        Names by their ids in the files, of which the lowest may be 0.

    Raises:
        DataError: an id goes by two names, or what is no category.
    """
    names: dict[int, str] = {}
    for path, content in contents.items():
        own = _read_own_categories(content, path)
        first = next(iter(contents))
        ids = {name: id_ for id_, name in names.items()}
        for id_, name in own.items():
            if names.get(id_, name) != name or ids.get(name, id_) != id_:
                other = names.get(id_) or f"{name}' with the id '{ids[name]}"
                raise DataError(
                    f"{first} and {path}: categories differ; expected the same"
                    f" ids and names in both, found the id {id_} for {name!r}"
                    f" in the second and '{other}' in the first"
                )
        names |= own
    return names


def _read_own_categories(content: dict, path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    categories = member(content, "categories", list, str(path))
    annotations = member(content, "annotations", list, str(path))
    has_0 = any(map(_is_of_0, annotations))
    for number, category in enumerate(categories, start=1):
        where = f"{path}: category {number}"
        category = check_kind(category, dict, where)
        name = member(category, "name", str, where)
        if not name.strip():
            raise DataError(f"{where}: its name is empty; give it one")
        where = f"{where} ({name!r})"
        id_ = whole_number(category.get("id"), f"{where}: 'id'")
        if id_ < 0:
            raise DataError(f"{where}: has the id {id_}; ids start at 1")
        if names.get(0) == name and not has_0:
            # Roboflow's root may be called as the one class is.
            warnings.warn(
                f"{where}: so is the category with the id 0 called, of which"
                " no object is: it is left out",
                stacklevel=2,
            )
            del names[0]
        if id_ in names or name in names.values():
            raise DataError(
                f"{where}: id or name occurs twice; expected one category for"
                " each: rename or merge them"
            )
        names[id_] = name
    if not names:
        raise DataError(f"{path}: 'categories' is empty")
    return names


def _is_of_0(annotation: Any) -> bool:
    is_object = isinstance(annotation, dict)
    return is_object and annotation.get("category_id") in (0, "0")


def _read_entries(content: dict, path: Path) -> dict[Id, dict]:
    """The members of `images` by their ids."""
    entries: dict[Id, dict] = {}
    for number, entry in enumerate(
        member(content, "images", list, str(path)), start=1
    ):
        where = f"{path}: image {number}"
        image_id = _read_id(check_kind(entry, dict, where), "id", where)
        if image_id in entries:
            raise DataError(f"{where}: the id {image_id} occurs twice")
        entries[image_id] = entry
    return entries


def _read_image(
    entry: dict,
    image_id: Id,
    folder: ImageFolder,
    objects: tuple[AnnotatedObject, ...],
    path: Path,
) -> AnnotatedImage:
    where = f"{path}: image {image_id}"
    # LVIS has addresses alone.
    keys = [key for key in _PLACES if entry.get(key)]
    name = member(entry, keys[0] if keys else _PLACES[0], str, where)
    filename, outcomes = folder.find(name, where)
    return AnnotatedImage(
        source_id=str(image_id),
        filename=filename,
        objects=objects,
        where=where,
        path=path_inside(folder.folder, filename, where),
        size=_read_size(entry, where),
        outcomes=outcomes,
    )


def _read_size(entry: dict, where: str) -> tuple[int, int] | None:
    """Height and width; None where they are not known, -1 as well."""
    values = [entry.get(key) for key in ("height", "width")]
    if None in values:
        return None
    height, width = (
        whole_number(value, f"{where}: {key!r}")
        for value, key in zip(values, ("height", "width"), strict=True)
    )
    return (height, width) if min(height, width) > 0 else None


def _label_map(
    names: dict[int, str], used: set[str], contents: Mapping[Path, dict]
) -> LabelMap:
    """The classes; where the ids start at 0, others than those of the files."""
    path = next(iter(contents))
    if 0 in names:
        parents = {
            category.get("supercategory")
            for content in contents.values()
            for category in content["categories"]
        }
        root = names[0]
        is_root = root in parents or root.strip("_").lower() == "background"
        if root not in used and is_root and len(names) > 1:
            names = {id_: names[id_] for id_ in names if id_}
            said = f"no object is of {root!r} with the id 0: it is left out"
        else:
            names = {id_ + 1: name for id_, name in names.items()}
            said = "ids start at 0: each is raised by 1, as 0 is the background"
        warnings.warn(f"{path}: categories: {said}", stacklevel=2)
    shipped = load_label_map(LABEL_MAP)
    if names == shipped.names:
        return shipped
    return LabelMap(dict(sorted(names.items())), path=f"{path}: categories")


if __name__ == "__main__":
    main()
