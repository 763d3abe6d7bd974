"""Checkpoints of the stages in the model folder."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from featsr_tf.errors import disk_problem
from featsr_tf.errors import memory_problem
from featsr_tf.exporting.versions import refuse_export
from featsr_tf.files import without_wildcards
from featsr_tf.model.detector import Detector
from featsr_tf.training.losses import NonFiniteError
from featsr_tf.training.model_folder import History
from featsr_tf.training.model_folder import checkpoint_directory

BASE = "base"
SUPER_RESOLUTION = "super_resolution"
FINE_TUNE = "fine_tune"
STAGES = (BASE, SUPER_RESOLUTION, FINE_TUNE)
# What a stage started from, among what is kept with its checkpoints.
STARTED_FROM = "started_from"

_INDEX = re.compile(r"ckpt-(\d+)\.index")
_WRITING = ".writing"
# What TensorFlow raises of damaged checkpoints and of other variables.
_CHECKPOINT_ERRORS = (
    AssertionError,
    LookupError,
    ValueError,
    tf.errors.OpError,
)


def prefix_of(folder: str, step: int) -> str:
    """Names a checkpoint, as TensorFlow wants it."""
    return os.path.join(folder, f"ckpt-{step}")


def written_steps(folder: str) -> list[int]:
    """Lists the steps of the checkpoints in a folder, rising."""
    if not os.path.isdir(folder):
        return []
    found = map(_INDEX.fullmatch, os.listdir(folder))
    return sorted(int(match[1]) for match in found if match)


def write(checkpoint: tf.train.Checkpoint, prefix: str, notes: dict) -> None:
    """Writes a checkpoint; a kill leaves a whole one or none."""
    folder, name = os.path.split(prefix)
    # Always the same place: what a killed run has left goes away.
    writing = Path(folder, _WRITING)
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir(parents=True)
    try:
        checkpoint.write(str(writing / name))
        (writing / f"{name}.json").write_text(json.dumps(notes))
        sums = {file: _checksum(writing / file) for file in os.listdir(writing)}
        lines = [f"{digest}  {file}\n" for file, digest in sorted(sums.items())]
        (writing / f"{name}.sha256").write_text("".join(lines))
        _wait_for_disk(writing)
        index = f"{name}.index"
        for file in (*sums.keys() - {index}, f"{name}.sha256", index):
            os.replace(writing / file, Path(folder, file))
    finally:
        shutil.rmtree(writing, ignore_errors=True)


def _read(checkpoint: tf.train.Checkpoint, prefix: str) -> None:
    """Restores all objects."""
    folder, name = os.path.split(prefix)
    with without_wildcards(folder) as plain:
        status = checkpoint.read(os.path.join(plain, name))
        status.assert_existing_objects_matched()


# What TensorFlow logs of a checkpoint's further values, also long after one has
# been refused: `_read` makes sure of those that are wanted.
_OF_UNUSED_VALUES = (
    "Detecting that an object or model",
    "Value in checkpoint could not be found",
    "An attribute in the restored object could not be found",
)
tf.get_logger().addFilter(
    lambda record: not record.getMessage().startswith(_OF_UNUSED_VALUES)
)


def remove(prefix: str) -> None:
    """Removes a checkpoint."""
    Path(f"{prefix}.index").unlink(missing_ok=True)
    for path in _files(prefix):
        path.unlink()


def find_damage(prefix: str) -> str | None:
    """Compares the files of a checkpoint with their checksums.

    TensorFlow alone overlooks flipped bits, or takes them for another config.

    Returns:
        What is wrong; None where nothing is, or there are no checksums.
    """
    sums = Path(f"{prefix}.sha256")
    if not sums.exists():
        return None
    lines = sums.read_text(errors="replace").splitlines()
    entries = [line.partition("  ") for line in lines]
    expected = {file: digest for digest, _, file in entries}
    files = {path.name: path for path in _files(prefix) if path != sums}
    if files.keys() != expected.keys():
        names = ", ".join(sorted(files.keys() ^ expected.keys()))
        return f"{names} missing, or not in {sums.name}"
    for file, path in files.items():
        if _checksum(path) != expected[file]:
            return f"{file} is not what was written"
    return None


def read_notes(prefix: str) -> dict:
    """Reads what was kept with a sound checkpoint; nothing where none was."""
    path = Path(f"{prefix}.json")
    return json.loads(path.read_text()) if path.exists() else {}


def _files(prefix: str) -> list[Path]:
    folder, name = os.path.split(prefix)
    return [
        Path(folder, file)
        for file in os.listdir(folder)
        if file.startswith(f"{name}.")
    ]


def _checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wait_for_disk(folder: Path) -> None:
    """Returns when all files are on the disk, so that no rename comes first."""
    for path in folder.iterdir():
        # Windows does this only for files that may be written to.
        with open(path, "rb+") as file:
            os.fsync(file.fileno())


class StageCheckpoints:
    """Writes and restores the checkpoints of one stage.

    Args:
        keep: number of the newest checkpoints that are kept, beside the best
            one. Default 2.

    Attributes:
        notes: what was kept with the checkpoint that was restored.
        started_from: what the stage began with, fit for JSON, kept with all
            checkpoints; None = nothing.
    """

    def __init__(
        self, model_dir: str, stage: str, objects: dict, keep: int = 2
    ):
        self.stage = stage
        self.notes: dict = {}
        self.started_from: dict | None = None
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._objects = objects
        self._checkpoint = tf.train.Checkpoint(step=self.step, **objects)
        self._directory = checkpoint_directory(model_dir, stage)
        self._history = History(model_dir, stage)
        self._keep = keep

    def restore(self) -> int:
        """Restores the newest checkpoint that is sound.

        Returns:
            The number of steps that it has; 0 where there is none.

        Raises:
            DataError: all are damaged, or it is of another config.
        """
        path = find_sound(self._directory)
        if path is not None:
            with translate_checkpoint_errors(path):
                _read(self._checkpoint, path)
            self.notes = read_notes(path)
        return int(self.step.numpy())

    def save(self, step: int, notes: dict | None = None) -> str:
        """Writes a checkpoint and removes those that are not kept.

        Args:
            notes: what else to keep, fit for JSON. Default nothing.

        Raises:
            NonFiniteError: a variable is not finite; nothing is written.
        """
        self._check_finite(step)
        self.step.assign(step)
        path = prefix_of(self._directory, step)
        notes = dict(notes or {})
        if self.started_from is not None:
            notes[STARTED_FROM] = self.started_from
        write(self._checkpoint, path, notes)
        best = self._history.best_step()
        found = written_steps(self._directory)
        # Later ones are damaged: from there the stage would have gone on.
        newest = [other for other in found if other <= step][-self._keep :]
        for other in found:
            if other not in (*newest, best):
                remove(prefix_of(self._directory, other))
        return path

    def _check_finite(self, step: int) -> None:
        wrong = [
            variable.path
            for part in self._objects.values()
            for variable in getattr(part, "variables", part)
            if not _is_finite(variable)
        ]
        if wrong:
            raise NonFiniteError(
                self.stage, step, dict.fromkeys(wrong, float("nan"))
            )


def _is_finite(variable) -> bool:
    value = tf.convert_to_tensor(variable)
    if not value.dtype.is_floating:
        return True
    return bool(tf.reduce_all(tf.math.is_finite(value)))


def find_sound(directory: str, preferred: int | None = None) -> str | None:
    """Finds the newest checkpoint that is not damaged, and warns of others.

    Args:
        preferred: step of the one to be looked at first. Default the newest.

    Returns:
        Its path; None where there are no checkpoints.

    Raises:
        DataError: all are damaged.
    """
    steps = written_steps(directory)[::-1]
    steps.sort(key=lambda step: step != preferred)
    damaged = []
    for step in steps:
        path = prefix_of(directory, step)
        damage = find_damage(path)
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

    Returns:
        Path of the best one where validations have chosen it, else of the
        newest; None where there are no checkpoints.

    Raises:
        DataError: all are damaged.
    """
    best = History(model_dir, stage).best_step()
    return find_sound(checkpoint_directory(model_dir, stage), best)


@contextlib.contextmanager
def translate_checkpoint_errors(path: str) -> Iterator[None]:
    """Turns TensorFlow's errors about a checkpoint into a `DataError`.

    Raises:
        DataError: it cannot be read, or holds other variables.
    """
    try:
        yield
    except _CHECKPOINT_ERRORS as error:
        if memory_problem(error):
            raise
        is_whole = os.path.exists(f"{path}.sha256") and not find_damage(path)
        problem, advice = "is damaged or of another config", ", or delete it"
        if is_whole:
            problem, advice = "is whole, but not of this config", ""
        raise DataError(
            f"{path}: the checkpoint {problem} ({type(error).__name__}); go on "
            f"with the config and the optimizers that it was trained with"
            f"{advice}"
        ) from error


@contextlib.contextmanager
def translate_write_errors(model_dir: str) -> Iterator[None]:
    """Turns errors about a disk that takes no more into a `FeatsrError`.

    Raises:
        FeatsrError: the disk is full or read-only.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = disk_problem(error)
        if reason is None:
            raise
        raise FeatsrError(
            f"{model_dir}: cannot be written to: {reason}; its checkpoints "
            "are whole: make room and run the same command again to go on"
        ) from error


def newest_stage(model_dir: str) -> str | None:
    """Names the last stage that has a checkpoint, or None."""
    for stage in reversed(STAGES):
        if newest_step(model_dir, stage) is not None:
            return stage
    return None


def newest_step(model_dir: str, stage: str) -> int | None:
    """Tells how many steps the newest checkpoint of a stage has, or None."""
    directory = checkpoint_directory(model_dir, stage)
    return max(written_steps(directory), default=None)


def used_step(model_dir: str, stage: str) -> int | None:
    """Tells how many steps the used checkpoint of a stage has, or None."""
    path = find_used(model_dir, stage)
    return None if path is None else step_of(path)


def first_values(model_dir: str) -> dict | None:
    """Tells which detector stage 1 started from; see `start_detector`."""
    path = find_used(model_dir, BASE)
    return None if path is None else read_notes(path).get(STARTED_FROM)


def step_of(path: str) -> int:
    """Tells how many steps a checkpoint has, by its path."""
    return int(path.rpartition("-")[2])


def restore_base(detector: Detector, model_dir: str) -> str:
    """Loads what stage 1 has trained, whatever the other parts are.

    See `restore_detector` for what it returns and raises.
    """
    parts = tf.train.Checkpoint(
        extractor=detector.extractor,
        proposal_network=detector.proposal_network,
        large_predictor=detector.large_predictor,
    )
    return restore_detector(parts, model_dir, BASE)


def restore_focus_head(detector: Detector, path: str) -> bool:
    """Loads the focus head of a checkpoint, where it has one of this shape.

    Returns:
        Whether it has; otherwise that of the detector is as it was.
    """
    head = detector.focus_head
    if head is None:
        return False
    before = head.get_weights()
    parts = tf.train.Checkpoint(focus_head=head)
    try:
        _read(tf.train.Checkpoint(detector=parts), path)
    # TensorFlow's ways to say that it is missing, or of another shape.
    except (AssertionError, ValueError):
        head.set_weights(before)
        return False
    return True


def restore_detector(
    detector: Detector | tf.train.Checkpoint, model_dir: str, stage: str
) -> str:
    """Loads the detector that a stage left behind.

    Returns:
        Path of the checkpoint, the best one of the stage or the newest.

    Raises:
        DataError: the stage has no checkpoint, or none that is sound.
    """
    path = find_used(model_dir, stage)
    if path is None:
        refuse_export(model_dir)
        raise DataError(
            f"{checkpoint_directory(model_dir, stage)}: no checkpoint found; "
            f"train with `python -m featsr_tf.train --model_dir {model_dir}` "
            "first"
        )
    with translate_checkpoint_errors(path):
        _read(tf.train.Checkpoint(detector=detector), path)
    return path
