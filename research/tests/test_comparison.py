"""The paired bootstrap, against cases that can be told in advance."""

import numpy as np
import pytest

from research.ablation.comparison import frame_weights
from research.ablation.comparison import mean_figures
from research.ablation.comparison import paired_differences
from research.ablation.figures import judge
from research.tests.cells import SMALL
from research.tests.cells import kept

HIT = ([SMALL], [SMALL], [0.9])
MISS = ([SMALL], [], [])


def judged(*frames):
    """Judges frames that are halved into two folds."""
    half = len(frames) // 2
    return judge([kept(*frames[:half]), kept(*frames[half:])], [1])


def compare(ours, theirs, num_resamples=400):
    weights = frame_weights(len(theirs[0].counts.objects), num_resamples)
    return paired_differences(
        ours,
        theirs,
        [item.resampled(weights) for item in ours],
        [item.resampled(weights) for item in theirs],
    )


def test_every_draw_has_as_many_frames_as_there_are():
    weights = frame_weights(7, 50)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert (weights.std(axis=0) > 0).all()
    np.testing.assert_array_equal(weights, frame_weights(7, 50))


def test_a_detector_does_not_differ_from_itself():
    one = judged(*[HIT, MISS] * 6)
    difference = compare([one], [one])["small"]
    for key in ("f1", "ap50", "ap"):
        assert difference[key] == {"mean": 0.0, "low": 0.0, "high": 0.0}


def test_all_against_nothing_differs_by_all_in_every_draw():
    best, worst = judged(*[HIT] * 8), judged(*[MISS] * 8)
    difference = compare([best], [worst])["all"]
    for key in ("f1", "ap50", "ap"):
        assert difference[key] == {"mean": 1.0, "low": 1.0, "high": 1.0}


def test_the_interval_of_one_more_hit_is_that_of_its_frame():
    # Without false detections AP50 is about the share of objects found, and
    # the differing frame comes n times in a draw, n binomial of mean 1.
    ours = judged(*[HIT] * 11, HIT, *[MISS] * 8)
    theirs = judged(*[HIT] * 11, MISS, *[MISS] * 8)
    difference = compare([ours], [theirs], 2000)["small"]["ap50"]
    assert difference["mean"] == pytest.approx(1 / 20, abs=0.01)
    assert difference["low"] == pytest.approx(0.0, abs=0.001)
    assert difference["high"] == pytest.approx(3 / 20, abs=0.011)


def test_pairing_narrows_the_interval():
    # The frames differ much, the detectors by little.
    generator = np.random.default_rng(0)
    hits = generator.uniform(size=40) < 0.5
    theirs = judged(*[HIT if hit else MISS for hit in hits])
    ours = judged(HIT, *[HIT if hit else MISS for hit in hits[1:]])
    difference = compare([ours], [theirs])["small"]["ap50"]
    draws = theirs.resampled(frame_weights(40, 400))["ap50"][:, 0]
    low, high = np.quantile(draws, [0.025, 0.975])
    assert difference["high"] - difference["low"] < 0.5 * (high - low)


def test_differences_are_means_over_the_seeds():
    best, worst = judged(*[HIT] * 4), judged(*[MISS] * 4)
    difference = compare([best, worst], [worst, worst])["small"]["f1"]
    assert difference == {"mean": 0.5, "low": 0.5, "high": 0.5}


def test_the_spread_is_that_of_the_seeds():
    best, worst = judged(*[HIT] * 4), judged(*[MISS] * 4)
    figure = mean_figures([best, worst])["small"]["f1"]
    assert figure["mean"] == 0.5
    assert figure["spread"] == pytest.approx(np.sqrt(0.5))
    assert np.isnan(mean_figures([best])["small"]["f1"]["spread"])


def test_without_objects_of_a_size_nothing_is_told():
    one = judged(*[HIT] * 4)
    difference = compare([one], [one])["large"]["ap50"]
    assert all(np.isnan(value) for value in difference.values())
