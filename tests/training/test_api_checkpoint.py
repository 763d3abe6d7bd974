"""Checkpoints in the layout of the API, of networks of a few layers."""

import os
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.config import parse_pipeline
from featsr_tf.errors import DataError
from featsr_tf.model.predictor import Predictor
from featsr_tf.model.proposal_network import ProposalNetwork
from featsr_tf.training.build import load_fine_tune_checkpoint
from tests.odapi.configs import SECOND_GENERATION

LAYERS = keras.layers
# Of one feature cell: two scales, three aspect ratios.
SCALES, RATIOS = 2, 3
CLASSES = 4
CLASSIFIER = "feature_extractor"


def detector(classes=CLASSES, blocks=1):
    """An extractor of two layers with weights for each block, and its head."""
    inputs = keras.Input((None, None, 3))
    outputs = inputs
    for _ in range(blocks):
        outputs = LAYERS.Conv2D(5, 1)(outputs)
        outputs = LAYERS.BatchNormalization(epsilon=1.001e-5)(outputs)
    extractor = keras.Model(inputs, outputs)
    pooled = keras.Input((2, 2, 5))
    head = keras.Model(pooled, LAYERS.Conv2D(6, 1)(pooled))
    proposal_network = ProposalNetwork(
        SCALES * RATIOS, depth=7, name="proposal_network"
    )
    proposal_network.build((None, None, None, 5))
    predictor = Predictor(head, classes, name="large_predictor")
    predictor.build((None, 2, 2, 5))
    return types.SimpleNamespace(
        extractor=extractor,
        proposal_network=proposal_network,
        large_predictor=predictor,
        start_small_predictor_from_large=lambda: None,
        get_weights=predictor.get_weights,
    )


def pipeline(path, kind="detection"):
    grid = "model.faster_rcnn.first_stage_anchor_generator"
    grid = f"{grid}.grid_anchor_generator"
    return parse_pipeline(
        SECOND_GENERATION.encode(),
        "api.config",
        [
            f"{grid}.scales=0.5,1",
            f"{grid}.aspect_ratios=0.5,1,2",
            f"train_config.fine_tune_checkpoint={path}",
            f"train_config.fine_tune_checkpoint_type={kind}",
        ],
    )


def numbers(*shape):
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


def layer(**values):
    return tf.train.Checkpoint(
        **{name: tf.Variable(value) for name, value in values.items()}
    )


def numbered(*layers):
    return tf.train.Checkpoint(
        **{f"layer_with_weights-{i}": own for i, own in enumerate(layers)}
    )


def listed(own, index=0):
    return tf.train.Checkpoint(**{str(index): own})


def extractor_layers(blocks=1):
    layers = []
    for block in range(blocks):
        layers += [
            layer(kernel=numbers(1, 1, 5 if block else 3, 5)),
            layer(
                gamma=numbers(5),
                beta=-numbers(5),
                moving_mean=2 * numbers(5),
                moving_variance=3 * numbers(5),
            ),
        ]
    return layers


def head_layer():
    return layer(kernel=numbers(1, 1, 5, 6))


def model(**changes):
    """What the API keeps of a detector."""
    anchors = SCALES * RATIOS
    checkpoint = tf.train.Checkpoint
    parts = {
        "_feature_extractor_for_proposal_features": numbered(
            *extractor_layers()
        ),
        "_feature_extractor_for_box_classifier_features": numbered(
            head_layer()
        ),
        "_first_stage_box_predictor_first_conv": numbered(
            layer(kernel=numbers(3, 3, 5, 7), bias=numbers(7))
        ),
        "_first_stage_box_predictor": checkpoint(
            _prediction_heads=checkpoint(
                box_encodings=listed(
                    checkpoint(
                        _box_encoder_layers=listed(
                            layer(
                                kernel=numbers(1, 1, 7, 4 * anchors),
                                bias=numbers(4 * anchors),
                            )
                        )
                    )
                ),
                class_predictions_with_background=listed(
                    checkpoint(
                        _class_predictor_layers=listed(
                            layer(
                                kernel=numbers(1, 1, 7, 2 * anchors),
                                bias=numbers(2 * anchors) ** 2,
                            )
                        )
                    )
                ),
            )
        ),
        # The dense layers come behind one that flattens.
        "_mask_rcnn_box_predictor": checkpoint(
            _class_prediction_head=checkpoint(
                _class_predictor_layers=listed(
                    layer(
                        kernel=numbers(6, CLASSES + 1),
                        bias=numbers(CLASSES + 1),
                    ),
                    1,
                )
            ),
            _box_prediction_head=checkpoint(
                _box_encoder_layers=listed(
                    layer(
                        kernel=numbers(6, 4 * CLASSES),
                        bias=numbers(4 * CLASSES),
                    ),
                    1,
                )
            ),
        ),
    }
    return checkpoint(**{**parts, **changes})


def write(folder, **children):
    path = str(folder / "ckpt-0")
    tf.train.Checkpoint(**children).write(path)
    return path


def load(path, ours=None, kind="detection"):
    return load_fine_tune_checkpoint(pipeline(path, kind), ours or detector())


def test_a_detector_is_taken_whole(tmp_path):
    ours = detector()
    transfer, notes = load(write(tmp_path, model=model()), ours)
    assert transfer.is_complete
    assert set(notes["taken"]) == {
        "extractor",
        "proposal network",
        "large predictor",
    }
    convolution, norm = (x for x in ours.extractor.layers if x.weights)
    # RGB there, BGR here; a bias that is not there is zero.
    np.testing.assert_array_equal(
        convolution.kernel, numbers(1, 1, 3, 5)[:, :, ::-1]
    )
    np.testing.assert_array_equal(convolution.bias, np.zeros(5))
    # With their epsilons both divide by the same.
    np.testing.assert_allclose(
        norm.moving_variance + norm.epsilon, 3 * numbers(5) + 1e-5, rtol=1e-6
    )
    predictor = ours.large_predictor
    np.testing.assert_array_equal(predictor.deltas.kernel, numbers(6, 16))
    np.testing.assert_array_equal(predictor.classes.bias, numbers(5))


def test_anchors_and_logits_are_put_into_our_order(tmp_path):
    ours = detector().proposal_network
    load(
        write(tmp_path, model=model()),
        types.SimpleNamespace(**{**vars(detector()), "proposal_network": ours}),
    )
    # There all scales of the first ratio come first, here all ratios of the
    # first scale; (2 i + 1)^2 - (2 i)^2 is the object's logit i.
    order = [0, 2, 4, 1, 3, 5]
    np.testing.assert_array_equal(
        ours.objectness.bias, [4 * i + 1 for i in order]
    )
    np.testing.assert_array_equal(
        ours.deltas.bias, [4 * i + k for i in order for k in range(4)]
    )


def test_other_classes_leave_the_dense_layers_as_they_are(tmp_path):
    ours = detector(classes=9)
    before = ours.large_predictor.classes.kernel.numpy()
    transfer, _ = load(write(tmp_path, model=model()), ours)
    part = transfer.parts["large predictor"]
    assert "large_predictor/classes/kernel" in part.skipped
    assert "6x10 here, 6x5 there" in transfer.table()
    np.testing.assert_array_equal(ours.large_predictor.classes.kernel, before)


def test_of_a_classifier_the_extractor_is_taken(tmp_path):
    ours = detector()
    layers = [*extractor_layers(), head_layer(), layer(kernel=numbers(6, 9))]
    path = write(tmp_path, **{CLASSIFIER: numbered(*layers)})
    transfer, _ = load(path, ours, "classification")
    assert transfer.is_complete
    assert set(transfer.parts) == {"extractor", "second stage"}
    head = ours.large_predictor.second_stage.layers[-1]
    np.testing.assert_array_equal(head.kernel, numbers(1, 1, 5, 6))
    with pytest.raises(DataError, match='expected .*"classification"'):
        load(path)


def other_depth():
    features = numbered(*extractor_layers(blocks=2))
    return model(_feature_extractor_for_proposal_features=features)


def normalized_proposals():
    convolution = numbered(layer(kernel=numbers(1)), layer(gamma=numbers(1)))
    return model(_first_stage_box_predictor_first_conv=convolution)


@pytest.mark.parametrize(
    "children, found",
    [
        (
            lambda: {"model": other_depth()},
            "holds a network of 4 and 1 layers .* expected 2 and 1",
        ),
        (
            lambda: {"model": normalized_proposals()},
            "its proposal network has batch normalization",
        ),
        (
            lambda: {"model": tf.train.Checkpoint(_box_predictor=layer(a=1.0))},
            "of another detector or network.*found _box_predictor",
        ),
        (
            lambda: {"detector": layer(a=1.0)},
            "found a checkpoint of this package, which --start_from takes",
        ),
    ],
)
def test_another_network_is_refused(tmp_path, children, found):
    with pytest.raises(DataError, match=found) as caught:
        load(write(tmp_path, **children()))
    assert "\n" not in str(caught.value)


def test_what_is_no_whole_checkpoint_is_refused(tmp_path):
    path = write(tmp_path, model=model())
    (tmp_path / "empty").mkdir()
    frozen = tmp_path / "frozen_inference_graph.pb"
    frozen.touch()
    for wrong, found in (
        (tmp_path, f"is a folder; expected .*; found {path}"),
        (tmp_path / "empty", "is a folder, and holds no checkpoint"),
        (tmp_path / "ckpt-7", r"ckpt-7.index is missing.*found ckpt-0 there"),
        (frozen, "a frozen graph or a Keras file"),
    ):
        with pytest.raises(DataError, match=found):
            load(wrong)
    data = f"{path}.data-00000-of-00001"
    os.truncate(data, os.path.getsize(data) // 2)
    with pytest.raises(DataError, match="the checkpoint is damaged"):
        load(path)
    os.remove(data)
    with pytest.raises(DataError, match="half a checkpoint: found 0 of 1"):
        load(path)


def test_a_checkpoint_of_tensorflow_1_is_refused_by_name(tmp_path):
    path = str(tmp_path / "model.ckpt")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.get_variable("FirstStageFeatureExtractor/a", [2])
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, path)
    with pytest.raises(DataError, match="is a checkpoint of TensorFlow 1"):
        load(path)
