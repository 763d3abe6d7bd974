"""Figures of folds judged as one, with thresholds chosen elsewhere."""

import contextlib
import dataclasses

import numpy as np
import pytest

from featsr_tf.config.schema.super_resolution import AreaFrame
from featsr_tf.errors import DataError
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.evaluator import evaluate
from research.ablation.figures import count_frames
from research.ablation.figures import judge
from research.ablation.figures import out_of_fold_thresholds
from research.ablation.figures import proposal_recall
from research.ablation.kept import pool
from research.ablation.kept import read_kept
from research.ablation.kept import write_kept
from research.tests.cells import MEDIUM
from research.tests.cells import SMALL
from research.tests.cells import STRAY
from research.tests.cells import kept
from tests.metrics.scenes import found
from tests.metrics.scenes import random_scene
from tests.metrics.scenes import truth

# Right above .6, wrong below; and right above .8, wrong below.
LOW = kept(([SMALL], [SMALL, STRAY], [0.65, 0.6]))
HIGH = kept(([SMALL], [SMALL, STRAY], [0.85, 0.8]))


def test_the_threshold_of_a_fold_is_chosen_on_the_other_folds():
    first, second = out_of_fold_thresholds([LOW, HIGH], [1])
    # The lowest grid value above the stray detection of the *other* fold.
    assert (first, second) == pytest.approx((0.81, 0.61))


def test_the_threshold_of_a_fold_alone_is_chosen_on_its_own_frames():
    assert out_of_fold_thresholds([LOW], [1]) == pytest.approx((0.61,))


def test_what_a_fold_holds_does_not_move_its_own_threshold():
    generator = np.random.default_rng(0)
    before = out_of_fold_thresholds([LOW, HIGH, HIGH], [1])[0]
    for _ in range(5):
        scores = generator.uniform(size=2)
        other = kept(([MEDIUM], [MEDIUM, STRAY], scores))
        assert out_of_fold_thresholds([other, HIGH, HIGH], [1])[0] == before


def test_each_fold_is_judged_at_its_own_threshold():
    judged = judge([LOW, HIGH], [1])
    # At .81 nothing of LOW is shown; at .61 both detections of HIGH are.
    np.testing.assert_array_equal(judged.counts.objects[:, 0], [1, 1])
    np.testing.assert_array_equal(judged.counts.found[:, 0], [0, 1])
    np.testing.assert_array_equal(judged.counts.shown[:, 0], [0, 2])
    figures = judged.figures()["small"]
    assert figures["recall"] == 0.5
    assert figures["accuracy"] == 0.5
    assert figures["f1"] == pytest.approx(2 / 4)
    assert figures["proposal_recall"] == 1.0
    assert np.isnan(judged.figures()["large"]["f1"])


@pytest.mark.parametrize("seed", range(4))
def test_counts_of_frames_sum_to_the_figures_of_the_evaluation(seed):
    truths, detections = random_scene(np.random.default_rng(seed))
    names = {1: "a", 2: "b", 3: "c"}
    by_id = {item.image_id: item for item in detections}
    shown = [
        (by_id.get(t.image_id) or found(image_id=t.image_id)).above(0.4)
        for t in truths
    ]
    ours = count_frames(truths, shown, names).figures()
    expected = evaluate(truths, detections, names, 0.4)
    for key in ("recall", "accuracy", "f1"):
        for index, size in enumerate(("small", "medium", "large", "all")):
            value = expected[size][key]
            np.testing.assert_allclose(
                ours[key][index], np.nan if value is None else value
            )


def test_a_proposal_of_any_class_finds_an_object():
    truths = [truth([SMALL, MEDIUM], [3, 3])]
    shares = proposal_recall(truths, [found([SMALL])], [1, 3])
    assert (shares["small"], shares["medium"]) == (1.0, 0.0)
    assert shares["all"] == 0.5
    assert np.isnan(shares["large"])
    others = proposal_recall(truths, [found([SMALL])], [1])
    assert np.isnan(others["all"])


def test_what_is_kept_comes_back(tmp_path):
    cell = kept(([SMALL, MEDIUM], [SMALL], [0.9]), ([], [], []), scale=0.75)
    write_kept(tmp_path / "cell.npz", cell)
    back = read_kept(tmp_path / "cell.npz")
    for group in ("truths", "found", "proposals"):
        for ours, theirs in zip(
            getattr(back, group), getattr(cell, group), strict=True
        ):
            for field in dataclasses.fields(ours):
                np.testing.assert_array_equal(
                    getattr(ours, field.name), getattr(theirs, field.name)
                )
    np.testing.assert_array_equal(back.scales, cell.scales)
    np.testing.assert_array_equal(back.seconds, cell.seconds)


def test_proposals_that_are_those_of_the_base_are_kept_once(tmp_path):
    base, other = (kept(([SMALL], [SMALL], [score])) for score in (0.9, 0.8))
    shared = dataclasses.replace(other, proposals=None)
    write_kept(tmp_path / "other.npz", shared)
    back = read_kept(tmp_path / "other.npz")
    assert back.proposals is None
    base = dataclasses.replace(base, scales=base.scales / 2)
    joined = back.with_frames_of(base)
    np.testing.assert_array_equal(joined.scales, base.scales)
    np.testing.assert_array_equal(joined.proposals[0].boxes, [SMALL])
    np.testing.assert_array_equal(joined.found[0].scores, [0.8])


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "cell.npz"
    write_kept(path, kept(([SMALL], [SMALL], [0.9])))
    whole = path.read_bytes()
    for content in (b"no numbers", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cell.npz: damaged .* delete it"):
            read_kept(path)


def test_a_flipped_bit_never_ends_in_a_trace(tmp_path):
    path = tmp_path / "cell.npz"
    write_kept(path, kept(([SMALL], [SMALL], [0.9])))
    whole = path.read_bytes()
    for place in range(0, len(whole), 29):
        flipped = bytes([whole[place] ^ 4])
        path.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        with contextlib.suppress(DataError):
            read_kept(path)


@pytest.mark.parametrize(
    "frame, small_area, expected",
    [
        (AreaFrame.ORIGINAL, 32**2, "medium"),
        # 50 px at half scale are 25 px.
        (AreaFrame.RESIZED, 32**2, "small"),
        (AreaFrame.ORIGINAL, 60**2, "small"),
        (AreaFrame.ORIGINAL, 16**2, "large"),
        (AreaFrame.RESIZED, 20**2, "medium"),
    ],
)
def test_sizes_go_by_the_threshold_and_the_frame_of_the_config(
    frame, small_area, expected
):
    cell = kept(([MEDIUM], [MEDIUM], [0.9]), scale=0.5)
    part = cell.measured(frame, small_area)
    counts = count_frames(part.truths, part.found, [1]).objects[0]
    names = [name for name, n in zip(SIZE_NAMES, counts, strict=True) if n]
    assert names == [expected, "all"]


def test_pooled_frames_have_numbers_of_their_own():
    joined = pool([LOW, HIGH])
    assert [item.image_id for item in joined.truths] == [0, 1]
    assert [item.image_id for item in joined.found] == [0, 1]
