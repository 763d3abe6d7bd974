"""Questions to a data set as a whole, which no image alone can answer."""

import collections
import concurrent.futures
import dataclasses
import enum
import io
import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import PIL.Image

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.pictures import SIDEWAYS
from featsr_tf.data.pictures import Size
from featsr_tf.data.pictures import exif_turn
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import Split
from tfrecords_tools.manifest import Manifest
from tfrecords_tools.record_checks import joined_reach
from tfrecords_tools.record_checks import question_reach
from tfrecords_tools.shards import ShardFacts

# Corners this far outside, in px, are no slips of rounding.
_SLACK = 2
# Fewer boxes than this part that reach beyond their images are slips.
_SLIPS = 0.1
# From this part of the evidence on the rest are exceptions.
_RULE = 0.9
# Why objects that no record can hold were probably written so.
_CAUSES = {
    Outcome.BOX_OUTSIDE: (
        "their boxes are outside of their images; perhaps they belong to"
        " images of another size, or are pixels where fractions are expected"
    ),
    Outcome.BOX_WITHOUT_AREA: (
        "their boxes have no area; perhaps their corners are exchanged, or"
        " sizes stand where corners are expected"
    ),
    Outcome.BOX_OF_FRACTIONS: (
        "their boxes lie within one pixel; perhaps they are fractions of the"
        " image, where pixels are expected"
    ),
}
_THREADS = 8


class _Pixels(enum.Enum):
    """Which pixels of an image with an EXIF orientation were annotated."""

    STORED = "as they are stored"
    UPRIGHT = "upright"


@dataclasses.dataclass(frozen=True)
class Header:
    """What the beginning of an image file says; sizes are height and width."""

    stored: Size
    upright: Size
    is_turned: bool


def review(splits: Sequence[Split]) -> list[Split]:
    """Looks at all annotations together and warns of what looks wrong.

    Images with an EXIF orientation get one rule for the whole data set where
    the evidence allows one. Images that are made when they are asked for are
    not looked at.

    Returns:
        The splits, whose images say which pixels were annotated.

    Raises:
        DataError: all boxes are fractions of their images.
    """
    listed = [s for s in splits if isinstance(s.images, list | tuple)]
    images = [image for split in listed for image in split.images]
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        headers = list(pool.map(read_header, images))
    rest = iter(review_images(images, headers))
    return [
        dataclasses.replace(split, images=[next(rest) for _ in split.images])
        if split in listed
        else split
        for split in splits
    ]


def review_images(
    images: Sequence[AnnotatedImage], headers: Sequence[Header | None]
) -> list[AnnotatedImage]:
    """Does what `review` does, with the images of all splits together.

    Args:
        headers: what `read_header` says of each image.

    Raises:
        DataError: all boxes are fractions of their images.
    """
    decided = _one_rule(images, headers)
    _question_boxes(decided, headers)
    return decided


def warn_of_same_pictures(
    splits: Sequence[Split], facts: dict[str, Sequence[ShardFacts]]
) -> None:
    """Warns of pictures that are in a data set more than once."""
    places: dict[str, list[str]] = collections.defaultdict(list)
    for split in splits:
        for shard in facts[split.name]:
            for source_id, picture in zip(
                shard.source_ids, shard.pictures, strict=True
            ):
                if picture:
                    places[picture].append(f"{split.name} {source_id!r}")
    repeated = [found for found in places.values() if len(found) > 1]
    if repeated:
        warnings.warn(
            f"{len(repeated)} pictures are there more than once, such as"
            f" {' and '.join(repeated[0][:3])}: the objects of one are"
            " background in the other, and a picture in two splits falsifies"
            " the evaluation; merge or remove them",
            stacklevel=3,
        )


def warn_of_reach(facts: Iterable[ShardFacts]) -> None:
    """Warns where all boxes of a data set lie in one part of their images."""
    filled = [shard for shard in facts if shard.num_objects]
    message = question_reach(
        joined_reach(shard.reach for shard in filled),
        sum(shard.num_objects for shard in filled),
        sum(s.num_examples - s.num_images_without_objects for s in filled),
    )
    if message:
        warnings.warn(message, stacklevel=3)


def warn_of_lost_objects(manifests: Sequence[Manifest]) -> None:
    """Warns where more than slips are left out, and says the likely cause."""
    lost = {
        outcome: sum(m.outcomes.get(outcome, 0) for m in manifests)
        for outcome in _CAUSES
    }
    total = sum(m.num_objects for m in manifests) + sum(lost.values())
    for outcome, count in lost.items():
        if count > _SLIPS * total:
            warnings.warn(
                f"{count} of {total} objects are left out: {_CAUSES[outcome]}",
                stacklevel=3,
            )


def warn_of_alike_classes(label_map: LabelMap) -> None:
    """Warns of classes whose names are one but for case and spaces."""
    alike: dict[str, list[str]] = collections.defaultdict(list)
    for name in label_map.names.values():
        alike["".join(name.split()).casefold()].append(name)
    for names in alike.values():
        if len(names) > 1:
            warnings.warn(
                f"{label_map.path}: the classes"
                f" {' and '.join(map(repr, names))} differ in case or spaces"
                " alone; give them one name if they are one class",
                stacklevel=3,
            )


def read_header(image: AnnotatedImage) -> Header | None:
    """None where the file cannot be read, which is an error later on."""
    if image.data is None and image.path is None:
        return None
    source = image.path if image.data is None else io.BytesIO(image.data)
    try:
        with PIL.Image.open(source) as picture:
            # Pillow decodes a whole PNG in search of a tag that it lacks.
            may_be_turned = picture.format != "PNG" or "exif" in picture.info
            turn = exif_turn(picture) if may_be_turned else None
            stored = (picture.height, picture.width)
    # Damaged files raise errors of many types.
    except Exception:
        return None
    upright = stored[::-1] if turn in SIDEWAYS else stored
    return Header(stored, upright, turn is not None)


def _one_rule(
    images: Sequence[AnnotatedImage], headers: Sequence[Header | None]
) -> list[AnnotatedImage]:
    """Decides for all images with an EXIF orientation which pixels count."""
    by_box: dict[int, _Pixels] = {}
    by_size: dict[int, _Pixels] = {}
    for index, (image, header) in enumerate(zip(images, headers, strict=True)):
        if header and header.stored != header.upright:
            if found := _evidence_of_boxes(image, header):
                by_box[index] = found
            if found := _evidence_of_size(image, header):
                by_size[index] = found
    evidence = by_box or by_size
    rule = _rule_of(evidence.values())
    exceptions = [
        *(i for i in evidence if rule and evidence[i] != rule),
        *(i for i in by_size if i in by_box and by_size[i] != by_box[i]),
    ]
    if rule is None and evidence:
        warnings.warn(
            "images with an EXIF orientation contradict each other: some were"
            f" annotated upright, others as they are stored, such as"
            f" {_place_of(images, evidence, _Pixels.STORED)}; each is taken as"
            " its own size and boxes say, those that say nothing upright",
            stacklevel=4,
        )
    elif exceptions:
        warnings.warn(
            f"{images[exceptions[0]].where}: size and boxes contradict each"
            f" other, in {len(exceptions)} images with an EXIF orientation;"
            " by all of them together the pixels were annotated"
            f" {rule.value if rule else ''}, and so they are taken",
            stacklevel=4,
        )
    decided = []
    for index, (image, header) in enumerate(zip(images, headers, strict=True)):
        own = rule or by_box.get(index) or by_size.get(index)
        if header and header.is_turned and image.as_stored is None and own:
            image = dataclasses.replace(image, as_stored=own == _Pixels.STORED)
        decided.append(image)
    return decided


def _rule_of(evidence: Iterable[_Pixels]) -> _Pixels | None:
    counts = collections.Counter(evidence)
    if not counts:
        return None
    ((most, count),) = counts.most_common(1)
    return most if count >= _RULE * counts.total() else None


def _place_of(images, evidence: dict[int, _Pixels], kind: _Pixels) -> str:
    return next(images[i].where for i in evidence if evidence[i] == kind)


def _evidence_of_size(image: AnnotatedImage, header: Header) -> _Pixels | None:
    kinds = {header.stored: _Pixels.STORED, header.upright: _Pixels.UPRIGHT}
    return kinds.get(tuple(image.size)) if image.size else None


def _evidence_of_boxes(image: AnnotatedImage, header: Header) -> _Pixels | None:
    """The one of both sizes that the boxes fit into."""
    boxes = _finite_boxes(image)
    fits = {
        kind: not _beyond(boxes, np.array([size] * len(boxes))).any()
        for kind, size in (
            (_Pixels.STORED, header.stored),
            (_Pixels.UPRIGHT, header.upright),
        )
    }
    fitting = [kind for kind in fits if fits[kind]]
    return fitting[0] if len(fitting) == 1 else None


def _finite_boxes(image: AnnotatedImage) -> np.ndarray:
    boxes = np.array([thing.box for thing in image.objects], float)
    boxes = boxes.reshape(-1, 4)
    return boxes[np.isfinite(boxes).all(axis=1)]


def _beyond(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """`[n]` bool: which boxes reach beyond images of `sizes` `[n, 2]`."""
    lowest, highest = boxes.reshape(-1, 4)[:, :2], boxes.reshape(-1, 4)[:, 2:]
    sizes = sizes.reshape(-1, 2)
    return (lowest < -_SLACK).any(axis=1) | (highest > sizes + _SLACK).any(1)


def _swapped(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, [1, 0, 3, 2]]


def _as_corners(boxes: np.ndarray) -> np.ndarray:
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def _as_centers(boxes: np.ndarray) -> np.ndarray:
    halves = (boxes[:, 2:] - boxes[:, :2]) / 2
    return boxes - np.hstack([halves, halves])


# How boxes are often written instead, and what makes them right.
_READINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "x and y were exchanged": _swapped,
    "they were written as two corners, where x, y, width and height belong": (
        _as_corners
    ),
    "they were written with their centres, where the upper left corners"
    " belong": _as_centers,
}


def _question_boxes(
    images: Sequence[AnnotatedImage], headers: Sequence[Header | None]
) -> None:
    """Warns where the boxes of a data set fit better in another reading."""
    parts, sizes = [], []
    for image, header in zip(images, headers, strict=True):
        boxes = _finite_boxes(image)
        if header and len(boxes):
            size = header.stored if image.as_stored else header.upright
            parts.append(boxes)
            sizes.append(np.array([size] * len(boxes)))
    if not parts:
        return
    boxes, extents = np.concatenate(parts), np.concatenate(sizes)
    _refuse_fractions(boxes, extents, images)
    beyond = _beyond(boxes, extents)
    count = f"{beyond.sum()} of {len(boxes)} boxes reach beyond their images"
    if beyond.mean() > _SLIPS:
        for reading, read in _READINGS.items():
            others = read(boxes)
            has_area = (others[:, 2:] > others[:, :2]).all(axis=1)
            if (_beyond(others, extents) | ~has_area).mean() <= _SLIPS / 10:
                reason = f"all would fit if {reading}"
                break
        else:
            reason = "perhaps the images were resized, cut or turned since"
        warnings.warn(
            f"{count}: {reason}; look at the records with tfrecords_tools.show",
            stacklevel=4,
        )


def _refuse_fractions(
    boxes: np.ndarray, extents: np.ndarray, images: Sequence[AnnotatedImage]
) -> None:
    with_area = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
    is_fraction = len(with_area) and with_area.max() <= 1
    if is_fraction and (with_area % 1).any() and extents.max() > 1:
        where = next(thing.where for image in images for thing in image.objects)
        raise DataError(
            f"{where}: all {len(boxes)} boxes of the data set lie within 0 to"
            " 1, as fractions of the image do; expected pixels: multiply x and"
            " width by the width of the image, y and height by its height"
        )
