"""Checksums must be those that TensorFlow writes, for every length."""

import numpy as np
import pytest
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

from featsr_tf.data.tfrecord_files import masked_crc32c
from featsr_tf.data.tfrecord_files import masked_crc32c_of_rows

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
