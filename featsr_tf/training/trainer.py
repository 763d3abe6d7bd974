"""Runs the three stages one after the other, from wherever a run stopped."""

import contextlib
import errno
import functools
import os
from collections.abc import Iterator
from collections.abc import Sequence

import keras
import tensorflow as tf

from featsr_tf.config import to_text
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import evaluation_batches
from featsr_tf.data.build import load_records
from featsr_tf.data.decode import translate_data_errors
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.sharding import check_services
from featsr_tf.data.sharding import watch_services
from featsr_tf.errors import ConfigError
from featsr_tf.errors import FeatsrError
from featsr_tf.model.build import build_detector
from featsr_tf.model.detector import Detector
from featsr_tf.training import checkpoints
from featsr_tf.training import feature_cache
from featsr_tf.training import model_folder
from featsr_tf.training.build import build_stage
from featsr_tf.training.build import num_steps
from featsr_tf.training.distribution import any_worker
from featsr_tf.training.distribution import check_agreement
from featsr_tf.training.distribution import default_strategy
from featsr_tf.training.distribution import digest
from featsr_tf.training.distribution import is_chief
from featsr_tf.training.distribution import named_losses_of_workers
from featsr_tf.training.distribution import warn_of_idle_devices
from featsr_tf.training.history import History
from featsr_tf.training.interruption import StopSignals
from featsr_tf.training.stage_run import Run
from featsr_tf.training.stage_run import run_stage
from featsr_tf.training.validation import PictureMaker


def check_base_from(pipeline: Pipeline, model_dir: str, base_from: str) -> None:
    """Checks that a model folder can start from the base stage of another.

    Args:
        pipeline: the config.
        model_dir: model folder.
        base_from: the other model folder.

    Raises:
        ConfigError: both would not train the same base detector, that of
            `base_from` is not finished, or `model_dir` has begun its own.
    """
    model_folder.check_base(base_from, pipeline)
    total = num_steps(pipeline, checkpoints.BASE)
    step = checkpoints.newest_step(base_from, checkpoints.BASE)
    validation = pipeline.model.feature_super_resolution.validation
    patience = validation.patience if validation is not None else 0
    history = History(base_from, checkpoints.BASE)
    if step != total and not history.has_run_out(patience):
        raise ConfigError(
            f"{base_from}: its base stage is at step {step or 0} of {total}; "
            "finish it first"
        )
    own = checkpoints.newest_step(model_dir, checkpoints.BASE)
    if own not in (None, total):
        raise ConfigError(
            f"{model_dir}: has a base stage of its own, at step {own} of "
            f"{total}; go on without --base_from or give another --model_dir"
        )


def take_base(
    pipeline: Pipeline,
    model_dir: str,
    strategy: tf.distribute.Strategy,
    detector: Detector,
    base_from: str,
) -> None:
    """Makes the base stage of another model folder that of this one.

    Where this one has it already, nothing is done.

    Args:
        pipeline: the config.
        model_dir: model folder.
        strategy: how steps are spread over devices.
        detector: gets the weights.
        base_from: the other model folder, checked by `check_base_from`.

    Raises:
        DataError: the checkpoint of the other folder is damaged.
    """
    total = num_steps(pipeline, checkpoints.BASE)
    own = checkpoints.newest_step(model_dir, checkpoints.BASE)
    # The chief must not write before the others have looked.
    if any_worker(strategy, own == total):
        return
    with strategy.scope():
        stage = build_stage(pipeline, checkpoints.BASE, detector)
    checkpoints.restore_base(detector, base_from)
    if is_chief(strategy):
        saved = checkpoints.StageCheckpoints(
            model_dir, checkpoints.BASE, stage.checkpointed()
        )
        saved.save(total)
        print(f"base: taken from {base_from}", flush=True)
    check_agreement(
        strategy, "--base_from", base_from, "give all machines the same"
    )


# When a disk takes no more.
_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def train(
    pipeline: Pipeline,
    model_dir: str,
    strategy: tf.distribute.Strategy | None = None,
    base_from: str | None = None,
    data_services: Sequence[str] = (),
) -> Detector:
    """Trains a detector through all stages.

    A second call continues where the first one stopped; a finished stage is
    not repeated. Where several machines train together, each calls it alike.

    Args:
        pipeline: the config.
        model_dir: model folder.
        strategy: how steps are spread over devices; default is
            `default_strategy`.
        base_from: another model folder, whose finished base stage this one
            takes instead of training its own. Default none.
        data_services: addresses of `python -m featsr_tf.data_service`, which
            decode the images. Default none: this process does.

    Returns:
        The trained detector.

    Raises:
        ConfigError: the model folder belongs to another config, stage 1 has
            no steps, its base stage is not to be had from `base_from`, a
            data service does not answer, or the machines do not agree.
        DataError: records or label maps are missing or unsound.
        WorkerError: another machine has stopped.
    """
    # TensorFlow takes signals when it starts: stops are caught after that.
    strategy = strategy or default_strategy()
    warn_of_idle_devices(pipeline.train_config.batch_size, strategy)
    check_services(data_services)
    num_steps(pipeline, checkpoints.BASE)
    model_folder.check(model_dir, pipeline)
    num_classes = pipeline.model.faster_rcnn.num_classes
    source = load_records(pipeline.train_input_reader, num_classes)
    model_folder.check_classes(model_dir, source.label_map)
    if base_from is not None:
        check_base_from(pipeline, model_dir, base_from)
        model_folder.check_classes(base_from, source.label_map)
    # Only the first reader is evaluated, and drawn while training.
    shown = [
        load_records(reader, num_classes)
        for reader in pipeline.eval_input_reader[:1]
    ]
    keras.utils.set_random_seed(pipeline.model.feature_super_resolution.seed)
    with strategy.scope():
        detector = build_detector(pipeline)
    run = Run(
        pipeline,
        model_dir,
        strategy,
        detector,
        source,
        shown[0] if shown else None,
        _picture_maker(pipeline, shown),
        StopSignals(functools.partial(any_worker, strategy)),
        data_services,
    )
    with (
        translate_data_errors(source, *shown),
        named_write_errors(model_dir),
        named_losses_of_workers(strategy),
        watch_services(data_services),
    ):
        _run_stages(run, base_from)
    return detector


def _run_stages(run: Run, base_from: str | None) -> None:
    strategy = run.strategy
    check_agreement(
        strategy,
        "config or records",
        f"{digest(*run.source.summary.arrays)} {to_text(run.pipeline)}",
        "give all machines the same --pipeline, --set and record files",
    )
    # Nothing is written before all input is known to be sound.
    writes = is_chief(strategy)
    lock = model_folder.locked(run.model_dir)
    with lock if writes else contextlib.nullcontext(), run.signals.caught():
        if writes:
            model_folder.prepare(
                run.model_dir, run.pipeline, run.source.label_map
            )
        if base_from is not None:
            take_base(
                run.pipeline, run.model_dir, strategy, run.detector, base_from
            )
        for name in checkpoints.STAGES:
            run_stage(run, name)
        check_agreement(
            strategy,
            "weights",
            digest(*run.detector.get_weights()),
            "this must not be: report it, with the config",
        )
        if writes:
            feature_cache.remove_own_cache(run.pipeline, run.model_dir)


@contextlib.contextmanager
def named_write_errors(model_dir: str) -> Iterator[None]:
    """Turns errors about a disk that takes no more into a `FeatsrError`.

    Args:
        model_dir: model folder, in which a block writes.

    Raises:
        FeatsrError: the disk is full or read-only.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reasons = map(os.strerror, _WRITE_ERRORS)
        reason = next((r for r in reasons if r in str(error)), None)
        if reason is None:
            raise
        raise FeatsrError(
            f"{model_dir}: cannot be written to: {reason}; its checkpoints "
            "are whole: make room and run the same command again to go on"
        ) from error


def set_determinism() -> None:
    """Makes every operation give the same numbers in every run."""
    tf.config.experimental.enable_op_determinism()


def _picture_maker(
    pipeline: Pipeline, sources: Sequence[RecordFiles]
) -> PictureMaker | None:
    if not sources:
        return None
    dataset = evaluation_batches(pipeline, sources[0], batch_size=1)
    return PictureMaker(dataset, sources[0].label_map.names)
