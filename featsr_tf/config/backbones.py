"""The backbones that there are; what is Keras's own is named, not imported."""

import dataclasses
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class BackboneEntry:
    """What distinguishes one backbone from another.

    Args:
        constructor: makes the network; a name is one of `keras.applications`,
            "package.module:function" one of its own.
        preprocess: maps RGB images 0..255 to what the network was trained on;
            "" = its own first layers do.
        base_layer: layer whose output are the base features, at stride 16;
            "" = proposed from the graph.
        sub_layer: layer whose output are the sub features of Figure 5; ""
            likewise.
        head_from: first layer of the second stage; "" = the one behind the
            base layer.
        has_alpha: whether the network comes in several widths.
        has_imagenet_weights: whether Keras has weights to download.
        dense_second_stage: whether the second stage keeps the resolution of
            the pooled features: its strides are then replaced by 1.
        first_layer: the one that sees preprocessed images, where `preprocess`
            stands for the layers before it.
    """

    constructor: str | Callable[..., Any]
    preprocess: str | Callable[..., Any] = ""
    base_layer: str = ""
    sub_layer: str = ""
    head_from: str = ""
    spellings: tuple[str, ...] = ()
    has_alpha: bool = False
    has_imagenet_weights: bool = True
    dense_second_stage: bool = False
    first_layer: str = ""


BACKBONES = {
    "mobilenet_v1": BackboneEntry(
        constructor="MobileNet",
        preprocess="mobilenet.preprocess_input",
        spellings=("mobilenet_v1", "mobilenet_v1_keras"),
        base_layer="conv_pw_11_relu",
        sub_layer="conv_pw_5_relu",
        has_alpha=True,
    ),
    "resnet50": BackboneEntry(
        constructor="ResNet50",
        preprocess="resnet.preprocess_input",
        spellings=("resnet50", "resnet50_keras", "resnet50_v1"),
        base_layer="conv4_block6_out",
        sub_layer="conv2_block3_out",
        dense_second_stage=True,
    ),
    "resnet101": BackboneEntry(
        constructor="ResNet101",
        preprocess="resnet.preprocess_input",
        spellings=("resnet101", "resnet101_keras", "resnet101_v1"),
        base_layer="conv4_block23_out",
        sub_layer="conv2_block3_out",
        dense_second_stage=True,
    ),
    "efficientnet_lite0": BackboneEntry(
        constructor="featsr_tf.model.efficientnet_lite:efficientnet_lite0",
        spellings=("efficientnet_lite0",),
        base_layer="block6a_expand_activation",
        sub_layer="block4a_expand_activation",
        has_imagenet_weights=False,
    ),
}
# The type of networks that `backbone.name` or `backbone.factory` says.
ANY_NETWORK = "faster_rcnn_keras"
# `feature_extractor.type` -> backbone.
EXTRACTOR_TYPES = {
    f"faster_rcnn_{spelling}": name
    for name, entry in BACKBONES.items()
    for spelling in entry.spellings
} | {ANY_NETWORK: ""}
# What `backbone.factory` may be: package.module:function.
FACTORY = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
# Widths of MobileNet for which Keras has weights.
IMAGENET_ALPHAS = (0.25, 0.5, 0.75, 1.0)
