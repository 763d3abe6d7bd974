"""What training, evaluation and `verify` make of damaged files.

    python -m tests.data.damaged_files FOLDER

Runs by itself so that a test can end it: TensorFlow waits without end for
some damaged files. Prints the outcomes as JSON.
"""

import contextlib
import io
import json
import os
import pathlib
import random
import sys
import warnings

import numpy as np

from featsr_tf.errors import DataError
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.tfrecords_tools.damage import edit
from tests.tfrecords_tools.damage import flip_bit
from tests.tfrecords_tools.damage import frame_offset
from tfrecords_tools import storage
from tfrecords_tools.manifest import Manifest
from tfrecords_tools.manifest import ShardEntry

COUNT = 10
MAX_BAD = 3
HEADER = 12
NAMES = ("signs.record-00000-of-00002", "signs.record-00001-of-00002")


def box(number: int) -> list[float]:
    """Tells the records apart in batches."""
    return [0.25, 0.25, 0.5, 0.5 + number / 64]


def numbered(number: int, encoded: bytes | None = None) -> bytes:
    """Record `number` of both files together."""
    if encoded is None:
        encoded = encode(noise_image(64, 64, number), "JPEG")
    return example(encoded, [box(number)], [1], f"image {number}")


def flip_payload(first: str, second: str) -> None:
    flip_bit(first, frame_offset(first, 3) + HEADER + 500)


def flip_length(first: str, second: str) -> None:
    flip_bit(first, frame_offset(first, 3) + 1)


def flip_both(first: str, second: str) -> None:
    flip_payload(first, second)
    flip_bit(second, frame_offset(second, 0) + HEADER + 500)


def cut_body(first: str, second: str) -> None:
    os.truncate(second, frame_offset(second, 4) + HEADER + 500)


def cut_header(first: str, second: str) -> None:
    os.truncate(second, frame_offset(second, 4) + 5)


def cut_between(first: str, second: str) -> None:
    os.truncate(second, frame_offset(second, 3))


def doubled(first: str, second: str) -> None:
    edit(second, lambda content: content + content)


def empty(first: str, second: str) -> None:
    pathlib.Path(second).write_bytes(b"")


def random_bytes(first: str, second: str) -> None:
    pathlib.Path(second).write_bytes(random.Random(0).randbytes(20_000))


def missing(first: str, second: str) -> None:
    os.remove(second)


def compressed(first: str, second: str) -> None:
    import gzip

    edit(second, gzip.compress)


def bad_images(first: str, second: str) -> None:
    whole = encode(noise_image(64, 64), "JPEG")
    kinds = [whole[: len(whole) // 2], b"", b"no image"]
    spoilt = [numbered(6 + i, image) for i, image in enumerate(kinds)]
    write_records(second, [numbered(5), *spoilt, numbered(9)])


def nothing(first: str, second: str) -> None:
    pass


DAMAGES = {
    function.__name__: function
    for function in (
        *(nothing, flip_payload, flip_length, flip_both, cut_body),
        *(cut_header, cut_between, empty, random_bytes, missing, compressed),
        bad_images,
    )
}


def write_files(folder: pathlib.Path) -> list[str]:
    """Ten records in two files, their label map and their manifest."""
    folder.mkdir()
    text = "item { id: 1 name: 'one' } item { id: 2 name: 'two' }"
    (folder / "label_map.pbtxt").write_text(text)
    paths = []
    for shard, name in enumerate(NAMES):
        numbers = range(shard * COUNT // 2, (shard + 1) * COUNT // 2)
        paths.append(write_records(folder / name, map(numbered, numbers)))
    write_manifest(folder, paths)
    return paths


def write_manifest(folder: pathlib.Path, paths: list[str]) -> None:
    """Says how many records the files hold, and their checksums."""
    half = COUNT // 2
    shards = tuple(
        ShardEntry(
            os.path.basename(path),
            half,
            half,
            os.path.getsize(path),
            storage.sha256(path),
        )
        for path in paths
    )
    Manifest(
        name="signs",
        label_map="label_map.pbtxt",
        num_examples=COUNT,
        num_objects=COUNT,
        num_images_without_objects=0,
        class_counts={"one": COUNT, "two": 0},
        size_counts={},
        outcomes={},
        shards=shards,
    ).write(str(folder))


def read_batches(paths: list[str], max_bad: int, training: bool):
    """Numbers of the records in one pass, or what is said instead."""
    from featsr_tf.data.build import evaluation_batches
    from featsr_tf.data.build import load_records
    from featsr_tf.data.build import training_batches
    from featsr_tf.data.keys import Batch
    from tests.model.small import small_pipeline

    folder = os.path.dirname(paths[0])
    reader = "train_input_reader"
    pipeline = small_pipeline(
        f"{reader}.label_map_path='{folder}/label_map.pbtxt'",
        f"{reader}.tf_record_input_reader.input_path={paths}",
        f"{reader}.max_bad_examples={max_bad}",
        "train_config.batch_size=1",
    )
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            source = load_records(pipeline.train_input_reader, 2)
    except DataError as error:
        return {"error": str(error).replace(folder + "/", "")}
    if training:
        batches = training_batches(pipeline, source)
        batches = batches.take(source.summary.num_examples)
    else:
        batches = evaluation_batches(pipeline, source)
    edges = [float(batch[Batch.BOXES][0, 0, 3]) for batch in batches]
    return {
        "numbers": sorted(np.subtract(edges, 32).round().astype(int).tolist()),
        "warnings": [str(item.message) for item in said],
    }


def verified(paths: list[str], repaired: pathlib.Path) -> dict:
    """What `verify` finds, and the numbers of the records that it saves."""
    from featsr_tf.data.tfrecord_files import walk_records
    from tfrecords_tools import verify

    printed = io.StringIO()
    found = {"code": 0}
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        try:
            verify.main([*paths, "--repair", str(repaired)])
        except SystemExit as stop:
            found["code"] = stop.code
    found["lines"] = [
        line.replace(f"{os.path.dirname(paths[0])}/", "")
        for line in printed.getvalue().splitlines()
        if line.startswith("error")
    ]
    names = [
        frame.payload.partition(b"image ")[2][:1]
        for path in sorted(repaired.glob("*.record-*"))
        for frame in walk_records(str(path))
    ]
    found["numbers"] = sorted(map(int, names))
    return found


def main(folder: str) -> None:
    """Prints the outcomes of all damages."""
    outcomes = {}
    for name, spoil in DAMAGES.items():
        place = pathlib.Path(folder, name)
        paths = write_files(place)
        spoil(*paths)
        outcomes[name] = {
            "strict": read_batches(paths, 0, training=True),
            "lenient": read_batches(paths, MAX_BAD, training=True),
            "verify": verified(paths, place / "repaired"),
        }
        if name == "flip_both":
            outcomes["evaluation"] = read_batches(paths, MAX_BAD, False)
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(sys.argv[1])
