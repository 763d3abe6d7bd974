"""Each kind of damage has its line, its count and its exit code."""

import gzip
import io
import os
import pathlib
import re

import PIL.Image
import pytest
import tensorflow as tf

from featsr_tf.data.keys import Example
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.tfrecords_tools.damage import BOX
from tests.tfrecords_tools.damage import edit
from tests.tfrecords_tools.damage import flip_bit
from tests.tfrecords_tools.damage import frame_offset
from tests.tfrecords_tools.damage import record
from tests.tfrecords_tools.damage import write_shards
from tfrecords_tools import verify
from tfrecords_tools.manifest import Manifest
from tfrecords_tools.manifest import ShardEntry


@pytest.fixture
def run(capsys):
    """Runs the command; its exit code, printed lines and error."""

    def verify_files(*arguments) -> tuple[int, list[str], str]:
        code = 0
        try:
            verify.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        output = capsys.readouterr()
        errors = [
            line for line in output.err.split("\n") if line.startswith("error")
        ]
        return code, output.out.rstrip("\n").split("\n"), "".join(errors)

    return verify_files


def test_sound_files_give_0_and_a_table(run, tmp_path):
    code, lines, _ = run(*write_shards(tmp_path))
    assert code == 0
    assert lines[-2].split() == ["signs.record", "2", "10", "10", "10"]
    assert lines[-1] == "nothing to object to"


def test_boxes_in_one_part_of_all_images_are_questioned(run, tmp_path):
    corner = [[0.05, 0.05, 0.3, 0.4]]
    records = [record(n, boxes=corner, labels=(1,)) for n in range(12)]
    path = write_records(tmp_path / "signs.record", records)
    code, lines, _ = run(path)
    assert code == 0
    assert "all 12 boxes lie in the upper 30% and the left 40%" in lines[0]
    assert "1  warning  data sets whose boxes lie in one part" in lines[-1]


def test_a_class_of_two_names_is_an_error_where_no_label_map_says(
    run, tmp_path
):
    records = []
    for number, text in enumerate((b"stop", b"yield")):
        named = tf.train.Example.FromString(record(number))
        texts = named.features.feature[Example.TEXT]
        texts.bytes_list.value.append(text)
        records.append(named.SerializeToString())
    code, lines, _ = run(write_records(tmp_path / "signs.record", records))
    assert code == 1
    assert "class 1 is called 'stop' and 'yield'" in lines[0]


def test_damaged_records_are_named_and_the_others_checked(run, tmp_path):
    first, second = write_shards(tmp_path)
    content, length = frame_offset(first, 1), frame_offset(second, 2)
    flip_bit(first, content + 100)
    flip_bit(second, length + 1)
    edit(second, lambda content: content[:-5])
    code, lines, _ = run(first, second)
    assert code == 1
    assert lines[0].startswith(
        f"error: {first}: record 1 (byte {content}): damaged, the checksum of"
    )
    assert lines[1].startswith(
        f"error: {second}: record 2 (byte {length}): damaged, its length"
    )
    assert ": record 4 (byte " in lines[2]
    assert "the file ends inside it" in lines[2]
    assert lines[-2].split() == ["signs.record", "2", "7", "7", "7"]
    assert lines[-1].split() == ["3", "error", "damaged", "records"]


def spoil(number: int, **changes) -> bytes:
    arguments = {"boxes": (BOX,), "labels": (1,)} | changes
    return record(number, **arguments)


def sequence_example(context: bytes) -> bytes:
    """An example with a list, which examples do not have."""
    sequence = tf.train.SequenceExample.FromString(context)
    sequence.feature_lists.feature_list["boxes"].feature.add()
    return sequence.SerializeToString()


CUT = encode(noise_image(64, 64))[:3000]
UNSOUND = {
    "not a TF Example": b"\xff\xff\xff",
    "perhaps a SequenceExample": sequence_example(spoil(9)),
    "box 1 of 1 .* is outside the image": spoil(9, boxes=[[0, 0, 2, 1]]),
    "box 1 of 1 .* is degenerate": spoil(9, boxes=[[0.5, 0.5, 0.2, 0.9]]),
    "box 1 of 1 .* is not finite": spoil(9, boxes=[[0, 0, float("nan"), 1]]),
    "label 3, which is not in .*label_map.pbtxt": spoil(9, labels=[3]),
    "the image is damaged": example(CUT, [BOX], [1], "image 9"),
    "neither a JPEG nor a PNG": example(b"text", [BOX], [1], "image 9"),
}


@pytest.mark.parametrize("message", UNSOUND)
def test_an_unsound_example_is_an_error(run, tmp_path, message):
    write_shards(tmp_path)
    records = [record(0), UNSOUND[message], record(2)]
    path = write_records(tmp_path / "other.record", records)
    code, lines, _ = run(path)
    assert code == 1
    assert re.search(
        rf"other\.record: record 1 \(byte \d+\): .*{message}", lines[0]
    )
    assert lines[-1].split() == ["1", "error", "unsound", "examples"]


def rotated() -> bytes:
    buffer = io.BytesIO()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    picture = PIL.Image.fromarray(noise_image(64, 64))
    picture.save(buffer, "JPEG", exif=exif)
    return example(buffer.getvalue(), [BOX], [1], "image 9")


WARNINGS = {
    "1 of 2 boxes have a side below 2 px, first box 2: 32 x 1 px": spoil(
        9, boxes=[BOX, [0.5, 0.5, 0.5 + 1 / 64, 1]], labels=[1, 1]
    ),
    "boxes 1 and 3 are the same, both of class 2": spoil(
        9, boxes=[BOX] * 3, labels=[2, 1, 2]
    ),
    "the image has EXIF orientation 6": rotated(),
}


@pytest.mark.parametrize("message", WARNINGS)
def test_what_may_be_meant_is_a_warning(run, tmp_path, message):
    path = write_records(tmp_path / "a.record", [WARNINGS[message]])
    code, lines, _ = run(path)
    assert code == 0
    assert lines[0].startswith(f"warning: {path}: record 0 (byte 0): ")
    assert message in lines[0]
    assert lines[-1].split()[:2] == ["1", "warning"]


def test_equal_boxes_of_two_classes_are_no_duplicates(run, tmp_path):
    both = spoil(0, boxes=[BOX, BOX], labels=[1, 2])
    _, lines, _ = run(write_records(tmp_path / "a.record", [both]))
    assert lines[-1] == "nothing to object to"


def test_a_source_id_twice_in_a_data_set_is_an_error(run, tmp_path):
    first, second = write_shards(tmp_path)
    write_records(tmp_path / os.path.basename(second), [record(4)])
    code, lines, _ = run(first, second)
    assert code == 1
    assert lines[0].startswith(
        f"error: {second}: record 0 (byte 0): its source"
    )
    assert f"'image 4' is that of {first}: record 2 " in lines[0]


def test_a_source_id_in_two_data_sets_is_a_warning(run, tmp_path):
    train = write_records(tmp_path / "train.record", [record(0), record(1)])
    val = write_records(tmp_path / "val.record", [record(1), record(2)])
    code, lines, _ = run(train, val)
    assert code == 0
    assert "'image 1' is that of" in lines[0]
    assert lines[-1].split()[:2] == ["1", "warning"]


def test_a_picture_that_is_there_twice_is_a_warning(run, tmp_path):
    image = encode(noise_image(64, 64))
    records = [example(image, [BOX], [1], name) for name in ("a", "b")]
    path = write_records(tmp_path / "signs.record", records)
    code, lines, _ = run(path)
    assert code == 0
    assert lines[0].startswith(f"warning: {path}: record 1 (byte ")
    assert f"its image is that of {path}: record 0 (byte 0)" in lines[0]


def test_a_missing_shard_is_an_error(run, tmp_path):
    first, second = write_shards(tmp_path)
    os.remove(second)
    code, lines, _ = run(first)
    assert code == 1
    name = os.path.basename(second)
    expected = f"error: {tmp_path}/signs.record: lacks 1 of its shards: {name}"
    assert lines[0] == expected


def test_an_empty_shard_is_a_warning_where_no_manifest_says_otherwise(
    run, tmp_path
):
    first, second = write_shards(tmp_path)
    pathlib.Path(second).write_bytes(b"")
    code, lines, _ = run(first, second)
    assert code == 0
    assert lines[0].startswith(f"warning: {second}: is empty; left out")
    assert lines[-2].split() == ["signs.record", "1", "5", "5", "5"]
    assert lines[-1].split() == ["1", "warning", "empty", "shards"]
    entry = ShardEntry(os.path.basename(second), 5, 5, 100, "")
    counts = ("signs", "label_map.pbtxt", 5, 5, 0, {}, {}, {})
    Manifest(*counts, (entry,)).write(str(tmp_path))
    code, lines, _ = run(first, second)
    assert code == 1
    assert "signs.record-00001-of-00002: has 0 bytes, expected 100" in lines[1]


def test_labels_are_listed_where_no_label_map_is(run, tmp_path):
    records = [record(0, labels=[7]), record(1), record(2)]
    code, lines, _ = run(write_records(tmp_path / "a.record", records))
    assert code == 0
    assert [line.split() for line in lines[-3:-1]] == [["2", "1"], ["1", "7"]]


def test_two_label_maps_that_differ_are_refused(run, tmp_path):
    paths = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        paths += write_shards(folder)
        (folder / "label_map.pbtxt").write_text(
            f"item {{id: 1 name: '{name}'}}"
        )
    code, _, error = run(*paths)
    assert code == 2
    assert "different classes" in error


UNREADABLE = {
    "random bytes": (os.urandom, "no readable record in"),
    "gzip": (lambda size: gzip.compress(bytes(size)), "no readable record in"),
    "empty": (lambda size: b"", "no readable record in"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_files_without_any_record_give_2(run, tmp_path, kind):
    make, message = UNREADABLE[kind]
    path = tmp_path / "a.record"
    path.write_bytes(make(100_000))
    code, _, error = run(path)
    assert code == 2
    assert message in error


def test_compressed_files_are_called_so(run, tmp_path):
    first, second = write_shards(tmp_path)
    edit(second, gzip.compress)
    code, lines, _ = run(first, second)
    assert code == 1
    assert f"error: {second}: is compressed with gzip" in lines[0]


def test_no_such_file_gives_2(run, tmp_path):
    code, _, error = run(tmp_path / "none.record")
    assert code == 2
    assert "no such record file" in error


def test_real_records_of_the_object_detection_api_are_sound(run, shared):
    code, lines, _ = run(shared / "data" / "odapi" / "raccoon_test.record")
    assert code == 0
    assert lines[-1] == "nothing to object to"
