"""A model folder may start from the base stage of another one."""

from unittest import mock

import numpy as np
import pytest

from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.training import model_folder
from featsr_tf.training import trainer
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import StageCheckpoints
from featsr_tf.training.checkpoints import first_values
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.model.small import randomize
from tests.model.small import small_detector
from tests.model.small import small_pipeline

EXTENSION = "model.feature_super_resolution"
pytestmark = pytest.mark.usefixtures("small_network")
OTHER_GENERATOR = f"{EXTENSION}.generator.residual_blocks=3"
STEPS = 4


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory):
    """Makes configs whose records are there."""
    folder = tmp_path_factory.mktemp("records")
    boxes = np.array([[0.0, 0.0, 0.5, 0.5]])
    path = write_records(
        folder / "train.record",
        [example(encode(noise_image(64, 64, 0)), boxes, [1])],
    )
    label_map = folder / "label_map.pbtxt"
    label_map.write_text(
        'item { id: 1 name: "round" }\nitem { id: 2 name: "square" }\n'
    )
    reader = "train_input_reader"
    return lambda *overrides: small_pipeline(
        f"{reader}.label_map_path='{label_map}'",
        f"{reader}.tf_record_input_reader.input_path=['{path}']",
        f"train_config.num_steps={STEPS}",
        *overrides,
    )


def make_base(pipeline, folder, step=STEPS):
    """Writes a folder whose base stage is at a step, with random weights."""
    label_map = load_label_map(pipeline.train_input_reader.label_map_path)
    model_folder.prepare(str(folder), pipeline, label_map)
    detector = small_detector()
    randomize(detector, gain=1.5)
    StageCheckpoints(str(folder), BASE, {"detector": detector}).save(step)
    return detector


def train_without_steps(pipeline, folder, base_from):
    """Trains, but no stage makes a step; names the stages that would."""
    fitted = []
    with mock.patch.object(trainer, "fit", lambda s, *_: fitted.append(s)):
        detector = trainer.train(
            pipeline, str(folder), base_from=str(base_from)
        )
    return detector, [stage.name for stage in fitted]


@pytest.mark.parametrize("channels, is_taken", [(8, True), (4, False)])
def test_a_focus_head_of_another_detector_is_taken_along(
    pipelines, tmp_path, channels, is_taken
):
    def second_look(channels):
        return (
            f"{EXTENSION}.refiner=SECOND_LOOK",
            f"{EXTENSION}.second_look.focus_channels={channels}",
        )

    pipeline = pipelines(*second_look(channels))
    label_map = load_label_map(pipeline.train_input_reader.label_map_path)
    model_folder.prepare(str(tmp_path / "base"), pipeline, label_map)
    base = small_detector(*second_look(channels))
    randomize(base, gain=1.5)
    saved = StageCheckpoints(str(tmp_path / "base"), BASE, {"detector": base})
    started_from = {
        "stage": "signs/1",
        "step": None,
        "weights": "",
        "taken": {"extractor": "all", "focus head": "all"},
    }
    saved.started_from = started_from
    saved.save(STEPS)
    detector, _ = train_without_steps(
        pipelines(*second_look(8)), tmp_path / "variant", tmp_path / "base"
    )
    equal = [
        ours.shape == theirs.shape and np.array_equal(ours, theirs)
        for ours, theirs in zip(
            detector.focus_head.get_weights(),
            base.focus_head.get_weights(),
            strict=True,
        )
    ]
    assert all(equal) == is_taken
    taken = first_values(str(tmp_path / "variant"))["taken"]
    assert ("focus head" in taken) == is_taken


def test_the_base_is_taken_and_only_the_later_stages_train(pipelines, tmp_path):
    base = make_base(pipelines(), tmp_path / "base")
    # Another generator: the variables of the detectors differ.
    detector, fitted = train_without_steps(
        pipelines(OTHER_GENERATOR), tmp_path / "variant", tmp_path / "base"
    )
    assert fitted == ["super_resolution_stage", "fine_tune_stage"]
    for part in ("extractor", "proposal_network", "large_predictor"):
        taken = getattr(detector, part).get_weights()
        for found, expected in zip(
            taken, getattr(base, part).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
    for found, expected in zip(
        detector.small_predictor.get_weights(),
        base.large_predictor.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_the_same_call_again_goes_on_from_its_own_base(pipelines, tmp_path):
    make_base(pipelines(), tmp_path / "base")
    variant = tmp_path / "variant"
    first, _ = train_without_steps(pipelines(), variant, tmp_path / "base")
    again, _ = train_without_steps(pipelines(), variant, tmp_path / "base")
    for found, expected in zip(
        again.extractor.get_weights(),
        first.extractor.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_a_base_that_has_moved_on_is_refused(pipelines, tmp_path):
    make_base(pipelines(), tmp_path / "base")
    variant = tmp_path / "variant"
    train_without_steps(pipelines(), variant, tmp_path / "base")
    # The same number of steps, and other weights.
    detector = small_detector()
    randomize(detector, gain=2.0)
    folder = str(tmp_path / "base")
    StageCheckpoints(folder, BASE, {"detector": detector}).save(STEPS)
    with pytest.raises(DataError, match="base stage is not that of .*base, "):
        train_without_steps(pipelines(), variant, tmp_path / "base")


def test_what_the_base_was_trained_with_comes_with_it(pipelines, tmp_path):
    make_base(pipelines(), tmp_path / "base")
    trained = pipelines("train_config.batch_size=3")
    folder, variant = str(tmp_path / "base"), tmp_path / "variant"
    model_folder.record_config(folder, BASE, 0, trained)
    # Later stages were trained with another one.
    with pytest.raises(ConfigError, match="batch_size: 3 and 2"):
        train_without_steps(pipelines(), variant, folder)
    train_without_steps(trained, variant, folder)
    assert model_folder.trained_configs(str(variant), BASE) == {0: trained}


def test_an_unfinished_base_is_refused(pipelines, tmp_path):
    make_base(pipelines(), tmp_path / "base", step=STEPS - 1)
    with pytest.raises(ConfigError, match="at step 3 of 4; finish it first"):
        train_without_steps(pipelines(), tmp_path / "v", tmp_path / "base")
    assert not (tmp_path / "v").exists()


def test_a_base_of_other_training_is_refused(pipelines, tmp_path):
    make_base(pipelines(f"{EXTENSION}.seed=1"), tmp_path / "base")
    with pytest.raises(ConfigError, match=r"fields differ: .*seed: 1 and 0"):
        train_without_steps(pipelines(), tmp_path / "v", tmp_path / "base")
    assert not (tmp_path / "v").exists()


def test_a_folder_that_has_begun_its_own_base_is_refused(pipelines, tmp_path):
    make_base(pipelines(), tmp_path / "base")
    make_base(pipelines(), tmp_path / "v", step=2)
    with pytest.raises(ConfigError, match="a base stage of its own, at step 2"):
        train_without_steps(pipelines(), tmp_path / "v", tmp_path / "base")


def test_a_folder_without_a_model_is_refused(pipelines, tmp_path):
    with pytest.raises(ConfigError, match="no model here"):
        train_without_steps(pipelines(), tmp_path / "v", tmp_path / "nothing")
