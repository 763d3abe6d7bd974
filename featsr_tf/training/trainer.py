"""Trains a detector through the three stages, from wherever a run stopped.

For each stage: `_train_stage` restores its newest checkpoint and makes the
steps that are left, between which callbacks log, save and validate.
"""

import contextlib
import dataclasses
import functools
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from featsr_tf.config import to_text
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import evaluation_batches
from featsr_tf.data.build import load_records
from featsr_tf.data.decode import translate_data_errors
from featsr_tf.data.label_map import check_same_classes
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.sharding import check_services
from featsr_tf.data.sharding import watch_services
from featsr_tf.model.build import build_detector
from featsr_tf.model.detector import Detector
from featsr_tf.prediction.data_set import detection_function
from featsr_tf.training import checkpoints
from featsr_tf.training import feature_cache
from featsr_tf.training import model_folder
from featsr_tf.training.build import build_stage
from featsr_tf.training.build import is_cached
from featsr_tf.training.build import load_fine_tune_checkpoint
from featsr_tf.training.build import num_steps
from featsr_tf.training.build import record_names
from featsr_tf.training.build import stage_batches
from featsr_tf.training.callbacks import CheckpointWriter
from featsr_tf.training.callbacks import DetectionImages
from featsr_tf.training.callbacks import StageCallback
from featsr_tf.training.callbacks import TrainingLog
from featsr_tf.training.callbacks import Validation
from featsr_tf.training.callbacks import validate
from featsr_tf.training.distribution import StopSignals
from featsr_tf.training.distribution import any_worker
from featsr_tf.training.distribution import check_agreement
from featsr_tf.training.distribution import default_strategy
from featsr_tf.training.distribution import digest
from featsr_tf.training.distribution import fit
from featsr_tf.training.distribution import is_chief
from featsr_tf.training.distribution import translate_worker_errors
from featsr_tf.training.distribution import warn_of_idle_devices
from featsr_tf.training.feature_files import translate_cache_errors
from featsr_tf.training.losses import translate_non_finite_errors
from featsr_tf.training.model_folder import History
from featsr_tf.training.origins import Origin
from featsr_tf.training.origins import check_init_from_base
from featsr_tf.training.origins import check_later_stages
from featsr_tf.training.origins import check_one_start
from featsr_tf.training.origins import check_origin
from featsr_tf.training.origins import import_base_stage
from featsr_tf.training.origins import origin_of
from featsr_tf.training.origins import start_detector
from featsr_tf.training.problems import find_problems
from featsr_tf.training.stage import Stage

TENSORBOARD_DIRECTORY = "tensorboard"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the stages of a training share.

    Attributes:
        source: the training records.
        shown: the records that are validated on and drawn, or None.
        data_services: addresses of processes that decode images.
    """

    pipeline: Pipeline
    model_dir: str
    strategy: tf.distribute.Strategy
    detector: Detector
    source: RecordFiles
    shown: RecordFiles | None
    signals: StopSignals
    data_services: Sequence[str]

    @property
    def writes(self) -> bool:
        """Whether this worker is the one that writes the model folder."""
        return is_chief(self.strategy)

    @functools.cached_property
    def detection_functions(self) -> Callable[[bool], Callable]:
        """Gives the function that detects without or with super-resolution.

        Each is traced once, for validations and images of all stages.
        """
        return functools.cache(
            functools.partial(detection_function, self.detector)
        )


def train(
    pipeline: Pipeline,
    model_dir: str,
    strategy: tf.distribute.Strategy | None = None,
    base_from: str | None = None,
    data_services: Sequence[str] = (),
    start_from: str | None = None,
) -> Detector:
    """Trains a detector through all stages.

    A second call continues where the first one stopped; a finished stage is
    not repeated. Where several machines train together, each calls it alike.

    Args:
        strategy: how steps are spread over devices; default is
            `default_strategy`.
        base_from: another model folder, whose finished base stage this one
            starts from instead of training its own. Default none.
        data_services: addresses of `python -m featsr_tf.data_service`, which
            decode the images. Default none: this process does.
        start_from: a model folder or an exported SavedModel, of other classes
            perhaps, that stage 1 begins with; see `start_detector`. Default
            none; a stage 1 that has begun goes on without it.

    Raises:
        ConfigError: the model folder belongs to another config, later stages
            stand on what would be trained further, stage 1 has no steps,
            `base_from` has no finished base stage, a data service does not
            answer, or the machines do not agree.
        DataError: records or label maps are missing or unsound, or a stage
            was trained on another one before it than there is now.
        WorkerError: another machine has stopped.
    """
    # TensorFlow takes signals when it starts: stops are caught after that.
    strategy = strategy or default_strategy()
    warn_of_idle_devices(pipeline.train_config.batch_size, strategy)
    check_services(data_services)
    num_steps(pipeline, checkpoints.BASE)
    check_one_start(base_from, start_from)
    source, *shown = _check_and_load(pipeline, model_dir, base_from)
    if is_chief(strategy):
        for problem in find_problems(pipeline, source, shown):
            warnings.warn(problem, stacklevel=2)
    keras.utils.set_random_seed(pipeline.model.feature_super_resolution.seed)
    with strategy.scope():
        detector = build_detector(pipeline)
    run = Run(
        pipeline=pipeline,
        model_dir=model_dir,
        strategy=strategy,
        detector=detector,
        source=source,
        shown=shown[0] if shown else None,
        signals=StopSignals(functools.partial(any_worker, strategy)),
        data_services=data_services,
    )
    with (
        translate_data_errors(source, *shown),
        checkpoints.translate_write_errors(model_dir),
        translate_worker_errors(strategy),
        watch_services(data_services),
    ):
        _train_stages(run, base_from, start_from)
    return detector


def _check_and_load(
    pipeline: Pipeline, model_dir: str, base_from: str | None
) -> list[RecordFiles]:
    """Loads the records for training and the first ones for evaluation.

    Only these are evaluated, and drawn while training.
    """
    model_folder.check(model_dir, pipeline)
    check_later_stages(pipeline, model_dir, base_from)
    readers = [pipeline.train_input_reader, *pipeline.eval_input_reader[:1]]
    num_classes = pipeline.model.faster_rcnn.num_classes
    source = load_records(readers[0], num_classes)
    model_folder.check_classes(model_dir, source.label_map)
    if base_from is not None:
        check_init_from_base(pipeline, model_dir, base_from)
        model_folder.check_classes(base_from, source.label_map)
    shown = [load_records(reader, num_classes) for reader in readers[1:]]
    for records in shown:
        check_same_classes(source.label_map, records.label_map)
    return [source, *shown]


def _train_stages(
    run: Run, base_from: str | None, start_from: str | None
) -> None:
    check_agreement(
        run.strategy,
        "config or records",
        f"{digest(*run.source.summary.arrays)} {to_text(run.pipeline)}",
        "give all machines the same --pipeline, --set and record files",
    )
    # Nothing is written before all input is known to be sound.
    lock = (
        model_folder.locked(run.model_dir)
        if run.writes
        else contextlib.nullcontext()
    )
    with lock, run.signals.caught():
        if base_from is not None:
            import_base_stage(run, base_from)
        before, base = None, None
        for name in checkpoints.STAGES:
            if name == checkpoints.SUPER_RESOLUTION:
                base = origin_of(run.detector, checkpoints.BASE, None)
                run.detector.start_small_predictor_from_large()
                run.detector.refiner.start_from(run.detector.extractor)
            if num_steps(run.pipeline, name):
                before = _train_stage(run, name, before, base, start_from)
        check_agreement(
            run.strategy,
            "weights",
            digest(*run.detector.get_weights()),
            "this must not be: report it, with the config",
        )
        if run.writes:
            feature_cache.remove_own_cache(run.pipeline, run.model_dir)


def _train_stage(
    run: Run,
    name: str,
    before: Origin | None,
    base: Origin | None,
    start_from: str | None,
) -> Origin:
    """Makes the steps that are left of a stage.

    Args:
        before: what the stage before has left, as the detector is.
        base: what later stages have of stage 1.
        start_from: what stage 1 begins with, or None.

    Returns:
        What this one leaves.
    """
    total = num_steps(run.pipeline, name)
    with run.strategy.scope():
        stage = build_stage(run.pipeline, name, run.detector)
    saved = checkpoints.StageCheckpoints(
        run.model_dir,
        name,
        stage.checkpointed(),
        keep=run.pipeline.model.feature_super_resolution.keep_checkpoints,
    )
    step = saved.restore()
    if step:
        # What a checkpoint calls the detector are the averages.
        stage.swap_averages()
    _check_step(run, f"the step of stage {name}", step)
    if before is not None:
        recorded = saved.notes.get(checkpoints.STARTED_FROM)
        if step:
            check_origin(run.model_dir, name, run.detector, recorded, before)
        saved.started_from = dataclasses.asdict(before)
    else:
        saved.started_from = _start_base(run, saved.notes, step, start_from)
    history = History(run.model_dir, name)
    if run.writes:
        history.truncate_after(step)
    callbacks = _callbacks(run, stage, saved, history, step)
    for callback in callbacks:
        callback.catch_up()
    is_finished = step >= total or any(c.should_stop() for c in callbacks)
    # What has been validated, the chief alone knows.
    if any_worker(run.strategy, is_finished):
        _tell(run, name, f"finished at step {step}, not repeated")
    else:
        _make_steps(run, stage, name, step, base, callbacks)
    stage.swap_averages()
    used = checkpoints.newest_step(run.model_dir, name)
    has_best = run.writes and history.best_step() is not None
    if any_worker(run.strategy, has_best):
        # The next stage begins with what validations have chosen.
        path = checkpoints.restore_detector(run.detector, run.model_dir, name)
        used = checkpoints.step_of(path)
        _check_step(run, f"the best step of stage {name}", used)
    return origin_of(run.detector, name, used)


def _start_base(
    run: Run, notes: dict, step: int, start_from: str | None
) -> dict | None:
    """Gives stage 1 its first values, and says what it started from."""
    checkpoint = run.pipeline.train_config.fine_tune_checkpoint
    if step or not (start_from or checkpoint):
        started_from = notes.get(checkpoints.STARTED_FROM)
        if start_from is not None:
            known = started_from["stage"] if started_from else "no detector"
            _tell(run, checkpoints.BASE, f"had begun with {known}")
        return started_from
    with run.strategy.scope():
        if start_from is not None:
            table, started_from = start_detector(
                run.detector, start_from, run.source.label_map
            )
        else:
            transfer, started_from = load_fine_tune_checkpoint(
                run.pipeline, run.detector
            )
            table = transfer.table()
    if run.writes:
        print(table, flush=True)
    check_agreement(
        run.strategy,
        "the detector to start from",
        started_from["weights"],
        "give all machines the same",
    )
    return started_from


def _tell(run: Run, name: str, what: str) -> None:
    """Prints a line about a stage, with what it was trained with otherwise."""
    if run.writes:
        changed = model_folder.changed_since(run.model_dir, name, run.pipeline)
        then = f"; then and now: {'; '.join(changed)}" if changed else ""
        print(f"{name}: {what}{then}", flush=True)


def _note_training(run: Run, name: str, step: int) -> None:
    """Writes with what config a stage goes on, before its first step."""
    if run.writes:
        model_folder.record_config(run.model_dir, name, step, run.pipeline)
        model_folder.prepare(run.model_dir, run.pipeline, run.source.label_map)


def _check_step(run: Run, what: str, step: int) -> None:
    """Waits for all workers, and refuses that they continue at other steps."""
    check_agreement(
        run.strategy,
        f"{what} (here {step})",
        str(step),
        "give all machines the same --model_dir, on a file system that they "
        "share",
    )


def _make_steps(
    run: Run,
    stage: Stage,
    name: str,
    step: int,
    base: Origin | None,
    callbacks: list[StageCallback],
) -> None:
    if step:
        _tell(run, name, f"continues after step {step}")
    _note_training(run, name, step)
    with contextlib.ExitStack() as stack:
        for callback in callbacks:
            stack.enter_context(contextlib.closing(callback))
        if base is not None and is_cached(run.pipeline, name):
            folder = feature_cache.cache_folder(run.pipeline, run.model_dir)
            stack.enter_context(translate_cache_errors(folder))
            batches = feature_cache.cached_batches(
                run.pipeline,
                run.source,
                stage,
                run.model_dir,
                run.strategy,
                base.weights,
            )
        else:
            batches = functools.partial(
                stage_batches,
                run.pipeline,
                run.source,
                stage,
                name,
                services=run.data_services,
            )
        names = functools.partial(
            record_names, run.pipeline, run.source, name, batches
        )
        stack.enter_context(translate_non_finite_errors(names))
        fit(
            stage,
            run.strategy,
            functools.partial(batches, skip_steps=step),
            run.pipeline.train_config.batch_size,
            num_steps(run.pipeline, name) - step,
            callbacks,
        )


def _callbacks(
    run: Run,
    stage: Stage,
    saved: checkpoints.StageCheckpoints,
    history: History,
    step: int,
) -> list[StageCallback]:
    """Lists what happens on this worker between steps, in this order."""
    name = history.stage
    extension = run.pipeline.model.feature_super_resolution
    interval = extension.checkpoint_interval
    progress = {
        "first_step": step,
        "num_steps": num_steps(run.pipeline, name),
    }
    write = functools.partial(
        CheckpointWriter,
        saved,
        signals=run.signals,
        interval=interval,
        **progress,
    )
    if not run.writes:
        # All workers have one, so that they stop together.
        return [write(log=None)]
    writer = tf.summary.create_file_writer(
        os.path.join(run.model_dir, TENSORBOARD_DIRECTORY, name)
    )
    log = TrainingLog(history, writer=writer, pending=saved.notes, **progress)
    callbacks = [log, write(log=log)]
    super_resolve = name != checkpoints.BASE
    detect = run.detection_functions(super_resolve)
    options = extension.validation
    if options is not None:

        def evaluate():
            with stage.averaged():
                return validate(
                    run.pipeline,
                    detect,
                    run.shown,
                    options.num_images,
                    super_resolve,
                )

        callbacks.append(
            Validation(
                evaluate,
                history=history,
                writer=writer,
                best_by=options.best_by.lower(),
                patience=options.patience,
                interval=options.interval or interval,
                **progress,
            )
        )
    if run.shown is not None:
        callbacks.append(
            DetectionImages(
                detect,
                evaluation_batches(
                    run.pipeline,
                    run.shown,
                    batch_size=1,
                    super_resolve=super_resolve,
                ),
                names=run.shown.label_map.names,
                writer=writer,
                interval=interval,
                **progress,
            )
        )
    return callbacks


def set_determinism() -> None:
    """Makes every operation give the same numbers in every run."""
    tf.config.experimental.enable_op_determinism()
