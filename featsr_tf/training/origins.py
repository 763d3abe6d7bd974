"""What a training starts from: another detector, or what a folder has.

Stages 2 and 3 are of use only with the weights that they were trained on.
Their checkpoints say which these were; those that do not are compared by the
weights that no later stage changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featsr_tf.config.schema import Pipeline
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting.names import BASE_SIGNATURE
from featsr_tf.exporting.versions import SAVED_MODEL_FILE
from featsr_tf.exporting.versions import newest_version
from featsr_tf.model import speed
from featsr_tf.model.detector import Detector
from featsr_tf.model.weight_transfer import class_ids_by_name
from featsr_tf.model.weight_transfer import read_weights
from featsr_tf.model.weight_transfer import transfer_weights
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder
from featsr_tf.training.build import build_stage
from featsr_tf.training.build import num_steps
from featsr_tf.training.distribution import any_worker
from featsr_tf.training.distribution import check_agreement
from featsr_tf.training.distribution import digest
from featsr_tf.training.model_folder import History
from featsr_tf.training.model_folder import checkpoint_directory

if TYPE_CHECKING:
    from featsr_tf.training.trainer import Run

# Classes that a table names.
_NAMED = 5
# What tables and notes call it.
_FOCUS_HEAD = "focus head"


def check_one_start(base_from: str | None, start_from: str | None) -> None:
    """Refuses two detectors to start from.

    Raises:
        ConfigError: both are given.
    """
    if base_from is not None and start_from is not None:
        raise ConfigError(
            f"--base_from {base_from} and --start_from {start_from}: expected "
            "one of both: the first takes a finished stage 1, the second the "
            "first values of one"
        )


def start_detector(
    detector: Detector, start_from: str, label_map: LabelMap
) -> tuple[str, dict]:
    """Takes what fits of another detector as first values of this one.

    These are the extractor, the proposal network, the large predictor, with
    its rows of the classes that have the same names, and the focus head. The
    rest is new, as without this.

    Args:
        start_from: model folder, or an exported SavedModel.
        label_map: the classes of `detector`.

    Returns:
        What was taken, as a table for people; and what the checkpoints of
        stage 1 tell of it.

    Raises:
        ConfigError: batch normalization is to learn, but was folded.
        DataError: there is no detector, or its extractor is another one.
    """
    folder, arrays = _read_detector(start_from)
    theirs = model_folder.load_classes(str(folder)).names
    class_ids = class_ids_by_name(label_map.names, theirs)
    for network in (
        detector.extractor,
        detector.large_predictor.second_stage,
    ):
        unfolded = speed.unfolded_weights(network, arrays)
        learns = {v.path for v in network.trainable_variables}
        if learns & (unfolded.keys() - arrays.keys()):
            raise ConfigError(
                f"{start_from}: batch normalization is folded into its "
                "convolutions, but batch_norm_trainable is true; expected "
                "false, or the model folder that it was exported from"
            )
        arrays = unfolded
    parts = {
        "extractor": detector.extractor.variables,
        "proposal network": detector.proposal_network.variables,
        "large predictor": detector.large_predictor.variables,
    }
    if detector.focus_head is not None:
        parts[_FOCUS_HEAD] = detector.focus_head.variables
    transfer = transfer_weights(parts, arrays, start_from, class_ids)
    detector.start_small_predictor_from_large()
    classes = _describe_classes(label_map, theirs, class_ids)
    # Folders above would be those of one machine.
    name = "/".join(
        folder.resolve().parts[-2 if folder.name.isdecimal() else -1 :]
    )
    taken = {part: got.describe() for part, got in transfer.parts.items()}
    notes = {
        "stage": name,
        "step": None,
        "weights": digest(*detector.get_weights()),
        "taken": taken | {"classes": classes},
    }
    return f"{transfer.table()}\n  classes: {classes}\n  the rest is new", notes


def _read_detector(start_from: str) -> tuple[Path, dict[str, np.ndarray]]:
    """Finds a detector and reads its weights, those of its base detector."""
    folder = Path(start_from)
    if (folder / SAVED_MODEL_FILE).is_file():
        return folder, read_weights(str(folder), BASE_SIGNATURE)
    stage = checkpoints.newest_stage(start_from)
    if stage is not None:
        arrays = {}
        # Later stages have a focus head, stage 1 the base detector.
        for name in dict.fromkeys([stage, checkpoints.BASE]):
            path = checkpoints.find_used(start_from, name)
            if path is not None:
                arrays |= read_weights(path)
        return folder, arrays
    newest = newest_version(folder)
    if newest is None or not (newest / SAVED_MODEL_FILE).is_file():
        found = "a folder without either" if folder.is_dir() else "no folder"
        raise DataError(
            f"{start_from}: expected a model folder with checkpoints, or a "
            f"SavedModel of python -m featsr_tf.export; found {found}"
        )
    return newest, read_weights(str(newest), BASE_SIGNATURE)


def _describe_classes(
    label_map: LabelMap, theirs: dict[int, str], class_ids: dict[int, int]
) -> str:
    text = f"{len(class_ids)} of {len(label_map.names)} found by name"
    if len(class_ids) == len(label_map.names):
        return text
    new = [n for i, n in label_map.names.items() if i not in class_ids]
    return f"{text}, new: {_listed(new)}; there: {_listed([*theirs.values()])}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def check_later_stages(
    pipeline: Pipeline, model_dir: str, base_from: str | None = None
) -> None:
    """Refuses to train a stage further on which others stand already.

    Args:
        base_from: where the base stage is taken from; None = it is trained.

    Raises:
        ConfigError: says what to delete.
    """
    for index, stage in enumerate(checkpoints.STAGES):
        is_taken = stage == checkpoints.BASE and base_from is not None
        later = _with_checkpoints(model_dir, index + 1)
        if (
            later
            and not is_taken
            and not _is_finished(pipeline, model_dir, stage)
        ):
            step = checkpoints.newest_step(model_dir, stage) or 0
            raise ConfigError(
                f"{model_dir}: stage {stage} would go on from step {step} to "
                f"{num_steps(pipeline, stage)}, but {' and '.join(later)} "
                f"{'was' if len(later) == 1 else 'were'} trained on what it "
                f"is now: {_what_to_delete(model_dir, index + 1)}, or give "
                "another --model_dir"
            )


def check_init_from_base(
    pipeline: Pipeline, model_dir: str, base_from: str
) -> None:
    """Checks that a model folder can start from the base stage of another.

    Raises:
        ConfigError: both would not train the same base detector, that of
            `base_from` is not finished, or `model_dir` has begun its own.
    """
    model_folder.check_base(base_from, pipeline)
    total = num_steps(pipeline, checkpoints.BASE)
    if not _is_finished(pipeline, base_from, checkpoints.BASE):
        step = checkpoints.newest_step(base_from, checkpoints.BASE)
        raise ConfigError(
            f"{base_from}: its base stage is at step {step or 0} of {total}; "
            "finish it first"
        )
    found = checkpoints.newest_step(model_dir, checkpoints.BASE)
    if found not in (None, total):
        raise ConfigError(
            f"{model_dir}: has a base stage of its own, at step {found} of "
            f"{total}; go on without --base_from or give another --model_dir"
        )


def find_unfinished(pipeline: Pipeline, model_dir: str) -> str | None:
    """Says what the training of a model folder has left to do, or None.

    A folder that has ended with stage 1, as imported ones do, has nothing.
    """
    newest = checkpoints.newest_stage(model_dir)
    if newest is None:
        return None
    if not _is_finished(pipeline, model_dir, newest):
        step = checkpoints.newest_step(model_dir, newest)
        total = num_steps(pipeline, newest)
        return f"stage {newest} is at step {step} of {total}"
    later = checkpoints.STAGES[checkpoints.STAGES.index(newest) + 1 :]
    missing = [name for name in later if num_steps(pipeline, name)]
    if newest == checkpoints.BASE or not missing:
        return None
    return f"stage {missing[0]} has not begun"


def _is_finished(pipeline: Pipeline, model_dir: str, stage: str) -> bool:
    """Tells whether a stage of a model folder has no steps left to make."""
    validation = pipeline.model.feature_super_resolution.validation
    patience = validation.patience if validation is not None else 0
    step = checkpoints.newest_step(model_dir, stage) or 0
    history = History(model_dir, stage)
    return step >= num_steps(pipeline, stage) or history.patience_exceeded(
        patience
    )


@dataclass(frozen=True)
class Origin:
    """What a stage leaves behind for the next one.

    Attributes:
        step: step of the checkpoint that is used of it.
        weights: digest of all that the next stage may take over.
        frozen: digest of what no later stage changes.
    """

    stage: str
    step: int | None
    weights: str
    frozen: str


def origin_of(detector: Detector, stage: str, step: int | None) -> Origin:
    """Describes a detector as a stage has left it."""
    weights = (
        # The rest are first values, which a later stage may draw anew.
        _base_weights(detector) + detector.large_predictor.get_weights()
        if stage == checkpoints.BASE
        else detector.get_weights()
    )
    return Origin(stage, step, digest(*weights), _frozen(detector))


def _base_weights(detector: Detector) -> list:
    return (
        detector.extractor.get_weights()
        + detector.proposal_network.get_weights()
    )


def _frozen(detector: Detector) -> str:
    return digest(*_base_weights(detector))


def check_origin(
    model_dir: str,
    stage: str,
    detector: Detector,
    started_from: Mapping | None,
    before: Origin,
) -> None:
    """Refuses a stage that was trained on other weights.

    Args:
        detector: as the stage has left it.
        started_from: what its checkpoint says of that; None = nothing.
        before: what it has to stand on.

    Raises:
        DataError: they differ; says what to delete.
    """
    if started_from is None:
        is_same = _frozen(detector) == before.frozen
        found = "other weights"
    else:
        is_same = started_from["weights"] == before.weights
        found = (
            f"the weights of step {started_from['step']} of "
            f"{started_from['stage']}"
        )
    if not is_same:
        first = checkpoints.STAGES.index(stage)
        raise DataError(
            f"{checkpoint_directory(model_dir, stage)}: was trained on {found}"
            f", but {before.stage} is now at step {before.step} with others: "
            f"bring those back, or {_what_to_delete(model_dir, first)}; the "
            "base detector alone can be used as it is"
        )


def restore_stage(detector: Detector, model_dir: str, stage: str) -> None:
    """Loads the detector that a stage left behind.

    Raises:
        DataError: there is no checkpoint, or none that is sound, or a stage
            was trained on another one than the folder holds now.
    """
    left: dict[str, Origin] = {}
    for name in checkpoints.STAGES[: checkpoints.STAGES.index(stage)]:
        # What was deleted to save room is not missed.
        if checkpoints.newest_step(model_dir, name) is not None:
            left[name] = _restore(detector, model_dir, name, left)
    _restore(detector, model_dir, stage, left)


def _restore(
    detector: Detector, model_dir: str, stage: str, left: Mapping[str, Origin]
) -> Origin:
    path = checkpoints.restore_detector(detector, model_dir, stage)
    started_from = checkpoints.read_notes(path).get(checkpoints.STARTED_FROM)
    before = left.get(started_from["stage"]) if started_from else None
    if before is None and left:
        started_from, before = None, [*left.values()][-1]
    if before is not None:
        check_origin(model_dir, stage, detector, started_from, before)
    return origin_of(detector, stage, checkpoints.step_of(path))


def import_base_stage(run: "Run", base_from: str) -> None:
    """Makes the base stage of another model folder that of this one.

    Where this one has it already, nothing is done.

    Raises:
        DataError: the checkpoint of the other folder is damaged, or this one
            has another base stage.
    """
    total = num_steps(run.pipeline, checkpoints.BASE)
    found = checkpoints.newest_step(run.model_dir, checkpoints.BASE)
    path = checkpoints.restore_base(run.detector, base_from)
    other = origin_of(run.detector, checkpoints.BASE, checkpoints.step_of(path))
    # The chief must not write before the others have looked.
    if any_worker(run.strategy, found == total):
        _check_taken(run, base_from, other)
        return
    with run.strategy.scope():
        stage = build_stage(run.pipeline, checkpoints.BASE, run.detector)
    if run.writes:
        model_folder.prepare(run.model_dir, run.pipeline, run.source.label_map)
        model_folder.keep_configs(base_from, run.model_dir, [checkpoints.BASE])
        saved = checkpoints.StageCheckpoints(
            run.model_dir, checkpoints.BASE, stage.checkpointed()
        )
        saved.started_from = _start_of(run.detector, path)
        saved.save(total)
        print(f"base: taken from {base_from}", flush=True)
    check_agreement(
        run.strategy, "--base_from", base_from, "give all machines the same"
    )


def _start_of(detector: Detector, path: str) -> dict | None:
    """Tells what a base stage began with, and takes its focus head over.

    Stage 1 does not train the focus head, which is worth taking only if it is
    that of another detector.
    """
    started_from = checkpoints.read_notes(path).get(checkpoints.STARTED_FROM)
    taken = (started_from or {}).get("taken", {})
    if _FOCUS_HEAD in taken and not checkpoints.restore_focus_head(
        detector, path
    ):
        taken.pop(_FOCUS_HEAD)
    return started_from


def _check_taken(run: "Run", base_from: str, other: Origin) -> None:
    checkpoints.restore_base(run.detector, run.model_dir)
    ours = origin_of(run.detector, checkpoints.BASE, None)
    if ours.weights != other.weights:
        raise DataError(
            f"{run.model_dir}: its base stage is not that of {base_from}, "
            f"which is now at step {other.step} with other weights: to take "
            f"that one, {_what_to_delete(run.model_dir, 0)}; else go on "
            "without --base_from"
        )


def _what_to_delete(model_dir: str, first: int) -> str:
    """Says how the stages of a model folder are trained anew.

    Args:
        first: number, from 0, of the first stage that is.
    """
    folders = [
        checkpoint_directory(model_dir, stage)
        for stage in _with_checkpoints(model_dir, first)
    ]
    return (
        f"delete {' and '.join(folders)} and run the training again, which "
        "trains what was deleted anew"
    )


def _with_checkpoints(model_dir: str, first: int) -> list[str]:
    """Names the stages that have checkpoints, from number `first` on."""
    return [
        stage
        for stage in checkpoints.STAGES[first:]
        if checkpoints.newest_step(model_dir, stage) is not None
    ]
