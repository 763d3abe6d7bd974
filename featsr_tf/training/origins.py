"""What each stage of a model folder started from.

Stages 2 and 3 are of use only with the weights that they were trained on.
Their checkpoints say which these were; those that do not are compared by the
weights that no later stage changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featsr_tf.errors import DataError
from featsr_tf.model.detector import Detector
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder
from featsr_tf.training.build import build_stage
from featsr_tf.training.build import num_steps
from featsr_tf.training.distribution import any_worker
from featsr_tf.training.distribution import check_agreement
from featsr_tf.training.distribution import digest
from featsr_tf.training.model_folder import checkpoint_directory

if TYPE_CHECKING:
    from featsr_tf.training.trainer import Run


@dataclass(frozen=True)
class Origin:
    """What a stage leaves behind for the next one.

    Attributes:
        stage: its name.
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
            f"bring those back, or {what_to_delete(model_dir, first)}; the "
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
        saved.started_from = checkpoints.read_notes(path).get(
            checkpoints.STARTED_FROM
        )
        saved.save(total)
        print(f"base: taken from {base_from}", flush=True)
    check_agreement(
        run.strategy, "--base_from", base_from, "give all machines the same"
    )


def _check_taken(run: "Run", base_from: str, other: Origin) -> None:
    checkpoints.restore_base(run.detector, run.model_dir)
    ours = origin_of(run.detector, checkpoints.BASE, None)
    if ours.weights != other.weights:
        raise DataError(
            f"{run.model_dir}: its base stage is not that of {base_from}, "
            f"which is now at step {other.step} with other weights: to take "
            f"that one, {what_to_delete(run.model_dir, 0)}; else go on "
            "without --base_from"
        )


def what_to_delete(model_dir: str, first: int) -> str:
    """Says how the stages of a model folder are trained anew.

    Args:
        first: number, from 0, of the first stage that is.
    """
    folders = [
        checkpoint_directory(model_dir, stage)
        for stage in with_checkpoints(model_dir, first)
    ]
    return (
        f"delete {' and '.join(folders)} and run the training again, which "
        "trains what was deleted anew"
    )


def with_checkpoints(model_dir: str, first: int) -> list[str]:
    """Names the stages that have checkpoints, from number `first` on."""
    return [
        stage
        for stage in checkpoints.STAGES[first:]
        if checkpoints.newest_step(model_dir, stage) is not None
    ]
