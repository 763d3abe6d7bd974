"""Runs one stage from wherever it stopped."""

import contextlib
import functools
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import training_batches
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.sharding import Shard
from featsr_tf.errors import FeatsrError
from featsr_tf.model.detector import Detector
from featsr_tf.prediction.data_set import detection_function
from featsr_tf.training import checkpoints
from featsr_tf.training import dump
from featsr_tf.training import feature_cache
from featsr_tf.training.build import build_stage
from featsr_tf.training.build import num_steps
from featsr_tf.training.callbacks import CheckpointWriter
from featsr_tf.training.callbacks import DetectionPictures
from featsr_tf.training.callbacks import StageCallback
from featsr_tf.training.callbacks import TrainingLog
from featsr_tf.training.distribution import any_worker
from featsr_tf.training.distribution import check_agreement
from featsr_tf.training.distribution import is_chief
from featsr_tf.training.feature_files import named_cache_errors
from featsr_tf.training.history import History
from featsr_tf.training.interruption import StopSignals
from featsr_tf.training.non_finite import NonFiniteError
from featsr_tf.training.stage import Stage
from featsr_tf.training.validation import PictureMaker
from featsr_tf.training.validation import Validation
from featsr_tf.training.validation import validate


def fit(
    stage: Stage,
    strategy: tf.distribute.Strategy,
    batches: Callable[[Shard], tf.data.Dataset],
    batch_size: int,
    num_steps: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Makes steps.

    Args:
        stage: built in the scope of the strategy.
        strategy: how steps are spread over devices.
        batches: makes the endless batches of a worker from its share.
        batch_size: examples per batch, of all devices together.
        num_steps: how many steps.
        callbacks: they see the losses of the whole batch. Where one sets
            `stage.stop_training` on any worker, the loop ends on all.
    """

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        return batches(
            Shard(
                batch_size,
                context.num_replicas_in_sync,
                context.num_input_pipelines,
                context.input_pipeline_id,
            )
        )

    @tf.function
    def step(iterator):
        logs = strategy.run(stage.train_step, args=(next(iterator),))
        # They are equal on all devices.
        return {
            name: strategy.experimental_local_results(value)[0]
            for name, value in logs.items()
        }

    iterator = iter(strategy.distribute_datasets_from_function(of_worker))
    listeners = keras.callbacks.CallbackList(list(callbacks), model=stage)
    stage.stop_training = False
    listeners.on_train_begin()
    for number in range(num_steps):
        listeners.on_train_batch_begin(number)
        listeners.on_train_batch_end(number, step(iterator))
        if any_worker(strategy, stage.stop_training):
            break
    listeners.on_train_end()


TENSORBOARD_DIRECTORY = "tensorboard"


@dataclass(frozen=True)
class Run:
    """What the stages of a training share.

    Attributes:
        pipeline: the config.
        model_dir: model folder.
        strategy: how steps are spread over devices.
        detector: what they train.
        source: the training records.
        shown: the records that are validated on, or None.
        pictures: draws detections for TensorBoard, or None.
        signals: tell when to stop.
        data_services: addresses of processes that decode. Default none.
    """

    pipeline: Pipeline
    model_dir: str
    strategy: tf.distribute.Strategy
    detector: Detector
    source: RecordFiles
    shown: RecordFiles | None
    pictures: PictureMaker | None
    signals: StopSignals
    data_services: Sequence[str] = ()

    @property
    def writes(self) -> bool:
        """Whether this worker is the one that writes the model folder."""
        return is_chief(self.strategy)

    @property
    def batch_size(self) -> int:
        """Examples per batch, of all devices together."""
        return self.pipeline.train_config.batch_size


def run_stage(run: Run, name: str) -> None:
    """Runs what is left of one stage.

    Args:
        run: what the stages share; the detector is as the one before left it.
        name: name of the stage.

    Raises:
        DataError: its checkpoints are damaged or of another config.
        FeatsrError: a number is not finite.
    """
    if name == checkpoints.SUPER_RESOLUTION:
        run.detector.start_small_predictor_from_large()
        run.detector.start_refiner_from_extractor()
    total = num_steps(run.pipeline, name)
    if not total:
        return
    with run.strategy.scope():
        stage = build_stage(run.pipeline, name, run.detector)
    keep = run.pipeline.model.feature_super_resolution.keep_checkpoints
    saved = checkpoints.StageCheckpoints(
        run.model_dir, name, stage.checkpointed(), keep
    )
    step = saved.restore()
    _check_step(run, f"the step of stage {name}", step)
    history = History(run.model_dir, name)
    if run.writes:
        history.forget_after(step)
    callbacks = _callbacks(run, saved, history, step)
    for callback in callbacks:
        callback.make_up()
    is_over = step >= total or any(callback.is_over() for callback in callbacks)
    # What has been validated, the chief alone knows.
    if any_worker(run.strategy, is_over):
        if run.writes:
            print(f"{name}: finished at step {step}, not repeated", flush=True)
    else:
        _fit(run, stage, name, step, callbacks)
    has_best = run.writes and history.best_step() is not None
    if any_worker(run.strategy, has_best):
        # The next stage begins with what validations have chosen.
        path = checkpoints.restore_detector(run.detector, run.model_dir, name)
        _check_step(
            run, f"the best step of stage {name}", checkpoints.step_of(path)
        )


def _check_step(run: Run, what: str, step: int) -> None:
    """Waits for all workers, and refuses that they go on from other steps."""
    check_agreement(
        run.strategy,
        f"{what} (here {step})",
        str(step),
        "give all machines the same --model_dir, on a file system that they "
        "share",
    )


def _fit(
    run: Run, stage: Stage, name: str, step: int, callbacks: list[StageCallback]
) -> None:
    if step and run.writes:
        print(f"{name}: continues after step {step}", flush=True)
    with contextlib.ExitStack() as stack:
        for callback in callbacks:
            stack.enter_context(contextlib.closing(callback))
        if _is_cached(run, name):
            folder = feature_cache.cache_folder(run.pipeline, run.model_dir)
            stack.enter_context(named_cache_errors(folder))
        batches = stage_batches(run, stage, name)
        stack.enter_context(_dumped_if_not_finite(run, stage, batches))
        fit(
            stage,
            run.strategy,
            functools.partial(batches, skip_steps=step),
            run.batch_size,
            num_steps(run.pipeline, name) - step,
            callbacks,
        )


def stage_batches(
    run: Run, stage: Stage, name: str
) -> Callable[..., tf.data.Dataset]:
    """Makes the batches of a stage; they depend on nothing but the step.

    Args:
        run: what the stages share.
        stage: the stage.
        name: its name.

    Returns:
        Makes endless batches of a `Shard`, and of `skip_steps` that the stage
        has made.
    """
    if _is_cached(run, name):
        return feature_cache.cached_batches(
            run.pipeline, run.source, stage, run.model_dir, run.strategy
        )
    number = checkpoints.STAGES.index(name)

    def batches(shard: Shard, skip_steps: int) -> tf.data.Dataset:
        return training_batches(
            run.pipeline,
            run.source,
            skip_steps,
            stage.needs_half_images,
            number,
            shard,
            run.data_services,
        )

    return batches


def _is_cached(run: Run, name: str) -> bool:
    cache = run.pipeline.model.feature_super_resolution.feature_cache
    return cache is not None and name != checkpoints.BASE


@contextlib.contextmanager
def _dumped_if_not_finite(
    run: Run, stage: Stage, batches: Callable[..., tf.data.Dataset]
) -> Iterator[None]:
    """Keeps the step that gave a number which is not finite.

    That is noticed by the chief, with which the other workers end.
    """
    try:
        yield
    except NonFiniteError as error:
        folder = dump.write(
            run.pipeline,
            run.source,
            run.model_dir,
            stage,
            batches(Shard(run.batch_size), skip_steps=error.step - 1),
            error,
        )
        raise FeatsrError(
            f"{error}; look at it with `python -m featsr_tf.replay {folder}`; "
            "then lower the learning rate, or mend the images, and go on from "
            "the last checkpoint with the same command"
        ) from None


def _callbacks(
    run: Run, saved: checkpoints.StageCheckpoints, history: History, step: int
) -> list[StageCallback]:
    """What happens on this worker between steps, in this order."""
    name = history.stage
    total = num_steps(run.pipeline, name)
    extension = run.pipeline.model.feature_super_resolution
    interval = extension.checkpoint_interval
    if not run.writes:
        return [
            CheckpointWriter(saved, step, total, interval, None, run.signals)
        ]
    writer = tf.summary.create_file_writer(
        os.path.join(run.model_dir, TENSORBOARD_DIRECTORY, name)
    )
    log = TrainingLog(history, step, total, writer, pending=saved.notes)
    callbacks = [
        log,
        CheckpointWriter(saved, step, total, interval, log, run.signals),
    ]
    super_resolve = name != checkpoints.BASE
    options = extension.validation
    if options is not None:
        evaluate = functools.partial(
            validate,
            run.pipeline,
            detection_function(run.detector, super_resolve),
            run.shown,
            options.num_images,
        )
        callbacks.append(
            Validation(
                evaluate,
                history,
                writer,
                step,
                total,
                options.interval or interval,
                options.best_by.lower(),
                options.patience,
            )
        )
    if run.pictures is not None:
        draw = functools.partial(run.pictures, run.detector, super_resolve)
        callbacks.append(DetectionPictures(draw, writer, step, total, interval))
    return callbacks
