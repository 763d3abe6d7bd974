"""A data set appears whole or not at all, however its writing ends."""

import signal
import subprocess
import sys
import time

import numpy as np
import PIL.Image
import pytest

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import count_records
from featsr_tf.errors import DataError
from tests.support import REPOSITORY
from tfrecords_tools.example import EncodedImage
from tfrecords_tools.example import encode_png
from tfrecords_tools.example import make_example
from tfrecords_tools.shards import Split
from tfrecords_tools.shards import write_data_set

LABEL_MAP = LabelMap({1: "stop"})


def make_split(count: int, name: str = "signs", label: int = 1) -> Split:
    data = encode_png(PIL.Image.new("RGB", (8, 8)))
    image = EncodedImage(data, "png", 8, 8, "a.png")
    boxes = np.array([[0, 0, 4, 4]])
    label_map = LabelMap({label: "stop"})
    example = make_example(image, boxes, [label], label_map)
    return Split(name, count, [example] * count)


def file_names(folder) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_examples_are_dealt_out_to_the_shards_in_turn(tmp_path):
    output = tmp_path / "new" / "records"
    summaries = write_data_set(output, [make_split(5)], LABEL_MAP, 2)
    names = ["signs.record-00000-of-00002", "signs.record-00001-of-00002"]
    assert file_names(output) == ["label_map.pbtxt", *names]
    assert [count_records(str(output / name)) for name in names] == [3, 2]
    assert load_label_map(str(output / "label_map.pbtxt")).names == {1: "stop"}
    assert summaries["signs"].num_examples == 5


def test_no_shard_stays_empty(tmp_path):
    write_data_set(tmp_path / "out", [make_split(2)], LABEL_MAP, 9)
    assert len(list((tmp_path / "out").glob("signs.record-*-of-00002"))) == 2


def test_older_shards_of_the_same_split_are_replaced(tmp_path):
    write_data_set(tmp_path, [make_split(4)], LABEL_MAP, 4)
    other = tmp_path / "other.record-00000-of-00001"
    other.touch()
    write_data_set(tmp_path, [make_split(4)], LABEL_MAP, 1)
    names = ["label_map.pbtxt", other.name, "signs.record-00000-of-00001"]
    assert file_names(tmp_path) == names


def test_an_error_on_the_way_leaves_nothing(tmp_path):
    def fail_at_the_end():
        yield from make_split(3).examples
        raise DataError("street.jpg: cut")

    split = Split("signs", 4, fail_at_the_end())
    with pytest.raises(DataError, match=r"street\.jpg: cut"):
        write_data_set(tmp_path / "out", [split], LABEL_MAP, 2)
    assert file_names(tmp_path) == []


def test_an_error_leaves_the_older_data_set_as_it_was(tmp_path):
    write_data_set(tmp_path / "out", [make_split(2)], LABEL_MAP, 1)
    before = file_names(tmp_path)
    splits = [make_split(2), make_split(2, "bad", label=2)]
    with pytest.raises(DataError, match="label 2"):
        write_data_set(tmp_path / "out", splits, LABEL_MAP, 1)
    assert file_names(tmp_path) == before


def test_an_interrupt_by_the_user_leaves_nothing(tmp_path):
    def interrupt():
        yield from make_split(3).examples
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        split = Split("signs", 4, interrupt())
        write_data_set(tmp_path / "out", [split], LABEL_MAP, 2)
    assert file_names(tmp_path) == []


@pytest.mark.slow
def test_a_killed_writer_leaves_no_shard(tmp_path):
    output = tmp_path / "toy"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tfrecords_tools.create_toy_tf_record"),
            *("--output_path", str(output), "--num_train", "100000"),
        ],
        cwd=REPOSITORY,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.rglob("*.record-*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not output.exists()


def test_a_split_without_images_is_refused(tmp_path):
    with pytest.raises(DataError, match="no images for the split signs"):
        write_data_set(tmp_path / "out", [make_split(0)], LABEL_MAP, 1)
    assert file_names(tmp_path) == []


def test_less_than_one_shard_is_refused(tmp_path):
    with pytest.raises(DataError, match="--num_shards is 0"):
        write_data_set(tmp_path / "out", [make_split(1)], LABEL_MAP, 0)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(DataError, match="out: is a file"):
        write_data_set(tmp_path / "out", [make_split(1)], LABEL_MAP, 1)
    assert file_names(tmp_path) == ["out"]
