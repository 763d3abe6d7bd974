"""Whatever a stage has learnt comes back from its checkpoint."""

import numpy as np
import pytest

from featsr_tf.training import checkpoints
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.checkpoints import StageCheckpoints
from tests.model.small import small_detector
from tests.training.steps import build

EXTENSION = "model.feature_super_resolution"


def fill(variables):
    """Gives every variable values of its own."""
    generator = np.random.default_rng(5)
    for variable in variables:
        variable.assign(generator.normal(size=variable.shape))


def assert_equal(found, expected):
    for restored, saved in zip(found, expected, strict=True):
        np.testing.assert_array_equal(restored, saved, err_msg=saved.path)


@pytest.mark.parametrize(
    "override",
    [
        "refiner=GENERATOR",
        "generator.block=NAF",
        "refiner=TAIL_GENERATOR",
        "refiner=SECOND_LOOK",
    ],
)
@pytest.mark.parametrize("name", STAGES)
def test_every_variable_of_a_detector_is_restored(tmp_path, name, override):
    override = f"{EXTENSION}.{override}"
    saved = small_detector(override)
    assert (saved.focus_head is not None) == override.endswith("SECOND_LOOK")
    fill(saved.variables)
    StageCheckpoints(str(tmp_path), name, {"detector": saved}).save(1)
    restored = small_detector(override)
    checkpoints.restore_detector(restored, str(tmp_path), name)
    assert_equal(restored.variables, saved.variables)


@pytest.mark.parametrize("normalized", ["true", "false"])
def test_every_variable_of_the_discriminator_is_restored(tmp_path, normalized):
    def make():
        stage = build(
            small_detector(),
            SUPER_RESOLUTION,
            f"{EXTENSION}.discriminator.spectral_normalization={normalized}",
        )
        objects = {"discriminator": stage.discriminator}
        return stage.discriminator, StageCheckpoints(
            str(tmp_path), SUPER_RESOLUTION, objects
        )

    saved, its_checkpoints = make()
    fill(saved.variables)
    its_checkpoints.save(1)
    restored, other_checkpoints = make()
    assert other_checkpoints.restore() == 1
    assert_equal(restored.variables, saved.variables)
