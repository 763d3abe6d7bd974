"""Runs one stage from wherever it stopped."""

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass

import tensorflow as tf

from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import Source
from featsr_tf.data.build import training_batches
from featsr_tf.errors import FeatsrError
from featsr_tf.inference import detection_function
from featsr_tf.model.detector import Detector
from featsr_tf.training import checkpoints
from featsr_tf.training import dump
from featsr_tf.training import feature_cache
from featsr_tf.training.build import build_stage
from featsr_tf.training.build import num_steps
from featsr_tf.training.callbacks import CheckpointWriter
from featsr_tf.training.callbacks import DetectionPictures
from featsr_tf.training.callbacks import StageCallback
from featsr_tf.training.callbacks import TrainingLog
from featsr_tf.training.feature_files import named_cache_errors
from featsr_tf.training.history import History
from featsr_tf.training.numbers import NonFiniteError
from featsr_tf.training.pictures import PictureMaker
from featsr_tf.training.stage import Stage
from featsr_tf.training.stopping import StopSignals
from featsr_tf.training.validation import Validation
from featsr_tf.training.validation import validate

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
    """

    pipeline: Pipeline
    model_dir: str
    strategy: tf.distribute.Strategy
    detector: Detector
    source: Source
    shown: Source | None
    pictures: PictureMaker | None
    signals: StopSignals


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
        run.detector.start_tail_from_extractor()
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
    history = History(run.model_dir, name)
    history.forget_after(step)
    callbacks = _callbacks(run, saved, history, step)
    for callback in callbacks:
        callback.make_up()
    if step >= total or any(callback.is_over() for callback in callbacks):
        print(f"{name}: finished at step {step}, not repeated", flush=True)
    else:
        _fit(run, stage, name, step, callbacks)
    if history.best_step() is not None:
        # The next stage begins with what validations have chosen.
        checkpoints.restore_detector(run.detector, run.model_dir, name)


def _fit(
    run: Run, stage: Stage, name: str, step: int, callbacks: list[StageCallback]
) -> None:
    if step:
        print(f"{name}: continues after step {step}", flush=True)
    log, *_ = callbacks
    with (
        contextlib.closing(log),
        named_cache_errors(
            feature_cache.cache_folder(run.pipeline, run.model_dir)
        )
        if _is_cached(run, name)
        else contextlib.nullcontext(),
        _dumped_if_not_finite(run, stage, name),
    ):
        stage.fit(
            stage_batches(run, stage, name, step),
            steps_per_epoch=num_steps(run.pipeline, name) - step,
            epochs=1,
            verbose=0,
            shuffle=False,
            callbacks=callbacks,
        )


def stage_batches(
    run: Run, stage: Stage, name: str, step: int
) -> tf.data.Dataset:
    """Makes the batches of a stage; they depend on nothing but the step.

    Args:
        run: what the stages share.
        stage: the stage.
        name: its name.
        step: steps that it has made.

    Returns:
        Endless batches from the next step on.
    """
    if _is_cached(run, name):
        return feature_cache.cached_batches(
            run.pipeline, run.source, stage, run.model_dir, step
        )
    number = checkpoints.STAGES.index(name)
    return training_batches(
        run.pipeline, run.source, step, stage.needs_half_images, number
    )


def _is_cached(run: Run, name: str) -> bool:
    cache = run.pipeline.model.feature_super_resolution.feature_cache
    return cache is not None and name != checkpoints.BASE


@contextlib.contextmanager
def _dumped_if_not_finite(run: Run, stage: Stage, name: str) -> Iterator[None]:
    """Keeps the step that gave a number which is not finite."""
    try:
        yield
    except NonFiniteError as error:
        batches = stage_batches(run, stage, name, error.step - 1)
        folder = dump.write(
            run.pipeline, run.source, run.model_dir, stage, batches, error
        )
        raise FeatsrError(
            f"{error}; look at it with `python -m featsr_tf.replay {folder}`; "
            "then lower the learning rate, or mend the images, and go on from "
            "the last checkpoint with the same command"
        ) from None


def _callbacks(
    run: Run, saved: checkpoints.StageCheckpoints, history: History, step: int
) -> list[StageCallback]:
    """What happens between steps, in this order; the log comes first."""
    name = history.stage
    total = num_steps(run.pipeline, name)
    extension = run.pipeline.model.feature_super_resolution
    interval = extension.steps_per_epoch
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
