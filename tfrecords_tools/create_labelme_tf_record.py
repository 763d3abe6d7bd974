"""Converts LabelMe annotations, a JSON file per image, to TFRecords.

For example:

    python -m tfrecords_tools.create_labelme_tf_record --data_dir mydata \\
        --output_path output/mydata

Rectangles, polygons and circles become the boxes around them; those of one
label and group are one object. Images are those inside the JSON files, or
where these say.
"""

import base64
import binascii
import collections
import dataclasses
import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tqdm

from featsr_tf.data.annotation_values import Box
from featsr_tf.data.annotation_values import check_kind
from featsr_tf.data.annotation_values import shown
from featsr_tf.data.annotation_values import whole_number
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from featsr_tf.files import read_text
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import LazyImages
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import Split
from tfrecords_tools.annotations import load_json
from tfrecords_tools.annotations import member
from tfrecords_tools.annotations import read_flag
from tfrecords_tools.archives import unpacked
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter
from tfrecords_tools.layouts import IMAGE_ENDINGS
from tfrecords_tools.layouts import VALIDATION_FRACTION
from tfrecords_tools.layouts import add_data_flags
from tfrecords_tools.layouts import find_file
from tfrecords_tools.layouts import hull
from tfrecords_tools.layouts import list_files
from tfrecords_tools.layouts import list_images
from tfrecords_tools.layouts import make_splits
from tfrecords_tools.layouts import numbered
from tfrecords_tools.layouts import relative_name
from tfrecords_tools.layouts import split_of
from tfrecords_tools.layouts import warn_of
from tfrecords_tools.review import Header
from tfrecords_tools.review import read_header
from tfrecords_tools.review import review_images

# Shape -> fewest points. "rotation" is X-AnyLabeling's turned rectangle,
# "oriented_rectangle" LabelMe's.
_SHAPES = {
    "rectangle": 2,
    "polygon": 3,
    "circle": 2,
    "mask": 2,
    "rotation": 3,
    "oriented_rectangle": 3,
}
_OUTCOMES = {
    "polygon": Outcome.BOX_OF_OUTLINE,
    "circle": Outcome.BOX_OF_OUTLINE,
    "mask": Outcome.BOX_OF_OUTLINE,
    "rotation": Outcome.BOX_ROTATED,
    "oriented_rectangle": Outcome.BOX_ROTATED,
}
_File = tuple[str, str, bool | None]
# What else tools write where there is no group.
_NO_GROUP = (None, "", -1)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts."""
    parser = converter_parser(
        "tfrecords_tools.create_labelme_tf_record", __doc__
    )
    add_data_flags(parser, "folder or zip with the JSON files")
    run_converter(parser, create, argv)


def create(
    data_dir: str,
    output_path: str | None,
    validation_fraction: float = VALIDATION_FRACTION,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `labelme_train.record-*` and so on, and the label map.

    `output_path`, `options`, result and errors are those of `convert`.

    Args:
        data_dir: folder or zip.
        validation_fraction: share of the images for validation where no
            folders part them.
    """
    with unpacked(data_dir) as folder:
        splits, label_map = read_labelme(folder, validation_fraction)
        return convert(output_path, splits, label_map, options)


@dataclasses.dataclass(frozen=True)
class LabelMeImages(LazyImages):
    """Images of which one at a time is in memory.

    Args:
        files: of each image the path of the JSON file, the SHA-256 of its
            content and what `AnnotatedImage.as_stored` is.
        root: the folder of the data set.
    """

    files: tuple[_File, ...]
    root: str
    indices: range

    def make(self, index: int) -> AnnotatedImage:
        """Reads a JSON file, and the image in it if there is one."""
        path, _, as_stored = self.files[index]
        image = read_annotation(Path(path), load_json(path), Path(self.root))
        return dataclasses.replace(image, as_stored=as_stored)


def read_labelme(
    folder: Path, validation_fraction: float = VALIDATION_FRACTION
) -> tuple[list[Split], LabelMap]:
    """Reads the images of a folder and their objects.

    Returns:
        The splits, by folders such as train and val, else by a hash; and the
        labels in the order of the alphabet.

    Raises:
        DataError: a file that cannot be understood, or none at all.
    """
    parts: dict[str, list[_File]] = collections.defaultdict(list)
    names: set[str] = set()
    used: set[str] = set()
    others: list[Path] = []
    digests: list[str] = []
    pictureless: list[AnnotatedImage] = []
    headers: list[Header | None] = []
    dropped: collections.Counter[str] = collections.Counter()
    paths = list_files(folder, ".json")
    with tqdm.tqdm(paths, desc="reading", unit="file") as progress:
        for path in progress:
            if not _is_object(path):
                others.append(path)
                continue
            content = load_json(path)
            if "shapes" not in content:
                others.append(path)
                continue
            image = read_annotation(path, content, folder)
            dropped.update(_other_shapes(content))
            names.update(item.name for item in image.objects)
            used.update([image.path] if image.path else [])
            headers.append(read_header(image))
            # Without the picture: all of them do not fit into memory.
            pictureless.append(dataclasses.replace(image, data=None))
            digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    if not pictureless:
        raise DataError(
            f"{folder}: no LabelMe files; expected JSON files with 'shapes'"
        )
    decided = review_images(pictureless, headers)
    for image, digest in zip(decided, digests, strict=True):
        split = split_of(relative_name(Path(image.where).parent, folder))
        parts[split].append((image.where, digest, image.as_stored))
    warn_of(
        [i.where for i in decided if Outcome.OTHER_NAME in i.outcomes],
        "imagePath names another picture; that with the name of the JSON file"
        " is taken",
    )
    warn_of(others, "has no 'shapes', so it is not of LabelMe: left out")
    for shape, count in sorted(dropped.items()):
        warn_of([folder], f"shapes of the kind {shape} left out: {count}")
    annotated = {Path(image.where).with_suffix("") for image in decided}
    bare = [
        path
        for path in list_images(folder)
        if str(path) not in used and path.with_suffix("") not in annotated
    ]
    warn_of(bare, "image without a JSON file: left out")
    splits = make_splits(
        "labelme",
        parts,
        lambda file: Path(file[0]).stem,
        validation_fraction,
        [Outcome.NOT_ANNOTATED] * len(bare),
        lambda files: LabelMeImages(
            tuple(files), str(folder), range(len(files))
        ),
    )
    return splits, numbered(sorted(names), str(folder))


def _is_object(path: Path) -> bool:
    """Whether a JSON file holds no list, as other tools' files may."""
    return not read_text(path).lstrip().startswith("[")


def read_annotation(path: Path, content: dict, root: Path) -> AnnotatedImage:
    """Reads the content of a JSON file.

    Args:
        content: as `load_json` gives it.
        root: the folder in which images are looked for.

    Raises:
        DataError: something in it is missing or senseless.
    """
    objects, outcomes = _read_shapes(content, str(path))
    # As it stands in the JSON file, whose own place tells images apart.
    name = re.split(r"[\\/]", str(content.get("imagePath") or path))[-1]
    data, image_path = _find_image(path, content, root)
    if image_path and Path(image_path).stem != Path(name).stem:
        name = Path(image_path).name
        outcomes.append(Outcome.OTHER_NAME)
    sides = [content.get(key) for key in ("imageHeight", "imageWidth")]
    size = None
    if None not in sides:
        height, width = (
            whole_number(side, f"{path}: imageHeight or imageWidth")
            for side in sides
        )
        size = (height, width) if min(height, width) > 0 else None
    source = path.with_suffix(Path(name).suffix)
    return AnnotatedImage(
        source_id=relative_name(source, root),
        filename=name,
        objects=objects,
        where=str(path),
        path=image_path,
        data=data,
        size=size,
        outcomes=tuple(outcomes),
    )


def _find_image(
    path: Path, content: dict, root: Path
) -> tuple[bytes | None, str | None]:
    """The image inside a file, or else the path of the one it names."""
    if content.get("imageData") is not None:
        text = content["imageData"]
        if isinstance(text, str):
            # Some tools break it into lines.
            text = "".join(text.split())
        text = check_kind(text, str, f"{path}: 'imageData'")
        # Web tools put the kind of the data before them.
        text = text.partition("base64,")[2] or text
        try:
            return base64.b64decode(text, validate=True), None
        except (binascii.Error, ValueError) as error:
            raise DataError(
                f"{path}: 'imageData': not in base64: {error}"
            ) from None
    name = member(content, "imagePath", str, str(path))
    found = find_file(name, [path.parent, root])
    if found is None or not found.is_file() or found.stem != path.stem:
        # Files that were renamed or copied still name their old picture.
        folders = [path.parent, *([found.parent] if found else [])]
        found = _own_picture(path.stem, folders) or found
    # The engine says which file is missing, or leaves it out when asked to.
    return None, str(found or path.parent / name)


def _own_picture(stem: str, folders: list[Path]) -> Path | None:
    endings = sorted([*IMAGE_ENDINGS, *map(str.upper, IMAGE_ENDINGS)])
    paths = (folder / f"{stem}{end}" for folder in folders for end in endings)
    return next((path for path in paths if path.is_file()), None)


def _other_shapes(content: dict) -> list[str]:
    return [
        shown(_shape_type(shape))
        for shape in content["shapes"]
        if _shape_type(shape) not in _SHAPES
    ]


def _shape_type(shape: dict) -> Any:
    # Files of old versions have polygons only, and do not say so.
    kind = shape.get("shape_type") or "polygon"
    return kind if isinstance(kind, str) else repr(kind)


def _read_shapes(
    content: dict, path: str
) -> tuple[tuple[AnnotatedObject, ...], list[Outcome]]:
    objects: list[AnnotatedObject] = []
    outcomes: list[Outcome] = []
    groups: dict[tuple[str, Any], int] = {}
    shapes = member(content, "shapes", list, path)
    for number, shape in enumerate(shapes, start=1):
        where = f"{path}: shape {number}"
        kind = _shape_type(check_kind(shape, dict, where))
        if kind not in _SHAPES:
            outcomes.append(Outcome.OTHER_SHAPE)
            continue
        name = member(shape, "label", str, where).strip()
        if not name:
            raise DataError(f"{where}: 'label' is empty; expected a class")
        box = _read_points(shape, kind, where)
        outcomes += [_OUTCOMES[kind]] if kind in _OUTCOMES else []
        flags = shape.get("flags") or {}
        given = shape.get("difficult") or (
            isinstance(flags, dict) and flags.get("difficult")
        )
        is_difficult, unclear = read_flag(given)
        outcomes += unclear
        group = shape.get("group_id")
        key = (name, str(group))
        if group not in _NO_GROUP and key in groups:
            # As LabelMe's own exports have it: parts of what is hidden by
            # something in front of it.
            place = groups[key]
            objects[place] = dataclasses.replace(
                objects[place], box=_join(objects[place].box, box)
            )
            outcomes.append(Outcome.PARTS_JOINED)
            continue
        groups[key] = len(objects)
        objects.append(
            AnnotatedObject(box, name, where, difficult=is_difficult)
        )
    return tuple(objects), outcomes


def _read_points(shape: dict, kind: str, where: str) -> Box:
    points = []
    for point in member(shape, "points", list, where):
        pair = check_kind(point, list, f"{where}: 'points'")
        if len(pair) != 2:
            raise DataError(f"{where}: 'points': expected x, y")
        x, y = (check_kind(v, float, f"{where}: 'points'") for v in pair)
        points.append((x, y))
    if len(points) < _SHAPES[kind]:
        raise DataError(
            f"{where}: a {kind} of {len(points)} points; expected"
            f" {_SHAPES[kind]} or more"
        )
    if kind == "circle":
        (x, y), edge = points[:2]
        radius = math.dist((x, y), edge)
        points = [(x - radius, y - radius), (x + radius, y + radius)]
    if kind == "mask":
        # Its corners are pixels that belong to it.
        points[1] = (points[1][0] + 1, points[1][1] + 1)
    return hull(points)


def _join(one: Box, other: Box) -> Box:
    corners = [(box[1], box[0]) for box in (one, other)]
    return hull([*corners, *((box[3], box[2]) for box in (one, other))])


if __name__ == "__main__":
    main()
