"""Steps of the stages beside each other."""

import pytest

from featsr_tf.training import checkpoints
from research import steps
from tests.model.small import small_backbone
from tests.model.small import small_pipeline
from tests.model.test_second_look import FIELDS as SECOND_LOOK
from tests.training.batches import write_noise


@pytest.mark.parametrize("fields", [(), SECOND_LOOK], ids=["paper", "second"])
def test_each_stage_has_batches_as_it_needs_them(
    tmp_path, capsys, eager, fields
):
    pipeline = small_pipeline(*write_noise(tmp_path), *fields)
    with small_backbone():
        steps.run(pipeline, rounds=5)
    _, heading, *lines = capsys.readouterr().out.splitlines()
    assert "x base" in heading
    assert [line.split()[0] for line in lines] == list(checkpoints.STAGES)
