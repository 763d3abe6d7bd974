"""A number that is not finite stops a training, which says where."""

import math
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.build import load_records
from featsr_tf.data.build import training_batches
from featsr_tf.data.build import training_names
from featsr_tf.data.keys import Batch
from featsr_tf.errors import FeatsrError
from featsr_tf.training import build as stage_building
from featsr_tf.training import trainer
from featsr_tf.training.build import record_names
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import newest_step
from featsr_tf.training.optimizers import apply_gradients
from featsr_tf.training.stage import GRADIENT_NORM
from featsr_tf.training.stage import StageInputs
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.model.small import small_backbone
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.batches import SMALL
from tests.training.batches import make_batch
from tests.training.steps import build
from tests.training.steps import changed
from tests.training.steps import step
from tests.training.steps import values_of

EXTENSION = "model.feature_super_resolution"
pytestmark = pytest.mark.usefixtures("small_network")
SINGLE = tf.distribute.get_strategy()


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Overrides that name records of four images with names."""
    folder = tmp_path_factory.mktemp("records")
    boxes = np.array([SMALL[1]]) / 64.0
    path = write_records(
        folder / "train.record",
        [
            example(encode(noise_image(64, 64, n)), boxes, [1], f"frame {n}")
            for n in range(4)
        ],
    )
    label_map = folder / "label_map.pbtxt"
    label_map.write_text(
        'item { id: 1 name: "round" }\nitem { id: 2 name: "square" }\n'
    )
    reader = "train_input_reader"
    return (
        f"{reader}.label_map_path='{label_map}'",
        f"{reader}.tf_record_input_reader.input_path=['{path}']",
        "train_config.num_steps=3",
        f"{EXTENSION}.checkpoint_interval=1",
    )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(value):
    variables = [keras.Variable([1.0]), keras.Variable([2.0, 3.0])]
    optimizer = keras.optimizers.Adam(0.1)
    finite = [tf.constant([1.0]), tf.constant([1.0, 1.0])]
    apply_gradients(optimizer, finite, variables, 10.0)
    before = [v.numpy() for v in (*variables, *optimizer.variables)]
    wrong = [tf.constant([1.0]), tf.constant([0.0, value])]
    norm = apply_gradients(optimizer, wrong, variables, 10.0)
    assert not np.isfinite(norm)
    after = [v.numpy() for v in (*variables, *optimizer.variables)]
    for found, expected in zip(after, before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_norm_that_is_logged_is_that_before_clipping():
    variables = [keras.Variable([0.0]), keras.Variable([0.0, 0.0])]
    gradients = [tf.constant([3.0]), tf.constant([4.0, 0.0])]
    for clip_norm in (0.0, 1.0):
        norm = apply_gradients(
            keras.optimizers.SGD(1.0), gradients, variables, clip_norm
        )
        assert float(norm) == pytest.approx(5.0)


def test_an_image_that_is_not_finite_leaves_the_weights_alone():
    stage = build(small_detector(), BASE)
    batch = make_batch([SMALL], [SMALL])
    batch[Batch.IMAGES] = tf.fill(batch[Batch.IMAGES].shape, np.nan)
    before = values_of(stage)
    logs = step(stage, batch)
    assert math.isnan(logs["loss"]) and math.isnan(logs[GRADIENT_NORM])
    # Statistics of batch normalization are no trained weights.
    assert all("moving" in path for path in changed(before, values_of(stage)))


def poisoned_from(number):
    """Training batches whose images are NaN from a step on."""

    def batches(pipeline, source, skip_steps=0, **options):
        dataset = training_batches(
            pipeline, source, skip_steps=skip_steps, **options
        )

        def poison(index, batch):
            factor = tf.where(index < number - 1, 1.0, np.nan)
            return {**batch, Batch.IMAGES: batch[Batch.IMAGES] * factor}

        return dataset.enumerate(start=skip_steps).map(poison)

    return mock.patch.object(stage_building, "training_batches", batches)


def names_of_step(records, step, name=BASE, batch_size=2):
    """The records of the images that a step of a stage sees."""
    source = load_records(small_pipeline(*records).train_input_reader, 2)
    numbers = range((step - 1) * batch_size, step * batch_size)
    return training_names(
        small_pipeline(*records), source, numbers, STAGES.index(name)
    )


@pytest.mark.parametrize(
    "precision",
    ["FLOAT32", pytest.param("MIXED_FLOAT16", marks=pytest.mark.slow)],
)
def test_a_training_stops_at_once_and_names_step_losses_and_records(
    precision, eager, records, tmp_path
):
    pipeline = small_pipeline(*records, f"{EXTENSION}.precision={precision}")
    with poisoned_from(3), pytest.raises(FeatsrError) as stopped:
        trainer.train(pipeline, str(tmp_path), SINGLE)
    message = str(stopped.value)
    assert "stage base, step 3: expected finite numbers, found" in message
    assert ", loss nan" in message
    names = names_of_step(records, step=3)
    assert len(set(names)) == 2
    assert f"; its batch holds the records {', '.join(names)}; " in message
    assert "run the same command again" in message
    assert "\n" not in message
    assert newest_step(str(tmp_path), BASE) == 2


def test_records_left_out_as_bad_are_no_trouble(eager, records, tmp_path):
    """Running numbers count the good records alone."""
    path = tmp_path / "bad.record"
    boxes = np.array([SMALL[1]]) / 64.0
    images = [encode(noise_image(64, 64, n)) for n in range(4)]
    images[1] = b"no image"
    write_records(
        path,
        [
            example(image, boxes, [1], f"bad {n}")
            for n, image in enumerate(images)
        ],
    )
    reader = "train_input_reader"
    pipeline = small_pipeline(
        *records,
        f"{reader}.tf_record_input_reader.input_path=['{path}']",
        f"{reader}.max_bad_examples=1",
    )
    with poisoned_from(1), pytest.raises(FeatsrError, match="step 1: expected"):
        with pytest.warns(match="record 1"):
            trainer.train(pipeline, str(tmp_path / "model"), SINGLE)


def test_records_of_cached_inputs_are_named_by_their_running_numbers(records):
    pipeline = small_pipeline(*records)
    source = load_records(pipeline.train_input_reader, 2)

    def batches(shard, skip_steps):
        assert (shard.batch_size, skip_steps) == (2, 1)
        numbers = tf.constant([[3, 1]], tf.int64)
        return tf.data.Dataset.from_tensor_slices(
            {StageInputs.NUMBERS: numbers}
        )

    names = record_names(pipeline, source, FINE_TUNE, batches, step=2)
    # The images of a cache are those of both stages.
    assert names == training_names(pipeline, source, [3, 1], seed_offset=1)
    assert len(set(names)) == 2


def test_the_names_are_those_of_the_images_in_the_batch(records):
    pipeline = small_pipeline(*records)
    source = load_records(pipeline.train_input_reader, 2)
    images = {f"frame {n}": noise_image(64, 64, n) for n in range(4)}
    (batch,) = training_batches(
        pipeline, source, skip_steps=1, seed_offset=2
    ).take(1)
    numbers = batch[Batch.SEEDS][:, 1].numpy().tolist()
    for row, name in enumerate(training_names(pipeline, source, numbers, 2)):
        np.testing.assert_array_equal(batch[Batch.IMAGES][row], images[name])


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize(
    "box",
    [
        (20.0, 20.0, 20.0, 20.0),
        (20.0, 10.0, 20.0, 40.0),
        (30.0, 30.0, 10.0, 10.0),
        (-50.0, -50.0, -20.0, -20.0),
        (1e-3, 1e-3, 2e-3, 2e-3),
        (0.0, 0.0, 1e6, 1e6),
    ],
)
def test_even_an_impossible_box_gives_finite_losses(name, box, detectors):
    stage = detectors(name)
    logs = step(stage, make_batch([(1, box), SMALL], [(2, box)]))
    assert all(map(math.isfinite, logs.values())), logs


@pytest.fixture(scope="module")
def detectors():
    """Stages of one small detector, each made once."""
    with small_backbone():
        detector = small_detector()
        stages = {name: build(detector, name) for name in STAGES}
    return stages.__getitem__
