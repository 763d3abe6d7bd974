"""What the config makes of records, those with corrupt ones among them."""

import numpy as np
import pytest

from featsr_tf.data.build import load_records
from featsr_tf.data.build import training_batches
from featsr_tf.data.build import training_names
from featsr_tf.data.keys import Batch
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.model.small import small_pipeline


def test_records_are_named_although_bad_ones_are_left_out(tmp_path):
    """As after a step whose loss is not finite."""
    images = [noise_image(64, 64, number) for number in range(5)]
    encoded = [encode(image) for image in images]
    encoded[1] = b"no image"
    box = [0.25, 0.25, 0.5, 0.75]
    path = write_records(
        tmp_path / "train.record",
        [example(image, [box], [1], str(i)) for i, image in enumerate(encoded)],
    )
    label_map = tmp_path / "label_map.pbtxt"
    label_map.write_text("item { id: 1 name: 'one' }")
    reader = "train_input_reader"
    pipeline = small_pipeline(
        f"{reader}.label_map_path='{label_map}'",
        f"{reader}.tf_record_input_reader.input_path=['{path}']",
        f"{reader}.max_bad_examples=1",
    )
    with pytest.warns(match="record 1: .* left out"):
        source = load_records(pipeline.train_input_reader, 2)
    for batch in training_batches(pipeline, source, skip_steps=1).take(3):
        numbers = batch[Batch.SEEDS][:, 1].numpy().tolist()
        names = training_names(pipeline, source, numbers)
        for image, name in zip(batch[Batch.IMAGES], names, strict=True):
            np.testing.assert_array_equal(image, images[int(name)])
