"""Which fields tell apart the detectors of two configs."""

from typing import Any

from featsr_tf.config import schema
from featsr_tf.config.fields import fields_of
from featsr_tf.config.fields import walk

_EXTENSION = "model.feature_super_resolution"
_DETECTOR = "model.faster_rcnn"
_DENSE = "second_stage_box_predictor.mask_rcnn_box_predictor.fc_hyperparams"
# What training may change from run to run, and inference from call to call.
_FREE = tuple(
    f"{_DETECTOR}.{name}"
    for name in (
        "feature_extractor.batch_norm_trainable",
        "first_stage_box_predictor_conv_hyperparams.initializer",
        "first_stage_box_predictor_conv_hyperparams.op",
        "first_stage_box_predictor_conv_hyperparams.regularizer",
        _DENSE,
        "first_stage_minibatch_size",
        "first_stage_positive_balance_fraction",
        "first_stage_nms_score_threshold",
        "first_stage_nms_iou_threshold",
        "first_stage_max_proposals",
        "first_stage_localization_loss_weight",
        "first_stage_objectness_loss_weight",
        "second_stage_batch_size",
        "second_stage_balance_fraction",
        "second_stage_post_processing",
        "second_stage_localization_loss_weight",
        "second_stage_classification_loss_weight",
        "second_stage_classification_loss",
    )
) + tuple(
    f"{_EXTENSION}.{name}"
    for name in (
        "backbone.weights",
        "training_crop",
        "twin_aware_weight",
        "losses",
        "super_resolution_stage",
        "fine_tune_stage",
        "feature_cache",
        "rois_per_image",
        "pairs_per_image",
        "jittered_boxes_per_object",
        "precision",
        "jit_compile",
        "seed",
        "steps_per_epoch",
        "keep_checkpoints",
        "validation",
    )
)

# What a trained base detector is made by.
_OF_BASE = (
    _DETECTOR,
    "train_config",
    "train_input_reader",
    f"{_EXTENSION}.backbone.weights",
    f"{_EXTENSION}.backbone.alpha",
    f"{_EXTENSION}.training_crop",
    f"{_EXTENSION}.twin_aware_weight",
    f"{_EXTENSION}.jittered_boxes_per_object",
    f"{_EXTENSION}.precision",
    f"{_EXTENSION}.seed",
    f"{_EXTENSION}.validation",
)
# What only stages 2 and 3, or inference, look at.
_NOT_OF_BASE = (f"{_DETECTOR}.second_stage_post_processing",)


def differences(first: schema.Pipeline, second: schema.Pipeline) -> list[str]:
    """Names the fields under `model` by which two detectors differ.

    What changes neither the variables nor their meaning is left out: loss
    weights, sampling, thresholds of suppression, steps, optimizers, crops,
    precision, seed and the path of the first weights.

    Args:
        first: A config, such as that of a model folder.
        second: Another one, such as that of the command line.

    Returns:
        Lines such as "model.faster_rcnn.num_classes: 4 and 43"; none when
        the detectors are the same.
    """
    return _compare(first, second, ("model",), _FREE)


def base_differences(
    first: schema.Pipeline, second: schema.Pipeline
) -> list[str]:
    """Names the fields by which the base stages of two configs differ.

    Everything that stage 1 is trained by counts: detector, data, steps,
    optimizer, crops, first weights and seed.

    Args:
        first: A config, such as that of a model folder.
        second: Another one, such as that of the command line.

    Returns:
        Lines as those of `differences`; none when both train the same base
        detector.
    """
    within: tuple[str, ...] = _OF_BASE
    for pipeline in (first, second):
        if pipeline.model.feature_super_resolution.twin_aware_weight:
            within = (*_OF_BASE, f"{_EXTENSION}.twin_pooling")
    return _compare(first, second, within, _NOT_OF_BASE)


def all_differences(
    first: schema.Pipeline, second: schema.Pipeline
) -> list[str]:
    """Names all fields with effect by which two configs differ.

    Args:
        first: A config, such as one that was kept.
        second: Another one, such as that of the command line.

    Returns:
        Lines as those of `differences`; none when both say the same.
    """
    return _compare(first, second, tuple(fields_of(schema.Pipeline)), ())


def _compare(first, second, within, but_for) -> list[str]:
    ours, theirs = (
        _values(pipeline, within, but_for) for pipeline in (first, second)
    )
    return [
        f"{path}: {ours.get(path, 'not set')} and {theirs.get(path, 'not set')}"
        for path in ours | theirs
        if ours.get(path) != theirs.get(path)
    ]


def _values(
    pipeline: schema.Pipeline,
    within: tuple[str, ...],
    but_for: tuple[str, ...],
) -> dict[str, Any]:
    return {
        path: value
        for path, field, value in walk(pipeline)
        if field.declaration.has_effect
        and not field.is_message
        and _is_in(path, within)
        and not _is_in(path, but_for)
    }


def _is_in(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(f"{path}.".startswith(f"{prefix}.") for prefix in prefixes)
