"""Records that others have written, read to be written anew in one form."""

import collections
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from featsr_tf.data.annotation_values import finite
from featsr_tf.data.annotation_values import whole_number
from featsr_tf.data.examples import BOX_KEYS
from featsr_tf.data.examples import FEATURES
from featsr_tf.data.examples import feature_values
from featsr_tf.data.examples import parse_example
from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.tfrecord_files import read_raw_record
from featsr_tf.data.tfrecord_files import record_offsets
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import LazyImages
from tfrecords_tools.annotations import Split
from tfrecords_tools.example import labels_by_name
from tfrecords_tools.images import image_size
from tfrecords_tools.layouts import list_files
from tfrecords_tools.layouts import make_splits
from tfrecords_tools.layouts import relative_name
from tfrecords_tools.layouts import split_of_file
from tfrecords_tools.layouts import warn_of
from tfrecords_tools.record_files import class_names

Place = tuple[str, int, int]
# Neither is one object that stands alone.
_CROWDS = (Example.IS_CROWD, Example.GROUP_OF)
_CARRIED_OVER = {
    *FEATURES,
    *(Example.HEIGHT, Example.WIDTH, Example.FILENAME, Example.FORMAT),
    *(Example.TEXT, Example.TRUNCATED, "image/key/sha256"),
}


@dataclasses.dataclass(frozen=True)
class RecordImages(LazyImages):
    """The images of records, of which one at a time is in memory.

    Args:
        places: file, number and offset in bytes of each record.
        names: of the classes by their ids.
        root: the folder of the data set.
    """

    places: tuple[Place, ...]
    names: dict[int, str]
    root: str
    indices: range

    def make(self, index: int) -> AnnotatedImage:
        """Reads a record."""
        path, number, _ = self.places[index]
        where = f"{path}: record {number}"
        source = f"{relative_name(Path(path), Path(self.root))}:{number}"
        features = _features(self.places[index])
        try:
            return _read_image(features, self.names, source, where)
        except DataError as error:
            raise DataError(f"{where}: {error}") from None


def read_records(
    folder: Path, paths: list[Path], validation_fraction: float
) -> tuple[list[Split], LabelMap]:
    """Finds the records of files and their classes.

    Args:
        folder: of the data set, with its label map.

    Raises:
        DataError: a damaged record, or classes that contradict each other.
    """
    parts: dict[str, list[Place]] = collections.defaultdict(list)
    for path in paths:
        parts[split_of_file(relative_name(path, folder))] += [
            (str(path), number, offset)
            for number, offset in enumerate(record_offsets(str(path)))
        ]
    places = [place for part in parts.values() for place in part]
    others = {key for place in places for key in _features(place)}
    for key in sorted(others - _CARRIED_OVER):
        warn_of([folder], f"{key} of the records is left out")
    names, label_map = _classes(folder, places)
    splits = make_splits(
        "records",
        parts,
        lambda place: f"{Path(place[0]).name}:{place[1]}",
        validation_fraction,
        choose=lambda chosen: RecordImages(
            tuple(chosen), names, str(folder), range(len(chosen))
        ),
    )
    return splits, label_map


def _payload(place: Place) -> bytes:
    path, number, _ = place
    record = read_raw_record(*place)
    if record.damage:
        raise DataError(f"{path}: record {number}: damaged, {record.damage}")
    return record.payload


def _features(place: Place) -> Mapping:
    payload = _payload(place)
    try:
        return parse_example(payload)
    except DataError as error:
        raise DataError(f"{place[0]}: record {place[1]}: {error}") from None


def _classes(
    folder: Path, places: list[Place]
) -> tuple[dict[int, str], LabelMap]:
    """The label map that fits the records, else what they say themselves.

    Returns:
        Names by the labels of the records, and the classes to write.
    """
    pairs: set[tuple[int, str]] = set()
    alone: set[str] = set()
    for place in places:
        features = _features(place)
        try:
            labels = _labels(features)
        except DataError as error:
            where = f"{place[0]}: record {place[1]}"
            raise DataError(f"{where}: {error}") from None
        texts = _texts(features, Example.TEXT)
        pairs.update(zip(labels, texts or [""] * len(labels), strict=False))
        alone.update([] if labels else texts)
    maps = [load_label_map(str(p)) for p in list_files(folder, ".pbtxt")]
    fitting = [
        label_map
        for label_map in maps
        if all(
            label in label_map.names
            and (not text or label_map.knows(label, text))
            for label, text in pairs
        )
        and alone <= labels_by_name(label_map).keys()
    ]
    for other in fitting[1:]:
        if other.names != fitting[0].names:
            raise DataError(
                f"{fitting[0].path} and {other.path} both fit the records; put"
                " the right one alone beside them"
            )
    if fitting:
        return fitting[0].names, fitting[0]
    return _classes_of_records(folder, pairs, alone)


def _classes_of_records(
    folder: Path, pairs: set[tuple[int, str]], alone: set[str]
) -> tuple[dict[int, str], LabelMap]:
    """Classes as records name them.

    Args:
        pairs: labels and names.
        alone: names without a label, which get the next ones.
    """
    try:
        names = class_names(pairs)
    except DataError as error:
        reason = str(error).partition(";")[0]
        raise DataError(f"{folder}: {reason}; expected one name") from None
    lowest = min(names, default=1)
    if lowest < 0:
        raise DataError(f"{folder}: the label {lowest}; expected 1 or more")
    others = sorted(alone - set(names.values()))
    raised = {label + (lowest == 0): name for label, name in names.items()}
    if lowest == 0:
        warn_of(
            [folder],
            "labels of the records start at 0: each is raised by 1, as 0 is"
            " the background",
        )
    raised |= dict(enumerate(others, start=max(raised, default=0) + 1))
    if not raised:
        raise DataError(f"{folder}: no objects in these records")
    return names, LabelMap(raised, path=str(folder))


def _texts(features: Mapping, key: str) -> list[str]:
    """The values under a key; numbers as they are written."""
    return [
        value.decode(errors="replace")
        if isinstance(value, bytes)
        else f"{value}"
        for value in feature_values(features, key)
    ]


def _numbers(features: Mapping, key: str) -> list[float]:
    return [finite(value, key) for value in feature_values(features, key)]


def _labels(features: Mapping) -> list[int]:
    values = feature_values(features, Example.LABEL)
    return [whole_number(value, Example.LABEL) for value in values]


def _read_image(
    features: Mapping, names: dict[int, str], source: str, where: str
) -> AnnotatedImage:
    encoded = feature_values(features, Example.ENCODED)
    if len(encoded) != 1 or not isinstance(encoded[0], bytes):
        raise DataError(f"{Example.ENCODED}: expected one image")
    height, width = (
        whole_number(next(iter(feature_values(features, key)), 0), key)
        for key in (Example.HEIGHT, Example.WIDTH)
    )
    filename = _texts(features, Example.FILENAME)
    source_id = _texts(features, Example.SOURCE_ID)
    return AnnotatedImage(
        source_id=next(filter(None, [*source_id, *filename]), source),
        filename=filename[0] if filename else source,
        objects=_read_objects(features, names, encoded[0], where),
        where=where,
        data=encoded[0],
        size=(height, width),
        # Training does not turn the pixels of a record.
        as_stored=True,
    )


def _read_objects(
    features: Mapping, names: dict[int, str], data: bytes, where: str
) -> tuple[AnnotatedObject, ...]:
    columns = [_numbers(features, key) for key in BOX_KEYS]
    labels = _labels(features)
    texts = _texts(features, Example.TEXT)
    count = len(columns[0])
    named = [names for names in (labels, texts) if names] or [()]
    lengths = {*map(len, columns), *map(len, named)}
    if lengths != {count}:
        raise DataError(f"lists of different lengths: {sorted(lengths)}")
    # The image itself counts, not what the record says of it.
    height, width = image_size(data) if count else (0, 0)
    scale = (height, width, height, width)
    flags = {
        key: _numbers(features, key) or [0] * count
        for key in (Example.DIFFICULT, Example.TRUNCATED, *_CROWDS)
    }
    areas = _numbers(features, Example.AREA)
    objects = []
    for index in range(count):
        label = labels[index] if labels else None
        name = texts[index] if texts else f"class {label}"
        corners = [column[index] for column in columns]
        is_set = {
            key: bool(values[index] if index < len(values) else 0)
            for key, values in flags.items()
        }
        objects.append(
            AnnotatedObject(
                tuple(c * s for c, s in zip(corners, scale, strict=True)),
                names.get(label, name),
                where,
                difficult=is_set[Example.DIFFICULT],
                truncated=is_set[Example.TRUNCATED],
                crowd=any(is_set[key] for key in _CROWDS),
                area=areas[index] if len(areas) == count else None,
            )
        )
    return tuple(objects)
