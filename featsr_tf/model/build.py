"""Models from a pipeline: the only place of `model/` that knows the config."""

import dataclasses
import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from featsr_tf.config import backbone_name
from featsr_tf.config import chosen
from featsr_tf.config import has_api_geometry
from featsr_tf.config.schema import Activation
from featsr_tf.config.schema import AreaFrame
from featsr_tf.config.schema import FeatureSuperResolution
from featsr_tf.config.schema import Hyperparams
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.schema import RefinerType
from featsr_tf.config.schema import Supervision
from featsr_tf.errors import ConfigError
from featsr_tf.geometry import TENSORFLOW
from featsr_tf.geometry import Operations
from featsr_tf.geometry.boxes import anchors_of_one_cell
from featsr_tf.geometry.nms import Suppression
from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.geometry.receptive_field import receptive_field
from featsr_tf.geometry.roi_align import RoiPooling
from featsr_tf.geometry.roi_align import Sampling
from featsr_tf.geometry.roi_align import sample_by_crops
from featsr_tf.model import speed
from featsr_tf.model.backbone import Backbone
from featsr_tf.model.backbone import build_backbone
from featsr_tf.model.detector import Detector
from featsr_tf.model.discriminator import Discriminator
from featsr_tf.model.focus import FocusHead
from featsr_tf.model.generator import Generator
from featsr_tf.model.postprocess import PostProcessing
from featsr_tf.model.predictor import Predictor
from featsr_tf.model.proposal_network import ProposalNetwork
from featsr_tf.model.proposal_network import ProposalSettings
from featsr_tf.model.refiner import Gate
from featsr_tf.model.refiner import GeneratorRefiner
from featsr_tf.model.refiner import NoRefiner
from featsr_tf.model.second_look import SecondLook
from featsr_tf.model.second_look import WindowSettings
from featsr_tf.model.tail_generator import TailGenerator
from featsr_tf.model.tail_generator import build_tail
from featsr_tf.model.target_extractor import build_target_extractor
from featsr_tf.model.zoom import ZoomRefiner


def _in_its_precision(build: Callable) -> Callable:
    @functools.wraps(build)
    def build_layers(pipeline: Pipeline, *arguments, **options):
        precision = pipeline.model.feature_super_resolution.precision
        # Keras has the same names, but in small letters.
        with speed.dtype_policy_scope(precision.value.lower()):
            return build(pipeline, *arguments, **options)

    return build_layers


@_in_its_precision
def build_detector(
    pipeline: Pipeline,
    load_weights: bool = True,
    operations: Operations = TENSORFLOW,
) -> Detector:
    """Builds the whole detector, with every variable made.

    Args:
        load_weights: whether the backbone's weights are loaded; a checkpoint
            that is restored afterwards needs none.

    Returns:
        The detector; its small predictor equals its large one, and a
        generator is the identity.

    Raises:
        ConfigError: XLA is to compile for several devices.
    """
    _check_devices(pipeline)
    config = pipeline.model.faster_rcnn
    extension = pipeline.model.feature_super_resolution
    backbone = build_backbone(
        backbone_name(pipeline),
        alpha=extension.backbone.alpha,
        weights=extension.backbone.weights if load_weights else "",
        jit_compile=extension.jit_compile,
        base_layer=extension.backbone.base_layer,
        sub_layer=extension.backbone.sub_layer,
        head_from=extension.backbone.head_from,
        dense_second_stage=extension.backbone.dense_second_stage,
        as_api=has_api_geometry(pipeline),
        stride=config.feature_extractor.first_stage_features_stride,
    )
    parts = {
        "backbone": backbone,
        "proposal_network": _proposal_network(pipeline),
        "proposal_settings": _proposal_settings(pipeline, operations.suppress),
        "pool_base": _pooling(
            pipeline, backbone.features, "base", operations.sample
        ),
        "postprocess": _postprocess(pipeline, operations.suppress),
        "can_skip": operations.can_branch,
    }
    # The seeds of initial weights follow the order in which layers are made.
    refiner = _refiner(pipeline, backbone, parts["pool_base"])
    large_predictor = _predictor(pipeline, backbone, "large_predictor")
    small_predictor = _predictor(pipeline, backbone, "small_predictor")
    detector = Detector(
        **parts,
        refiner=refiner,
        large_predictor=large_predictor,
        small_predictor=small_predictor,
        small_area_threshold=_small_area_threshold(extension),
        threshold_in_original_pixels=(
            extension.small_area_frame == AreaFrame.ORIGINAL
        ),
        gate=_gate(extension),
        second_look=_second_look(extension, small_predictor, parts),
        **_focus_head(extension, backbone),
        objectness_threshold=extension.gate_objectness_threshold,
        compiles_parts=extension.jit_compile,
        name="detector",
    )
    detector.build_variables()
    for layer in detector._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            if not config.feature_extractor.batch_norm_trainable:
                layer.trainable = False
            elif tf.distribute.get_strategy().num_replicas_in_sync > 1:
                # Each device would drift by the statistics of its batches.
                layer.synchronized = True
    return detector


@_in_its_precision
def build_target_features(
    pipeline: Pipeline, detector: Detector
) -> tuple[speed.PolyphaseCall, RoiPooling]:
    """Builds the atrous twin of a detector's extractor."""
    extension = pipeline.model.feature_super_resolution
    twin = build_target_extractor(
        detector.extractor, extension.twin_pooling.value
    )
    return (
        speed.PolyphaseCall(twin, extension.jit_compile),
        _pooling(
            pipeline,
            twin,
            "base",
            halved_cells=receptive_field(detector.extractor, "base"),
        ),
    )


def build_zoom(
    pipeline: Pipeline, backbone: Backbone, pool_base: RoiPooling
) -> ZoomRefiner:
    """Builds what looks through enlarged windows with a detector's parts."""
    zoom = pipeline.model.feature_super_resolution.zoom
    return ZoomRefiner(
        backbone=backbone,
        pool_base=pool_base,
        window_size=zoom.window_size,
        margin=zoom.margin,
    )


@_in_its_precision
def build_discriminator(
    pipeline: Pipeline, detector: Detector
) -> Discriminator | None:
    """Builds the discriminator; None where the config trains without one."""
    extension = pipeline.model.feature_super_resolution
    if (
        not detector.refiner.trainable_variables
        or extension.supervision == Supervision.NONE
        or extension.losses.generator_weight == 0.0
    ):
        return None
    discriminator = Discriminator(
        hidden_units=extension.discriminator.hidden_units,
        spectral_normalization=extension.discriminator.spectral_normalization,
        name="discriminator",
    )
    discriminator.build(detector.pooled_shape("base"))
    return discriminator


def _check_devices(pipeline) -> None:
    path = "model.feature_super_resolution.jit_compile"
    devices = tf.distribute.get_strategy().num_replicas_in_sync
    if pipeline.model.feature_super_resolution.jit_compile and devices > 1:
        raise ConfigError(
            f"{pipeline.where(path)}: {path} is true; expected false where "
            f"{devices} devices train together, or one device alone, such as "
            "by CUDA_VISIBLE_DEVICES=0"
        )


def _pooling(
    pipeline,
    features: keras.Model,
    layer: str,
    sample: Sampling = sample_by_crops,
    halved_cells: ReceptiveField | None = None,
) -> RoiPooling:
    config = pipeline.model.faster_rcnn
    return RoiPooling(
        cells=receptive_field(features, layer),
        crop_size=config.initial_crop_size,
        maxpool_kernel_size=config.maxpool_kernel_size,
        maxpool_stride=config.maxpool_stride,
        crops=has_api_geometry(pipeline),
        halved_cells=halved_cells,
        sample=sample,
    )


def _proposal_network(pipeline) -> ProposalNetwork:
    config = pipeline.model.faster_rcnn
    grid = config.first_stage_anchor_generator.grid_anchor_generator
    hyperparams = config.first_stage_box_predictor_conv_hyperparams
    options = {}
    if hyperparams is not None:
        options["activation"] = _ACTIVATIONS[hyperparams.activation]
    if has_api_geometry(pipeline):
        # Whatever its hyperparameters say.
        options["activation"] = "relu6"
    return ProposalNetwork(
        anchors_per_cell=len(grid.scales) * len(grid.aspect_ratios),
        depth=config.first_stage_box_predictor_depth,
        kernel_size=config.first_stage_box_predictor_kernel_size,
        name="proposal_network",
        **options,
        **_kernel_options(hyperparams),
    )


def _proposal_settings(pipeline, suppress: Suppression) -> ProposalSettings:
    config = pipeline.model.faster_rcnn
    as_api = has_api_geometry(pipeline)
    grid = config.first_stage_anchor_generator.grid_anchor_generator
    cell_anchors = anchors_of_one_cell(
        base_height=grid.height,
        base_width=grid.width,
        scales=grid.scales,
        aspect_ratios=grid.aspect_ratios,
    )
    return ProposalSettings(
        cell_anchors=np.asarray(cell_anchors),
        maximum=config.first_stage_max_proposals,
        iou_threshold=config.first_stage_nms_iou_threshold,
        score_threshold=config.first_stage_nms_score_threshold,
        clip_anchors=config.clip_anchors_to_image or as_api,
        suppress=suppress,
        anchors_at_corners=as_api,
        clips_last=as_api,
        **({"candidates": None} if as_api else {}),
    )


def _refiner(
    pipeline, backbone: Backbone, pool_base: RoiPooling
) -> keras.layers.Layer:
    extension = pipeline.model.feature_super_resolution
    if extension.refiner in (RefinerType.NONE, RefinerType.SECOND_LOOK):
        return NoRefiner()
    if extension.refiner == RefinerType.ZOOM:
        return build_zoom(pipeline, backbone, pool_base)
    if extension.refiner == RefinerType.TAIL_GENERATOR:
        generator = TailGenerator(
            build_tail(backbone.features), name="generator"
        )
        pool_sub = _tail_pooling(backbone, pool_base)
    else:
        options = extension.generator
        generator = Generator(
            residual_blocks=options.residual_blocks,
            hidden_channels=options.hidden_channels,
            kernel_size=options.kernel_size,
            block=options.block.value,
            name="generator",
        )
        pool_sub = _pooling(
            pipeline, backbone.features, "sub", pool_base.sample
        )
    return GeneratorRefiner(
        generator=generator,
        pool_sub=pool_sub,
        jit_compile=extension.jit_compile,
    )


def _tail_pooling(backbone: Backbone, pool_base: RoiPooling) -> RoiPooling:
    """Pools what a tail makes as many cells of as `pool_base` gives."""
    cells = receptive_field(backbone.features, "sub")
    has_stride = cells.stride < pool_base.cells.stride
    return RoiPooling(
        cells=cells,
        crop_size=pool_base.output_size * (2 if has_stride else 1),
        crops=pool_base.crops,
        sample=pool_base.sample,
    )


def _small_area_threshold(extension) -> float:
    """The threshold; of the resized frame, as the first pass resizes it."""
    threshold = extension.small_area_threshold
    if (
        extension.refiner == RefinerType.SECOND_LOOK
        and extension.small_area_frame == AreaFrame.RESIZED
    ):
        threshold *= extension.second_look.first_pass_scale**2
    return threshold


def _second_look(
    extension, small_predictor: Predictor, parts: dict
) -> SecondLook | None:
    if extension.refiner != RefinerType.SECOND_LOOK:
        return None
    options = extension.second_look
    proposal_settings = dataclasses.replace(
        parts["proposal_settings"],
        score_threshold=options.objectness_threshold,
    )
    return SecondLook(
        **(parts | {"proposal_settings": proposal_settings}),
        predictor=small_predictor,
        settings=build_window_settings(extension),
    )


def build_window_settings(extension: FeatureSuperResolution) -> WindowSettings:
    """Says how windows of a second look are laid and searched."""
    options = extension.second_look
    return WindowSettings(
        size=options.window_size,
        magnifications=tuple(options.magnifications),
        preferred_size=options.preferred_size,
        maximum_enlargement=options.maximum_enlargement,
        margin=options.margin,
        score_threshold=extension.gate_score_threshold,
        focus_threshold=options.focus_threshold,
        certain_score=options.certain_score,
        maximum_share=options.maximum_window_share,
    )


def _focus_head(extension, backbone: Backbone) -> dict:
    channels = extension.second_look.focus_channels
    if extension.refiner != RefinerType.SECOND_LOOK or not channels:
        return {}
    cells = receptive_field(backbone.features, "sub")
    head = FocusHead(
        channels,
        stride=cells.stride,
        base_stride=receptive_field(backbone.features, "base").stride,
        name="focus_head",
    )
    return {"focus_head": head, "focus_cells": cells}


def _gate(extension) -> Gate | None:
    if not extension.gate_score_threshold and not extension.gate_maximum:
        return None
    return Gate(
        score_threshold=extension.gate_score_threshold,
        maximum=extension.gate_maximum,
    )


def _predictor(pipeline, backbone: Backbone, name: str) -> Predictor:
    config = pipeline.model.faster_rcnn
    box_predictor = config.second_stage_box_predictor.mask_rcnn_box_predictor
    dropout_rate = 0.0
    if box_predictor.use_dropout:
        dropout_rate = 1.0 - box_predictor.dropout_keep_probability
    return Predictor(
        second_stage=backbone.second_stage(name=name),
        num_classes=config.num_classes,
        share_box_across_classes=box_predictor.share_box_across_classes,
        dropout_rate=dropout_rate,
        jit_compile=pipeline.model.feature_super_resolution.jit_compile,
        name=name,
        **_kernel_options(box_predictor.fc_hyperparams),
    )


def _postprocess(pipeline, suppress: Suppression) -> PostProcessing:
    options = pipeline.model.faster_rcnn.second_stage_post_processing
    limits = options.batch_non_max_suppression
    return PostProcessing(
        score_threshold=limits.score_threshold,
        iou_threshold=limits.iou_threshold,
        maximum_per_class=limits.max_detections_per_class,
        maximum_total=limits.max_total_detections,
        score_converter=options.score_converter.value,
        logit_scale=options.logit_scale,
        suppression=suppress,
        clips_last=has_api_geometry(pipeline),
    )


_ACTIVATIONS = {
    Activation.NONE: "linear",
    Activation.RELU: "relu",
    Activation.RELU_6: "relu6",
    Activation.SWISH: "silu",
}


def _kernel_options(hyperparams: Hyperparams | None) -> dict:
    """Arguments of a layer; what the config leaves open is left to it."""
    if hyperparams is None:
        return {}
    return {
        "kernel_initializer": _initializer(hyperparams.initializer),
        "kernel_regularizer": _regularizer(hyperparams.regularizer),
    }


def _initializer(options) -> keras.initializers.Initializer | None:
    if options is None:
        return None
    name, values = chosen(options)
    if name == "truncated_normal_initializer":
        return keras.initializers.TruncatedNormal(values.mean, values.stddev)
    if name == "random_normal_initializer":
        return keras.initializers.RandomNormal(values.mean, values.stddev)
    if name == "variance_scaling_initializer":
        return keras.initializers.VarianceScaling(
            values.factor,
            values.mode.value.lower(),
            "uniform" if values.uniform else "truncated_normal",
        )
    return None


def _regularizer(options) -> keras.regularizers.Regularizer | None:
    if options is None:
        return None
    name, values = chosen(options)
    if values is None or values.weight == 0.0:
        return None
    if name == "l1_regularizer":
        return keras.regularizers.L1(values.weight)
    # The API's is half the sum of squares, that of Keras the sum.
    return keras.regularizers.L2(0.5 * values.weight)
