"""COCO to records, by the command."""

import json

import numpy as np
import pycocotools.coco
import pytest
import tensorflow as tf

from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.tfrecord_files import expand_patterns
from tests.tfrecords_tools.miniatures import write_coco
from tfrecords_tools import create_coco_tf_record


def flags_of(coco, split: str) -> list[str]:
    annotations = coco / "annotations" / f"instances_{split}2017.json"
    return [
        *(f"--{split}_image_dir", str(coco / f"{split}2017")),
        *(f"--{split}_annotations_file", str(annotations)),
    ]


@pytest.fixture
def coco(tmp_path):
    return write_coco(tmp_path)


@pytest.fixture
def convert(tmp_path):
    def convert(*flags):
        output = ("--output_path", str(tmp_path / "out"), "--num_shards", "2")
        create_coco_tf_record.main([*flags, *output])
        return tmp_path / "out"

    return convert


def read_objects(pattern) -> dict[str, np.ndarray]:
    """Rows of x, y, width, height, class, crowd and area by image id."""
    found = {}
    for path in expand_patterns([str(pattern)]):
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            (height,) = features[Example.HEIGHT].int64_list.value
            (width,) = features[Example.WIDTH].int64_list.value
            ymin, xmin, ymax, xmax = (
                np.array(features[key].float_list.value)
                for key in (
                    *(Example.YMIN, Example.XMIN),
                    *(Example.YMAX, Example.XMAX),
                )
            )
            (source_id,) = features[Example.SOURCE_ID].bytes_list.value
            found[source_id.decode()] = np.array(
                [
                    *(xmin * width, ymin * height),
                    *((xmax - xmin) * width, (ymax - ymin) * height),
                    features[Example.LABEL].int64_list.value,
                    features[Example.IS_CROWD].int64_list.value,
                    features["image/object/area"].float_list.value,
                ]
            ).T
    return found


def check_against_pycocotools(coco, split: str, records) -> int:
    truth = pycocotools.coco.COCO(
        str(coco / "annotations" / f"instances_{split}2017.json")
    )
    found = read_objects(records)
    assert sorted(map(int, found)) == sorted(truth.getImgIds())
    for image_id in truth.getImgIds():
        expected = [
            [
                *entry["bbox"],
                entry["category_id"],
                entry["iscrowd"],
                entry["area"],
            ]
            for entry in truth.loadAnns(truth.getAnnIds(imgIds=image_id))
        ]
        np.testing.assert_allclose(
            found[str(image_id)],
            np.reshape(expected, (-1, 7)),
            rtol=1e-5,
            atol=1e-3,
        )
    return sum(map(len, found.values()))


def test_both_splits_have_what_pycocotools_reads(coco, convert):
    output = convert(*flags_of(coco, "train"), *flags_of(coco, "val"))
    for split in ("train", "val"):
        records = output / f"coco_{split}.record-*"
        assert check_against_pycocotools(coco, split, records) > 0
    label_map = load_label_map(str(output / "label_map.pbtxt"))
    assert (len(label_map.names), label_map.num_classes) == (80, 90)


def test_real_images_have_what_pycocotools_reads(shared, convert):
    coco = shared / "data" / "tiny_coco"
    output = convert(*flags_of(coco, "val"))
    records = output / "coco_val.record-*"
    assert check_against_pycocotools(coco, "val", records) == 382


def test_one_split_and_other_categories_are_enough(coco, convert):
    path = coco / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    content["categories"] = [
        {"id": entry["id"], "name": f"my {entry['name']}"}
        for entry in content["categories"]
    ]
    path.write_text(json.dumps(content))
    output = convert(*flags_of(coco, "val"))
    assert not list(output.glob("coco_train*"))
    label_map = load_label_map(str(output / "label_map.pbtxt"))
    assert label_map.names[13] == "my stop sign"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "nothing to convert; give --train_annotations_file"),
        (["--val_image_dir", "x"], "go together"),
        (["--include_masks"], "--include_masks is not supported"),
    ],
)
def test_impossible_flags_are_one_line(convert, capsys, flags, message):
    with pytest.raises(SystemExit) as stopped:
        convert(*flags)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_splits_of_different_categories_are_refused(coco, convert, capsys):
    path = coco / "annotations" / "instances_val2017.json"
    path.write_text(path.read_text().replace('"zebra"', '"horse with stripes"'))
    with pytest.raises(SystemExit) as stopped:
        convert(*flags_of(coco, "train"), *flags_of(coco, "val"))
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{path}: categories differ; expected the same ids" in line


def test_an_unknown_category_is_an_error_or_is_counted(coco, convert, capsys):
    path = coco / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    content["annotations"][1]["category_id"] = 99
    path.write_text(json.dumps(content))
    with pytest.raises(SystemExit) as stopped:
        convert(*flags_of(coco, "val"))
    assert stopped.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "annotation 2: the class 'category_id 99' is not in" in error
    output = convert(*flags_of(coco, "val"), "--skip_other_classes")
    manifest = json.loads((output / "coco_val.manifest.json").read_text())
    assert manifest["outcomes"] == {"other_class_left_out": 1}
    assert manifest["num_objects"] == len(content["annotations"]) - 1


def test_a_missing_image_is_one_line_and_nothing_is_written(
    coco, convert, tmp_path, capsys
):
    path = coco / "val2017" / "000000000202.jpg"
    path.unlink()
    with pytest.raises(SystemExit) as stopped:
        convert(*flags_of(coco, "val"))
    assert stopped.value.code == 2
    assert str(path) in capsys.readouterr().err.splitlines()[-1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coco"]
