"""Checkpoints of the stages in the model folder.

Each stage has a folder of its own, so that the next one can start from it:

    MODEL_DIR/checkpoints/base/ckpt-STEP.*              stage 1
    MODEL_DIR/checkpoints/super_resolution/ckpt-STEP.*  stage 2
    MODEL_DIR/checkpoints/fine_tune/ckpt-STEP.*         stage 3

What is used of a stage is its best checkpoint where validations have chosen
one, else the newest.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator

import tensorflow as tf

from featsr_tf.errors import DataError
from featsr_tf.model.detector import Detector
from featsr_tf.training import checkpoint_files
from featsr_tf.training.history import History
from featsr_tf.training.numbers import NonFiniteError

BASE = "base"
SUPER_RESOLUTION = "super_resolution"
FINE_TUNE = "fine_tune"
STAGES = (BASE, SUPER_RESOLUTION, FINE_TUNE)

# What TensorFlow raises of damaged checkpoints and of other variables.
_CHECKPOINT_ERRORS = (
    AssertionError,
    LookupError,
    ValueError,
    tf.errors.OpError,
)


def checkpoint_directory(model_dir: str, stage: str) -> str:
    """Names the folder of a stage's checkpoints."""
    return os.path.join(model_dir, "checkpoints", stage)


class StageCheckpoints:
    """Writes and restores the checkpoints of one stage.

    Args:
        model_dir: model folder.
        stage: name of the stage.
        objects: what to save, by name.
        keep: number of the newest checkpoints that are kept, beside the best
            one. Default 2.

    Attributes:
        notes: what was kept with the checkpoint that was restored.
    """

    def __init__(
        self, model_dir: str, stage: str, objects: dict, keep: int = 2
    ):
        self.stage = stage
        self.notes: dict = {}
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._objects = objects
        self._checkpoint = tf.train.Checkpoint(step=self.step, **objects)
        self._directory = checkpoint_directory(model_dir, stage)
        self._history = History(model_dir, stage)
        self._keep = keep

    def restore(self) -> int:
        """Restores the newest checkpoint that is sound.

        Returns:
            The number of steps that it had seen; 0 where there is none.

        Raises:
            DataError: all are damaged, or it is of another config.
        """
        path = find_sound(self._directory)
        if path is not None:
            with named_checkpoint_errors(path):
                status = self._checkpoint.read(path)
                status.assert_existing_objects_matched()
            self.notes = checkpoint_files.read_notes(path)
        return int(self.step.numpy())

    def save(self, step: int, notes: dict | None = None) -> str:
        """Writes a checkpoint and removes those that are not kept.

        Args:
            step: number of steps that the stage has seen.
            notes: what else to keep, fit for JSON. Default nothing.

        Returns:
            Path of the checkpoint.

        Raises:
            NonFiniteError: a variable is not finite; nothing is written.
        """
        self._check_finite(step)
        self.step.assign(step)
        path = checkpoint_files.prefix_of(self._directory, step)
        checkpoint_files.write(self._checkpoint, path, notes or {})
        best = self._history.best_step()
        found = checkpoint_files.written_steps(self._directory)
        # Later ones are damaged: from there the stage would have gone on.
        newest = [other for other in found if other <= step][-self._keep :]
        for other in found:
            if other not in (*newest, best):
                checkpoint_files.remove(
                    checkpoint_files.prefix_of(self._directory, other)
                )
        return path

    def _check_finite(self, step: int) -> None:
        wrong = [
            variable.path
            for part in self._objects.values()
            for variable in getattr(part, "variables", part)
            if not is_finite(variable)
        ]
        if wrong:
            raise NonFiniteError(
                self.stage, step, dict.fromkeys(wrong, float("nan"))
            )


def is_finite(variable) -> bool:
    """Tells whether all numbers of a variable are finite."""
    value = tf.convert_to_tensor(variable)
    if not value.dtype.is_floating:
        return True
    return bool(tf.reduce_all(tf.math.is_finite(value)))


def find_sound(directory: str, preferred: int | None = None) -> str | None:
    """Finds the newest checkpoint that is not damaged, and warns of others.

    Args:
        directory: folder of a stage's checkpoints.
        preferred: step of the one to be looked at first. Default the newest.

    Returns:
        Its path; None where there are no checkpoints.

    Raises:
        DataError: all are damaged.
    """
    steps = checkpoint_files.written_steps(directory)[::-1]
    steps.sort(key=lambda step: step != preferred)
    damaged = []
    for step in steps:
        path = checkpoint_files.prefix_of(directory, step)
        damage = checkpoint_files.find_damage(path)
        if damage is None:
            if damaged:
                warnings.warn(
                    f"{'; '.join(damaged)}; {path} is used", stacklevel=2
                )
            return path
        damaged.append(f"{path}: the checkpoint is damaged ({damage})")
    if damaged:
        raise DataError(
            f"{'; '.join(damaged)}; no other is left: delete {directory} to "
            "train this stage again"
        )
    return None


def find_used(model_dir: str, stage: str) -> str | None:
    """Finds the checkpoint that is used of a stage, as `find_sound` does.

    Args:
        model_dir: model folder.
        stage: name of the stage.

    Returns:
        Path of the best one where validations have chosen it, else of the
        newest; None where there are no checkpoints.

    Raises:
        DataError: all are damaged.
    """
    best = History(model_dir, stage).best_step()
    return find_sound(checkpoint_directory(model_dir, stage), best)


@contextlib.contextmanager
def named_checkpoint_errors(path: str) -> Iterator[None]:
    """Turns TensorFlow's errors about a checkpoint into a `DataError`.

    Args:
        path: the checkpoint that is read.

    Raises:
        DataError: it cannot be read, or holds other variables.
    """
    try:
        yield
    except _CHECKPOINT_ERRORS as error:
        raise DataError(
            f"{path}: the checkpoint is damaged or of another config "
            f"({type(error).__name__}); go on with the config and the "
            "optimizers that it was trained with, or delete it"
        ) from error


def newest_stage(model_dir: str) -> str | None:
    """Names the last stage that has a checkpoint, or None."""
    for stage in reversed(STAGES):
        if newest_step(model_dir, stage) is not None:
            return stage
    return None


def newest_step(model_dir: str, stage: str) -> int | None:
    """Tells how many steps the newest checkpoint of a stage has seen.

    Args:
        model_dir: model folder.
        stage: name of the stage.

    Returns:
        The number of steps; None where there is no checkpoint.
    """
    directory = checkpoint_directory(model_dir, stage)
    return max(checkpoint_files.written_steps(directory), default=None)


def used_step(model_dir: str, stage: str) -> int | None:
    """Tells how many steps the checkpoint has seen that is used of a stage.

    Args:
        model_dir: model folder.
        stage: name of the stage.

    Returns:
        The number of steps; None where there is no checkpoint.
    """
    path = find_used(model_dir, stage)
    return None if path is None else step_of(path)


def step_of(path: str) -> int:
    """Tells how many steps a checkpoint has seen, by its path."""
    return int(path.rpartition("-")[2])


def restore_base(detector: Detector, model_dir: str) -> str:
    """Loads what stage 1 has trained, whatever the other parts are.

    Args:
        detector: its extractor, proposal network and large predictor are
            filled.
        model_dir: model folder.

    Returns:
        Path of the checkpoint.

    Raises:
        DataError: the base stage has no checkpoint, or a damaged one.
    """
    parts = tf.train.Checkpoint(
        extractor=detector.extractor,
        proposal_network=detector.proposal_network,
        large_predictor=detector.large_predictor,
    )
    return restore_detector(parts, model_dir, BASE)


def restore_detector(
    detector: Detector | tf.train.Checkpoint, model_dir: str, stage: str
) -> str:
    """Loads the detector that a stage left behind.

    Args:
        detector: the detector to fill, or parts of it by their names.
        model_dir: model folder.
        stage: name of the stage.

    Returns:
        Path of the checkpoint, the best one of the stage or the newest.

    Raises:
        DataError: the stage has no checkpoint, or none that is sound.
    """
    path = find_used(model_dir, stage)
    if path is None:
        raise DataError(
            f"{checkpoint_directory(model_dir, stage)}: no checkpoint found; "
            f"train with `python -m featsr_tf.train --model_dir {model_dir}` "
            "first"
        )
    with named_checkpoint_errors(path):
        status = tf.train.Checkpoint(detector=detector).read(path)
        status.assert_existing_objects_matched().expect_partial()
    return path
