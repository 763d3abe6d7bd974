"""A number that is not finite stops a training and can be looked at."""

import json
import math
from unittest import mock

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from featsr_tf import replay
from featsr_tf.data.build import load_records
from featsr_tf.data.build import training_batches
from featsr_tf.data.build import training_names
from featsr_tf.data.keys import Batch
from featsr_tf.data.sharding import Shard
from featsr_tf.errors import FeatsrError
from featsr_tf.geometry.sampling import SampledProposals
from featsr_tf.training import dump
from featsr_tf.training import feature_cache
from featsr_tf.training import stage_run
from featsr_tf.training import trainer
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.checkpoints import newest_step
from featsr_tf.training.non_finite import NonFiniteError
from featsr_tf.training.optimizers import apply_gradients
from featsr_tf.training.stage import GRADIENT_NORM
from featsr_tf.training.stage import Part
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

    def batches(pipeline, source, skip_steps=0, *arguments, **options):
        dataset = training_batches(
            pipeline, source, skip_steps, *arguments, **options
        )

        def poison(index, batch):
            factor = tf.where(index < number - 1, 1.0, np.nan)
            return {**batch, Batch.IMAGES: batch[Batch.IMAGES] * factor}

        return dataset.enumerate(start=skip_steps).map(poison)

    return mock.patch.object(stage_run, "training_batches", batches)


@pytest.mark.parametrize("precision", ["FLOAT32", "MIXED_FLOAT16"])
def test_a_training_stops_at_once_and_leaves_what_replay_shows_again(
    precision, eager, records, tmp_path, capsys
):
    pipeline = small_pipeline(*records, f"{EXTENSION}.precision={precision}")
    with poisoned_from(3), pytest.raises(FeatsrError) as stopped:
        trainer.train(pipeline, str(tmp_path), SINGLE)
    message = str(stopped.value)
    folder = tmp_path / "non_finite" / "base-3"
    assert "stage base, step 3: expected finite numbers, found" in message
    assert f"python -m featsr_tf.replay {folder}" in message
    assert "\n" not in message
    assert newest_step(str(tmp_path), BASE) == 2

    content = json.loads((folder / "step.json").read_text())
    assert content["values"]["loss"] == "nan"
    source = load_records(pipeline.train_input_reader, 2)
    expected = training_names(pipeline, source, [4, 5])
    assert content["records"] == expected
    with PIL.Image.open(folder / "image_1.png") as picture:
        assert picture.size == (64, 64)

    capsys.readouterr()
    replay.main([str(folder)])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("stage base, step 3: ")
    now, then = line.removeprefix("stage base, step 3: ").split(
        "; in the training: "
    )
    assert "loss nan" in now and "loss nan" in then


def write_dump(records, folder):
    """Dumps a first step as if its loss had been NaN."""
    pipeline = small_pipeline(*records)
    source = load_records(pipeline.train_input_reader, 2)
    stage = build(small_detector(), BASE)
    error = NonFiniteError(BASE, 1, {"loss": math.nan})
    batches = training_batches(pipeline, source)
    return dump.write(pipeline, source, str(folder), stage, batches, error)


def test_replay_says_so_where_all_is_finite_now(
    eager, records, tmp_path, capsys
):
    folder = write_dump(records, tmp_path)
    with pytest.raises(SystemExit) as stopped:
        replay.main([folder])
    assert stopped.value.code == 1
    assert "step 1: all is finite; in the training: loss nan" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("missing", ["batch.npz", "step.json"])
def test_a_folder_that_is_not_whole_is_refused(
    records, tmp_path, missing, capsys
):
    folder = write_dump(records, tmp_path)
    (tmp_path / "non_finite" / "base-1" / missing).write_bytes(b"cut")
    with pytest.raises(SystemExit) as stopped:
        replay.main([folder])
    assert stopped.value.code == 2
    assert "base-1: expected a folder that a" in capsys.readouterr().err


def test_what_a_stage_sees_of_a_cache_is_kept_with_its_records(
    records, tmp_path
):
    pipeline = small_pipeline(
        *records,
        f"{EXTENSION}.feature_cache.num_images=4",
        f"{EXTENSION}.feature_cache.folder='{tmp_path}/cache'",
    )
    source = load_records(pipeline.train_input_reader, 2)
    stage = build(small_detector(), SUPER_RESOLUTION)
    make = feature_cache.cached_batches(pipeline, source, stage, "", SINGLE)
    batches = make(Shard(2), skip_steps=1)
    error = NonFiniteError(SUPER_RESOLUTION, 2, {"content": math.inf})
    folder = dump.write(pipeline, source, str(tmp_path), stage, batches, error)
    *_, values, batch = dump._read(folder)
    assert values == {"content": math.inf}
    expected = next(iter(batches))
    assert batch.keys() == expected.keys()
    assert isinstance(batch[Part.SMALL], SampledProposals)
    for found, wanted in zip(
        tf.nest.flatten(batch), tf.nest.flatten(expected), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)
    content = json.loads(open(f"{folder}/step.json").read())
    assert content["records"] == training_names(
        pipeline, source, expected[Part.NUMBERS].numpy().tolist(), 1
    )


def test_the_names_are_those_of_the_images_in_the_batch(records):
    pipeline = small_pipeline(*records)
    source = load_records(pipeline.train_input_reader, 2)
    images = {f"frame {n}": noise_image(64, 64, n) for n in range(4)}
    (batch,) = training_batches(pipeline, source, 1, seed_offset=2).take(1)
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
