"""An export can put out what there was before suppression."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.data.build import build_resizer
from featsr_tf.exporting.other_runtimes import ExportOptions
from featsr_tf.exporting.saved_model import export
from featsr_tf.exporting.saved_model import load_detectors
from featsr_tf.exporting.signatures import Signatures
from featsr_tf.exporting.signatures import network_inputs
from featsr_tf.model.postprocess import DetectionBatch
from featsr_tf.model.postprocess import RawDetections
from featsr_tf.training.checkpoints import BASE
from tests.model.small import small_backbone
from tests.model.small import small_pipeline
from tests.server.models import png
from tests.server.models import random_images
from tests.server.models import write_model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The detector of a checkpoint, its resizer and its loaded signatures."""
    folder = tmp_path_factory.mktemp("raw")
    pipeline = write_model(folder / "model", [BASE])
    options = ExportOptions(
        non_maximum_suppression="by_class", raw_outputs=True
    )
    arguments = (pipeline, str(folder / "model"))
    with small_backbone():
        path = export(*arguments, str(folder / "signs"), options)
        detector, _ = load_detectors(*arguments)
    card = (path / "MODEL_CARD.md").read_text()
    assert "`raw_detection_scores` `[batch, 16, 3]`" in card
    signatures = tf.saved_model.load(str(path)).signatures
    return detector, build_resizer(pipeline), signatures


def test_raw_scores_are_those_of_all_proposals(exported):
    detector, resizer, signatures = exported
    images = tf.constant(random_images(2))
    found = signatures["image"](input_tensor=images)
    assert found["raw_detection_boxes"].shape == (2, 16, 4)
    assert found["raw_detection_scores"].shape == (2, 16, 3)
    candidates, _ = detector.look(
        *network_inputs(images, resizer), super_resolve=False
    )
    valid = candidates.valid.numpy()
    np.testing.assert_allclose(
        found["raw_detection_scores"],
        np.where(valid[..., None], candidates.scores, 0),
        atol=1e-5,
    )
    sums = np.sum(found["raw_detection_scores"], axis=-1)
    np.testing.assert_allclose(sums, valid, atol=1e-5)


def test_the_best_detection_is_the_best_raw_one(exported):
    *_, signatures = exported
    found = signatures["image"](input_tensor=tf.constant(random_images(1)))
    scores = found["raw_detection_scores"][0, :, 1:].numpy()
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    assert found["detection_scores"][0, 0] == scores[row, column]
    assert found["detection_classes"][0, 0] == column + 1
    np.testing.assert_allclose(
        found["raw_detection_boxes"][0, row], found["detection_boxes"][0, 0]
    )


def test_suppression_by_class_keeps_the_same_detections(exported):
    detector, resizer, signatures = exported
    images = tf.constant(random_images(3))
    found = signatures["image"](input_tensor=images)
    for name, values in (
        Signatures(functools.partial(detector, super_resolve=False), resizer)
        .images(images)
        .items()
    ):
        np.testing.assert_allclose(found[name], values, atol=1e-5)


def test_files_of_mixed_sizes_have_raw_outputs(exported):
    *_, signatures = exported
    images = [random_images(1, *size)[0] for size in ((50, 70), (90, 40))]
    files = tf.constant([png(image) for image in images])
    found = signatures["encoded_image"](input_tensor=files)
    for row, image in enumerate(images):
        alone = signatures["image"](input_tensor=tf.constant(image[None]))
        for name, values in alone.items():
            np.testing.assert_allclose(found[name][row], values[0], atol=1e-5)


@pytest.mark.parametrize("box_classes", [1, 2])
def test_raw_boxes_are_those_of_the_best_class_by_hand(box_classes):
    boxes = tf.constant([[[[0.0, 0, 32, 16]], [[32.0, 32, 64, 64]]]])
    boxes = tf.concat([boxes, boxes / 2.0][:box_classes], axis=2)
    scores = tf.constant([[[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]]])

    def detect(*_, **__):
        nothing = DetectionBatch(
            tf.zeros([1, 1, 4]),
            tf.zeros([1, 1]),
            tf.zeros([1, 1], tf.int32),
            tf.zeros([1], tf.int32),
        )
        return nothing, RawDetections(
            boxes, scores, tf.constant([[True, True]])
        )

    resizer = build_resizer(small_pipeline())
    found = Signatures(detect, resizer, raw_outputs=True).images(
        tf.zeros([1, 64, 64, 3])
    )
    # The second class is the first proposal's best.
    first = [0, 0, 0.5, 0.25] if box_classes == 1 else [0, 0, 0.25, 0.125]
    np.testing.assert_allclose(
        found["raw_detection_boxes"], [[first, [0.5, 0.5, 1, 1]]]
    )
    np.testing.assert_allclose(found["raw_detection_scores"], scores)
