"""The three stages from a pipeline."""

import functools

from featsr_tf.config.schema import Pipeline
from featsr_tf.config.schema import Precision
from featsr_tf.config.schema import Supervision
from featsr_tf.errors import ConfigError
from featsr_tf.model.build import build_discriminator
from featsr_tf.model.build import build_target_features
from featsr_tf.model.build import build_zoom
from featsr_tf.model.detector import Detector
from featsr_tf.training import checkpoints
from featsr_tf.training import losses
from featsr_tf.training.base_stage import AnchorSampling
from featsr_tf.training.base_stage import BaseStage
from featsr_tf.training.fine_tune_stage import FineTuneStage
from featsr_tf.training.optimizers import build_optimizer
from featsr_tf.training.stage import ProposalSampling
from featsr_tf.training.stage import Stage
from featsr_tf.training.super_resolution_stage import PairSampling
from featsr_tf.training.super_resolution_stage import SuperResolutionStage
from featsr_tf.training.targets import AtrousTargets
from featsr_tf.training.targets import MagnifiedTargets
from featsr_tf.training.targets import NaiveTargets
from featsr_tf.training.targets import PlaceboTargets
from featsr_tf.training.targets import TargetSource


def build_stage(pipeline: Pipeline, name: str, detector: Detector) -> Stage:
    """Builds a stage with its optimizers, ready for `fit()`.

    Call it in the scope of the distribution strategy.

    Args:
        pipeline: the config.
        name: one of `checkpoints.STAGES`.
        detector: the detector that the stage trains.

    Returns:
        The compiled stage.
    """
    build = {
        checkpoints.BASE: _base,
        checkpoints.SUPER_RESOLUTION: _super_resolution,
        checkpoints.FINE_TUNE: _fine_tune,
    }[name]
    stage = build(pipeline, detector)
    optimizer = _optimizer(
        pipeline,
        stage_options(pipeline, name).optimizer,
        stage.trained_variables,
    )
    # XLA has no crop_and_resize: what it can do it is given by parts.
    stage.compile(optimizer=optimizer, jit_compile=False)
    return stage


def stage_options(pipeline: Pipeline, name: str):
    """Finds the message with a stage's `num_steps` and `optimizer`."""
    extension = pipeline.model.feature_super_resolution
    return {
        checkpoints.BASE: pipeline.train_config,
        checkpoints.SUPER_RESOLUTION: extension.super_resolution_stage,
        checkpoints.FINE_TUNE: extension.fine_tune_stage,
    }[name]


def num_steps(pipeline: Pipeline, name: str) -> int:
    """Gives the number of steps of a stage.

    Args:
        pipeline: the config.
        name: one of `checkpoints.STAGES`.

    Returns:
        The number; 0 leaves stage 2 or 3 out.

    Raises:
        ConfigError: stage 1 has no steps.
    """
    steps = stage_options(pipeline, name).num_steps
    if name == checkpoints.BASE and not steps:
        path = "train_config.num_steps"
        raise ConfigError(
            f"{pipeline.where(path)}: {path} is 0, which is training without "
            "end in the Object Detection API; expected the number of steps, "
            f"such as --set {path}=10000"
        )
    return steps


def _optimizer(pipeline, options, variables):
    precision = pipeline.model.feature_super_resolution.precision
    optimizer = build_optimizer(options, precision == Precision.MIXED_FLOAT16)
    optimizer.build(variables)
    return optimizer


def _base(pipeline, detector):
    config = pipeline.model.faster_rcnn
    extension = pipeline.model.feature_super_resolution
    return BaseStage(
        detector,
        ProposalSampling(
            config.second_stage_batch_size,
            config.second_stage_balance_fraction,
            extension.jittered_boxes_per_object,
        ),
        AnchorSampling(
            config.first_stage_minibatch_size,
            config.first_stage_positive_balance_fraction,
        ),
        config.first_stage_objectness_loss_weight,
        config.first_stage_localization_loss_weight,
        pipeline.train_config.freeze_variables,
        # The empty pattern matches every variable.
        pipeline.train_config.update_trainable_variables or [""],
        _twin(pipeline, detector) if extension.twin_aware_weight else None,
        extension.twin_aware_weight,
        classification_weight=config.second_stage_classification_loss_weight,
        localization_weight=config.second_stage_localization_loss_weight,
        clip_norm=pipeline.train_config.gradient_clipping_by_norm,
        name="base_stage",
        **_loss_options(pipeline),
    )


def _super_resolution(pipeline, detector):
    extension = pipeline.model.feature_super_resolution
    options = extension.super_resolution_stage
    discriminator = build_discriminator(pipeline, detector)
    discriminator_optimizer = None
    if discriminator is not None:
        discriminator_optimizer = _optimizer(
            pipeline,
            options.discriminator_optimizer,
            discriminator.trainable_variables,
        )
    return SuperResolutionStage(
        detector,
        _sampling_by_size(pipeline),
        PairSampling(
            extension.pairs_per_image,
            extension.minimum_pair_area_ratio,
            extension.maximum_pair_area_ratio,
        ),
        _targets(pipeline, detector),
        discriminator,
        discriminator_optimizer,
        extension.losses.content_weight,
        extension.losses.generator_weight,
        options.generator_updates_per_discriminator_update,
        options.adversarial_warmup_steps,
        extension.jit_compile,
        classification_weight=extension.losses.classification_weight,
        localization_weight=extension.losses.localization_weight,
        clip_norm=options.gradient_clipping_by_norm,
        name="super_resolution_stage",
        **_loss_options(pipeline),
    )


def _fine_tune(pipeline, detector):
    config = pipeline.model.faster_rcnn
    extension = pipeline.model.feature_super_resolution
    return FineTuneStage(
        detector,
        _sampling_by_size(pipeline),
        classification_weight=config.second_stage_classification_loss_weight,
        localization_weight=config.second_stage_localization_loss_weight,
        clip_norm=extension.fine_tune_stage.gradient_clipping_by_norm,
        name="fine_tune_stage",
        **_loss_options(pipeline),
    )


def _loss_options(pipeline) -> dict:
    options = pipeline.model.faster_rcnn.second_stage_classification_loss
    loss = losses.classification_loss
    if options.weighted_sigmoid is not None:
        loss = losses.sigmoid_classification_loss
    elif options.weighted_softmax is not None:
        scale = options.weighted_softmax.logit_scale
        loss = functools.partial(loss, logit_scale=scale)
    return {
        "classification_loss": loss,
        "regularized": pipeline.train_config.add_regularization_loss,
    }


def _sampling_by_size(pipeline) -> ProposalSampling:
    extension = pipeline.model.feature_super_resolution
    return ProposalSampling(
        extension.rois_per_image,
        pipeline.model.faster_rcnn.second_stage_balance_fraction,
        extension.jittered_boxes_per_object,
    )


def _targets(pipeline, detector) -> TargetSource | None:
    if not detector.refiner.trainable_variables:
        return None
    supervision = pipeline.model.feature_super_resolution.supervision
    if supervision == Supervision.ATROUS:
        return _twin(pipeline, detector)
    if supervision == Supervision.NAIVE:
        return NaiveTargets()
    if supervision == Supervision.PLACEBO:
        return PlaceboTargets()
    if supervision == Supervision.MAGNIFIED:
        return MagnifiedTargets(
            build_zoom(pipeline, detector.backbone, detector.pool_base)
        )
    return None


def _twin(pipeline, detector) -> AtrousTargets:
    return AtrousTargets(detector, *build_target_features(pipeline, detector))
