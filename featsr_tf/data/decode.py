"""From record files to images and boxes in pixels, in TensorFlow.

What goes wrong on the way is translated into the record where it happened.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import tensorflow as tf

from featsr_tf.data.examples import BOX_KEYS
from featsr_tf.data.examples import FEATURES
from featsr_tf.data.examples import FLAG_KEYS
from featsr_tf.data.keys import Example
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.tfrecord_files import record_offsets
from featsr_tf.errors import DataError
from featsr_tf.errors import memory_problem

_DTYPES = {
    "bytes_list": tf.string,
    "float_list": tf.float32,
    "int64_list": tf.int64,
}
_PARALLEL_CALLS = 2
_ALL = -1
_READ_BUFFER_BYTES = 256 * 1024


class LabeledImage(NamedTuple):
    """An image and its objects, all in pixels of `image`.

    Attributes:
        image: `[height, width, 3]` RGB 0..255, uint8 or float32.
        boxes: `[num_boxes, 4]` float32 px, ymin, xmin, ymax, xmax.
        classes: `[num_boxes]` int32, ids of the label map.
        ignored: `[num_boxes]` bool, objects that are neither truth nor
            background: difficult, crowd, group or mostly cut off.
        scale: `[2]` float32, px of `image` per px of the original, y and x.
        original_size: `[2]` int32, height and width of the original in px.
        source_id: `[]` string, `image/source_id` of the record.
    """

    image: tf.Tensor
    boxes: tf.Tensor
    classes: tf.Tensor
    ignored: tf.Tensor
    scale: tf.Tensor
    original_size: tf.Tensor
    source_id: tf.Tensor


def decode_example(serialized: tf.Tensor) -> LabeledImage:
    """Parses one record, `[]` string, and decodes its image.

    Returns:
        A uint8 image at its original size, and its objects. The size is that
        of the decoded image; `image/height` and `image/width` are not read.
    """
    features = tf.io.parse_single_example(
        serialized,
        parsing_spec(
            Example.ENCODED,
            Example.SOURCE_ID,
            Example.LABEL,
            *BOX_KEYS,
            *FLAG_KEYS,
        ),
    )
    image = decode_image(features[Example.ENCODED])
    size = tf.shape(image)[:2]
    is_flagged = [_one_per_box(features, key) > 0 for key in FLAG_KEYS]
    return LabeledImage(
        image=image,
        boxes=_pixel_boxes(features, size),
        classes=tf.cast(features[Example.LABEL], tf.int32),
        ignored=tf.reduce_any(is_flagged, axis=0),
        scale=tf.ones([2]),
        original_size=size,
        source_id=features[Example.SOURCE_ID],
    )


class ObjectDetails(NamedTuple):
    """What protocols of evaluation ask of objects beside box and class.

    Attributes:
        crowd: `[num_boxes]` bool, crowds, and groups in one box.
        difficult: `[num_boxes]` bool.
        areas: `[num_boxes]` float32, of the outlines in px^2 of the original
            image, 0 where the record has none.
    """

    crowd: tf.Tensor
    difficult: tf.Tensor
    areas: tf.Tensor


def decode_details(serialized: tf.Tensor) -> ObjectDetails:
    """Parses flags and areas of a record, `[]` string, one of each per box.

    They are zero where the record has too few.
    """
    features = tf.io.parse_single_example(
        serialized, parsing_spec(Example.LABEL, Example.AREA, *FLAG_KEYS)
    )
    values = {
        key: _one_per_box(features, key) for key in (Example.AREA, *FLAG_KEYS)
    }
    is_group = (values[Example.IS_CROWD] > 0) | (values[Example.GROUP_OF] > 0)
    return ObjectDetails(
        crowd=is_group,
        difficult=values[Example.DIFFICULT] > 0,
        areas=values[Example.AREA],
    )


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG, PNG, BMP or GIF image (of a GIF the first picture).

    The whole image is decoded even when only a crop is needed: decoding a
    crop saves half of the 5 ms of a 1360x800 frame but takes a truncated
    JPEG for a good one when the crop lies above the cut.

    Returns:
        `[height, width, 3]` uint8 RGB; grey images become three equal
        channels, transparency is dropped.
    """
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3])


def parsing_spec(*keys: str) -> dict:
    """Says to `tf.io.parse_example` what `FEATURES` declares of features."""
    spec = {}
    for key in keys:
        feature = FEATURES[key]
        dtype = _DTYPES[feature.kind]
        if feature.is_single:
            # TensorFlow demands a feature that has no default.
            default = None if feature.is_required else ""
            spec[key] = tf.io.FixedLenFeature([], dtype, default)
        else:
            spec[key] = tf.io.RaggedFeature(dtype)
    return spec


def _pixel_boxes(features: dict, size: tf.Tensor) -> tf.Tensor:
    normalized_boxes = tf.stack([features[key] for key in BOX_KEYS], axis=-1)
    # Rounding in converters leaves some corners a little outside.
    normalized_boxes = tf.clip_by_value(normalized_boxes, 0.0, 1.0)
    return normalized_boxes * tf.cast(tf.tile(size, [2]), tf.float32)


def _one_per_box(features: dict, key: str) -> tf.Tensor:
    num_boxes = tf.size(features[Example.LABEL])
    # These keys are optional: a record without one has 0 values.
    values = features[key][:num_boxes]
    return tf.pad(values, [[0, num_boxes - tf.size(values)]])


def record_dataset(record_files: RecordFiles) -> tf.data.Dataset:
    """All good records in the order of the files, `[]` strings."""
    paths = list(record_files.paths)
    if not record_files.offsets:
        return tf.data.TFRecordDataset(paths)
    files = tf.data.Dataset.from_tensor_slices(paths)
    return files.flat_map(file_reader(record_files))


def file_reader(
    record_files: RecordFiles,
) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Makes a function from a path `[]` to a dataset of its good records."""
    if not record_files.offsets:
        return tf.data.TFRecordDataset
    runs = [
        (path, *run)
        for path in record_files.paths
        for run in _runs(record_files.offsets.get(path))
    ]
    names, starts, counts = (list(column) for column in zip(*runs, strict=True))

    def read(path: tf.Tensor) -> tf.data.Dataset:
        of_file = tf.constant(names) == path
        own = [
            tf.boolean_mask(tf.constant(values, tf.int64), of_file)
            for values in (starts, counts)
        ]
        return tf.data.Dataset.from_tensor_slices(tuple(own)).flat_map(
            lambda start, count: _read_from(path, start).take(count)
        )

    return read


def _runs(offsets: Mapping[int, int] | None) -> Iterator[tuple[int, int]]:
    """Offset and length of each run of records without a gap."""
    if offsets is None:
        yield 0, _ALL
        return
    start, length = 0, 0
    for number, offset in offsets.items():
        if number - 1 not in offsets:
            if length:
                yield start, length
            start, length = offset, 0
        length += 1
    yield start, length


def _read_from(path: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
    """The records of a file from an offset in bytes onwards."""
    # `TFRecordDataset` has no argument for offsets, the op below it has.
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=path[None],
        compression_type="",
        buffer_size=tf.constant(_READ_BUFFER_BYTES, tf.int64),
        byte_offsets=start[None],
    )
    return tf.data.experimental.from_variant(
        variant, tf.TensorSpec([], tf.string)
    )


@contextlib.contextmanager
def translate_data_errors(*record_files: RecordFiles) -> Iterator[None]:
    """Turns TensorFlow's errors about corrupt records into a `DataError`.

    Put around everything that iterates over datasets of the files. An error
    that no record explains passes unchanged.

    Raises:
        DataError: a record cannot be read, parsed or decoded, or the files
            have changed since they were checked.
    """
    try:
        yield
    except tf.errors.OpError as error:
        # No record explains it, and reading all of them takes long.
        if memory_problem(error):
            raise
        found = next(filter(None, map(find_corrupt_record, record_files)), None)
        if found is None and "cardinality" in str(error.message):
            paths = [path for files in record_files for path in files.paths]
            found = DataError(
                f"{', '.join(paths)}: another number of records is read than"
                " when the files were checked; they were written meanwhile:"
                " start again"
            )
        if found is None:
            raise
        raise found from error


def find_corrupt_record(record_files: RecordFiles) -> DataError | None:
    """Reads and decodes all records until one fails.

    The graph's own errors name no record, because shuffling and parallel
    decoding have mixed them: so the files are read a second time.

    Returns:
        A `DataError` about the first corrupt record that was not left out
        (counted from 0 in its file, those left out too), or None.
    """
    read = file_reader(record_files)
    for path in record_files.paths:
        good = list(record_files.offsets.get(path, ()))
        position = 0
        try:
            for _ in read(path).map(_decode, _PARALLEL_CALLS):
                position += 1
            # TensorFlow says nothing of a file cut inside a frame's header.
            if not good:
                record_offsets(path)
        except DataError as error:
            return error
        except tf.errors.OpError as error:
            number = good[position] if good else position
            return DataError(
                f"{path}: record {number}: {explain_error(error)}; write the"
                " file again without the damage"
            )
    return None


def _decode(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """All that training and evaluation decode, without the pixels."""
    example, details = decode_example(serialized), decode_details(serialized)
    return example.original_size, details.areas


def explain_error(error: tf.errors.OpError) -> str:
    """Says in one line why a record, not named here, could not be read."""
    if isinstance(error, tf.errors.NotFoundError):
        return "the file does not exist"
    if isinstance(error, tf.errors.DataLossError):
        return "the record is damaged (wrong checksum or cut short)"
    if "Decode" in str(error):
        return "the image cannot be decoded (truncated, or no JPEG or PNG)"
    first_line = str(error.message).split("\n")[0]
    return re.sub(r".*::ParallelMapV2: |\.$", "", first_line)
