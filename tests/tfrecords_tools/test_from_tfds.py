"""From TensorFlow Datasets to records, by the command."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.testing import mocking

from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import scan_records
from featsr_tf.data.tfrecord_files import expand_patterns
from tests.tfrecords_tools.tfds_data import encoded_image
from tests.tfrecords_tools.tfds_data import write_tfds
from tfrecords_tools import from_tfds
from tfrecords_tools.from_tfds import record_name


def read_examples(pattern) -> list[dict]:
    paths = expand_patterns([str(pattern)])
    return [
        tf.train.Example.FromString(record).features.feature
        for path in paths
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator()
    ]


@pytest.mark.parametrize(
    ("split", "name"),
    [
        ("train", "voc_train"),
        ("test[:10%]", "voc_test_to10percent"),
        ("test[10%:]", "voc_test_10percentto"),
        ("train+test", "voc_train_test"),
    ],
)
def test_record_files_are_named_after_data_set_and_split(split, name):
    assert record_name("voc/2007", split) == name


def test_a_prepared_data_set_becomes_records(tmp_path, capsys):
    data_dir = write_tfds(tmp_path / "tfds")
    output = tmp_path / "out"
    from_tfds.main(
        [
            *("--dataset", "signs", "--data_dir", data_dir),
            *("--split", "train", "test", "--num_shards", "2"),
            *("--output_path", str(output)),
        ]
    )
    assert "signs_train" in capsys.readouterr().out
    label_map = load_label_map(str(output / "label_map.pbtxt"))
    assert label_map.names == {1: "cat", 2: "dog"}
    examples = read_examples(output / "signs_train.record-*")
    assert len(examples) == 7
    assert len(read_examples(output / "signs_test.record-*")) == 3
    for features in examples:
        (source_id,) = features[Example.SOURCE_ID].bytes_list.value
        number = int(source_id) - 100
        (encoded,) = features[Example.ENCODED].bytes_list.value
        assert encoded == encoded_image(number)
        corners = features[Example.XMIN].float_list.value
        assert list(corners) == [0.5] * number
        assert list(features[Example.LABEL].int64_list.value) == [2] * number
        crowds = [0] * (number - 1) + [1] if number else []
        assert list(features[Example.IS_CROWD].int64_list.value) == crowds


class RepairedFakes(mocking.EncodedRandomFakeGenerator):
    """As they are, fields of an object differ in length, boxes are inverted."""

    def __init__(self, **options):
        super().__init__(**options, constant_dynamic_shape=True)

    def _generate_random_obj(self, feature, tensor_info, rng):
        value = super()._generate_random_obj(feature, tensor_info, rng)
        if tensor_info.shape[-1:] == (4,) and value.dtype == np.float32:
            corners = np.sort(value.reshape(-1, 2, 2), axis=1)
            value = corners.reshape(value.shape)
        return value


@pytest.mark.parametrize(
    ("dataset", "num_classes"), [("voc/2007", 20), ("coco/2017", 80)]
)
def test_random_data_of_known_builders_become_records(
    tmp_path, monkeypatch, dataset, num_classes
):
    monkeypatch.setattr(mocking, "EncodedRandomFakeGenerator", RepairedFakes)
    arguments = ("--dataset", dataset, "--output_path", str(tmp_path / "out"))
    with tfds.testing.mock_data(num_examples=3):
        from_tfds.main([*arguments, "--num_shards", "2"])
    label_map = load_label_map(str(tmp_path / "out" / "label_map.pbtxt"))
    assert label_map.num_classes == num_classes
    paths = expand_patterns([str(tmp_path / "out" / "*.record-*")])
    summary = scan_records(paths, label_map, decode=True).summary
    assert (summary.num_examples, summary.num_objects) == (3, 30)
    assert (summary.image_sizes == 10).all()


def test_random_data_as_they_are_end_in_one_line(tmp_path, capsys):
    arguments = ("--dataset", "voc/2007", "--output_path", str(tmp_path / "o"))
    with tfds.testing.mock_data(), pytest.raises(SystemExit) as stopped:
        from_tfds.main(arguments)
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: voc/2007: train: example 0: cannot be read")
    assert not (tmp_path / "o").exists()
