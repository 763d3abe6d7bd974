"""Tsinghua-Tencent 100K to records, by the command."""

import json

import pytest

from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import scan_records
from featsr_tf.data.tfrecord_files import expand_patterns
from tests.tfrecords_tools.miniatures import write_tt100k
from tfrecords_tools import create_tt100k_tf_record
from tfrecords_tools.manifest import load_manifest


@pytest.fixture
def convert(tmp_path):
    def convert(*flags):
        arguments = ("--data_dir", str(tmp_path / "data"))
        output = ("--output_path", str(tmp_path / "out"), "--num_shards", "2")
        create_tt100k_tf_record.main([*arguments, *output, *flags])
        return tmp_path / "out"

    return convert


def scan(folder, name: str):
    label_map = load_label_map(str(folder / "label_map.pbtxt"))
    paths = expand_patterns([str(folder / f"{name}.record-*")])
    return scan_records(paths, label_map, decode=True).summary


def test_train_and_test_become_records_and_other_does_not(
    tmp_path, convert, capsys
):
    write_tt100k(tmp_path)
    output = convert()
    printed = capsys.readouterr()
    assert "warning: not the whole Tsinghua-Tencent 100K" in printed.err
    assert "images of neither, left out" in printed.out
    assert len(list(output.glob("*.manifest.json"))) == 2
    annotations = json.loads((tmp_path / "data/annotations.json").read_text())
    for split in ("train", "test"):
        objects = [
            thing
            for image in annotations["imgs"].values()
            for thing in image["objects"]
            if image["path"].startswith(split)
        ]
        summary = scan(output, f"tt100k_{split}")
        assert summary.num_examples == 4
        assert summary.num_objects == len(objects) > 0


def test_objects_of_other_classes_are_left_out_and_counted(tmp_path, convert):
    path = write_tt100k(tmp_path) / "annotations.json"
    annotations = json.loads(path.read_text())
    bbox = {"xmin": 5, "ymin": 5, "xmax": 25, "ymax": 25}
    (image, *_) = annotations["imgs"].values()
    num_objects = len(image["objects"])
    image["objects"].append({"category": "pl10", "bbox": bbox})
    path.write_text(json.dumps(annotations))
    output = convert()
    manifest = load_manifest(str(output / "tt100k_train.manifest.json"))
    assert manifest.outcomes == {"other_class_left_out": 1}
    assert len(manifest.class_counts) == 45
    assert num_objects in scan(output, "tt100k_train").boxes_per_image


def test_validation_images_come_out_of_train(tmp_path, convert):
    write_tt100k(tmp_path, num_images=12)
    output = convert("--validation_fraction", "0.4")
    counts = {
        name: scan(output, f"tt100k_{name}").num_examples
        for name in ("train", "val", "test")
    }
    assert counts["train"] + counts["val"] == counts["test"] == 12
    assert 0 < counts["val"] < 12


@pytest.mark.parametrize("fraction", ["1", "-0.1", "nan"])
def test_a_fraction_that_leaves_no_training_images_is_refused(
    convert, capsys, fraction
):
    with pytest.raises(SystemExit) as stopped:
        convert("--validation_fraction", fraction)
    assert stopped.value.code == 2
    assert "error: --validation_fraction is" in capsys.readouterr().err


def test_a_mistake_is_one_line_and_nothing_is_written(
    tmp_path, convert, capsys
):
    write_tt100k(tmp_path)
    (tmp_path / "data" / "test" / "ids.txt").write_text("10035\n10035\n")
    with pytest.raises(SystemExit) as stopped:
        convert()
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}/data/test/ids.txt:2: ")
    assert not (tmp_path / "out").exists()
