"""What a config says that is possible but maybe not meant."""

from collections.abc import Iterator

from featsr_tf.config import schema
from featsr_tf.config.checks import has_api_geometry
from featsr_tf.config.fields import chosen
from featsr_tf.config.fields import walk
from featsr_tf.config.schema import Pipeline


def find_warnings(pipeline: Pipeline) -> list[str]:
    """Lists what a config says that is possible but maybe not meant.

    Returns:
        One line per warning; fields without effect for the same reason share
        one.
    """
    found = [
        f"without effect here: {', '.join(paths)} ({reason.rstrip('.')})"
        for reason, paths in _ignored_fields(pipeline).items()
    ]
    if not pipeline.eval_input_reader:
        found.append(
            "no eval_input_reader: nothing is validated or drawn while "
            "training, and `featsr evaluate` needs --records"
        )
    if len(pipeline.eval_input_reader) > 1:
        found.append("only the first eval_input_reader is used")
    return [
        *found,
        *_unused_gate(pipeline),
        *_early_ends(pipeline),
        *_other_crops(pipeline),
    ]


def _unused_gate(pipeline: Pipeline) -> Iterator[str]:
    """Names the limit of proposals that windows do not have."""
    extension = pipeline.model.feature_super_resolution
    is_second_look = extension.refiner == schema.RefinerType.SECOND_LOOK
    if is_second_look and extension.gate_maximum:
        yield (
            "gate_maximum: without effect on a SECOND_LOOK; "
            "second_look.maximum_window_share limits its windows"
        )


def _early_ends(pipeline: Pipeline) -> Iterator[str]:
    """Names learning rates that are zero before their stage is over."""
    extension = pipeline.model.feature_super_resolution
    first, second = pipeline.train_config, extension.super_resolution_stage
    third = extension.fine_tune_stage
    for name, num_steps, optimizer in (
        ("train_config", first.num_steps, first.optimizer),
        ("super_resolution_stage", second.num_steps, second.optimizer),
        (
            "discriminator_optimizer",
            second.num_steps,
            second.discriminator_optimizer,
        ),
        ("focus_optimizer", second.num_steps, second.focus_optimizer),
        ("fine_tune_stage", third.num_steps, third.optimizer),
    ):
        _, method = chosen(optimizer)
        schedule = method.learning_rate.cosine_decay_learning_rate
        if schedule is not None and schedule.total_steps < num_steps:
            yield (
                f"the learning rate of {name} reaches zero at step "
                f"{schedule.total_steps} of {num_steps}"
            )


def _other_crops(pipeline: Pipeline) -> Iterator[str]:
    """Tells where crops are resized in another way than whole frames."""
    crop = pipeline.model.feature_super_resolution.training_crop
    _, resizer = chosen(pipeline.model.faster_rcnn.image_resizer)
    if crop is None or resizer is None:
        return
    is_area = resizer.resize_method == schema.ResizeType.AREA
    if not is_area or has_api_geometry(pipeline):
        yield (
            "training_crop resizes by area at true centres, inference by "
            f"{resizer.resize_method}"
            + (" as the API does" if has_api_geometry(pipeline) else "")
            + ": leave training_crop out to train on what inference sees"
        )


def _ignored_fields(pipeline: Pipeline) -> dict[str, list[str]]:
    """Lists set fields that change nothing, by the reason.

    One that is set to its default asks for no more than one that is not set,
    and is left out; of a message only its own path is listed.
    """
    found: dict[str, list[str]] = {}
    outer = ""
    for path, field, value in walk(pipeline):
        is_inside = bool(outer) and path.startswith(f"{outer}.")
        if (
            field.declaration.is_ignored
            and not is_inside
            and path in pipeline.origins
            and value != field.make_default()
        ):
            outer = path
            found.setdefault(field.declaration.meaning, []).append(path)
    return found
