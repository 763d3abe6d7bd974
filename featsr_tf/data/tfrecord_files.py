"""TFRecord files: finding them, and reading them whatever is damaged.

Damage costs only the records that it has hit.
"""

import dataclasses
import functools
import importlib.util
import os
import re
import struct
import warnings
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from featsr_tf.errors import DataError
from featsr_tf.files import find_paths
from featsr_tf.files import stand_in

# What converters need beside --output_path to write the split of a file.
_FLAGS_OF_CONVERTERS = {
    "coco": (
        " --{split}_image_dir COCO/{split}2017 --{split}_annotations_file"
        " COCO/annotations/instances_{split}2017.json"
    ),
    "gtsdb": " --data_dir GTSDB",
    "tt100k": " --data_dir TT100K",
    "voc": " --data_dir VOCdevkit --year {year} --set {split}",
}


# One of the files that a data set is parted into.
SHARD = re.compile(
    r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})", re.DOTALL
)


def expand_patterns(patterns: Sequence[str]) -> list[str]:
    """Finds record files as `match_patterns` does, none of them empty.

    Empty shards are left out with a warning, as those of
    `without_empty_shards`.

    Raises:
        DataError: as `match_patterns`, and where another file is empty.
    """
    paths, empty = without_empty_shards(match_patterns(patterns))
    if empty:
        warnings.warn(
            f"{empty[0]}: the record file is empty"
            + (f", and {len(empty) - 1} more" if empty[1:] else "")
            + "; left out, as other shards of its name hold records",
            stacklevel=2,
        )
    for path in paths:
        if os.path.getsize(path) == 0:
            raise DataError(f"{path}: the record file is empty")
    return paths


def without_empty_shards(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Sorts out empty files `NAME-00000-of-00010`.

    Converters of the Object Detection API open all shards first, of which
    those without an image stay empty.

    Returns:
        The files to be read; and the empty ones of whose `NAME` others are
        not.
    """
    shards = [SHARD.fullmatch(path) for path in paths]
    filled = {
        shard["name"] for shard in shards if shard and os.path.getsize(shard[0])
    }
    parts: tuple[list[str], list[str]] = ([], [])
    for path, shard in zip(paths, shards, strict=True):
        is_left_out = (
            shard is not None
            and shard["name"] in filled
            and os.path.getsize(path) == 0
        )
        parts[is_left_out].append(path)
    return parts


def match_patterns(patterns: Sequence[str]) -> list[str]:
    """Finds the files of paths, in which `*`, `?`, `[...]` are wildcards.

    Raises:
        DataError: no pattern at all, one that matches nothing, or a folder.
    """
    if not patterns:
        raise DataError(
            "no record files: set tf_record_input_reader { input_path: ... }"
        )
    paths: dict[str, None] = {}
    for pattern in patterns:
        found = find_paths(pattern)
        if not found and "://" in pattern:
            raise DataError(
                f"{pattern}: records are read from folders of this machine;"
                " copy them into one first and name that"
            )
        if not found:
            raise DataError(
                f"{pattern}: no such record file (looked in"
                f" {os.path.abspath(os.path.dirname(pattern))})"
                f"{_how_to_make(pattern)}"
            )
        paths.update(dict.fromkeys(found))
    for path in paths:
        if not os.path.isfile(path):
            raise DataError(f"{path}: is a folder; give {path}/*.record*")
    return list(paths)


def _how_to_make(pattern: str) -> str:
    """Names the converter that writes files of this name, if there is one."""
    folder, name = os.path.split(pattern)
    data_set, _, split = name.partition(".")[0].partition("_")
    converter = f"tfrecords_tools.create_{data_set}_tf_record"
    if not data_set.isidentifier() or not importlib.util.find_spec(converter):
        return ""
    flags = _FLAGS_OF_CONVERTERS.get(data_set, "").format(
        split=split, year="VOC2007" if split == "test" else "merged"
    )
    return (
        f"; make it: python -m {converter} --output_path {folder or '.'}"
        f"{flags} (--help lists its other flags)"
    )


_POLYNOMIAL = np.uint32(0x82F63B78)
_ALL_ONES = np.uint32(0xFFFFFFFF)
_BYTE = np.uint32(0xFF)
_MASK_DELTA = np.uint32(0xA282EAD8)
# Many rows make few steps; below this size their combination costs more.
_LARGEST_SINGLE_ROW = 64
_NUM_ROWS = 1024


def masked_crc32c(data: bytes) -> int:
    """Computes the 32 bits that a TFRecord file holds to check some bytes."""
    values = np.frombuffer(data, np.uint8)
    if len(values) <= _LARGEST_SINGLE_ROW:
        return int(masked_crc32c_of_rows(values[None])[0])
    rows = -(-len(values) // _NUM_ROWS)
    # Zeros in front leave a remainder of zero as it is.
    padded = np.zeros(_NUM_ROWS * rows, np.uint8)
    padded[-len(values) :] = values
    # A CRC starts with all ones: the same as inverting the first 4 bytes.
    padded[-len(values) :][:4] ^= np.uint8(0xFF)
    remainders = _advance(
        np.zeros(_NUM_ROWS, np.uint32), padded.reshape(_NUM_ROWS, rows)
    )
    shift = _shift_by_bytes(rows)
    while len(remainders) > 1:
        remainders = _apply(shift, remainders[::2]) ^ remainders[1::2]
        shift = _apply(shift, shift)
    return int(_masked(remainders ^ _ALL_ONES)[0])


def masked_crc32c_of_rows(rows: np.ndarray) -> np.ndarray:
    """Checks many pieces at once: `[n, length]` uint8 to `[n]` uint32."""
    start = np.full(len(rows), _ALL_ONES, np.uint32)
    return _masked(_advance(start, rows) ^ _ALL_ONES)


def _masked(checksums: np.ndarray) -> np.ndarray:
    return ((checksums >> 15) | (checksums << 17)) + _MASK_DELTA


def _advance(remainders: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Feeds one row of bytes to each remainder."""
    table = _table()
    for column in np.ascontiguousarray(rows.T):
        remainders = table[(remainders & _BYTE) ^ column] ^ (remainders >> 8)
    return remainders


@functools.cache
def _table() -> np.ndarray:
    """`[256]` uint32, what each byte does to a remainder of zero."""
    table: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, _POLYNOMIAL, np.uint32(0))
    return table


@functools.lru_cache(maxsize=1024)
def _shift_by_bytes(count: int) -> np.ndarray:
    """`[32]` uint32, what `count` zero bytes make of each bit."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    shift, power = bits, _advance(bits, np.zeros((32, 1), np.uint8))
    while count:
        if count & 1:
            shift = _apply(power, shift)
        power = _apply(power, power)
        count >>= 1
    return shift


def _apply(shift: np.ndarray, remainders: np.ndarray) -> np.ndarray:
    """Multiplies remainders with a matrix over the numbers 0 and 1."""
    is_set = (remainders[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    return np.bitwise_xor.reduce(np.where(is_set, shift, np.uint32(0)), axis=1)


HEADER_BYTES = 8 + 4
FOOTER_BYTES = 4
_SHOWS_WHAT_IT_IS = 64
_SEARCHED_AT_ONCE = 2**18
# No payload is longer than 2^40 bytes: three bytes of a length are zero.
_ZERO_BYTES_OF_LENGTH = (5, 6, 7)


@dataclasses.dataclass(frozen=True)
class RawRecord:
    """A record with its frame, or a stretch of bytes that should be one.

    Args:
        number: its place among all records and such stretches, from 0.
        offset: where its frame begins in the file, in bytes.
        size: of the frame in bytes, with lengths and checksums.
    """

    number: int
    offset: int
    size: int
    payload: bytes = b""
    damage: str = ""


def walk_records(path: str) -> Iterator[RawRecord]:
    """Reads all records of an uncompressed file, also behind damaged ones.

    After a damaged length the walk looks for the next offset at which a
    length and its checksum agree. One payload is held at a time.

    Yields:
        Records, which together cover every byte of the file.

    Raises:
        DataError: the file is compressed, or cannot be read.
    """
    refuse_compressed(path)
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            number = offset = 0
            while offset < size:
                record = _read_record(file, number, offset, size)
                yield record
                offset += record.size
                number += 1
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def read_raw_record(path: str, number: int, offset: int) -> RawRecord:
    """Reads the record, damaged or not, whose frame begins at `offset`."""
    with open(path, "rb") as file:
        return _read_record(file, number, offset, os.path.getsize(path))


def record_offsets(path: str) -> list[int]:
    """Finds where each record begins, in bytes, by the lengths alone.

    Raises:
        DataError: the file ends inside a record, a length is damaged, or the
            file is compressed or cannot be read.
    """
    refuse_compressed(path)
    offsets = []
    end = 0
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            while end < size:
                offsets.append(end)
                try:
                    end = _find_end(file, end, size)
                except DataError as error:
                    raise DataError(
                        f"{path}: record {len(offsets) - 1}: damaged, {error};"
                        f" the file ({size} bytes) is cut short or no TFRecord"
                        " file: write or copy it again"
                    ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    return offsets


def refuse_compressed(path: str) -> None:
    """Tells compressed files, which training does not read, from damaged ones.

    Raises:
        DataError: the file is compressed with gzip or zlib, cannot be read,
            or something else is in its place.
    """
    try:
        with open(path, "rb") as file:
            beginning = file.read(_SHOWS_WHAT_IT_IS)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if found := stand_in(beginning):
        raise DataError(f"{path}: {found}")
    beginning = beginning[:HEADER_BYTES]
    kind = ""
    if beginning.startswith(b"\x1f\x8b"):
        kind = "gzip"
    elif beginning.startswith((b"\x78\x01", b"\x78\x9c", b"\x78\xda")):
        kind = "zlib"
    # A length may begin with these bytes too, but its checksum would fit.
    if kind and not _is_header(beginning):
        raise DataError(
            f"{path}: is compressed with {kind}; training reads records as"
            " they are: decompress the file"
        )


def _is_header(header: bytes) -> bool:
    """Whether 12 bytes are a length and its checksum."""
    if len(header) < HEADER_BYTES:
        return False
    (checksum,) = struct.unpack("<I", header[8:])
    return masked_crc32c(header[:8]) == checksum


def _find_end(file: BinaryIO, offset: int, size: int) -> int:
    """Says where a frame ends; the payload is read next."""
    file.seek(offset)
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        raise DataError("the file ends inside its length")
    if not _is_header(header):
        raise DataError("its length does not fit its checksum")
    (length,) = struct.unpack("<Q", header[:8])
    end = offset + HEADER_BYTES + length + FOOTER_BYTES
    if end > size:
        raise DataError("the file ends inside it")
    return end


def _read_record(
    file: BinaryIO, number: int, offset: int, size: int
) -> RawRecord:
    try:
        end = _find_end(file, offset, size)
    except DataError as error:
        end = _next_header(file, offset + 1, size)
        return RawRecord(number, offset, end - offset, damage=str(error))
    payload = file.read(end - offset - HEADER_BYTES - FOOTER_BYTES)
    (checksum,) = struct.unpack("<I", file.read(FOOTER_BYTES))
    if masked_crc32c(payload) == checksum:
        return RawRecord(number, offset, end - offset, payload)
    # Bytes that are lost or too many move all frames behind them.
    if end < size and not _is_header(file.read(HEADER_BYTES)):
        end = _next_header(file, offset + 1, size)
    damage = "the checksum of its content is wrong"
    return RawRecord(number, offset, end - offset, damage=damage)


def _next_header(file: BinaryIO, start: int, size: int) -> int:
    """Finds the next offset that a frame can begin at, or the file's end."""
    while start < size:
        file.seek(start)
        block = file.read(_SEARCHED_AT_ONCE + HEADER_BYTES - 1)
        found = _headers_in(block, size - start)
        if len(found):
            return start + int(found[0])
        start += _SEARCHED_AT_ONCE
    return size


def _headers_in(block: bytes, rest: int) -> np.ndarray:
    """Offsets of all headers in a block, of frames that end within `rest`."""
    if len(block) < HEADER_BYTES:
        return np.zeros(0, np.int64)
    values = np.frombuffer(block, np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(values, HEADER_BYTES)
    zeros = [windows[:, index] == 0 for index in _ZERO_BYTES_OF_LENGTH]
    (offsets,) = np.nonzero(np.logical_and.reduce(zeros))
    lengths = np.ascontiguousarray(windows[offsets, :8]).view("<u8")[:, 0]
    checksums = np.ascontiguousarray(windows[offsets, 8:]).view("<u4")[:, 0]
    ends = offsets + lengths.astype(np.int64) + HEADER_BYTES + FOOTER_BYTES
    # Zeros, as unfinished copies leave them, are not their own checksum.
    is_possible = (ends <= rest) & (checksums != 0)
    offsets, checksums = offsets[is_possible], checksums[is_possible]
    return offsets[masked_crc32c_of_rows(windows[offsets, :8]) == checksums]
