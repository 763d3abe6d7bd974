"""A second look in a SavedModel finds what the model folder finds."""

from pathlib import Path

import numpy as np
import pytest

import featsr_tf
from featsr_tf.exporting.exported_model import read_saved_model
from featsr_tf.exporting.saved_model import export
from featsr_tf.exporting.versions import SAVED_MODEL_FILE
from featsr_tf.training.checkpoints import BASE
from tests.model.small import small_backbone
from tests.model.test_second_look import FIELDS
from tests.prediction.test_loading import assert_equal
from tests.server.models import random_images
from tests.server.models import write_model

SCALE = "model.feature_super_resolution.second_look.first_pass_scale=0.5"
IMAGES = list(random_images(2)) + list(random_images(1, 90, 40))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The detector of a folder, and that of its export."""
    folder = tmp_path_factory.mktemp("models")
    pipeline = write_model(folder / "model", [BASE], [*FIELDS, SCALE])
    with small_backbone():
        export(pipeline, str(folder / "model"), str(folder / "signs"))
        found = featsr_tf.load(folder / "model")
        for name in ("base", "super_resolved"):
            found.function(name)
    return found, featsr_tf.load(folder / "signs")


@pytest.mark.parametrize("base", [False, True])
def test_both_give_the_same_detections(models, base):
    folder, exported = (model.predict(IMAGES, base) for model in models)
    assert all(len(result) > 0 for result in folder)
    assert_equal(folder, exported)
    windows = [
        [result.detections.windows for result in results]
        for results in (folder, exported)
    ]
    for ours, theirs in zip(*windows, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert any(len(found) for found in windows[0]) == (not base)


def test_windows_stand_in_a_signature_of_their_own(models):
    folder = Path(models[1].path)
    saved = read_saved_model(str(folder / SAVED_MODEL_FILE))
    names = {
        name: set(definition.outputs)
        for name, definition in saved.meta_graphs[0].signature_def.items()
        if not name.startswith("__")
    }
    told = names.pop("image_with_windows")
    assert len(names) == 5
    assert all(outputs == names["image"] for outputs in names.values())
    assert told - names["image"] == {"window_boxes", "window_magnifications"}
    card = (folder / "MODEL_CARD.md").read_text()
    assert "| `image_with_windows` | uint8 RGB images" in card
    assert "`window_boxes` `[batch, W, 4]`" in card


def test_the_base_detector_is_not_that_of_the_first_pass(models):
    _, exported = models
    looked, base = (exported.predict(IMAGES[0], flag) for flag in (False, True))
    assert not np.array_equal(looked.scores, base.scores)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (3, 5)])
def test_a_frame_smaller_than_a_window_is_no_trouble(models, size):
    result = models[1].predict(np.full((*size, 3), 90, np.uint8))
    assert np.isfinite(result.boxes).all()
    assert np.all(result.boxes[:, 2:] <= size)


def test_what_no_window_could_enlarge_is_seen_as_by_the_base_detector(models):
    """Windows show 3 px of one at most; these see 3.2 in the first pass."""
    for model in models:
        looked, base = (
            model.predict(random_images(1, 10, 10)[0], flag)
            for flag in (False, True)
        )
        assert len(base) > 0
        np.testing.assert_allclose(looked.scores, base.scores, atol=1e-5)
        np.testing.assert_allclose(looked.boxes, base.boxes, atol=1e-3)
