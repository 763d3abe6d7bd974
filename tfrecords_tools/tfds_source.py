"""Detection data sets of TensorFlow Datasets: found, prepared, read."""

import dataclasses
import difflib
import io
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
import PIL.Image

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.images import encode_png

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

_BOX_FORMAT = "REL_YXYX"
_EXPECTED = (
    "'image', and 'objects' with 'bbox' (normalised ymin, xmin, ymax, xmax)"
    " and 'label'"
)
# So much of the messages of other libraries, some of which list all they know.
_SHOWN = 300


def open_builder(
    dataset: str, data_dir: str | None
) -> "tfds.core.DatasetBuilder":
    """Finds a data set by its name.

    Args:
        dataset: such as "voc/2007".
        data_dir: folder of the prepared data; None for the usual one.

    Returns:
        The builder.

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
        raise DataError(f"{dataset}: {in_short(error)}") from None
    _check_features(dataset, builder.info.features)
    return builder


def prepare(builder: "tfds.core.DatasetBuilder") -> None:
    """Downloads a data set and prepares its files, unless they are there.

    Args:
        builder: the data set.

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
            f" {type(error).__name__}: {in_short(error)}"
        ) from error


def open_split(
    builder: "tfds.core.DatasetBuilder", split: str
) -> "tf.data.Dataset":
    """Opens a split whose files are prepared.

    Args:
        builder: the data set.
        split: such as "train" or "test[:10%]".

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
            f"{builder.info.full_name}: split {split!r}: {in_short(error)}"
        ) from None


def class_names(builder: "tfds.core.DatasetBuilder") -> tuple[str, ...]:
    """The names of the labels 0, 1, 2 ... of a data set."""
    return tuple(_label(builder.info.features).names)


def in_short(value: object) -> str:
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
            f" {in_short(features)}"
        )
    box_format = getattr(boxes, "bbox_format", None)
    if box_format and box_format.name != _BOX_FORMAT:
        raise DataError(
            f"{dataset}: expected boxes of the format {_BOX_FORMAT}, found"
            f" {box_format.name}"
        )


def _label(features: Any) -> Any:
    return features["objects"].feature["label"]


_FILENAME_KEYS = ("image/filename", "image/file_name")
_ID_KEY = "image/id"


@dataclasses.dataclass(frozen=True)
class TfdsImages(Sequence):
    """The images of a split, of which one at a time is in memory.

    Passing through a slice reads all files of the split once.

    Args:
        dataset: name of the builder, such as "voc/2007".
        split: such as "train" or "test[:10%]".
        data_dir: folder of the prepared data; None for the usual one.
        class_names: names of the labels 0, 1, 2 ...
        indices: which images of the split belong to it.
    """

    dataset: str
    split: str
    data_dir: str | None
    class_names: tuple[str, ...]
    indices: range

    def __len__(self) -> int:
        """Number of images."""
        return len(self.indices)

    def __getitem__(self, index):
        """The image of an index, or those of a slice that goes forward."""
        if isinstance(index, slice):
            return dataclasses.replace(self, indices=self.indices[index])
        place = self.indices[index]
        one = range(place, place + 1)
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
                    f"{where}: cannot be read: {in_short(error)}"
                ) from None
            fallback = f"{self.split}_{index:06d}"
            yield _annotate(example, self.class_names, fallback, where)


def read_split(
    dataset: str, split: str, data_dir: str | None = None
) -> TfdsImages:
    """Opens a split of a data set whose files are prepared.

    Args:
        dataset: such as "voc/2007".
        split: such as "train" or "test[:10%]".
        data_dir: folder of the prepared data; None for the usual one.

    Returns:
        Its images.

    Raises:
        DataError: no such data set, files or split.
    """
    builder = open_builder(dataset, data_dir)
    num_images = _count(open_split(builder, split), f"{dataset}: {split}")
    names = class_names(builder)
    return TfdsImages(dataset, split, data_dir, names, range(num_images))


def tfds_label_map(images: TfdsImages) -> LabelMap:
    """The classes of a data set: ids are its labels plus 1."""
    return LabelMap(dict(enumerate(images.class_names, start=1)))


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
                f"{where}: cannot be read: {in_short(error)}"
            ) from None
    return number


def _annotate(
    example: dict[str, Any],
    class_names: tuple[str, ...],
    fallback: str,
    where: str,
) -> AnnotatedImage:
    data = _encoded(example["image"])
    size = _image_size(data)
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
        if size
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


def _image_size(data: bytes) -> tuple[int, int] | None:
    """Height and width from the header; None where there is no reading it."""
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            return image.height, image.width
    # Pillow's readers raise errors of many types; the conversion names them.
    except Exception:
        return None
