"""A detector of few small layers, built from a config like any other.

Graphs of a real backbone take many seconds to trace. What is tested with this
one holds whatever the backbone is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import keras
import numpy as np

from featsr_tf.config import Pipeline
from featsr_tf.config import parse_pipeline
from featsr_tf.model.backbone import BACKBONES
from featsr_tf.model.backbone import BackboneEntry
from featsr_tf.model.build import build_detector
from featsr_tf.model.detector import Detector

LAYERS = keras.layers

CONSTANT_OPTIMIZER = """
momentum_optimizer {
  learning_rate { constant_learning_rate { learning_rate: 0.01 } }
}
"""
CONFIG = """
model {
  faster_rcnn {
    num_classes: 2
    image_resizer { fixed_shape_resizer { height: 64 width: 64 } }
    feature_extractor {
      type: "faster_rcnn_mobilenet_v1"
      batch_norm_trainable: true
    }
    first_stage_anchor_generator {
      grid_anchor_generator {
        height: 32 width: 32 scales: [0.5, 1.25] aspect_ratios: 1.0
      }
    }
    first_stage_box_predictor_depth: 8
    first_stage_minibatch_size: 16
    first_stage_max_proposals: 16
    initial_crop_size: 3
    maxpool_kernel_size: 1
    maxpool_stride: 1
    second_stage_batch_size: 16
    second_stage_post_processing {
      batch_non_max_suppression {
        iou_threshold: 0.5
        max_detections_per_class: 6
        max_total_detections: 8
      }
    }
  }
  feature_super_resolution {
    small_area_threshold: 1024
    generator { residual_blocks: 1 hidden_channels: 8 }
    discriminator { hidden_units: [8, 4] }
    super_resolution_stage {
      num_steps: 4
      optimizer { OPTIMIZER }
      discriminator_optimizer { OPTIMIZER }
    }
    fine_tune_stage { num_steps: 4 optimizer { OPTIMIZER } }
    rois_per_image: 16
    pairs_per_image: 8
    jittered_boxes_per_object: 3
  }
}
train_config {
  batch_size: 2
  num_steps: 4
  optimizer { OPTIMIZER }
  gradient_clipping_by_norm: 10
}
train_input_reader {
  label_map_path: "label_map.pbtxt"
  tf_record_input_reader { input_path: "train.record" }
}
"""
CONFIG = CONFIG.replace("OPTIMIZER", CONSTANT_OPTIMIZER)


def small_pipeline(*overrides: str, text: str = CONFIG) -> Pipeline:
    """The config, with fields overridden as on the command line."""
    return parse_pipeline(text.encode(), "small.config", overrides)


def small_network(include_top, input_shape, alpha, weights) -> keras.Model:
    """A network with the signature of `keras.applications`.

    Its strides are those of the real ones: 4 at the layer "sub", 16 at "base",
    32 at its end.
    """
    features = inputs = keras.Input(input_shape)
    for name, channels in (
        ("first", 6),
        ("sub", 8),
        ("third", 10),
        ("base", 12),
        ("last", 12),
    ):
        features = LAYERS.Conv2D(
            channels,
            3,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_conv",
        )(features)
        features = LAYERS.BatchNormalization(name=f"{name}_bn")(features)
        features = LAYERS.LeakyReLU(name=name)(features)
    return keras.Model(inputs, features)


SMALL_BACKBONE = BackboneEntry(
    constructor=small_network,
    preprocess=lambda images: images / 127.5 - 1.0,
    base_layer="base",
    sub_layer="sub",
    has_alpha=True,
    dense_second_stage=False,
)


@contextmanager
def small_backbone() -> Iterator[None]:
    """Lets configs that say MobileNet have the small network instead."""
    with mock.patch.dict(BACKBONES, mobilenet_v1=SMALL_BACKBONE):
        yield


def small_detector(*overrides: str) -> Detector:
    """A detector of few layers, randomized."""
    with small_backbone():
        detector = build_detector(small_pipeline(*overrides))
    randomize(detector)
    return detector


def randomize(detector: Detector, gain: float = 2.0) -> None:
    """Lets every part but the generator do something that can be seen.

    New networks have outputs near zero, random ones without statistics of
    their own features that vanish, or explode, from layer to layer.

    Args:
        detector: the detector.
        gain: of the variance in each convolution.
    """
    generator = np.random.default_rng(0)
    of_generator = {id(variable) for variable in detector.refiner.variables}
    for variable in detector.variables:
        if id(variable) in of_generator:
            continue
        if "kernel" in variable.path:
            values = generator.normal(0.0, 1.0, variable.shape)
            values *= np.sqrt(gain / _fan_in(variable))
        elif "variance" in variable.path or "gamma" in variable.path:
            values = generator.uniform(0.8, 1.2, variable.shape)
        else:
            values = generator.normal(0.0, 0.1, variable.shape)
        variable.assign(values)
    detector.start_small_predictor_from_large()


def _fan_in(kernel) -> int:
    is_depthwise = len(kernel.shape) == 4 and kernel.shape[3] == 1
    return int(np.prod(kernel.shape[: 2 if is_depthwise else -1]))
