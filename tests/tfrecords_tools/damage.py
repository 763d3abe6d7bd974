"""Record files made and damaged by hand for the tests of the record tools."""

import pathlib
from collections.abc import Callable, Sequence

from featsr_tf.data.tfrecord_files import walk_records
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records

BOX = [0.25, 0.25, 0.5, 0.75]


def record(number: int, boxes: Sequence = (BOX,), labels=(1,), **flags):
    """A serialized example with a 64 x 64 px image."""
    image = encode(noise_image(64, 64, number), "JPEG")
    return example(image, boxes, labels, f"image {number}", **flags)


def write_shards(folder: pathlib.Path, name: str = "signs") -> list[str]:
    """Ten records in two shards and their label map."""
    text = "item { id: 1 name: 'one' } item { id: 2 name: 'two' }"
    (folder / "label_map.pbtxt").write_text(text)
    records = [record(number) for number in range(10)]
    return [
        write_records(
            folder / f"{name}.record-{shard:05d}-of-00002", records[shard::2]
        )
        for shard in range(2)
    ]


def frame_offset(path: str, number: int) -> int:
    """Where a record begins in its file."""
    return list(walk_records(path))[number].offset


def edit(path: str, change: Callable[[bytearray], bytes | None]) -> None:
    """Changes the bytes of a file, in place or by another value."""
    file = pathlib.Path(path)
    content = bytearray(file.read_bytes())
    changed = change(content)
    file.write_bytes(content if changed is None else changed)


def flip_bit(path: str, position: int) -> None:
    """Flips one bit of a file."""

    def flip(content: bytearray) -> None:
        content[position] ^= 1

    edit(path, flip)
