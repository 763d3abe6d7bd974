"""A damaged record must be named, whatever order it was met in."""

import pytest
import tensorflow as tf

from featsr_tf.data.corrupt_records import find_damaged_record
from featsr_tf.data.corrupt_records import named_data_errors
from featsr_tf.data.input_pipeline import BatchOptions
from featsr_tf.data.input_pipeline import TrainingOptions
from featsr_tf.data.input_pipeline import WholeFrames
from featsr_tf.data.input_pipeline import training_dataset
from featsr_tf.data.resize import FixedShapeResizer
from featsr_tf.errors import DataError
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records


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
    dataset = training_dataset(
        paths, TrainingOptions(BatchOptions(2, 4, [0] * 10), view)
    )
    with (
        pytest.raises(DataError, match=r"bad\.record: record 2: the image"),
        named_data_errors(paths),
    ):
        for _ in dataset.take(5):
            pass


def test_whole_files_have_no_damaged_record(paths):
    assert find_damaged_record(paths[:1]) is None


def test_a_wrong_checksum_is_named_by_file_and_record(paths, tmp_path):
    with open(paths[0], "rb") as file:
        content = bytearray(file.read())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "flipped.record"
    damaged.write_bytes(content)
    found = find_damaged_record([str(damaged)])
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
    found = str(find_damaged_record([path]))
    assert "a.record: record 1: " in found
    assert reason in found
    assert "\n" not in found
    assert "{{" not in found


def test_a_missing_file_is_named():
    found = find_damaged_record(["/nowhere/a.record"])
    assert "/nowhere/a.record" in str(found)
    assert "does not exist" in str(found)


def test_other_errors_pass_unchanged(paths):
    error = tf.errors.InvalidArgumentError(None, None, "of the model")
    with (
        pytest.raises(tf.errors.InvalidArgumentError, match="of the model"),
        named_data_errors(paths[:1]),
    ):
        raise error
