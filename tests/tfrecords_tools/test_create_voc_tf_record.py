"""PASCAL VOC to records, by the command."""

import re
import xml.etree.ElementTree

import pytest
import tensorflow as tf

from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import scan_records
from featsr_tf.data.tfrecord_files import expand_patterns
from tests.tfrecords_tools.miniatures import write_voc
from tfrecords_tools import create_voc_tf_record


@pytest.fixture
def devkit(tmp_path):
    return write_voc(tmp_path)


@pytest.fixture
def convert(devkit, tmp_path):
    def convert(*flags):
        arguments = ("--data_dir", str(devkit), "--num_shards", "2")
        output = ("--output_path", str(tmp_path / "out"))
        create_voc_tf_record.main([*arguments, *output, *flags])
        return tmp_path / "out"

    return convert


def read_examples(pattern) -> list[dict]:
    return [
        tf.train.Example.FromString(record).features.feature
        for path in expand_patterns([str(pattern)])
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator()
    ]


def read_truth(devkit, names) -> list[tuple]:
    """Name, difficult and corners counted from 1, straight from the XML."""
    truth = []
    for name in names:
        path = devkit / "VOC2007" / "Annotations" / f"{name}.xml"
        for thing in xml.etree.ElementTree.parse(path).iter("object"):
            corners = [int(corner.text) for corner in thing.find("bndbox")]
            flag = int(thing.findtext("difficult"))
            truth.append((thing.findtext("name"), flag, *corners))
    return sorted(truth)


def read_written(examples) -> list[tuple]:
    """The same from records."""
    written = []
    for features in examples:
        (height,) = features[Example.HEIGHT].int64_list.value
        (width,) = features[Example.WIDTH].int64_list.value
        columns = [
            [round(value * size) + first for value in values]
            for values, size, first in (
                (features[Example.XMIN].float_list.value, width, 1),
                (features[Example.YMIN].float_list.value, height, 1),
                (features[Example.XMAX].float_list.value, width, 0),
                (features[Example.YMAX].float_list.value, height, 0),
            )
        ]
        flags = features[Example.DIFFICULT].int64_list.value
        texts = features[Example.TEXT].bytes_list.value
        names = [text.decode() for text in texts]
        written += zip(names, flags, *columns, strict=True)
    return sorted(written)


def test_records_have_the_objects_of_the_annotations(convert, devkit):
    output = convert("--set", "trainval")
    examples = read_examples(output / "voc_trainval.record-*")
    assert len(examples) == 8
    names = [f"2007_{number:06d}" for number in range(8)]
    truth = read_truth(devkit, names)
    assert read_written(examples) == truth
    assert {flag for _, flag, *_ in truth} == {0, 1}


def test_difficult_objects_are_left_out_when_asked(convert):
    every = read_examples(convert("--set", "train") / "voc_train.record-*")
    flags = ("--set", "train", "--ignore_difficult_instances")
    fewer = read_examples(convert(*flags) / "voc_train.record-*")
    easy = [thing for thing in read_written(every) if not thing[1]]
    assert read_written(fewer) == easy


def test_several_sets_go_to_one_folder(convert):
    convert("--set", "trainval")
    output = convert("--set", "test")
    label_map = load_label_map(str(output / "label_map.pbtxt"))
    assert label_map.num_classes == 20
    for name, count in (("trainval", 8), ("test", 4)):
        paths = expand_patterns([str(output / f"voc_{name}.record-*")])
        assert (
            scan_records(paths, label_map, decode=True).summary.num_examples
            == count
        )


def test_other_classes_have_a_label_map_of_their_own(convert, tmp_path, capsys):
    label_map = tmp_path / "mine.pbtxt"
    label_map.write_text('item { id: 1 name: "persons" }')
    with pytest.raises(SystemExit) as stopped:
        convert("--label_map_path", str(label_map))
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "2007_000000.xml: object 1: the class 'person' is not in" in error
    assert "(nearest: 'persons'); add it there" in error


def test_ones_own_classes_are_not_to_be_added_to_the_shipped_ones(
    convert, devkit, capsys
):
    path = devkit / "VOC2007" / "Annotations" / "2007_000000.xml"
    text = path.read_text()
    path.write_text(re.sub("<name>[a-z]+</name>", "<name>scratch</name>", text))
    with pytest.raises(SystemExit):
        convert()
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "the class 'scratch' is not in" in error
    assert "; give --label_map_path FILE, or call `featsr convert" in error
    assert "add it there" not in error


def test_a_mistake_is_one_line_and_nothing_is_written(
    convert, devkit, tmp_path, capsys
):
    path = devkit / "VOC2007" / "Annotations" / "2007_000001.xml"
    path.write_text("<annotation>")
    with pytest.raises(SystemExit) as stopped:
        convert()
    assert stopped.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"error: {path}: not an XML file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["VOCdevkit"]
