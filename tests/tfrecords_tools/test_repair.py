"""A repair keeps every good record, byte for byte, and touches no source."""

import os
import pathlib

import pytest
import tensorflow as tf

from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from tests.data.example_files import write_records
from tests.tfrecords_tools.damage import edit
from tests.tfrecords_tools.damage import flip_bit
from tests.tfrecords_tools.damage import frame_offset
from tests.tfrecords_tools.damage import record
from tests.tfrecords_tools.damage import write_shards
from tfrecords_tools.manifest import load_manifest
from tfrecords_tools.verify import verify


def records_of(path) -> list[bytes]:
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


@pytest.fixture
def damaged(tmp_path) -> list[str]:
    """Two shards in `old`: records 2 and 9 are damaged, 4 is unsound."""
    folder = tmp_path / "old"
    folder.mkdir()
    first, second = write_shards(folder)
    kept = records_of(first)
    kept[2] = record(4, labels=[3])
    write_records(first, kept)
    flip_bit(first, frame_offset(first, 1) + 50)
    edit(second, lambda content: content[:-1])
    return [first, second]


def test_good_records_are_written_under_their_old_names(damaged, tmp_path):
    before = [pathlib.Path(path).read_bytes() for path in damaged]
    new = tmp_path / "new"
    assert not verify(damaged, repair=str(new))
    first, second = (new / os.path.basename(path) for path in damaged)
    assert records_of(first) == [record(number) for number in (0, 6, 8)]
    assert records_of(second) == [record(number) for number in (1, 3, 5, 7)]
    assert [pathlib.Path(path).read_bytes() for path in damaged] == before


def test_what_was_written_is_sound_and_has_label_map_and_manifest(
    damaged, tmp_path
):
    new = tmp_path / "new"
    verify(damaged, repair=str(new))
    assert load_label_map(str(new / "label_map.pbtxt")).names[2] == "two"
    manifest = load_manifest(str(new / "signs.manifest.json"))
    assert (manifest.num_examples, manifest.num_objects) == (7, 7)
    assert manifest.class_counts == {"one": 7, "two": 0}
    assert [shard.num_examples for shard in manifest.shards] == [3, 4]
    assert verify([str(new / "*.record-*")])
    assert sorted(path.name for path in new.iterdir()) == [
        "label_map.pbtxt",
        "signs.manifest.json",
        *map(os.path.basename, damaged),
    ]


def test_a_file_that_is_not_as_its_manifest_says_is_an_error(
    damaged, tmp_path, capsys
):
    new = tmp_path / "new"
    verify(damaged, repair=str(new))
    shard = new / os.path.basename(damaged[0])
    shard.write_bytes((new / os.path.basename(damaged[1])).read_bytes())
    capsys.readouterr()
    assert not verify([str(shard)])
    line = capsys.readouterr().out.split("\n")[0]
    assert line.startswith(f"error: {new / 'signs.manifest.json'}: {shard}: ")


def test_a_shard_without_a_good_record_is_not_written(tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    first, second = write_shards(folder)
    pathlib.Path(second).write_bytes(bytes(1000))
    new = tmp_path / "new"
    verify([first, second], repair=str(new))
    assert not (new / os.path.basename(second)).exists()
    assert verify([str(new / "*.record-*")])


def test_a_data_set_without_a_good_record_leaves_no_files(tmp_path):
    path = write_records(tmp_path / "a.record", [record(0, labels=[0])])
    with pytest.raises(DataError, match="not one good record"):
        verify([path], repair=str(tmp_path / "new"))
    assert list((tmp_path / "new").iterdir()) == []


def test_nothing_is_repaired_in_place(damaged):
    folder = os.path.dirname(damaged[0])
    with pytest.raises(DataError, match="nothing is repaired in place"):
        verify(damaged, repair=folder)


def test_the_label_map_of_other_records_is_not_replaced(damaged, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    (new / "pets.record").touch()
    theirs = new / "label_map.pbtxt"
    theirs.write_text("item { id: 1 name: 'cat' }")
    message = "pets.record belongs to records with another label map"
    with pytest.raises(DataError, match=message):
        verify(damaged, repair=str(new))
    assert theirs.read_text() == "item { id: 1 name: 'cat' }"
    assert sorted(new.iterdir()) == [theirs, new / "pets.record"]


def test_two_sources_of_one_name_are_refused(tmp_path):
    paths = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths += write_shards(tmp_path / name)
    with pytest.raises(DataError, match="has the same name as"):
        verify(paths, repair=str(tmp_path / "new"))


def test_names_of_classes_come_from_the_records_without_a_label_map(tmp_path):
    path = write_records(tmp_path / "a.record", [record(0, labels=[2])])
    verify([path], repair=str(tmp_path / "new"))
    names = load_label_map(str(tmp_path / "new" / "label_map.pbtxt")).names
    assert names == {2: "class 2"}


def test_an_interrupt_leaves_the_folder_as_it_was(
    damaged, tmp_path, monkeypatch
):
    new = tmp_path / "new"
    verify(damaged, repair=str(new))
    before = {path: path.read_bytes() for path in new.iterdir()}

    def interrupt(*_):
        raise KeyboardInterrupt

    edit(damaged[0], lambda content: content[: len(content) // 2])
    monkeypatch.setattr("tfrecords_tools.manifest.Manifest.write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        verify(damaged, repair=str(new))
    assert {path: path.read_bytes() for path in new.iterdir()} == before
