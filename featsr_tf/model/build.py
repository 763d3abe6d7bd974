"""Models from a pipeline: the only place of `model/` that knows the config."""

import functools
from collections.abc import Callable

import keras
import tensorflow as tf

from featsr_tf.config import backbone_name
from featsr_tf.config import chosen
from featsr_tf.config.schema import Activation
from featsr_tf.config.schema import AreaFrame
from featsr_tf.config.schema import Hyperparams
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.schema import RefinerType
from featsr_tf.config.schema import Supervision
from featsr_tf.errors import ConfigError
from featsr_tf.geometry.boxes import anchors_of_one_cell
from featsr_tf.geometry.nms import Suppression
from featsr_tf.geometry.operations import TENSORFLOW
from featsr_tf.geometry.operations import Operations
from featsr_tf.geometry.receptive_field import receptive_field
from featsr_tf.geometry.roi_align import Sampling
from featsr_tf.geometry.roi_align import sample_by_crops
from featsr_tf.model.backbone import Backbone
from featsr_tf.model.backbone import build_backbone
from featsr_tf.model.detector import Detector
from featsr_tf.model.detector import ProposalSettings
from featsr_tf.model.discriminator import Discriminator
from featsr_tf.model.generator import Generator
from featsr_tf.model.postprocess import PostProcessing
from featsr_tf.model.predictor import Predictor
from featsr_tf.model.proposal_network import ProposalNetwork
from featsr_tf.model.refiner import Gate
from featsr_tf.model.refiner import GeneratorRefiner
from featsr_tf.model.refiner import NoRefiner
from featsr_tf.model.roi_pooling import RoiPooling
from featsr_tf.model.speed.polyphase import InPhases
from featsr_tf.model.speed.precision import computing_in
from featsr_tf.model.tail_generator import TailGenerator
from featsr_tf.model.tail_generator import build_tail
from featsr_tf.model.target_extractor import build_target_extractor
from featsr_tf.model.zoom import ZoomRefiner


def _of_its_precision(build: Callable) -> Callable:
    @functools.wraps(build)
    def build_layers(pipeline: Pipeline, *arguments, **options):
        precision = pipeline.model.feature_super_resolution.precision
        # Keras has the same names, but in small letters.
        with computing_in(precision.value.lower()):
            return build(pipeline, *arguments, **options)

    return build_layers


@_of_its_precision
def build_detector(
    pipeline: Pipeline,
    load_weights: bool = True,
    operations: Operations = TENSORFLOW,
) -> Detector:
    """Builds the whole detector, with every variable made.

    Args:
        pipeline: the config.
        load_weights: whether the backbone's weights are loaded; a checkpoint
            that is restored afterwards needs none. Default True.
        operations: how it computes. Default TensorFlow's own kernels.

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
        backbone_name(config.feature_extractor.type),
        extension.backbone.alpha,
        extension.backbone.weights if load_weights else "",
        extension.backbone.sub_layer,
        extension.jit_compile,
    )
    pool_base = _pooling(pipeline, backbone.features, "base", operations.sample)
    detector = Detector(
        backbone,
        *_proposals(pipeline, operations.suppress),
        pool_base=pool_base,
        refiner=_refiner(pipeline, backbone, pool_base),
        large_predictor=_predictor(pipeline, backbone, "large_predictor"),
        small_predictor=_predictor(pipeline, backbone, "small_predictor"),
        postprocess=_postprocess(config, operations.suppress),
        small_area_threshold=extension.small_area_threshold,
        threshold_in_original_pixels=(
            extension.small_area_frame == AreaFrame.ORIGINAL
        ),
        gate=_gate(extension),
        objectness_threshold=extension.gate_objectness_threshold,
        can_skip=operations.can_branch,
        compiles_parts=extension.jit_compile,
        name="detector",
    )
    _build_variables(detector)
    if not config.feature_extractor.batch_norm_trainable:
        _freeze_batch_normalization(detector)
    elif tf.distribute.get_strategy().num_replicas_in_sync > 1:
        _share_batch_statistics(detector)
    return detector


@_of_its_precision
def build_target_features(
    pipeline: Pipeline, detector: Detector
) -> tuple[InPhases, RoiPooling]:
    """Builds the atrous twin and the pooling at its own cell centres.

    Args:
        pipeline: the config.
        detector: the detector whose extractor is twinned.

    Returns:
        The target extractor and its pooling.
    """
    extension = pipeline.model.feature_super_resolution
    twin = build_target_extractor(
        detector.extractor, extension.twin_pooling.value
    )
    return (
        InPhases(twin, extension.jit_compile),
        _pooling(pipeline, twin, "base"),
    )


def build_zoom(
    pipeline: Pipeline, backbone: Backbone, pool_base: RoiPooling
) -> ZoomRefiner:
    """Builds what looks through enlarged windows.

    Args:
        pipeline: the config.
        backbone: extractor of a detector.
        pool_base: that detector's pooling of the base layer.
    """
    zoom = pipeline.model.feature_super_resolution.zoom
    return ZoomRefiner(backbone, pool_base, zoom.window_size, zoom.margin)


@_of_its_precision
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
        extension.discriminator.hidden_units,
        extension.discriminator.spectral_normalization,
        name="discriminator",
    )
    discriminator.build(_pooled_shape(detector, "base"))
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
    name: str,
    sample: Sampling = sample_by_crops,
) -> RoiPooling:
    config = pipeline.model.faster_rcnn
    return RoiPooling(
        receptive_field(features, name),
        config.initial_crop_size,
        config.maxpool_kernel_size,
        config.maxpool_stride,
        sample,
    )


def _proposals(
    pipeline, suppress: Suppression
) -> tuple[ProposalNetwork, ProposalSettings]:
    config = pipeline.model.faster_rcnn
    grid = config.first_stage_anchor_generator.grid_anchor_generator
    network = ProposalNetwork(
        len(grid.scales) * len(grid.aspect_ratios),
        config.first_stage_box_predictor_depth,
        config.first_stage_box_predictor_kernel_size,
        name="proposal_network",
        **_convolution_options(
            config.first_stage_box_predictor_conv_hyperparams
        ),
    )
    settings = ProposalSettings(
        anchors_of_one_cell(
            grid.height, grid.width, grid.scales, grid.aspect_ratios
        ),
        config.first_stage_max_proposals,
        config.first_stage_nms_iou_threshold,
        config.first_stage_nms_score_threshold,
        config.clip_anchors_to_image,
        suppress,
    )
    return network, settings


def _refiner(
    pipeline, backbone: Backbone, pool_base: RoiPooling
) -> keras.layers.Layer:
    extension = pipeline.model.feature_super_resolution
    if extension.refiner == RefinerType.NONE:
        return NoRefiner()
    if extension.refiner == RefinerType.ZOOM:
        return build_zoom(pipeline, backbone, pool_base)
    if extension.refiner == RefinerType.TAIL_GENERATOR:
        return _tail_refiner(extension, backbone, pool_base)
    pool_sub = _pooling(pipeline, backbone.features, "sub", pool_base.sample)
    return GeneratorRefiner(
        _generator(extension), pool_sub, extension.jit_compile
    )


def _tail_refiner(
    extension, backbone: Backbone, pool_base: RoiPooling
) -> GeneratorRefiner:
    cells = receptive_field(backbone.features, "sub")
    has_stride = cells.stride < pool_base.cells.stride
    size = pool_base.output_size * (2 if has_stride else 1)
    return GeneratorRefiner(
        TailGenerator(build_tail(backbone.features), name="generator"),
        RoiPooling(cells, size, sample=pool_base.sample),
        extension.jit_compile,
    )


def _gate(extension) -> Gate | None:
    if not extension.gate_score_threshold and not extension.gate_maximum:
        return None
    return Gate(extension.gate_score_threshold, extension.gate_maximum)


def _generator(extension) -> Generator:
    options = extension.generator
    return Generator(
        options.residual_blocks,
        options.hidden_channels,
        options.kernel_size,
        options.block.value,
        name="generator",
    )


def _predictor(pipeline, backbone: Backbone, name: str) -> Predictor:
    config = pipeline.model.faster_rcnn
    box_predictor = config.second_stage_box_predictor.mask_rcnn_box_predictor
    return Predictor(
        backbone.second_stage(name=name),
        config.num_classes,
        box_predictor.share_box_across_classes,
        dropout_rate=(
            1.0 - box_predictor.dropout_keep_probability
            if box_predictor.use_dropout
            else 0.0
        ),
        jit_compile=pipeline.model.feature_super_resolution.jit_compile,
        name=name,
        **_kernel_options(box_predictor.fc_hyperparams),
    )


def _postprocess(config, suppress: Suppression) -> PostProcessing:
    options = config.second_stage_post_processing
    limits = options.batch_non_max_suppression
    return PostProcessing(
        limits.score_threshold,
        limits.iou_threshold,
        limits.max_detections_per_class,
        limits.max_total_detections,
        options.score_converter.value,
        options.logit_scale,
        suppress,
    )


_ACTIVATIONS = {
    Activation.NONE: "linear",
    Activation.RELU: "relu",
    Activation.RELU_6: "relu6",
    Activation.SWISH: "silu",
}


def _convolution_options(hyperparams: Hyperparams | None) -> dict:
    if hyperparams is None:
        return {}
    return {
        "activation": _ACTIVATIONS[hyperparams.activation],
        **_kernel_options(hyperparams),
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


def _build_variables(detector: Detector) -> None:
    base_shape = detector.extractor.output["base"].shape
    detector.proposal_network.build((None, *base_shape[1:]))
    pooled = _pooled_shape(detector, "base")
    detector.large_predictor.build(pooled)
    detector.small_predictor.build(pooled)
    if isinstance(detector.refiner, GeneratorRefiner):
        detector.refiner.generator.build(pooled, _pooled_shape(detector, "sub"))
        detector.refiner.built = True
    detector.start_small_predictor_from_large()


def _pooled_shape(detector: Detector, name: str) -> tuple:
    size = detector.pool_base.output_size
    channels = detector.extractor.output[name].shape[-1]
    return (None, size, size, channels)


def _freeze_batch_normalization(model: keras.Model) -> None:
    for layer in _batch_normalizations(model):
        layer.trainable = False


def _share_batch_statistics(model: keras.Model) -> None:
    """Makes them those of all devices, which would drift apart otherwise."""
    for layer in _batch_normalizations(model):
        layer.synchronized = True


def _batch_normalizations(
    model: keras.Model,
) -> list[keras.layers.BatchNormalization]:
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
