"""The three stages and their batches from a pipeline."""

import functools
import re
import warnings
from collections.abc import Callable, Sequence

import tensorflow as tf

from featsr_tf.config.schema import Pipeline
from featsr_tf.config.schema import Precision
from featsr_tf.config.schema import Supervision
from featsr_tf.data.build import training_batches
from featsr_tf.data.build import training_names
from featsr_tf.data.keys import Batch
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.sharding import Shard
from featsr_tf.errors import ConfigError
from featsr_tf.model.build import build_discriminator
from featsr_tf.model.build import build_target_features
from featsr_tf.model.build import build_zoom
from featsr_tf.model.detector import Detector
from featsr_tf.model.weight_transfer import Transfer
from featsr_tf.training import checkpoints
from featsr_tf.training import losses
from featsr_tf.training.api_checkpoint import load_checkpoint
from featsr_tf.training.base_stage import AnchorSampling
from featsr_tf.training.base_stage import BaseStage
from featsr_tf.training.feature_cache import SEED_OFFSET
from featsr_tf.training.fine_tune_stage import FineTuneStage
from featsr_tf.training.focus import FocusLearning
from featsr_tf.training.losses import PredictorLoss
from featsr_tf.training.optimizers import Minimizer
from featsr_tf.training.optimizers import build_optimizer
from featsr_tf.training.stage import ProposalSampler
from featsr_tf.training.stage import Stage
from featsr_tf.training.stage import StageInputs
from featsr_tf.training.super_resolution_stage import AdversarialLoss
from featsr_tf.training.super_resolution_stage import PairSampling
from featsr_tf.training.super_resolution_stage import SuperResolutionStage
from featsr_tf.training.targets import AtrousTargets
from featsr_tf.training.targets import MagnifiedTargets
from featsr_tf.training.targets import NaiveTargets
from featsr_tf.training.targets import PlaceboTargets
from featsr_tf.training.targets import TargetSource


def build_stage(pipeline: Pipeline, name: str, detector: Detector) -> Stage:
    """Builds a stage with its optimizers.

    Call it in the scope of the distribution strategy.
    """
    build = {
        checkpoints.BASE: _base,
        checkpoints.SUPER_RESOLUTION: _super_resolution,
        checkpoints.FINE_TUNE: _fine_tune,
    }[name]
    options = _stage_options(pipeline, name)
    stage = build(
        pipeline,
        detector,
        minimizer=_minimizer(
            pipeline,
            options.optimizer,
            options.gradient_clipping_by_norm,
            getattr(options, "generator_updates_per_discriminator_update", 1),
        ),
        regularized=pipeline.train_config.add_regularization_loss,
        name=f"{name}_stage",
    )
    stage.optimizer.build(stage.trained_variables)
    return stage


def _stage_options(pipeline: Pipeline, name: str):
    """Finds the message with a stage's `num_steps` and `optimizer`."""
    extension = pipeline.model.feature_super_resolution
    return {
        checkpoints.BASE: pipeline.train_config,
        checkpoints.SUPER_RESOLUTION: extension.super_resolution_stage,
        checkpoints.FINE_TUNE: extension.fine_tune_stage,
    }[name]


def num_steps(pipeline: Pipeline, name: str) -> int:
    """Gives the number of steps of a stage; 0 leaves stage 2 or 3 out.

    Raises:
        ConfigError: stage 1 has no steps.
    """
    steps = _stage_options(pipeline, name).num_steps
    if name == checkpoints.BASE and not steps:
        path = "train_config.num_steps"
        raise ConfigError(
            f"{pipeline.where(path)}: {path} is 0, which is training without "
            "end in the Object Detection API; expected the number of steps, "
            f"such as --set {path}=10000"
        )
    return steps


def is_cached(pipeline: Pipeline, name: str) -> bool:
    """Tells whether the batches of a stage come from a feature cache."""
    cache = pipeline.model.feature_super_resolution.feature_cache
    return cache is not None and name != checkpoints.BASE


def stage_batches(
    pipeline: Pipeline,
    source: RecordFiles,
    stage: Stage,
    name: str,
    shard: Shard | None = None,
    skip_steps: int = 0,
    services: Sequence[str] = (),
) -> tf.data.Dataset:
    """Makes the batches of a stage; they depend on nothing but the step."""
    return training_batches(
        pipeline,
        source,
        skip_steps=skip_steps,
        with_half_images=stage.needs_half_images,
        with_originals=stage.needs_originals,
        seed_offset=checkpoints.STAGES.index(name),
        shard=shard,
        services=services,
    )


def record_names(
    pipeline: Pipeline,
    source: RecordFiles,
    name: str,
    batches: Callable[..., tf.data.Dataset],
    step: int,
) -> list[str]:
    """Names the records that a step of a stage was made of.

    Args:
        step: number of the step, from 1.
    """
    shard = Shard(pipeline.train_config.batch_size)
    batch = next(iter(batches(shard, skip_steps=step - 1)))
    if Batch.SEEDS in batch:
        numbers = batch[Batch.SEEDS][:, 1]
        seed_offset = checkpoints.STAGES.index(name)
    else:
        numbers = batch[StageInputs.NUMBERS]
        seed_offset = SEED_OFFSET
    return training_names(
        pipeline, source, numbers.numpy().tolist(), seed_offset
    )


def _minimizer(pipeline, optimizer, clip_norm, updates=1) -> Minimizer:
    precision = pipeline.model.feature_super_resolution.precision
    scales_loss = precision == Precision.MIXED_FLOAT16
    return Minimizer(
        build_optimizer(optimizer, scales_loss, updates), clip_norm
    )


def _base(pipeline, detector, **options) -> BaseStage:
    config = pipeline.model.faster_rcnn
    extension = pipeline.model.feature_super_resolution
    twin = _twin(pipeline, detector) if extension.twin_aware_weight else None
    stage = BaseStage(
        detector,
        sampler=_sampler(
            pipeline, detector, count=config.second_stage_batch_size
        ),
        predictor_loss=_detector_loss(pipeline),
        anchor_sampling=AnchorSampling(
            count=config.first_stage_minibatch_size,
            positive_fraction=config.first_stage_positive_balance_fraction,
        ),
        objectness_weight=config.first_stage_objectness_loss_weight,
        anchor_localization_weight=config.first_stage_localization_loss_weight,
        frozen_patterns=pipeline.train_config.freeze_variables,
        # The empty pattern matches every variable.
        trained_patterns=pipeline.train_config.update_trainable_variables
        or [""],
        twin=twin,
        twin_aware_weight=extension.twin_aware_weight,
        **options,
    )
    _check_patterns(pipeline, stage)
    return stage


def _check_patterns(pipeline: Pipeline, stage: BaseStage) -> None:
    config = pipeline.train_config
    for name in ("freeze_variables", "update_trainable_variables"):
        path = f"train_config.{name}"
        idle = [
            pattern
            for pattern in getattr(config, name)
            if not any(
                re.search(pattern, variable.path)
                for variable in stage.all_variables
            )
        ]
        if idle:
            warnings.warn(
                f"{pipeline.where(path)}: {path}: no variable has "
                f"{', '.join(map(repr, idle))} in its name, which is such as "
                f"{stage.all_variables[0].path}",
                stacklevel=2,
            )
    if not stage.trained_variables:
        path = "train_config.freeze_variables"
        raise ConfigError(
            f"{pipeline.where(path)}: {path} and update_trainable_variables "
            "leave no variable that stage 1 could train; expected patterns "
            "of some of them"
        )


def _super_resolution(pipeline, detector, **options) -> SuperResolutionStage:
    extension = pipeline.model.feature_super_resolution
    stage = extension.super_resolution_stage
    # First, because the seeds of initial weights follow the order of layers.
    adversarial = _adversarial(pipeline, detector)
    return SuperResolutionStage(
        detector,
        sampler=_sampler(pipeline, detector, count=extension.rois_per_image),
        predictor_loss=PredictorLoss(
            classification_weight=extension.losses.classification_weight,
            localization_weight=extension.losses.localization_weight,
            classification_loss=_classification_loss(pipeline),
        ),
        pair_sampling=PairSampling(
            count=extension.pairs_per_image,
            minimum_area_ratio=extension.minimum_pair_area_ratio,
            maximum_area_ratio=extension.maximum_pair_area_ratio,
        ),
        targets=_targets(pipeline, detector),
        adversarial=adversarial,
        content_weight=extension.losses.content_weight,
        generator_updates=stage.generator_updates_per_discriminator_update,
        focus=_focus(pipeline, detector),
        **options,
    )


def _fine_tune(pipeline, detector, **options) -> FineTuneStage:
    count = pipeline.model.feature_super_resolution.rois_per_image
    return FineTuneStage(
        detector,
        sampler=_sampler(pipeline, detector, count),
        predictor_loss=_detector_loss(pipeline),
        **options,
    )


def _sampler(pipeline, detector, count) -> ProposalSampler:
    config = pipeline.model.faster_rcnn
    extension = pipeline.model.feature_super_resolution
    return ProposalSampler(
        detector,
        count=count,
        positive_fraction=config.second_stage_balance_fraction,
        jittered_boxes_per_object=extension.jittered_boxes_per_object,
    )


def _detector_loss(pipeline) -> PredictorLoss:
    """Makes the loss with the weights of stages 1 and 3."""
    config = pipeline.model.faster_rcnn
    return PredictorLoss(
        classification_weight=config.second_stage_classification_loss_weight,
        localization_weight=config.second_stage_localization_loss_weight,
        classification_loss=_classification_loss(pipeline),
    )


def _classification_loss(pipeline) -> Callable:
    options = pipeline.model.faster_rcnn.second_stage_classification_loss
    if options.weighted_sigmoid is not None:
        return losses.sigmoid_classification_loss
    if options.weighted_softmax is not None:
        scale = options.weighted_softmax.logit_scale
        return functools.partial(losses.classification_loss, logit_scale=scale)
    return losses.classification_loss


def _adversarial(pipeline, detector) -> AdversarialLoss | None:
    discriminator = build_discriminator(pipeline, detector)
    if discriminator is None:
        return None
    extension = pipeline.model.feature_super_resolution
    options = extension.super_resolution_stage
    minimizer = _minimizer(
        pipeline,
        options.discriminator_optimizer,
        options.gradient_clipping_by_norm,
    )
    minimizer.optimizer.build(discriminator.trainable_variables)
    return AdversarialLoss(
        discriminator,
        minimizer=minimizer,
        generator_weight=extension.losses.generator_weight,
        warmup_steps=options.adversarial_warmup_steps,
        jit_compile=extension.jit_compile,
    )


def _focus(pipeline, detector) -> FocusLearning | None:
    if detector.focus_head is None:
        return None
    options = pipeline.model.feature_super_resolution.super_resolution_stage
    minimizer = _minimizer(
        pipeline, options.focus_optimizer, options.gradient_clipping_by_norm
    )
    minimizer.optimizer.build(detector.focus_head.trainable_variables)
    return FocusLearning(detector, minimizer)


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


def load_fine_tune_checkpoint(
    pipeline: Pipeline, detector: Detector
) -> tuple[Transfer, dict]:
    """Loads what fits of a checkpoint of the API; see `load_checkpoint`."""
    config = pipeline.train_config
    anchors = pipeline.model.faster_rcnn.first_stage_anchor_generator
    return load_checkpoint(
        config.fine_tune_checkpoint,
        detector,
        num_scales=len(anchors.grid_anchor_generator.scales),
        num_ratios=len(anchors.grid_anchor_generator.aspect_ratios),
        extractor_only=config.fine_tune_checkpoint_type == "classification",
    )
