"""Graphs are made once: no later step, validation or image makes another.

What TensorFlow traces is Python code that runs once per graph, so that the
calls of it are the number of graphs.
"""

import collections
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

import featsr_tf
from featsr_tf.metrics.options import EvaluationOptions
from featsr_tf.model.detector import Detector
from featsr_tf.prediction.evaluation import evaluate_model
from featsr_tf.training import trainer
from featsr_tf.training.stage import Stage
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.model.small import small_pipeline
from tests.training.batches import LARGE
from tests.training.batches import SMALL

EXTENSION = "model.feature_super_resolution"
SIZES = ((64, 64), (64, 96), (96, 64))
STEPS = 4
pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def traces(monkeypatch):
    """Counts graphs of steps and of detectors, by name."""
    counts = collections.Counter()

    def count(owner, method, name_of):
        original = getattr(owner, method)

        def counted(self, *arguments, **keywords):
            counts[name_of(self)] += 1
            return original(self, *arguments, **keywords)

        monkeypatch.setattr(owner, method, counted)

    count(Stage, "train_step", lambda stage: stage.name)
    count(Detector, "look", lambda _: "detector")
    return counts


@pytest.fixture
def pipeline(tmp_path):
    """Four steps of each stage, three images of several sizes, validations."""
    records = []
    for number, (height, width) in enumerate(SIZES):
        boxes = np.array([box for _, box in (SMALL, LARGE)])
        boxes /= np.tile((height, width), 2)
        image = encode(noise_image(height, width, number))
        records.append(example(image, boxes, [1, 2]))
    path = write_records(tmp_path / "images.record", records)
    label_map = tmp_path / "label_map.pbtxt"
    label_map.write_text('item { id: 1 name: "a" } item { id: 2 name: "b" }')
    readers = ("train_input_reader", "eval_input_reader.0")
    return small_pipeline(
        *(f"{reader}.label_map_path='{label_map}'" for reader in readers),
        *(
            f"{reader}.tf_record_input_reader.input_path=['{path}']"
            for reader in readers
        ),
        "model.faster_rcnn.image_resizer={keep_aspect_ratio_resizer "
        "{min_dimension: 64 max_dimension: 96}}",
        "eval_config.batch_size=2",
        f"train_config.num_steps={STEPS}",
        f"{EXTENSION}.super_resolution_stage.num_steps={STEPS}",
        f"{EXTENSION}.fine_tune_stage.num_steps={STEPS}",
        f"{EXTENSION}.checkpoint_interval=2",
        f"{EXTENSION}.validation={{num_images: 3}}",
    )


def test_nothing_is_traced_twice_by_training_evaluation_or_prediction(
    pipeline, tmp_path, traces
):
    folder = str(tmp_path / "model")
    validate = mock.Mock(wraps=trainer.validate)
    with mock.patch.object(trainer, "validate", validate):
        trainer.train(pipeline, folder, tf.distribute.get_strategy())
    # Batches of two images and of the one that is left.
    assert validate.call_count == 3 * STEPS // 2
    # The base and the other detector, for validations and images.
    assert traces.pop("detector") == 2
    assert traces == dict.fromkeys(
        ("base_stage", "super_resolution_stage", "fine_tune_stage"), 1
    )
    evaluate_model(pipeline, folder, EvaluationOptions(min_score=0.5))
    assert traces["detector"] == 2
    model = featsr_tf.load(folder)
    for height, width in (*SIZES, (50, 70)):
        model.predict(noise_image(height, width))
    assert traces["detector"] == 3
