"""Times of detectors of several model folders."""

import pytest

from featsr_tf.config import load_pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.exporting.names import BASE
from featsr_tf.prediction import evaluation
from featsr_tf.training import model_folder
from research.inference import load_others
from tests.support import REPOSITORY

PIPELINE = str(REPOSITORY / "pipelines" / "toy.config")
RESIZER = "model.faster_rcnn.image_resizer.keep_aspect_ratio_resizer"


@pytest.fixture
def folders(monkeypatch):
    """Model folders that differ in the size of their frames."""
    pipelines = {
        "models/one": load_pipeline(PIPELINE),
        "more/one": load_pipeline(PIPELINE),
        "models/two": load_pipeline(PIPELINE),
        "models/wide": load_pipeline(
            PIPELINE, [f"{RESIZER}.max_dimension=704"]
        ),
    }
    monkeypatch.setattr(model_folder, "load", pipelines.get)
    monkeypatch.setattr(
        evaluation, "load_detection_function", lambda *words: words
    )
    return pipelines


def test_base_detectors_are_called_as_their_folders(folders):
    ours = load_pipeline(PIPELINE)
    found = load_others(ours, ["models/one", "models/two"], {})
    assert found == {
        name: (folders[f"models/{name}"], f"models/{name}", BASE)
        for name in ("one", "two")
    }


def test_other_frames_and_equal_names_are_refused(folders):
    ours = load_pipeline(PIPELINE)
    with pytest.raises(ConfigError, match="models/wide: expected the image_re"):
        load_others(ours, ["models/wide"], {})
    with pytest.raises(ConfigError, match="more/one: the name 'one' is taken"):
        load_others(ours, ["models/one", "more/one"], {})
    with pytest.raises(
        ConfigError, match="models/two: the name 'two' is taken"
    ):
        load_others(ours, ["models/two"], {"two"})
