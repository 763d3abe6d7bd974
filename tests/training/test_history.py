"""The history tells the best step and when a stage no longer gets better."""

import pytest

from featsr_tf.errors import DataError
from featsr_tf.training.model_folder import History


def history_of(path, *values, best_by="ap50_small", stage="base"):
    """Validations at steps 10, 20 .. with these figures."""
    history = History(str(path), stage)
    for number, value in enumerate(values, start=1):
        history.append(5 + 10 * (number - 1), losses={"loss": 1.0})
        history.append(
            10 * number,
            validation={"ap50_small": value, "ap_all": -number},
            best_by=best_by,
        )
    return history


@pytest.mark.parametrize(
    "values, best",
    [
        ([0.2, 0.5, 0.3], 20),
        ([0.5, 0.5, 0.2], 10),
        ([None, 0.0], 20),
        ([None, None], None),
        ([], None),
    ],
)
def test_the_best_step_is_the_first_with_the_greatest_figure(
    tmp_path, values, best
):
    assert history_of(tmp_path, *values).best_step() == best


def test_the_figure_that_decides_is_that_of_the_last_validation(tmp_path):
    history_of(tmp_path, 0.2, 0.5)
    assert history_of(tmp_path, 0.1, best_by="ap_all").best_step() == 10
    assert history_of(tmp_path, 0.1, best_by="none").best_step() is None


@pytest.mark.parametrize(
    "values, patience, patience_exceeded",
    [
        ([0.5, 0.2, 0.3], 2, True),
        ([0.5, 0.2, 0.3], 3, False),
        ([0.5, 0.2, 0.6], 2, False),
        ([0.5, None, 0.2], 2, True),
        ([0.5, 0.2, 0.3], 0, False),
        ([None, None, None], 1, False),
    ],
)
def test_patience_counts_validations_after_the_best(
    tmp_path, values, patience, patience_exceeded
):
    assert (
        history_of(tmp_path, *values).patience_exceeded(patience)
        is patience_exceeded
    )


def test_stages_have_their_own_best_steps(tmp_path):
    base = history_of(tmp_path, 0.1, 0.2)
    assert history_of(tmp_path, 0.9, stage="fine_tune").best_step() == 10
    assert base.best_step() == 20


def test_what_came_after_a_checkpoint_is_forgotten_in_its_stage(tmp_path):
    base = history_of(tmp_path, 0.1, 0.2, 0.3)
    other = history_of(tmp_path, 0.1, 0.2, stage="fine_tune")
    base.truncate_after(20)
    assert [record["step"] for record in base.validations()] == [10, 20]
    assert not base.is_validated(30)
    assert other.is_validated(20)


def test_half_a_line_of_a_killed_run_is_no_record(tmp_path):
    history = history_of(tmp_path, 0.1)
    path = tmp_path / "history.jsonl"
    whole = path.read_text()
    path.write_text(whole + '{"stage": "base", "step": 20, "validat')
    assert history.best_step() == 10
    history.truncate_after(10)
    assert path.read_text() == whole


def test_half_a_line_may_be_all_that_there_is(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"stage": "base", "st')
    history = history_of(tmp_path)
    history.truncate_after(0)
    history.append(10, validation={"AP": 0.1})
    assert history.is_validated(10)


@pytest.mark.parametrize("line", ["{", "[]", '{"step": 1}', '{"stage": "x"}'])
def test_a_damaged_line_is_named(tmp_path, line):
    history = history_of(tmp_path, 0.1)
    path = tmp_path / "history.jsonl"
    path.write_text(path.read_text() + f"{line}\n")
    with pytest.raises(DataError, match=r"history.jsonl, line 3: expected"):
        history.best_step()
