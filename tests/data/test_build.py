"""What the config makes of records, those with corrupt ones among them."""

import dataclasses

import numpy as np
import pytest

from featsr_tf.data.build import load_records
from featsr_tf.data.build import training_batches
from featsr_tf.data.build import training_names
from featsr_tf.data.build import training_options
from featsr_tf.data.keys import Batch
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.records import scan_records
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import unchecked
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


def test_mixed_images_have_room_for_their_boxes_and_the_shape_of_others():
    steps = "train_config.data_augmentation_options"
    summary = dataclasses.replace(
        unchecked([]).summary,
        image_sizes=np.array([[64, 64]]),
        boxes_per_image=np.array([5]),
    )
    records = RecordFiles([], None, summary)

    def shapes(*overrides):
        made = training_options(small_pipeline(*overrides), records)
        return made.batches.max_boxes, made.view

    room, view = shapes()
    assert room == 5
    mosaic = "{random_mosaic {}}"
    copies = "{random_copy_paste {num_copies: 2}}"
    # Four images with 5 boxes, then 2 copies; 5 and 2 copies, in 4 images.
    assert shapes(f"{steps}=[{mosaic}, {copies}]") == (22, view)
    assert shapes(f"{steps}=[{copies}, {mosaic}]")[0] == 28
    limit = "train_config.max_number_of_boxes=12"
    assert shapes(f"{steps}=[{mosaic}]", limit)[0] == 12


def test_boxes_that_mixed_images_have_no_room_for_are_told(tmp_path):
    image = encode(noise_image(64, 64))
    box = [0.25, 0.25, 0.5, 0.75]
    path = write_records(
        tmp_path / "train.record", [example(image, [box] * 3, [1] * 3)]
    )
    mosaic = "train_config.data_augmentation_options=[{random_mosaic {}}]"
    with pytest.warns(match="up to 12 boxes, .* max_number_of_boxes: 11 are"):
        training_batches(
            small_pipeline(mosaic, "train_config.max_number_of_boxes=11"),
            scan_records([path], None),
        )


@pytest.mark.parametrize(
    "step",
    [
        "random_rotation90 {}",
        "random_image_scale {}",
        "random_crop_image {}",
        "random_square_crop_by_scale {}",
    ],
)
def test_frames_of_a_second_look_keep_their_size(tmp_path, step):
    box = [0.25, 0.25, 0.5, 0.75]
    path = write_records(
        tmp_path / "train.record",
        [example(encode(noise_image(40, 96, n)), [box], [1]) for n in range(2)],
    )
    pipeline = small_pipeline(
        f"train_config.data_augmentation_options=[{{{step}}}]",
        "model.feature_super_resolution.refiner=SECOND_LOOK",
        "train_config.batch_size=2",
    )
    records = scan_records([path], None)
    batches = training_batches(pipeline, records, with_originals=True)
    for batch in batches.take(4):
        assert batch[Batch.ORIGINALS].shape == (2, 40, 96, 3)
        ratios = batch[Batch.IMAGE_SIZES] / batch[Batch.SCALES]
        np.testing.assert_allclose(ratios, [[40, 96]] * 2, rtol=1e-5)
