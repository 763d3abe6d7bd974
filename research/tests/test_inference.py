"""Detectors beside each other: what each sees, and which are loaded."""

import pytest

from featsr_tf.config import load_pipeline
from featsr_tf.data.build import load_records
from featsr_tf.errors import ConfigError
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import DETECTORS
from featsr_tf.prediction import evaluation
from featsr_tf.training import model_folder
from research.inference import load_detection_functions
from research.inference import load_frames
from research.inference import load_others
from tests.model.small import small_backbone
from tests.model.small import small_pipeline
from tests.support import REPOSITORY
from tests.training.batches import write_noise

PIPELINE = str(REPOSITORY / "pipelines" / "toy.config")
EXTENSION = "model.feature_super_resolution"
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


def test_each_detector_sees_its_own_frames(tmp_path, eager):
    fields = write_noise(tmp_path)
    pipeline = small_pipeline(
        *(
            field.replace("train_input_reader", "eval_input_reader.0")
            for field in fields
        ),
        f"{EXTENSION}.refiner=SECOND_LOOK",
        f"{EXTENSION}.second_look.first_pass_scale=0.5",
    )
    source = load_records(pipeline.eval_input_reader[0], num_classes=2)
    frames = load_frames(pipeline, source, 3)
    with small_backbone():
        detectors = load_detection_functions(pipeline, None)
    assert frames.keys() == detectors.keys()
    for name, detect in detectors.items():
        assert len(frames[name]) == 3
        for inputs in frames[name]:
            detect(*inputs)
    base, small = (frames[name][0] for name in DETECTORS)
    assert len(base) == 3
    assert small[0].shape[1] == base[0].shape[1] / 2
    assert small[3].shape == (1, 64, 64, 3)
