"""What the API can build and this package cannot is refused by its name."""

import pytest

from featsr_tf.config import parse_pipeline
from featsr_tf.errors import ConfigError
from tests.odapi.configs import FIRST_GENERATION

DETECTOR = "model.faster_rcnn"
RESNET = "'faster_rcnn_resnet101'"
EXTRACTORS = (
    "faster_rcnn_inception_v2",
    "faster_rcnn_inception_resnet_v2",
    "faster_rcnn_inception_resnet_v2_keras",
    "faster_rcnn_nas",
    "faster_rcnn_pnas",
    "faster_rcnn_resnet152",
    "faster_rcnn_resnet152_keras",
    "faster_rcnn_resnet50_fpn_keras",
)
# What is changed in a config of the API, and what is then refused.
FEATURES = {
    "SSD": (
        "faster_rcnn {",
        "ssd { num_classes: 90 feature_extractor { type: 'ssd_mobilenet' } }"
        " faster_rcnn {",
        "model.ssd is not supported: SSD; faster_rcnn is built",
    ),
    "EfficientDet": (
        "faster_rcnn {",
        "ssd { image_resizer {} } faster_rcnn {",
        "model.ssd is not supported: SSD; faster_rcnn is built",
    ),
    "CenterNet": (
        "faster_rcnn {",
        "center_net { num_classes: 90 } faster_rcnn {",
        "model.center_net is not supported: CenterNet; faster_rcnn is built",
    ),
    "stride 8": (
        "first_stage_features_stride: 16",
        "first_stage_features_stride: 32",
        "first_stage_features_stride is 32; expected 8 or 16",
    ),
    "dense anchors": (
        "height_stride: 16",
        "height_stride: 8",
        "height_stride is 8; expected 16, first_stage_features_stride",
    ),
    "atrous": (
        "initial_crop_size: 14",
        "first_stage_atrous_rate: 2 initial_crop_size: 14",
        "first_stage_atrous_rate is not supported as 2",
    ),
    "masks": (
        "num_classes: 1",
        "num_classes: 1 number_of_stages: 3",
        "number_of_stages is not supported as 3: Stages of the detector; 2 "
        "are built",
    ),
    "mask branch": (
        "use_dropout: false",
        "predict_instance_masks: true",
        "predict_instance_masks is not supported",
    ),
    "feature pyramid": (
        "first_stage_features_stride: 16",
        "fpn { min_level: 2 max_level: 6 }",
        "feature_extractor.fpn is not supported: Feature pyramid network",
    ),
    "anchors of pyramids": (
        "grid_anchor_generator {",
        "multiscale_anchor_generator { min_level: 2 } grid_anchor_generator {",
        "multiscale_anchor_generator is not supported: Anchors of feature "
        "pyramids; grid_anchor_generator is built",
    ),
    "R-FCN": (
        "mask_rcnn_box_predictor {",
        "rfcn_box_predictor { crop_height: 18 } mask_rcnn_box_predictor {",
        "rfcn_box_predictor is not supported: Predictor of R-FCN; "
        "mask_rcnn_box_predictor is built",
    ),
    "Context R-CNN": (
        "initial_crop_size: 14",
        "context_config { max_num_context_features: 20 }",
        "context_config is not supported: Context R-CNN",
    ),
    "focal loss": (
        "initial_crop_size: 14",
        "second_stage_classification_loss { weighted_sigmoid_focal { "
        "gamma: 2 } }",
        "weighted_sigmoid_focal is not supported: Focal loss",
    ),
    "Soft-NMS": (
        "iou_threshold: 0.6",
        "soft_nms_sigma: 0.5",
        "soft_nms_sigma is not supported: Soft suppression",
    ),
    "grey images": (
        "min_dimension: 600",
        "convert_to_grayscale: true",
        "convert_to_grayscale is not supported as True: Images of one channel",
    ),
    "unchanged images": (
        "keep_aspect_ratio_resizer { min_dimension: 600 max_dimension: 1024 }",
        "identity_resizer {}",
        "identity_resizer is not supported: Images as they are",
    ),
}


def refuse(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_pipeline(text.encode(), "stock.config")
    error = str(caught.value)
    assert "\n" not in error
    assert error.startswith("stock.config:")
    return error


@pytest.mark.parametrize("name", EXTRACTORS)
def test_feature_extractors_are_refused_by_name(name):
    # Whatever else such a config says: this one comes first.
    text = FIRST_GENERATION.replace(RESNET, repr(name)).replace(
        "first_stage_features_stride: 16", "first_stage_features_stride: 8"
    )
    error = refuse(text)
    assert f"{name!r} is not supported; expected one of faster_rcnn_m" in error
    for known in ("faster_rcnn_resnet50", "faster_rcnn_resnet101_keras"):
        assert known in error


@pytest.mark.parametrize("feature", FEATURES)
def test_features_are_refused_by_name_with_what_there_is(feature):
    old, new, message = FEATURES[feature]
    assert FIRST_GENERATION.count(old) == 1
    assert message in refuse(FIRST_GENERATION.replace(old, new))
