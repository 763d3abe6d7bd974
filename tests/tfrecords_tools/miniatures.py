"""Small data sets on disk, in the layouts in which the real ones are had.

Their pictures are those of the toy data set, sign-like objects of 10 to 140
px on cluttered backgrounds, under class names of the data set imitated: a
small detector can learn them.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import tfrecords_tools
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from tfrecords_tools.create_toy_tf_record import ToyImage
from tfrecords_tools.create_toy_tf_record import draw_toy_image

Size = tuple[int, int]

# Names that stand for the five toy classes, in the order of their ids.
TT100K_NAMES = ("pl40", "w57", "i5", "ip", "po")
VOC_NAMES = ("bicycle", "bird", "bus", "person", "tvmonitor")
COCO_CATEGORIES = {
    1: "person",
    10: "traffic light",
    13: "stop sign",
    37: "sports ball",
    90: "toothbrush",
}
# Of this many objects one is difficult (VOC) or a crowd (COCO).
RARE = 7
_SPLITS = ("train", "val", "test", "other")


def write_tt100k(
    folder: Path,
    num_images: int = 4,
    size: Size = (200, 240),
    seed: int = 0,
) -> Path:
    """Writes Tsinghua-Tencent 100K in the layout of 2016.

    Args:
        folder: where `data` is made.
        num_images: in each of train, test and other.
        size: height and width of the pictures in px, at least 200.
        seed: the same seed gives the same data set.

    Returns:
        The folder `data` with annotations.json.
    """
    data = folder / "data"
    images = {}
    number = 10000
    for split in ("train", "test", "other"):
        ids = []
        for picture in _draw(split, num_images, size, seed):
            number += 7
            path = f"{split}/{number}.jpg"
            _save(picture, data / path)
            ids.append(str(number))
            images[str(number)] = {
                "id": number,
                "path": path,
                "objects": [
                    {
                        "category": TT100K_NAMES[label - 1],
                        "bbox": _corners(box),
                    }
                    for box, label in _objects(picture)
                ],
            }
        (data / split / "ids.txt").write_text("\n".join(ids) + "\n")
    types = tt100k_types()
    text = json.dumps({"types": types, "imgs": images})
    (data / "annotations.json").write_text(text)
    return data


def tt100k_types() -> list[str]:
    """The 45 classes of the protocol and two others, as in 2016."""
    return [*_shipped("tt100k_45").names.values(), "pl10", "w3"]


def write_voc(
    folder: Path,
    num_images: int = 4,
    size: Size = (200, 240),
    seed: int = 0,
    year: str = "VOC2007",
) -> Path:
    """Writes PASCAL VOC.

    Args:
        folder: where `VOCdevkit` is made.
        num_images: in each of train, val and test.
        size: height and width of the pictures in px, at least 200.
        seed: the same seed gives the same data set.
        year: name of the folder in `VOCdevkit`.

    Returns:
        The folder `VOCdevkit`.
    """
    devkit = folder / "VOCdevkit"
    sets: dict[str, list[str]] = {}
    num_objects = 0
    for split in ("train", "val", "test"):
        names = []
        for picture in _draw(split, num_images, size, seed):
            number = len(names) + _SPLITS.index(split) * num_images
            name = f"{year.removeprefix('VOC')}_{number:06d}"
            _save(picture, devkit / year / "JPEGImages" / f"{name}.jpg")
            annotation = devkit / year / "Annotations" / f"{name}.xml"
            _write(annotation, _voc_xml(name, picture, num_objects))
            num_objects += len(picture.labels)
            names.append(name)
        sets[split] = names
    sets["trainval"] = sorted(sets["train"] + sets["val"])
    for split, names in sets.items():
        path = devkit / year / "ImageSets" / "Main" / f"{split}.txt"
        _write(path, "\n".join(names) + "\n")
    return devkit


def write_coco(
    folder: Path,
    num_images: int = 4,
    size: Size = (200, 240),
    seed: int = 0,
) -> Path:
    """Writes COCO 2017.

    Args:
        folder: where `coco` is made.
        num_images: in each of train2017 and val2017.
        size: height and width of the pictures in px, at least 200.
        seed: the same seed gives the same data set.

    Returns:
        The folder `coco` with train2017, val2017 and annotations.
    """
    coco = folder / "coco"
    for split in ("train", "val"):
        images, annotations = [], []
        for picture in _draw(split, num_images, size, seed):
            number = 100 * (_SPLITS.index(split) + 1) + len(images)
            name = f"{number:012d}.jpg"
            _save(picture, coco / f"{split}2017" / name)
            height, width = size
            images.append(
                dict(id=number, file_name=name, height=height, width=width)
            )
            for box, label in _objects(picture):
                annotations.append(
                    _coco_annotation(len(annotations), number, box, label)
                )
        content = {
            "images": images,
            "annotations": annotations,
            "categories": coco_categories(),
        }
        path = coco / "annotations" / f"instances_{split}2017.json"
        _write(path, json.dumps(content))
    return coco


def coco_categories() -> list[dict]:
    """The 80 categories as the files of COCO list them."""
    names = _shipped("coco").names
    return [{"id": id_, "name": name} for id_, name in sorted(names.items())]


def _shipped(name: str) -> LabelMap:
    folder = Path(tfrecords_tools.__file__).parent / "label_maps"
    return load_label_map(str(folder / f"{name}_label_map.pbtxt"))


def _draw(
    split: str, num_images: int, size: Size, seed: int
) -> Iterator[ToyImage]:
    for index in range(num_images):
        source = np.random.default_rng([seed, _SPLITS.index(split), index])
        yield draw_toy_image(*size, source)


def _save(picture: ToyImage, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.image.save(path, quality=92)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _objects(picture: ToyImage) -> Iterator[tuple[list[int], int]]:
    return zip(picture.boxes.tolist(), picture.labels, strict=True)


def _corners(box: list[int]) -> dict[str, float]:
    ymin, xmin, ymax, xmax = map(float, box)
    return dict(xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax)


def _voc_xml(name: str, picture: ToyImage, first: int) -> str:
    """Corners count pixels from 1 and are inclusive; objects from `first`."""
    objects = "".join(
        f"<object><name>{VOC_NAMES[label - 1]}</name>"
        f"<truncated>0</truncated>"
        f"<difficult>{int(number % RARE == RARE - 1)}</difficult>"
        f"<bndbox><xmin>{xmin + 1}</xmin><ymin>{ymin + 1}</ymin>"
        f"<xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>"
        for number, ((ymin, xmin, ymax, xmax), label) in enumerate(
            _objects(picture), start=first
        )
    )
    width, height = picture.image.size
    return (
        f"<annotation><filename>{name}.jpg</filename>"
        f"<size><width>{width}</width><height>{height}</height>"
        f"<depth>3</depth></size>{objects}</annotation>"
    )


def _coco_annotation(
    number: int, image_id: int, box: list[int], label: int
) -> dict:
    """An object whose segment is the diamond in its box."""
    ymin, xmin, ymax, xmax = box
    y, x = (ymin + ymax) / 2, (xmin + xmax) / 2
    height, width = ymax - ymin, xmax - xmin
    return {
        "id": number + 1,
        "image_id": image_id,
        "category_id": list(COCO_CATEGORIES)[label - 1],
        "bbox": [xmin, ymin, width, height],
        "area": height * width / 2,
        "segmentation": [[x, ymin, xmax, y, x, ymax, xmin, y]],
        "iscrowd": int(number % RARE == RARE - 1),
    }
