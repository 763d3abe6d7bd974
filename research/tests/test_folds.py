"""Folds part the frames: each is judged once, by a detector new to it."""

import pytest
import tensorflow as tf

from featsr_tf.data.examples import feature_texts
from featsr_tf.data.examples import parse_example
from featsr_tf.data.keys import Example
from featsr_tf.errors import DataError
from research.ablation.__main__ import main
from research.ablation.folds import fold_of
from research.ablation.folds import fold_of_pattern
from research.ablation.folds import fold_paths
from research.ablation.folds import write_folds
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.support import REPOSITORY

FRAMES = 30


def frame(name):
    image = encode(noise_image(8, 8, 0))
    return example(image, [[0.0, 0.0, 0.5, 0.5]], [1], source_id=name)


def records_of(path):
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


def test_every_record_is_in_one_fold_unchanged(tmp_path):
    records = [frame(f"{number:05d}.jpg") for number in range(FRAMES)]
    paths = [
        str(write_records(tmp_path / name, part))
        for name, part in (("a", records[:20]), ("b", records[20:]))
    ]
    write_folds(paths, tmp_path / "folds", 3)
    folds = [records_of(p) for p in fold_paths(tmp_path / "folds", 3)]
    assert all(folds)
    assert sorted(r for fold in folds for r in fold) == sorted(records)
    for number, fold in enumerate(folds):
        for record in fold:
            (name,) = feature_texts(parse_example(record), Example.SOURCE_ID)
            assert fold_of(name, 3) == number


def test_folds_are_written_alone(tmp_path, capsys):
    records = [frame(f"{number:05d}.jpg") for number in range(FRAMES)]
    path = str(write_records(tmp_path / "all.record", records))
    label_map = tmp_path / "label_map.pbtxt"
    label_map.write_text("""item { id: 1 name: "sign" }""")
    output = tmp_path / "output"
    fields = [
        f"{reader}.{field}"
        for reader in ("train_input_reader", "eval_input_reader.0")
        for field in (
            f"label_map_path='{label_map}'",
            f"tf_record_input_reader.input_path=['{path}']",
        )
    ]
    main(
        [
            *("--pipeline", str(REPOSITORY / "pipelines" / "toy.config")),
            *("--folds", "2", "--output", str(output), "--folds_only"),
            *(word for field in fields for word in ("--set", field)),
        ]
    )
    assert f"wrote {output / 'records'}" in capsys.readouterr().out
    folds = [records_of(p) for p in fold_paths(output / "records", 2)]
    assert sorted(r for fold in folds for r in fold) == sorted(records)
    assert not (output / "models").exists()


def test_the_fold_of_a_frame_depends_on_its_name_alone():
    assert fold_of("00042.jpg", 3) == fold_of("folder/00042.ppm", 3)
    counts = [0] * 4
    for number in range(4000):
        counts[fold_of(f"{number:05d}", 4)] += 1
    assert min(counts) > 900


def test_folds_that_are_there_are_left_alone(tmp_path):
    path = write_records(tmp_path / "a", [frame(str(n)) for n in range(20)])
    write_folds([str(path)], tmp_path / "folds", 2)
    before = records_of(fold_paths(tmp_path / "folds", 2)[0])
    write_folds([str(tmp_path / "gone")], tmp_path / "folds", 2)
    assert records_of(fold_paths(tmp_path / "folds", 2)[0]) == before


def test_folds_of_records_written_anew_are_refused(tmp_path):
    path = write_records(tmp_path / "a", [frame(str(n)) for n in range(20)])
    write_folds([str(path)], tmp_path / "folds", 2)
    write_folds([str(path)], tmp_path / "folds", 2)
    write_records(path, [frame(str(n)) for n in range(30)])
    with pytest.raises(DataError, match="folds of other records; .*/a is new"):
        write_folds([str(path)], tmp_path / "folds", 2)


def test_an_empty_fold_and_a_nameless_frame_are_named(tmp_path):
    one = str(write_records(tmp_path / "one", [frame("a")]))
    with pytest.raises(DataError, match="1 frames leave fold . of 2 empty"):
        write_folds([one], tmp_path / "folds", 2)
    nameless = str(write_records(tmp_path / "nameless", [frame("")]))
    with pytest.raises(DataError, match="nameless: record 0: no image/source"):
        write_folds([nameless], tmp_path / "folds", 2)
    assert not (tmp_path / "folds").exists()


def test_patterns_part_frames_by_scene_or_by_file(tmp_path):
    paths = [
        str(write_records(tmp_path / split, [frame(n) for n in names]))
        for split, names in (("train", ("MOS74", "DJI_1")), ("val", ("MOS75",)))
    ]
    write_folds(paths, tmp_path / "scenes", 2, ["MOS", "DJI"])
    scenes = [records_of(p) for p in fold_paths(tmp_path / "scenes", 2)]
    assert [len(scene) for scene in scenes] == [2, 1]
    write_folds(paths, tmp_path / "splits", 2, ["train:", "val:"])
    splits = [records_of(p) for p in fold_paths(tmp_path / "splits", 2)]
    assert splits == [records_of(path) for path in paths]


def test_a_frame_of_no_pattern_or_of_two_is_named(tmp_path):
    with pytest.raises(DataError, match="a:MOS74: expected one .* found 0"):
        fold_of_pattern("a:MOS74", ["DJI", "KIT"])
    path = str(write_records(tmp_path / "a", [frame("MOS74")]))
    with pytest.raises(DataError, match="MOS74: expected one .* found 2"):
        write_folds([path], tmp_path / "folds", 2, ["MOS", "74"])
    assert not (tmp_path / "folds").exists()
