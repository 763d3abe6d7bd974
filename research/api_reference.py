"""What the Object Detection API makes of frames, with random weights.

`research.api_parity` runs this file in an environment of the API, which is
written for Keras 2:

    python research/api_reference.py CONFIG FRAMES.npz CHECKPOINT OUTPUTS.npz
"""

import os
import sys
from pathlib import Path
from unittest import mock

import numpy as np

# What the API needs where a config leaves it open.
_HYPERPARAMS = """
regularizer { l2_regularizer { weight: 0.0 } }
initializer { truncated_normal_initializer { stddev: 0.01 } }
"""


def main() -> None:
    """Writes a random checkpoint, and what it detects."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"
    # Only networks of another kind need it, and it needs an older Python.
    sys.modules["tensorflow_io"] = mock.MagicMock()
    import tensorflow as tf

    config, frames, checkpoint, outputs = sys.argv[1:]
    tf.keras.utils.set_random_seed(0)
    model = _build(Path(config).read_text("utf-8"))
    images = [frame[None] for frame in np.load(frames).values()]
    _randomize(model, images[0])
    tf.train.Checkpoint(model=model).write(checkpoint)
    found = {}
    for number, image in enumerate(images):
        for key, values in _detect(model, image).items():
            found[f"{number}_{key}"] = values
    np.savez(outputs, **found)


def _build(text: str):
    from google.protobuf import text_format
    from object_detection.builders import model_builder
    from object_detection.protos import pipeline_pb2

    config = pipeline_pb2.TrainEvalPipelineConfig()
    text_format.Parse(text, config, allow_unknown_field=True)
    faster_rcnn = config.model.faster_rcnn
    predictor = faster_rcnn.second_stage_box_predictor
    for hyperparams in (
        faster_rcnn.first_stage_box_predictor_conv_hyperparams,
        predictor.mask_rcnn_box_predictor.fc_hyperparams,
    ):
        text_format.Merge(_HYPERPARAMS, hyperparams)
    return model_builder.build(config.model, is_training=False)


def _randomize(model, image: np.ndarray) -> None:
    """Draws all weights so that features, scores and boxes have a spread."""
    import tensorflow as tf

    generator = np.random.default_rng(0)
    inputs, shapes = model.preprocess(tf.constant(image, tf.float32))
    model.predict(inputs, shapes)
    networks = (
        model._feature_extractor_for_proposal_features,
        model._feature_extractor_for_box_classifier_features,
    )
    norms = [
        layer
        for network in networks
        for layer in network.layers
        if hasattr(layer, "moving_variance")
    ]
    for norm in norms:
        norm._training, norm.momentum = True, 0.0
    model.predict(inputs, shapes)
    for norm in norms:
        norm._training = False
        for name, low, high in (
            ("gamma", 0.5, 1.5),
            ("moving_variance", 0.5, 2.0),
        ):
            variable = getattr(norm, name)
            variable.assign(
                variable * generator.uniform(low, high, variable.shape)
            )
        deviation = np.sqrt(norm.moving_variance.numpy())
        drawn = generator.normal(0, 0.2, deviation.shape)
        norm.moving_mean.assign_add(drawn * deviation)
        norm.beta.assign(generator.normal(0, 0.2, deviation.shape))
    predicted = model.predict(inputs, shapes)
    convolution = model._first_stage_box_predictor_first_conv.layers[0]
    _spread(generator, convolution, predicted["rpn_features_to_crop"][0], 1.0)
    predicted = model.predict(inputs, shapes)
    hidden = predicted["rpn_box_predictor_features"][0]
    proposals, predictor = (
        model._first_stage_box_predictor,
        model._mask_rcnn_box_predictor,
    )
    _spread(generator, _layer_of(proposals, "ClassPredictor"), hidden, 1.5)
    _spread(generator, _layer_of(proposals, "BoxEncoding"), hidden, 1.0)
    predicted = model.predict(inputs, shapes)
    pooled = tf.reduce_mean(predicted["box_classifier_features"], [1, 2])
    _spread(generator, _layer_of(predictor, "ClassPredictor"), pooled, 1.5)
    _spread(generator, _layer_of(predictor, "BoxEncoding"), pooled, 1.0)


def _layer_of(predictor, name: str):
    (layer,) = (
        module
        for module in predictor.submodules
        if name in module.name and hasattr(module, "kernel")
    )
    return layer


def _spread(generator, layer, inputs, deviation: float) -> None:
    """Draws weights whose outputs vary as wanted from place to place."""
    inputs = inputs.numpy().reshape(-1, inputs.shape[-1])
    shape = layer.kernel.shape
    scale = deviation / np.sqrt(inputs.var(axis=0).mean() * np.prod(shape[:-1]))
    kernel = generator.normal(0, scale, shape)
    # Without what all places have in common.
    means = inputs.mean(axis=0) @ kernel.sum(axis=(0, 1)[: len(shape) - 2])
    layer.kernel.assign(kernel)
    layer.bias.assign(generator.normal(0, 0.5, means.shape) - means)


def _detect(model, image: np.ndarray) -> dict[str, np.ndarray]:
    """Detects in one frame; boxes in px of the resized frame."""
    import tensorflow as tf

    inputs, shapes = model.preprocess(tf.constant(image, tf.float32))
    predicted = model.predict(inputs, shapes)
    found = model.postprocess(predicted, shapes)
    height, width = shapes[0, :2].numpy()
    sides = np.array([height, width, height, width], "float32")
    encodings = predicted["refined_box_encodings"]
    boxes = model._batch_decode_boxes(
        encodings[None], predicted["proposal_boxes"]
    )[0]
    scores = tf.nn.softmax(predicted["class_predictions_with_background"])
    count = int(predicted["num_proposals"][0])
    number = int(found["num_detections"][0])
    return {
        "image": inputs[0].numpy(),
        "lost": _lost(predicted)[:count],
        "proposals": predicted["proposal_boxes"][0, :count].numpy(),
        "boxes": np.clip(boxes[:count].numpy(), 0, sides),
        "scores": scores[:count].numpy(),
        "detection_boxes": found["detection_boxes"][0, :number] * sides,
        "detection_scores": found["detection_scores"][0, :number],
        "detection_classes": found["detection_classes"][0, :number] + 1,
    }


def _lost(predicted) -> np.ndarray:
    """Tells of which proposals rounding pushes a last sample off the map.

    There the API's kernel reads zeros, at the edge of a frame, whatever the
    features are: the computation is that of the kernel.
    """
    boxes = predicted["proposal_boxes_normalized"][0].numpy()
    (features,) = predicted["rpn_features_to_crop"]
    last = np.array(features.shape[1:3], "float32") - np.float32(1)
    begin, end = boxes[:, :2], boxes[:, 2:]
    steps = np.float32(13)
    ends = begin * last + steps * ((end - begin) * last / steps)
    return (ends > last).any(axis=1)


if __name__ == "__main__":
    main()
