"""No good record may be lost behind a damaged one, whatever the damage."""

import gzip
import zlib

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

from featsr_tf.data.tfrecord_files import masked_crc32c
from featsr_tf.data.tfrecord_files import masked_crc32c_of_rows
from featsr_tf.data.tfrecord_files import record_offsets
from featsr_tf.data.tfrecord_files import walk_records
from featsr_tf.errors import DataError
from tests.data.example_files import write_records

# 10 frames of 116 bytes; record 3 begins at byte 348.
RECORDS = [np.random.default_rng(i).bytes(100) for i in range(10)]
FRAME = 116
START = 3 * FRAME


@pytest.fixture
def path(tmp_path) -> str:
    return write_records(tmp_path / "a.record", RECORDS)


def change(path: str, edit) -> None:
    with open(path, "rb") as file:
        content = bytearray(file.read())
    content = edit(content) or content
    with open(path, "wb") as file:
        file.write(content)


def flip(position: int):
    def edit(content):
        content[position] ^= 1

    return edit


def cut_out(begin: int, end: int):
    def edit(content):
        del content[begin:end]

    return edit


def good(path: str) -> list[int]:
    """Which of the records are read."""
    return [
        RECORDS.index(frame.payload)
        for frame in walk_records(path)
        if not frame.damage
    ]


def damages(path: str) -> list[tuple[int, int, int, str]]:
    return [
        (frame.number, frame.offset, frame.size, frame.damage)
        for frame in walk_records(path)
        if frame.damage
    ]


def test_whole_files_are_read_as_tensorflow_reads_them(path):
    expected = list(tf.data.TFRecordDataset(path).as_numpy_iterator())
    assert [frame.payload for frame in walk_records(path)] == expected
    assert damages(path) == []


@pytest.mark.parametrize("position", [12, 60, 111, 112, 115])
def test_a_flipped_bit_of_content_or_checksum_costs_one_record(path, position):
    change(path, flip(START + position))
    assert good(path) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    wrong = "the checksum of its content is wrong"
    assert damages(path) == [(3, START, FRAME, wrong)]


@pytest.mark.parametrize("position", range(12))
def test_a_damaged_length_costs_one_record(path, position):
    change(path, flip(START + position))
    assert good(path) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert damages(path) == [
        (3, START, FRAME, "its length does not fit its checksum")
    ]


def test_tensorflow_itself_loses_all_records_behind_a_damaged_one(path):
    change(path, flip(START + 60))
    dataset = tf.data.TFRecordDataset(path).ignore_errors()
    assert len(list(dataset)) == 3


@pytest.mark.parametrize(
    ("begin", "end", "lost"),
    [
        (START + 50, START + 60, {3}),
        (START + 50, START + 3 * FRAME, {3, 4, 5}),
        (START + 50, START + 3 * FRAME + 50, {3, 4, 5, 6}),
        (START + 4, START + FRAME, {3}),
        (START + 12, START + FRAME, {3}),
        (START, START + 5, {3}),
        (0, 5, {0}),
    ],
)
def test_lost_bytes_cost_the_records_that_they_hit(path, begin, end, lost):
    change(path, cut_out(begin, end))
    assert set(good(path)) == set(range(10)) - lost
    assert len(damages(path)) == 1


@pytest.mark.parametrize("filling", [bytes(5000), b"\xff" * 5000, b"ab" * 999])
@pytest.mark.parametrize("inside", [0, 6, 50])
def test_bytes_too_many_cost_at_most_the_record_around_them(
    path, filling, inside
):
    def insert(content):
        content[START + inside : START + inside] = filling

    change(path, insert)
    lost = {3} if inside else set()
    assert set(good(path)) == set(range(10)) - lost


def test_a_block_of_zeros_costs_the_records_under_it(path):
    def zero(content):
        content[START + 50 : START + 150] = bytes(100)

    change(path, zero)
    assert good(path) == [0, 1, 2, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("kept", [1, 7, 11, 12, 50, 115])
def test_a_file_that_ends_inside_a_record_keeps_those_before(path, kept):
    change(path, lambda content: content[: 9 * FRAME + kept])
    assert good(path) == list(range(9))
    [(number, offset, size, damage)] = damages(path)
    assert (number, offset, size) == (9, 9 * FRAME, kept)
    assert damage.startswith("the file ends inside")


def test_a_header_that_lies_across_two_searched_blocks_is_found(
    path, monkeypatch
):
    monkeypatch.setattr("featsr_tf.data.tfrecord_files._SEARCHED_AT_ONCE", 7)
    change(path, flip(START))
    assert good(path) == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_frames_and_damage_cover_every_byte_in_order(path):
    generator = np.random.default_rng(1)
    for _ in range(50):
        position = int(generator.integers(10 * FRAME))
        change(path, flip(position))
        frames = list(walk_records(path))
        ends = np.cumsum([frame.size for frame in frames])
        assert [frame.offset for frame in frames[1:]] == ends[:-1].tolist()
        assert [frame.number for frame in frames] == list(range(len(frames)))
        assert ends[-1] == 10 * FRAME


@pytest.mark.parametrize("read", [record_offsets, lambda p: [*walk_records(p)]])
@pytest.mark.parametrize(
    ("kind", "compress"), [("gzip", gzip.compress), ("zlib", zlib.compress)]
)
def test_compressed_files_are_refused_by_name(path, read, kind, compress):
    change(path, compress)
    with pytest.raises(
        DataError, match=rf"a\.record: .*compressed with {kind}"
    ):
        read(path)


def test_a_length_that_begins_like_a_gzip_file_is_a_length(tmp_path):
    path = write_records(tmp_path / "a.record", [bytes(0x8B1F)])
    assert len(record_offsets(path)) == len(list(walk_records(path))) == 1


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.record: cannot be read"):
        list(walk_records(str(tmp_path / "none.record")))


LENGTHS = [0, 1, 3, 4, 8, 63, 64, 65, 67, 1023, 1024, 1025, 2048, 5000]


def random_bytes(length: int) -> bytes:
    return np.random.default_rng(length).bytes(length)


def test_the_standard_check_value_of_crc32c():
    # CRC-32C of these digits is E3069283; the mask turns it by 15 bits and
    # adds A282EAD8.
    turned = (0xE3069283 >> 15) | (0xE3069283 << 17) & 0xFFFFFFFF
    expected = (turned + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc32c(b"123456789") == expected


@pytest.mark.parametrize("length", LENGTHS)
def test_it_equals_the_bytewise_computation_of_tensorboard(length):
    data = random_bytes(length)
    assert masked_crc32c(data) == pywrap_tensorflow.masked_crc32c(data)


def test_rows_are_computed_each_for_itself():
    rows = np.frombuffer(random_bytes(80), np.uint8).reshape(10, 8)
    expected = [masked_crc32c(row.tobytes()) for row in rows]
    assert masked_crc32c_of_rows(rows).tolist() == expected


def test_any_flipped_bit_changes_it():
    data = bytearray(random_bytes(3000))
    whole = masked_crc32c(bytes(data))
    for position in (0, 3, 4, 1500, 2999):
        data[position] ^= 16
        assert masked_crc32c(bytes(data)) != whole
        data[position] ^= 16
