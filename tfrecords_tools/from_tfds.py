"""Converts a detection data set of TensorFlow Datasets to TFRecords.

For example:

    python -m tfrecords_tools.from_tfds --dataset voc/2007 \\
        --split train validation --output_path output/voc_tfds

Any data set will do whose examples have an image and 'objects' with 'bbox'
and 'label'. Ids of the label map are the labels plus 1. Images are read while
they are written, all files of a split once for each of its shards.
"""

import dataclasses
import difflib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import LazyImages
from tfrecords_tools.annotations import Split
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.conversion import converter_parser
from tfrecords_tools.conversion import run_converter
from tfrecords_tools.images import encode_png
from tfrecords_tools.images import image_size

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

_BOX_FORMAT = "REL_YXYX"
_EXPECTED = (
    "'image', and 'objects' with 'bbox' (normalised ymin, xmin, ymax, xmax)"
    " and 'label'"
)
# Characters of other libraries' messages, some of which list all they know.
_SHOWN = 300
_FILENAME_KEYS = ("image/filename", "image/file_name")
_ID_KEY = "image/id"


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and converts."""
    parser = converter_parser("tfrecords_tools.from_tfds", __doc__)
    parser.add_argument(
        "--dataset", required=True, help="name of the data set: voc/2007"
    )
    parser.add_argument(
        "--split",
        nargs="+",
        dest="split_names",
        metavar="SPLIT",
        default=["train"],
        help="splits or parts of them: train 'test[:10%%]' (default train)",
    )
    parser.add_argument(
        "--data_dir",
        metavar="FOLDER",
        help="prepared data (default: that of TensorFlow Datasets)",
    )
    parser.add_argument(
        "--download",
        action="store_true",
        help="download and prepare what is not there (default: an error)",
    )
    run_converter(parser, create, argv)


def create(
    dataset: str,
    split_names: Sequence[str],
    output_path: str,
    data_dir: str | None = None,
    download: bool = False,
    options: ConversionOptions | None = None,
) -> str:
    """Writes `DATASET_SPLIT.record-*` for each split, and the label map.

    `output_path`, `options`, result and errors are those of `convert`.

    Args:
        dataset: such as "voc/2007".
        split_names: such as "train" or "test[:10%]".
        data_dir: folder of prepared data; None for that of TensorFlow
            Datasets.
        download: whether to download and prepare what is not there.
    """
    if download:
        prepare(open_builder(dataset, data_dir))
    images = [read_split(dataset, name, data_dir) for name in split_names]
    splits = [
        Split(record_name(dataset, name), part)
        for name, part in zip(split_names, images, strict=True)
    ]
    # Label 0 is a class: 0 in records is the background.
    label_map = LabelMap(dict(enumerate(images[0].class_names, start=1)))
    return convert(output_path, splits, label_map, options)


def record_name(dataset: str, split: str) -> str:
    """Name of a split's record files: `voc_train`, `voc_test_to10percent`."""
    words = f"{dataset.split('/')[0]}_{split}"
    words = words.replace("%", "percent").replace(":", "to")
    return re.sub(r"\W+", "_", words).strip("_")


@dataclasses.dataclass(frozen=True)
class TfdsImages(LazyImages):
    """The images of a split, of which one at a time is in memory.

    Passing through a slice reads all files of the split once.

    Args:
        dataset: name of the builder, such as "voc/2007".
        split: such as "train" or "test[:10%]".
        data_dir: folder of the prepared data; None for the usual one.
        class_names: names of the labels 0, 1, 2 ...
    """

    dataset: str
    split: str
    data_dir: str | None
    class_names: tuple[str, ...]
    indices: range

    def make(self, index: int) -> AnnotatedImage:
        """Reads one image, and all that come before it."""
        one = range(index, index + 1)
        return next(iter(dataclasses.replace(self, indices=one)))

    def __iter__(self) -> Iterator[AnnotatedImage]:
        """Reads the images from the files of the data set.

        Raises:
            DataError: an example cannot be read or understood.
        """
        import tensorflow as tf
        import tensorflow_datasets as tfds

        if not self.indices:
            return
        chosen = (
            open_split(open_builder(self.dataset, self.data_dir), self.split)
            .skip(self.indices.start)
            .shard(self.indices.step, 0)
            .take(len(self.indices))
        )
        examples = iter(tfds.as_numpy(chosen))
        for index in self.indices:
            where = f"{self.dataset}: {self.split}: example {index}"
            try:
                example = next(examples)
            except (tf.errors.OpError, StopIteration) as error:
                raise DataError(
                    f"{where}: cannot be read: {_in_short(error)}"
                ) from None
            fallback = f"{self.split}_{index:06d}"
            yield _annotate(example, self.class_names, fallback, where)


def read_split(
    dataset: str, split: str, data_dir: str | None = None
) -> TfdsImages:
    """Opens the images of a split; arguments as those of `TfdsImages`.

    Raises:
        DataError: no such data set, files or split.
    """
    builder = open_builder(dataset, data_dir)
    num_images = _count(open_split(builder, split), f"{dataset}: {split}")
    names = tuple(_label(builder.info.features).names)
    return TfdsImages(dataset, split, data_dir, names, range(num_images))


def open_builder(
    dataset: str, data_dir: str | None
) -> "tfds.core.DatasetBuilder":
    """Finds a data set by its name, such as "voc/2007".

    Raises:
        DataError: no data set has this name, or it has no boxes.
    """
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(dataset, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        names = tfds.list_builders(with_community_datasets=False)
        near = difflib.get_close_matches(dataset.split("/")[0], names, n=1)
        hint = f"; nearest known name: {near[0]}" if near else ""
        raise DataError(
            f"TensorFlow Datasets has no data set {dataset!r}{hint}"
        ) from None
    except (ValueError, AssertionError, OSError) as error:
        raise DataError(f"{dataset}: {_in_short(error)}") from None
    _check_features(dataset, builder.info.features)
    return builder


def prepare(builder: "tfds.core.DatasetBuilder") -> None:
    """Downloads a data set and prepares its files, unless they are there.

    Raises:
        DataError: that failed.
    """
    try:
        builder.download_and_prepare()
    # Each data set has its own ways to fail: network, checksums, archives,
    # files that have to be fetched by hand.
    except Exception as error:
        raise DataError(
            f"{builder.info.full_name}: cannot be prepared:"
            f" {type(error).__name__}: {_in_short(error)}"
        ) from error


def open_split(
    builder: "tfds.core.DatasetBuilder", split: str
) -> "tf.data.Dataset":
    """Opens a split, such as "test[:10%]", whose files are prepared.

    Returns:
        The examples in a fixed order, images as the bytes of their files.

    Raises:
        DataError: no such files or split.
    """
    import tensorflow_datasets as tfds

    decoders = {}
    if isinstance(builder.info.features["image"], tfds.features.Image):
        decoders["image"] = tfds.decode.SkipDecoding()
    try:
        return builder.as_dataset(
            split=split,
            decoders=decoders,
            shuffle_files=False,
            read_config=tfds.ReadConfig(try_autocache=False),
        )
    except AssertionError:
        raise DataError(
            f"{builder.info.full_name}: no data in {builder.data_dir}; get"
            " them by the same command with --download"
        ) from None
    except ValueError as error:
        raise DataError(
            f"{builder.info.full_name}: split {split!r}: {_in_short(error)}"
        ) from None


def _in_short(value: object) -> str:
    """A message of another library in one line that is not too long."""
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _check_features(dataset: str, features: Any) -> None:
    try:
        boxes = features["objects"].feature["bbox"]
        names = _label(features).names
    except (KeyError, TypeError, AttributeError):
        names = None
    if not names or "image" not in features:
        raise DataError(
            f"{dataset}: expected the features {_EXPECTED}; found"
            f" {_in_short(features)}"
        )
    box_format = getattr(boxes, "bbox_format", None)
    if box_format and box_format.name != _BOX_FORMAT:
        raise DataError(
            f"{dataset}: expected boxes of the format {_BOX_FORMAT}, found"
            f" {box_format.name}"
        )


def _label(features: Any) -> Any:
    return features["objects"].feature["label"]


def _count(examples: "tf.data.Dataset", where: str) -> int:
    """Number of examples; they are read where it is not known beforehand."""
    import tensorflow as tf

    number = int(examples.cardinality())
    if number == tf.data.INFINITE_CARDINALITY:
        raise DataError(f"{where}: has no end")
    if number == tf.data.UNKNOWN_CARDINALITY:
        try:
            number = int(examples.reduce(0, lambda count, _: count + 1))
        except tf.errors.OpError as error:
            raise DataError(
                f"{where}: cannot be read: {_in_short(error)}"
            ) from None
    return number


def _annotate(
    example: dict[str, Any],
    class_names: tuple[str, ...],
    fallback: str,
    where: str,
) -> AnnotatedImage:
    data = _encoded(example["image"])
    size = image_size(data)
    filename = next(
        (
            example[key].decode(errors="replace")
            for key in _FILENAME_KEYS
            if key in example
        ),
        fallback,
    )
    return AnnotatedImage(
        source_id=str(example.get(_ID_KEY, filename)),
        filename=filename,
        # Without a size there is no place for boxes, and no image either.
        objects=_objects(example["objects"], size, class_names, where)
        if all(size)
        else (),
        where=where,
        data=data,
        size=size,
    )


def _objects(
    columns: dict[str, np.ndarray],
    size: tuple[int, int],
    class_names: tuple[str, ...],
    where: str,
) -> tuple[AnnotatedObject, ...]:
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{where}: 'objects' of different lengths: {lengths}")
    boxes = columns["bbox"].astype(np.float64) * np.array([*size, *size])
    labels = columns["label"].tolist()
    for number, label in enumerate(labels, start=1):
        if not 0 <= label < len(class_names):
            raise DataError(
                f"{where}: object {number}: has the label {label}; expected 0"
                f" to {len(class_names) - 1}"
            )
    return tuple(
        AnnotatedObject(
            box=tuple(box),
            name=class_names[label],
            where=f"{where}: object {number + 1}",
            difficult=_flag(columns, "is_difficult", number),
            truncated=_flag(columns, "is_truncated", number),
            crowd=_flag(columns, "is_crowd", number),
            area=float(columns["area"][number]) if "area" in columns else None,
        )
        for number, (box, label) in enumerate(
            zip(boxes.tolist(), labels, strict=True)
        )
    )


def _flag(columns: dict[str, np.ndarray], key: str, number: int) -> bool:
    return key in columns and bool(columns[key][number])


def _encoded(image: bytes | np.ndarray) -> bytes:
    """The bytes of the file; pixels, where a data set keeps these, as PNG."""
    if isinstance(image, bytes):
        return image
    return encode_png(PIL.Image.fromarray(image.squeeze()))


if __name__ == "__main__":
    # Processes elsewhere find `TfdsImages` by the name of its module.
    from tfrecords_tools import from_tfds

    from_tfds.main()
