"""Records of the API's own tools train and evaluate without conversion."""

import json

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf import evaluate
from featsr_tf import train
from featsr_tf.model.backbone import build_backbone
from featsr_tf.model.weight_transfer import read_weights
from featsr_tf.training import checkpoints
from tests.model.small import small_backbone
from tests.odapi.configs import GENERATIONS
from tests.odapi.configs import SECOND_GENERATION

DETECTOR = "model.faster_rcnn"
EXTENSION = "model.feature_super_resolution"
SMALL = {
    f"{DETECTOR}.first_stage_max_proposals": 16,
    f"{DETECTOR}.first_stage_box_predictor_depth": 32,
    f"{DETECTOR}.second_stage_batch_size": 8,
    f"{EXTENSION}.rois_per_image": 4,
    f"{EXTENSION}.pairs_per_image": 2,
    f"{EXTENSION}.generator.hidden_channels": 8,
    f"{EXTENSION}.discriminator.hidden_units": "[8]",
    f"{EXTENSION}.super_resolution_stage.num_steps": 1,
    f"{EXTENSION}.fine_tune_stage.num_steps": 1,
    "train_config.batch_size": 2,
    "train_config.num_steps": 2,
    "train_config.fine_tune_checkpoint": "",
}

BASE_ONLY = (
    *("--set", "eval_input_reader=[]"),
    *("--set", f"{EXTENSION}.super_resolution_stage.num_steps=0"),
    *("--set", f"{EXTENSION}.fine_tune_stage.num_steps=0"),
)


@pytest.fixture
def arguments(shared, tmp_path):
    """Arguments for a small run of a stock config on 40 raccoons."""
    folder = shared / "data" / "odapi"

    def arguments(text, side, extractor):
        config = tmp_path / "stock.config"
        config.write_text(text)
        resizer = f"{DETECTOR}.image_resizer.keep_aspect_ratio_resizer"
        fields = SMALL | {
            f"{DETECTOR}.feature_extractor.type": extractor,
            f"{resizer}.min_dimension": side,
            f"{resizer}.max_dimension": side,
            "eval_config.batch_size": 8,
        }
        for reader in ("train_input_reader", "eval_input_reader.0"):
            records = f"{reader}.tf_record_input_reader.input_path"
            fields[records] = folder / "raccoon_test.record"
            fields[f"{reader}.label_map_path"] = (
                folder / "raccoon_label_map.pbtxt"
            )
        flags = ["--pipeline", str(config)]
        flags += ["--model_dir", str(tmp_path / "model")]
        for path, value in fields.items():
            flags += ["--set", f"{path}={value}"]
        return flags

    return arguments


def losses_of(model_dir):
    history = (model_dir / "history.jsonl").read_text()
    records = [json.loads(line) for line in history.splitlines()]
    return {record["stage"]: record["losses"] for record in records}


@pytest.mark.slow
def test_a_stock_config_trains_on_a_record_of_the_api(arguments, tmp_path):
    flags = arguments(SECOND_GENERATION, 64, "faster_rcnn_mobilenet_v1")
    with small_backbone():
        train.main([*flags, *BASE_ONLY])
    base = losses_of(tmp_path / "model")["base"]
    assert base["regularization_loss"] > 0
    assert base["loss"] == pytest.approx(
        2 * base["anchor_localization"]
        + base["objectness"]
        + base["classification"]
        + 2 * base["localization"]
        + base["regularization_loss"],
        rel=1e-4,
    )


def write_classifier(path):
    """Writes an extractor of random values as the API keeps a classifier.

    Returns:
        Its first kernel, of RGB images.
    """
    backbone = build_backbone("mobilenet_v1")
    networks = (backbone.features, backbone.second_stage("head"))
    layers = [
        tf.train.Checkpoint(**{v.name: v.value for v in layer.weights})
        for network in networks
        for layer in network.layers
        if layer.weights
    ]
    numbered = {f"layer_with_weights-{i}": own for i, own in enumerate(layers)}
    classifier = tf.train.Checkpoint(**numbered)
    tf.train.Checkpoint(feature_extractor=classifier).write(path)
    return layers[0].kernel.numpy()


def test_training_begins_with_a_checkpoint_of_the_api(
    arguments, tmp_path, capsys
):
    flags = arguments(SECOND_GENERATION, 64, "faster_rcnn_mobilenet_v1")
    model_dir = str(tmp_path / "model")
    path = str(tmp_path / "classifier" / "ckpt-0")
    flags += [
        *("--set", f"train_config.fine_tune_checkpoint={path}"),
        *("--set", "train_config.fine_tune_checkpoint_type=classification"),
        *("--set", 'train_config.freeze_variables="first_conv"'),
    ]
    with small_backbone():
        kernel = write_classifier(path)
        train.main([*flags, *BASE_ONLY])
        assert "second stage" in capsys.readouterr().out
        # What has begun reads nothing of it.
        train.main([*flags, *BASE_ONLY])
        assert "second stage" not in capsys.readouterr().out
    started_from = checkpoints.first_values(model_dir)
    assert started_from["stage"].endswith("classifier/ckpt-0")
    weights = read_weights(checkpoints.find_used(model_dir, checkpoints.BASE))
    # Frozen, it is as it was there, in Keras' order of colours.
    np.testing.assert_array_equal(
        weights["first_conv/kernel"], kernel[:, :, ::-1]
    )


@pytest.mark.slow
@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_resnet_trains_and_evaluates_as_each_generation_says(
    generation, arguments, tmp_path
):
    flags = arguments(GENERATIONS[generation], 96, "faster_rcnn_resnet50")
    train.main(flags)
    losses = losses_of(tmp_path / "model")
    assert list(losses) == ["base", "super_resolution", "fine_tune"]
    # No later stage trains the regularized convolutions.
    assert "regularization_loss" not in losses["fine_tune"]
    output = tmp_path / "metrics.json"
    evaluate.main([*flags, "--min_score", "0.1", "--output", str(output)])
    figures = json.loads(output.read_text())
    assert {"base", "super_resolved"} <= figures.keys()
