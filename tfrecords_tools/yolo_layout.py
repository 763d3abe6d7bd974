"""Which images and classes a YOLO data set has, however it is laid out."""

import collections
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from featsr_tf.data.annotation_values import shown
from featsr_tf.errors import DataError
from featsr_tf.errors import printable
from featsr_tf.files import read_text
from tfrecords_tools.layouts import SPLITS
from tfrecords_tools.layouts import find_file
from tfrecords_tools.layouts import list_files
from tfrecords_tools.layouts import list_images
from tfrecords_tools.layouts import relative_name
from tfrecords_tools.layouts import split_of
from tfrecords_tools.layouts import warn_of

_EXPECTED = (
    "expected data.yaml with names: [...], obj.data, or images with a file"
    " classes.txt of one name a line"
)
_NAMES_FILES = ("classes.txt", "obj.names", "_darknet.labels")
_NAMES_ENDINGS = (".names", ".labels")
# Words of YAML for nothing at all.
_NOTHING = ("", "~", "null")


@dataclasses.dataclass(frozen=True)
class YoloLayout:
    """What the files of a data set say of it.

    Args:
        root: the folder that paths belong to.
        described_by: the file that names the classes.
        names: of the classes, by their number from 0.
        images: by split; "" where there are no splits.
        keypoint_values: numbers behind the box of each line.
    """

    root: Path
    described_by: Path
    names: dict[int, str]
    images: dict[str, list[Path]]
    keypoint_values: int = 0


def read_layout(place: Path, is_closed: bool = False) -> YoloLayout:
    """Finds the images and classes of a YOLO data set.

    Args:
        place: its folder, or its data.yaml.
        is_closed: whether paths may not leave the folder, as in an archive.

    Raises:
        DataError: the classes are not named, or images are not where the
            files say.
    """
    path = place if place.is_file() else _find_description(place)
    root = path.parent if place.is_file() else place
    if path.suffix.lower() in (".yaml", ".yml"):
        content = _load_yaml(path)
        names = _read_names(content, path)
    elif path.suffix.lower() == ".data":
        content = _load_darknet(path)
        names_file = _existing(content.get("names", ""), [path.parent, root])
        if names_file is None:
            raise DataError(f"{path}: names: no such file; {_EXPECTED}")
        names = _names_of_lines(names_file)
    else:
        content, names = {}, _names_of_lines(path)
    keypoint_values = _keypoint_values(content, path)
    if not content.keys() & SPLITS.keys():
        images: dict[str, list[Path]] = collections.defaultdict(list)
        for image in list_images(root):
            split = split_of(relative_name(image.parent, root))
            images[split].append(image)
        return YoloLayout(root, path, names, dict(images), keypoint_values)
    folders = [path.parent, root]
    if text := _text(content.get("path")):
        named = Path(text).expanduser()
        candidates = (path.parent / named, named)
        found = [p for p in candidates if p.is_dir() and not is_closed]
        found = found or [p for p in [find_file(text, folders)] if p]
        folders = [*found, *folders]
    images = dict(_listed_images(content, path, folders, is_closed))
    if not images:
        raise DataError(
            f"{path}: none of the images that it names is there; expected"
            f" folders or lists of images below {root}"
        )
    return YoloLayout(root, path, names, images, keypoint_values)


def find_descriptions(folder: Path) -> list[Path]:
    """The files of a folder that name the classes of YOLO data, best first."""
    files = list_files(folder)
    yamls = [
        path
        for path in files
        if path.suffix.lower() in (".yaml", ".yml")
        and re.search(r"^\s*[\"']?names[\"']?\s*:", read_text(path), re.M)
    ]
    named = [
        path for name in _NAMES_FILES for path in files if path.name == name
    ]
    others = [path for path in files if path.suffix in _NAMES_ENDINGS]
    darknet = [
        path
        for path in files
        if path.suffix == ".data"
        and re.search(r"^\s*names\s*=", read_text(path), re.M)
    ]
    return yamls or darknet or named or others


def _find_description(folder: Path) -> Path:
    paths = find_descriptions(folder)
    if not paths:
        raise DataError(f"{folder}: no names of classes; {_EXPECTED}")
    # Roboflow lays the same file beside the images of each split.
    if len({read_text(path) for path in paths}) > 1:
        raise DataError(
            f"{paths[0]} and {paths[1]}: both describe YOLO data; give the"
            " right one instead of the folder"
        )
    return paths[0]


def _load_yaml(path: Path) -> dict[str, Any]:
    try:
        # All plain values stay text: a class may be called no, or 007.
        content = yaml.load(read_text(path), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        text = printable(" ".join(str(error).split()))
        raise DataError(f"{path}: not a YAML file: {text}") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected keys such as names: and train:")
    return content


def _load_darknet(path: Path) -> dict[str, Any]:
    pairs = (line.partition("=") for line in read_text(path).splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs if value}


def _read_names(content: dict[str, Any], path: Path) -> dict[int, str]:
    names = content.get("names")
    if isinstance(names, list):
        items = list(enumerate(names))
    elif isinstance(names, dict):
        items = []
        for key, name in names.items():
            if not str(key).isdecimal():
                raise DataError(
                    f"{path}: names: expected whole numbers from 0 as keys,"
                    f" found {shown(key)}"
                )
            items.append((int(key), name))
    elif _text(names):
        named = _existing(names, [path.parent])
        if named is None:
            raise DataError(f"{path}: names: no such file {shown(names)}")
        return _names_of_lines(named)
    elif _text(content.get("nc")).isdecimal():
        number = int(content["nc"])
        items = [
            (index, f"class_{index}") for index in range(min(number, 9999))
        ]
    else:
        raise DataError(f"{path}: names: expected the names of the classes")
    return _checked_names(items, str(path))


def _names_of_lines(path: Path) -> dict[int, str]:
    lines = [line.strip() for line in read_text(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return _checked_names(list(enumerate(lines)), str(path))


def _checked_names(items: list[tuple[int, Any]], path: str) -> dict[int, str]:
    names: dict[int, str] = {}
    for index, name in items:
        text = _text(name)
        if not text or not text.isprintable():
            raise DataError(f"{path}: class {index} has no name")
        if text in names.values() or index in names:
            raise DataError(
                f"{path}: class {index} ({shown(text)}): number or name"
                " occurs twice; expected each once"
            )
        names[index] = text
    if not names:
        raise DataError(f"{path}: names: expected the names of the classes")
    return dict(sorted(names.items()))


def _text(value: Any) -> str:
    """A plain value of YAML; "" of none or of another kind."""
    text = value.strip() if isinstance(value, str) else ""
    return "" if text.lower() in _NOTHING else text


def _keypoint_values(content: dict[str, Any], path: Path) -> int:
    shape = content.get("kpt_shape")
    if shape is None:
        return 0
    if not isinstance(shape, list) or not all(
        _text(value).isdecimal() for value in shape
    ):
        raise DataError(
            f"{path}: kpt_shape: expected two whole numbers, such as [17, 3]"
        )
    product = 1
    for value in shape:
        product *= int(value)
    return product


def _listed_images(
    content: dict[str, Any], path: Path, folders: list[Path], is_closed: bool
) -> Iterator[tuple[str, list[Path]]]:
    """Yields the splits and their images, each image once."""
    images: dict[str, dict[Path, None]] = {}
    for key in sorted(content.keys() & SPLITS.keys()):
        entries = content[key]
        for entry in entries if isinstance(entries, list) else [entries]:
            text = _text(entry)
            if not text:
                continue
            place = _existing(text, folders, is_closed)
            if place is None:
                # Exports name all three splits, whichever there are.
                warn_of([path], f"{key}: {shown(text)} is not there: left out")
                continue
            split = images.setdefault(SPLITS[key], {})
            split.update(dict.fromkeys(_images_of(place, folders, is_closed)))
    for split, found in images.items():
        yield split, list(found)


def _images_of(place: Path, folders: list[Path], is_closed: bool) -> list[Path]:
    if place.is_dir():
        return list_images(place)
    if place.suffix.lower() != ".txt":
        raise DataError(f"{place}: expected a folder or a .txt list of images")
    images = []
    for number, line in enumerate(read_text(place).splitlines(), start=1):
        if not line.strip():
            continue
        image = _existing(line.strip(), [place.parent, *folders], is_closed)
        if image is None or not image.is_file():
            raise DataError(
                f"{place}:{number}: no image {shown(line.strip())} below"
                f" {folders[-1]}; where they were left out of an export, export"
                " again with the images"
            )
        images.append(image)
    return images


def _existing(
    name: str, folders: list[Path], is_closed: bool = True
) -> Path | None:
    """The file or folder that a text names, as it stands or by its end."""
    if not is_closed:
        for folder in folders:
            path = folder / name
            if _exists(path):
                return path
    found = find_file(name, folders)
    # The folder `images` of something else is not meant by valid/images.
    is_too_vague = (
        found is not None
        and found.name == "images"
        and any(found == folder / "images" for folder in folders)
    )
    has_more = len(re.findall(r"[^\\/.]+", name)) > 1
    return None if is_too_vague and has_more else found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
