"""The base stage of another model folder, taken instead of an own one."""

import tensorflow as tf

from featsr_tf.config.schema import Pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.model.detector import Detector
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder
from featsr_tf.training.build import build_stage
from featsr_tf.training.build import num_steps
from featsr_tf.training.history import History
from featsr_tf.training.workers import any_worker
from featsr_tf.training.workers import check_agreement
from featsr_tf.training.workers import is_chief


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
