"""What a run writes down: means, gauges, times, and nothing twice."""

import contextlib
import json
import types
from unittest import mock

import pytest
import tensorflow as tf
from tensorflow.core.util import event_pb2

from featsr_tf.model.postprocess import DetectionBatch
from featsr_tf.training import callbacks
from featsr_tf.training.callbacks import CheckpointWriter
from featsr_tf.training.callbacks import DetectionImages
from featsr_tf.training.callbacks import TrainingLog
from featsr_tf.training.distribution import StopSignals
from featsr_tf.training.losses import NonFiniteError
from featsr_tf.training.model_folder import History
from featsr_tf.training.stage import DATA_READY
from tests.training.batches import LARGE
from tests.training.batches import SMALL
from tests.training.batches import make_batch

SILENT = tf.summary.create_noop_writer()


class Clock:
    """Steps that take a second each and wait for data part of it."""

    def __init__(self):
        self.now = 1000.0

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(callbacks, "time", clock)
    return clock


def start(log):
    optimizer = types.SimpleNamespace(learning_rate=0.5)
    log.set_model(types.SimpleNamespace(optimizer=optimizer))
    log.on_train_begin()
    return log


def step(log, clock, seconds=1.0, waited=0.25, **logs):
    log.on_train_batch_begin(0)
    ready = clock.now + waited
    clock.now += seconds
    log.on_train_batch_end(0, {**logs, DATA_READY: ready})


def records(path):
    text = (path / "history.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def training_log(path, first_step=0, num_steps=5, stage="base", **options):
    options = {"writer": SILENT, "interval": 2, **options}
    history = History(str(path), stage)
    history.truncate_after(first_step)
    return start(
        TrainingLog(
            history, first_step=first_step, num_steps=num_steps, **options
        )
    )


def test_means_are_written_at_intervals_and_at_the_end(tmp_path, clock):
    log = training_log(tmp_path)
    for loss in (1.0, 3.0, 10.0, 20.0, 7.0):
        step(log, clock, loss=loss, content=2 * loss)
    found = records(tmp_path)
    assert [record["step"] for record in found] == [2, 4, 5]
    assert [record["losses"]["loss"] for record in found] == [2, 15, 7]
    assert [record["losses"]["content"] for record in found] == [4, 30, 14]
    assert {record["stage"] for record in found} == {"base"}
    assert {record["learning_rate"] for record in found} == {0.5}


def test_gauges_are_no_losses_and_give_the_ratio_of_the_means(tmp_path, clock):
    log = training_log(tmp_path)
    for _ in range(2):
        step(
            log,
            clock,
            loss=1.0,
            target_mean=6.0,
            input_mean=4.0,
            discriminator_of_target=0.75,
        )
    (record,) = records(tmp_path)
    assert record["losses"] == {"loss": 1.0}
    assert record["gauges"] == {
        "target_mean": 6.0,
        "input_mean": 4.0,
        "discriminator_of_target": 0.75,
        "target_over_input_mean": 1.5,
    }


def test_times_leave_out_the_first_step_with_its_tracing(tmp_path, clock):
    log = training_log(tmp_path, num_steps=3, interval=3)
    step(log, clock, seconds=60.0, waited=50.0, loss=1.0)
    step(log, clock, seconds=2.0, waited=1.0, loss=1.0)
    step(log, clock, seconds=4.0, waited=0.5, loss=1.0)
    (record,) = records(tmp_path)
    assert record["seconds_per_step"] == pytest.approx(3.0)
    assert record["data_wait"] == pytest.approx(0.25)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["content", "gradient_norm"])
def test_the_first_number_that_is_not_finite_stops_with_stage_and_step(
    tmp_path, clock, name, value
):
    log = training_log(tmp_path, first_step=7, num_steps=20, stage="fine_tune")
    step(log, clock, loss=1.0)
    with pytest.raises(NonFiniteError) as stopped:
        step(log, clock, **{"loss": 1.0, name: value})
    assert (stopped.value.stage, stopped.value.step) == ("fine_tune", 9)
    assert str(stopped.value) == (
        "stage fine_tune, step 9: expected finite numbers, found "
        f"{name} {value}"
    )


def test_a_record_holds_the_mean_of_losses_from_before_a_stop(tmp_path, clock):
    log = training_log(tmp_path, num_steps=4, interval=4)
    for loss in (0.1, 0.2, 0.3, 0.7):
        step(log, clock, loss=loss)
    parts = tmp_path / "parts"
    parts.mkdir()
    log = training_log(parts, num_steps=4, interval=4)
    for loss in (0.1, 0.2, 0.3):
        step(log, clock, loss=loss)
    # As it comes out of a checkpoint.
    pending = json.loads(json.dumps(log.pending()))
    log = training_log(
        parts, first_step=3, num_steps=4, interval=4, pending=pending
    )
    step(log, clock, loss=0.7)
    whole, stopped = records(tmp_path), records(parts)
    assert [r["losses"] for r in stopped] == [r["losses"] for r in whole]


def test_a_continued_stage_drops_what_came_after_its_checkpoint(
    tmp_path, clock
):
    for stage in ("base", "super_resolution"):
        log = training_log(tmp_path, num_steps=6, stage=stage)
        for number in range(6):
            step(log, clock, loss=float(number))
    log = training_log(
        tmp_path, first_step=3, num_steps=6, stage="super_resolution"
    )
    for _ in range(3):
        step(log, clock, loss=100.0)
    found = [(r["stage"], r["step"], r["losses"]) for r in records(tmp_path)]
    assert found == [
        ("base", 2, {"loss": 0.5}),
        ("base", 4, {"loss": 2.5}),
        ("base", 6, {"loss": 4.5}),
        ("super_resolution", 2, {"loss": 0.5}),
        ("super_resolution", 4, {"loss": 100.0}),
        ("super_resolution", 6, {"loss": 100.0}),
    ]


def test_half_a_line_of_a_killed_run_is_forgotten(tmp_path, clock):
    log = training_log(tmp_path, num_steps=2)
    for _ in range(2):
        step(log, clock, loss=1.0)
    with open(tmp_path / "history.jsonl", "a") as file:
        file.write('{"stage": "ba')
    training_log(tmp_path, first_step=2)
    assert [record["step"] for record in records(tmp_path)] == [2]


def test_tensorboard_gets_the_same_numbers(tmp_path, clock):
    writer = tf.summary.create_file_writer(str(tmp_path / "tensorboard"))
    log = training_log(tmp_path, num_steps=2, writer=writer)
    for _ in range(2):
        step(log, clock, loss=1.5, content=0.5, target_mean=3.0)
    writer.close()
    (path,) = (tmp_path / "tensorboard").iterdir()
    values = {}
    for serialized in tf.data.TFRecordDataset(str(path)):
        event = event_pb2.Event.FromString(serialized.numpy())
        for value in event.summary.value:
            assert event.step == 2
            values[value.tag] = float(tf.make_ndarray(value.tensor))
    assert values == {
        "Loss/total_loss": 1.5,
        "Loss/content": 0.5,
        "Gauge/target_mean": 3.0,
        "learning_rate": 0.5,
        "seconds_per_step": 1.0,
        "data_wait": 0.25,
    }


class AveragingStage:
    """Knows whether its variables have their moving averages."""

    def __init__(self):
        self.is_averaged = False

    @contextlib.contextmanager
    def averaged(self):
        self.is_averaged = True
        yield
        self.is_averaged = False


def test_checkpoints_are_written_at_intervals_and_at_the_end():
    stage, averaged = AveragingStage(), []
    checkpoints = mock.Mock()
    checkpoints.save.side_effect = lambda *_: averaged.append(stage.is_averaged)
    writer = CheckpointWriter(
        checkpoints,
        log=mock.Mock(),
        signals=StopSignals(),
        first_step=3,
        num_steps=9,
        interval=4,
    )
    writer.set_model(stage)
    for _ in range(6):
        writer.on_train_batch_end(0, {})
    steps = [call.args[0] for call in checkpoints.save.call_args_list]
    assert steps == [4, 8, 9]
    assert averaged == [True] * 3


def test_images_with_objects_are_drawn_at_intervals_and_at_the_end():
    stage = AveragingStage()
    whole = make_batch([SMALL], [], [LARGE])

    def detect(*_):
        assert stage.is_averaged
        return nothing_found()

    images = DetectionImages(
        mock.Mock(side_effect=detect),
        tf.data.Dataset.from_tensor_slices(whole).batch(1),
        names={1: "round", 2: "square"},
        writer=SILENT,
        first_step=3,
        num_steps=9,
        interval=4,
    )
    images.set_model(stage)
    for _ in range(6):
        images.on_train_batch_end(0, {})
    # Steps 4, 8 and 9; two of the three images have objects.
    assert images.detect.call_count == 3 * 2


def nothing_found():
    return DetectionBatch(
        boxes=tf.zeros([1, 0, 4]),
        scores=tf.zeros([1, 0]),
        classes=tf.zeros([1, 0], tf.int32),
        count=tf.zeros([1], tf.int32),
    )
