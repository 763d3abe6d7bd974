"""Faster R-CNN of the TensorFlow Object Detection API, of the same config.

The API is no dependency of this project.
"""

import sys
from collections.abc import Callable
from unittest import mock

import numpy as np

from featsr_tf.config.schema import Pipeline
from featsr_tf.config.text_format import to_text

# The API is written for Keras 2, its messages are of an older compiler.
ENVIRONMENT = {
    "TF_USE_LEGACY_KERAS": "1",
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python",
}
# What the API needs where a config leaves it open.
_HYPERPARAMS = """
regularizer { l2_regularizer { weight: 0.0 } }
initializer { truncated_normal_initializer { stddev: 0.01 } }
"""


class ApiDetector:
    """The API's own model code, in graphs, with random weights.

    Its process needs `ENVIRONMENT`.

    Args:
        pipeline: the config, with a ResNet; the API's parser reads it.
        is_dense: whether the head works on all 7 x 7 cells, as ours does and
            that of the API's first ResNets did; otherwise on 4 x 4, as the
            API's Keras networks do.
    """

    def __init__(self, pipeline: Pipeline, is_dense: bool):
        self._pipeline = pipeline
        self._is_dense = is_dense
        self.num_judged = pipeline.model.faster_rcnn.first_stage_max_proposals

    def inference(self, images: np.ndarray) -> Callable[[], object]:
        """Makes a call that detects objects; see `OtherDetector`."""
        import tensorflow as tf

        model = self._model(images, is_training=False)
        inputs, shapes = model.preprocess(tf.constant(images))

        @tf.function
        def detect():
            return model.postprocess(model.predict(inputs, shapes), shapes)

        return detect

    def training(
        self, images: np.ndarray, boxes: np.ndarray, classes: np.ndarray
    ) -> Callable[[], object]:
        """Makes a call that makes a step of training; see `OtherDetector`."""
        import tensorflow as tf

        model = self._model(images, is_training=True)
        inputs, shapes = model.preprocess(tf.constant(images))
        sides = np.array([*images.shape[1:3]] * 2, "float32")
        clip_norm = self._pipeline.train_config.gradient_clipping_by_norm
        optimizer = tf.keras.optimizers.legacy.SGD(1e-4, momentum=0.9)
        num_classes = self._pipeline.model.faster_rcnn.num_classes
        frozen = self._pipeline.train_config.freeze_variables

        def trained():
            return [
                variable
                for variable in model.trainable_variables
                if not any(pattern in variable.name for pattern in frozen)
            ]

        @tf.function
        def step():
            model.provide_groundtruth(
                [tf.constant(rows) for rows in boxes / sides],
                [tf.one_hot(rows - 1, num_classes) for rows in classes],
            )
            with tf.GradientTape() as tape:
                predictions = model.predict(inputs, shapes)
                total = tf.add_n(list(model.loss(predictions, shapes).values()))
            variables = trained()
            gradients = tape.gradient(total, variables)
            gradients, _ = tf.clip_by_global_norm(gradients, clip_norm)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))

        return step

    def _model(self, images: np.ndarray, is_training: bool):
        # Only networks of another kind need it, and it needs an older Python.
        sys.modules["tensorflow_io"] = mock.MagicMock()
        from google.protobuf import text_format
        from object_detection.builders import model_builder
        from object_detection.protos import pipeline_pb2

        config = pipeline_pb2.TrainEvalPipelineConfig()
        text_format.Parse(
            to_text(self._pipeline), config, allow_unknown_field=True
        )
        faster_rcnn = config.model.faster_rcnn
        resizer = faster_rcnn.image_resizer.fixed_shape_resizer
        resizer.height, resizer.width = images.shape[1:3]
        predictor = faster_rcnn.second_stage_box_predictor
        for hyperparams in (
            faster_rcnn.first_stage_box_predictor_conv_hyperparams,
            predictor.mask_rcnn_box_predictor.fc_hyperparams,
        ):
            text_format.Merge(_HYPERPARAMS, hyperparams)
        model = model_builder.build(config.model, is_training)
        if self._is_dense:
            name = "get_box_classifier_feature_extractor_model"
            make_head = getattr(model._feature_extractor, name)
            setattr(
                model._feature_extractor,
                name,
                lambda name: _without_strides(make_head(name)),
            )
        return model


def _without_strides(head):
    """Copies a head whose convolutions leave no cells out."""
    import tensorflow as tf

    def copy_layer(layer):
        config = layer.get_config()
        if "strides" in config:
            config["strides"] = (1, 1)
        return type(layer).from_config(config)

    return tf.keras.models.clone_model(head, clone_function=copy_layer)
