"""Runs the three stages one after the other, from wherever a run stopped."""

import collections
import contextlib
import functools
import os
from collections.abc import Sequence

import keras
import tensorflow as tf

from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import Source
from featsr_tf.data.build import evaluation_batches
from featsr_tf.data.build import open_source
from featsr_tf.data.build import training_batches
from featsr_tf.data.damage import named_data_errors
from featsr_tf.errors import ConfigError
from featsr_tf.model.build import build_detector
from featsr_tf.model.detector import Detector
from featsr_tf.training import checkpoints
from featsr_tf.training import feature_cache
from featsr_tf.training import model_folder
from featsr_tf.training.build import build_stage
from featsr_tf.training.build import num_steps
from featsr_tf.training.callbacks import CheckpointWriter
from featsr_tf.training.callbacks import DetectionPictures
from featsr_tf.training.callbacks import TrainingLog
from featsr_tf.training.feature_files import named_cache_errors
from featsr_tf.training.pictures import PictureMaker

TENSORBOARD_DIRECTORY = "tensorboard"


def train(
    pipeline: Pipeline,
    model_dir: str,
    strategy: tf.distribute.Strategy | None = None,
    base_from: str | None = None,
) -> Detector:
    """Trains a detector through all stages.

    A second call continues where the first one stopped; a finished stage is
    not repeated.

    Args:
        pipeline: the config.
        model_dir: model folder.
        strategy: how steps are spread over devices; default is
            `MirroredStrategy` over all that are visible.
        base_from: another model folder, whose finished base stage this one
            takes instead of training its own. Default none.

    Returns:
        The trained detector.

    Raises:
        ConfigError: the model folder belongs to another config, stage 1 has
            no steps, or its base stage is not to be had from `base_from`.
        DataError: records or label maps are missing or unsound.
    """
    strategy = strategy or default_strategy()
    check_batch_size(pipeline, strategy)
    num_steps(pipeline, checkpoints.BASE)
    model_folder.check(model_dir, pipeline)
    num_classes = pipeline.model.faster_rcnn.num_classes
    source = open_source(pipeline.train_input_reader, num_classes)
    model_folder.check_classes(model_dir, source.label_map)
    if base_from is not None:
        check_base_from(pipeline, model_dir, base_from)
        model_folder.check_classes(base_from, source.label_map)
    # Only the first reader is evaluated, and drawn while training.
    shown = [
        open_source(reader, num_classes)
        for reader in pipeline.eval_input_reader[:1]
    ]
    keras.utils.set_random_seed(pipeline.model.feature_super_resolution.seed)
    with strategy.scope():
        detector = build_detector(pipeline)
    # Nothing is written before all input is known to be sound.
    model_folder.prepare(model_dir, pipeline, source.label_map)
    if base_from is not None:
        take_base(pipeline, model_dir, strategy, detector, base_from)
    pictures = _picture_maker(pipeline, shown)
    opened = (source, *shown)
    paths = [path for item in opened for path in item.paths]
    offsets = collections.ChainMap(*(dict(s.summary.offsets) for s in opened))
    with named_data_errors(paths, offsets):
        for number, name in enumerate(checkpoints.STAGES):
            run_stage(
                pipeline,
                model_dir,
                strategy,
                detector,
                source,
                number,
                name,
                pictures,
            )
    feature_cache.remove_own_cache(pipeline, model_dir)
    return detector


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
    if step != total:
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
    if checkpoints.newest_step(model_dir, checkpoints.BASE) == total:
        return
    with strategy.scope():
        stage = build_stage(pipeline, checkpoints.BASE, detector)
    checkpoints.restore_base(detector, base_from)
    saved = checkpoints.StageCheckpoints(
        model_dir, checkpoints.BASE, stage.checkpointed()
    )
    saved.save(total)
    print(f"base: taken from {base_from}", flush=True)


def run_stage(
    pipeline: Pipeline,
    model_dir: str,
    strategy: tf.distribute.Strategy,
    detector: Detector,
    source: Source,
    number: int,
    name: str,
    pictures: PictureMaker | None,
) -> None:
    """Runs what is left of one stage.

    Args:
        pipeline: the config.
        model_dir: model folder.
        strategy: how steps are spread over devices.
        detector: as the stage before left it.
        source: the training records.
        number: place of the stage, from 0.
        name: name of the stage.
        pictures: draws detections for TensorBoard, or None.
    """
    if name == checkpoints.SUPER_RESOLUTION:
        detector.start_small_predictor_from_large()
        detector.start_tail_from_extractor()
    total = num_steps(pipeline, name)
    if not total:
        return
    with strategy.scope():
        stage = build_stage(pipeline, name, detector)
    saved = checkpoints.StageCheckpoints(model_dir, name, stage.checkpointed())
    step = saved.restore()
    if step >= total:
        print(f"{name}: finished at step {step}, not repeated", flush=True)
        return
    if step:
        print(f"{name}: continues after step {step}", flush=True)
    cache = pipeline.model.feature_super_resolution.feature_cache
    cache_errors: contextlib.AbstractContextManager = contextlib.nullcontext()
    if cache is not None and name != checkpoints.BASE:
        cache_errors = named_cache_errors(
            feature_cache.cache_folder(pipeline, model_dir)
        )
        dataset = feature_cache.cached_batches(
            pipeline, source, stage, model_dir, step
        )
    else:
        dataset = training_batches(
            pipeline, source, step, stage.needs_half_images, number
        )
    log, *others = _callbacks(
        pipeline, model_dir, name, detector, saved, step, pictures
    )
    with contextlib.closing(log), cache_errors:
        stage.fit(
            dataset,
            steps_per_epoch=total - step,
            epochs=1,
            verbose=0,
            shuffle=False,
            callbacks=[log, *others],
        )


def _callbacks(
    pipeline: Pipeline,
    model_dir: str,
    name: str,
    detector: Detector,
    saved: checkpoints.StageCheckpoints,
    step: int,
    pictures: PictureMaker | None,
) -> list[keras.callbacks.Callback]:
    """The log, which is to be closed, the checkpoints and the pictures."""
    total = num_steps(pipeline, name)
    interval = pipeline.model.feature_super_resolution.steps_per_epoch
    writer = tf.summary.create_file_writer(
        os.path.join(model_dir, TENSORBOARD_DIRECTORY, name)
    )
    callbacks = [
        TrainingLog(model_dir, name, step, total, writer),
        CheckpointWriter(saved, step, total, interval),
    ]
    if pictures is not None:
        super_resolve = name != checkpoints.BASE
        callbacks.append(
            DetectionPictures(
                lambda: pictures(detector, super_resolve),
                writer,
                step,
                total,
                interval,
            )
        )
    return callbacks


@functools.cache
def default_strategy() -> tf.distribute.Strategy:
    """Spreads steps over all GPUs, or over all logical CPUs.

    Always the same one: reductions of a second one in the same process meet
    the shapes of the first.
    """
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def set_determinism() -> None:
    """Makes every operation give the same numbers in every run."""
    tf.config.experimental.enable_op_determinism()


def check_batch_size(
    pipeline: Pipeline, strategy: tf.distribute.Strategy
) -> None:
    """Checks that every replica gets its share of a batch.

    Args:
        pipeline: the config.
        strategy: how steps are spread over devices.

    Raises:
        ConfigError: the batch cannot be shared out evenly.
    """
    batch_size = pipeline.train_config.batch_size
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise ConfigError(
            f"train_config.batch_size {batch_size} cannot be shared evenly by "
            f"{replicas} devices; set a multiple of {replicas}"
        )


def _picture_maker(
    pipeline: Pipeline, sources: Sequence[Source]
) -> PictureMaker | None:
    if not sources:
        return None
    dataset = evaluation_batches(pipeline, sources[0], batch_size=1)
    return PictureMaker(dataset, sources[0].label_map.names)
