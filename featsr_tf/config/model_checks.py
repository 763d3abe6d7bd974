"""Impossible combinations under `model`."""

from featsr_tf.config import schema
from featsr_tf.config.names import nearest
from featsr_tf.errors import ConfigError
from featsr_tf.errors import printable

IMAGENET_ALPHAS = (0.25, 0.5, 0.75, 1.0)
_SPELLINGS = {
    "mobilenet_v1": ("mobilenet_v1", "mobilenet_v1_keras"),
    "resnet50": ("resnet50", "resnet50_keras", "resnet50_v1"),
    "resnet101": ("resnet101", "resnet101_keras", "resnet101_v1"),
}
BACKBONES = {
    f"faster_rcnn_{spelling}": backbone
    for backbone, spellings in _SPELLINGS.items()
    for spelling in spellings
}

_DETECTOR = "model.faster_rcnn"
_EXTRACTOR = f"{_DETECTOR}.feature_extractor.type"
_EXTENSION = "model.feature_super_resolution"


def backbone_name(extractor_type: str) -> str:
    """Translates the API's name of a feature extractor.

    Args:
        extractor_type: `feature_extractor.type` of a checked config.

    Returns:
        "mobilenet_v1", "resnet50" or "resnet101".
    """
    return BACKBONES[extractor_type]


def check_model(pipeline: schema.Pipeline) -> None:
    """Refuses what no detector can be built from.

    Args:
        pipeline: A config whose single values are within their limits.

    Raises:
        ConfigError: Where, what was expected and what was found.
    """
    _check_resizer(pipeline)
    _check_type_is_set(pipeline)
    _check_backbone(pipeline)
    _check_cropping(pipeline)
    _check_sampling(pipeline)
    _check_scores(pipeline)
    _check_pairs(pipeline)
    _check_generator(pipeline)
    _check_zoom(pipeline)
    _check_training_crop(pipeline)


def _refuse(pipeline: schema.Pipeline, path: str, message: str) -> None:
    raise ConfigError(f"{pipeline.where(path)}: {path} {message}")


def _check_resizer(pipeline: schema.Pipeline) -> None:
    resizer = pipeline.model.faster_rcnn.image_resizer
    path = f"{_DETECTOR}.image_resizer"
    keep = resizer.keep_aspect_ratio_resizer
    if keep is None and resizer.fixed_shape_resizer is None:
        _refuse(
            pipeline,
            path,
            "is not set; expected keep_aspect_ratio_resizer or "
            "fixed_shape_resizer",
        )
    if keep is not None and keep.min_dimension > keep.max_dimension:
        _refuse(
            pipeline,
            f"{path}.keep_aspect_ratio_resizer.min_dimension",
            f"is {keep.min_dimension}; expected at most max_dimension, "
            f"{keep.max_dimension}",
        )


def check_extractor(pipeline: schema.Pipeline) -> None:
    """Refuses a feature extractor that is not built here.

    Args:
        pipeline: A config.

    Raises:
        ConfigError: Which one, and which there are.
    """
    name = pipeline.model.faster_rcnn.feature_extractor.type
    if name and name not in BACKBONES:
        _refuse(
            pipeline,
            _EXTRACTOR,
            f"{printable(repr(name))} is not supported; expected one of "
            f"{', '.join(BACKBONES)}; {nearest(name, BACKBONES)}",
        )


def _check_type_is_set(pipeline: schema.Pipeline) -> None:
    if not pipeline.model.faster_rcnn.feature_extractor.type:
        _refuse(
            pipeline,
            _EXTRACTOR,
            f"is not set; expected one of {', '.join(BACKBONES)}",
        )


def _check_backbone(pipeline: schema.Pipeline) -> None:
    backbone = pipeline.model.feature_super_resolution.backbone
    name = backbone_name(pipeline.model.faster_rcnn.feature_extractor.type)
    path = f"{_EXTENSION}.backbone.alpha"
    if name != "mobilenet_v1" and backbone.alpha != 1.0:
        _refuse(
            pipeline,
            path,
            f"is {backbone.alpha:g}; expected 1 for {name}: only MobileNet "
            "has a width multiplier",
        )
    if backbone.weights == "imagenet" and backbone.alpha not in IMAGENET_ALPHAS:
        _refuse(
            pipeline,
            path,
            f"is {backbone.alpha:g}; ImageNet weights exist for "
            f"{', '.join(f'{alpha:g}' for alpha in IMAGENET_ALPHAS)}",
        )


def _check_cropping(pipeline: schema.Pipeline) -> None:
    detector = pipeline.model.faster_rcnn
    size, kernel = detector.initial_crop_size, detector.maxpool_kernel_size
    stride = detector.maxpool_stride
    if kernel > size or (size - kernel) % stride:
        _refuse(
            pipeline,
            f"{_DETECTOR}.maxpool_kernel_size",
            f"is {kernel} with maxpool_stride {stride}; they do not divide "
            f"initial_crop_size {size}",
        )


def _check_sampling(pipeline: schema.Pipeline) -> None:
    detector = pipeline.model.faster_rcnn
    sampled = detector.second_stage_batch_size
    if sampled > detector.first_stage_max_proposals:
        _refuse(
            pipeline,
            f"{_DETECTOR}.second_stage_batch_size",
            f"is {sampled}; expected at most first_stage_max_proposals, "
            f"{detector.first_stage_max_proposals}",
        )


def _check_scores(pipeline: schema.Pipeline) -> None:
    detector = pipeline.model.faster_rcnn
    is_sigmoid = (
        detector.second_stage_classification_loss.weighted_sigmoid is not None
    )
    converter = detector.second_stage_post_processing.score_converter
    fitting = schema.ScoreConverter.SOFTMAX
    if is_sigmoid:
        fitting = schema.ScoreConverter.SIGMOID
    if converter not in (fitting, schema.ScoreConverter.IDENTITY):
        _refuse(
            pipeline,
            f"{_DETECTOR}.second_stage_post_processing.score_converter",
            f"is {converter}; expected {fitting}, which goes with the "
            "second_stage_classification_loss",
        )


def _check_pairs(pipeline: schema.Pipeline) -> None:
    extension = pipeline.model.feature_super_resolution
    low = extension.minimum_pair_area_ratio
    high = extension.maximum_pair_area_ratio
    if low >= high:
        _refuse(
            pipeline,
            f"{_EXTENSION}.minimum_pair_area_ratio",
            f"is {low:g}; expected less than maximum_pair_area_ratio, {high:g}",
        )


def _check_generator(pipeline: schema.Pipeline) -> None:
    extension = pipeline.model.feature_super_resolution
    detector = pipeline.model.faster_rcnn
    for path, kernel in (
        (
            f"{_EXTENSION}.generator.kernel_size",
            extension.generator.kernel_size,
        ),
        (
            f"{_DETECTOR}.first_stage_box_predictor_kernel_size",
            detector.first_stage_box_predictor_kernel_size,
        ),
    ):
        if kernel % 2 == 0:
            _refuse(pipeline, path, f"is {kernel}; expected an odd number")


def _check_zoom(pipeline: schema.Pipeline) -> None:
    zoom = pipeline.model.feature_super_resolution.zoom
    path = f"{_EXTENSION}.zoom"
    if zoom.window_size % 16:
        _refuse(
            pipeline,
            f"{path}.window_size",
            f"is {zoom.window_size}; expected a multiple of 16",
        )
    if 2 * zoom.margin >= zoom.window_size:
        _refuse(
            pipeline,
            f"{path}.margin",
            f"is {zoom.margin}; expected less than half of window_size, "
            f"{zoom.window_size}",
        )


def _check_training_crop(pipeline: schema.Pipeline) -> None:
    crop = pipeline.model.feature_super_resolution.training_crop
    if crop is None:
        return
    path = f"{_EXTENSION}.training_crop"
    for name, side in (("height", crop.height), ("width", crop.width)):
        if side % 32:
            _refuse(
                pipeline,
                f"{path}.{name}",
                f"is {side}; expected a multiple of 32",
            )
    if crop.minimum_scale > crop.maximum_scale:
        _refuse(
            pipeline,
            f"{path}.minimum_scale",
            f"is {crop.minimum_scale:g}; expected at most maximum_scale, "
            f"{crop.maximum_scale:g}",
        )
