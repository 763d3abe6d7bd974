"""Images and boxes come out as they went in; a damaged record is named."""

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.decode import decode_details
from featsr_tf.data.decode import decode_example
from featsr_tf.data.decode import decode_image
from featsr_tf.data.decode import find_corrupt_record
from featsr_tf.data.decode import translate_data_errors
from featsr_tf.data.input_pipeline import BatchOptions
from featsr_tf.data.input_pipeline import TrainingOptions
from featsr_tf.data.input_pipeline import WholeFrames
from featsr_tf.data.input_pipeline import training_dataset
from featsr_tf.data.resize import FixedShapeResizer
from featsr_tf.errors import DataError
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import unchecked
from tests.data.example_files import write_records


def test_boxes_are_pixels_of_the_original_image():
    record = example(
        encode(noise_image(20, 40)), [[0.1, 0.25, 0.5, 0.75]], [3], "a"
    )

    frame = decode_example(record)

    np.testing.assert_allclose(frame.boxes, [[2, 10, 10, 30]], rtol=1e-6)
    np.testing.assert_array_equal(frame.classes, [3])
    np.testing.assert_array_equal(frame.original_size, [20, 40])
    np.testing.assert_array_equal(frame.scale, [1, 1])
    assert frame.source_id == b"a"


def test_png_decodes_to_the_very_pixels():
    image = noise_image(9, 7)
    np.testing.assert_array_equal(decode_image(encode(image)), image)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_a_grey_image_gets_three_equal_channels(image_format):
    grey = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (16, 1))

    image = decode_image(encode(grey, image_format)).numpy()

    assert image.shape == (16, 24, 3)
    np.testing.assert_allclose(image[..., 0].astype(int), grey, atol=3)
    np.testing.assert_array_equal(image[..., 0], image[..., 1])
    np.testing.assert_array_equal(image[..., 0], image[..., 2])


def test_difficult_crowd_and_group_objects_are_ignored():
    record = example(
        encode(noise_image(8, 8)),
        [[0, 0, 1, 1]] * 4,
        [1, 1, 1, 1],
        difficult=[1, 0, 0, 0],
        is_crowd=[0, 1, 0, 0],
        group_of=[0, 0, 1, 0],
    )
    np.testing.assert_array_equal(
        decode_example(record).ignored, [True, True, True, False]
    )


def test_details_tell_crowds_and_groups_from_difficult_objects():
    record = example(
        encode(noise_image(8, 8)),
        [[0, 0, 1, 1]] * 4,
        [1, 1, 1, 1],
        difficult=[1, 0, 0, 0],
        is_crowd=[0, 1, 0, 0],
        group_of=[0, 0, 1, 0],
    )
    details = decode_details(record)
    np.testing.assert_array_equal(details.crowd, [False, True, True, False])
    np.testing.assert_array_equal(
        details.difficult, [True, False, False, False]
    )
    np.testing.assert_array_equal(details.areas, [0] * 4)


def test_details_hold_the_areas_of_the_outlines():
    features = tf.train.Example.FromString(
        example(encode(noise_image(8, 8)), [[0, 0, 1, 1]] * 2, [1, 2])
    )
    areas = features.features.feature["image/object/area"].float_list
    areas.value.extend([12.5, 40])
    details = decode_details(features.SerializeToString())
    np.testing.assert_array_equal(details.areas, [12.5, 40])


def test_without_flags_nothing_is_ignored():
    record = example(encode(noise_image(8, 8)), [[0, 0, 1, 1]] * 2, [1, 2])
    np.testing.assert_array_equal(decode_example(record).ignored, [False] * 2)


def test_an_image_without_objects_has_no_boxes():
    frame = decode_example(example(encode(noise_image(8, 8))))
    assert frame.boxes.shape == (0, 4)
    assert frame.classes.shape == (0,)
    assert frame.ignored.shape == (0,)


def test_corners_a_little_outside_are_put_on_the_border():
    record = example(
        encode(noise_image(10, 10)), [[-0.0005, 0.5, 1.0005, 1]], [1]
    )
    np.testing.assert_allclose(
        decode_example(record).boxes, [[0, 5, 10, 10]], rtol=1e-6
    )


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_a_truncated_image_is_an_error(image_format):
    encoded = encode(noise_image(64, 64), image_format)
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(encoded[: len(encoded) * 3 // 4])


def jpeg_record(number, kept=1.0):
    encoded = encode(noise_image(64, 64, number), "JPEG")
    return example(encoded[: int(len(encoded) * kept)])


@pytest.fixture
def paths(tmp_path):
    """Two files of five records; record 2 of the second has a cut JPEG."""
    good = write_records(
        tmp_path / "good.record", [jpeg_record(i) for i in range(5)]
    )
    bad = write_records(
        tmp_path / "bad.record",
        [jpeg_record(i, 0.5 if i == 2 else 1.0) for i in range(5)],
    )
    return [good, bad]


def test_a_truncated_jpeg_is_named_by_file_and_record(paths):
    view = WholeFrames(FixedShapeResizer(32, 32), 32, 32)
    files = unchecked(paths, num_examples=10)
    dataset = training_dataset(files, TrainingOptions(BatchOptions(2, 4), view))
    with (
        pytest.raises(DataError, match=r"bad\.record: record 2: the image"),
        translate_data_errors(files),
    ):
        for _ in dataset.take(5):
            pass


def test_whole_files_have_no_damaged_record(paths):
    assert find_corrupt_record(unchecked(paths[:1])) is None


def test_a_wrong_checksum_is_named_by_file_and_record(paths, tmp_path):
    with open(paths[0], "rb") as file:
        content = bytearray(file.read())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "flipped.record"
    damaged.write_bytes(content)
    found = find_corrupt_record(unchecked([str(damaged)]))
    assert "flipped.record: record 2: the record is damaged" in str(found)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"no example", "parse"),
        (tf.train.Example().SerializeToString(), "image/encoded"),
        (example(b""), "image cannot be decoded"),
        (example(b"not an image"), "image cannot be decoded"),
    ],
)
def test_the_reason_is_said_in_one_line(tmp_path, record, reason):
    path = write_records(tmp_path / "a.record", [jpeg_record(0), record])
    found = str(find_corrupt_record(unchecked([path])))
    assert "a.record: record 1: " in found
    assert reason in found
    assert "\n" not in found
    assert "{{" not in found


def test_a_missing_file_is_named():
    found = find_corrupt_record(unchecked(["/nowhere/a.record"]))
    assert "/nowhere/a.record" in str(found)
    assert "does not exist" in str(found)


def test_other_errors_pass_unchanged(paths):
    error = tf.errors.InvalidArgumentError(None, None, "of the model")
    with (
        pytest.raises(tf.errors.InvalidArgumentError, match="of the model"),
        translate_data_errors(unchecked(paths[:1])),
    ):
        raise error


def test_too_little_memory_is_blamed_on_no_record(paths):
    error = tf.errors.ResourceExhaustedError(
        None, None, "OOM when allocating tensor with shape[9] on device:GPU:0"
    )
    # The second file holds a corrupt record, which would be found.
    with (
        pytest.raises(tf.errors.ResourceExhaustedError),
        translate_data_errors(unchecked(paths)),
    ):
        raise error
