"""What becomes of objects, counted by hand."""

import dataclasses

import numpy as np
import pytest

from featsr_tf.config.schema.super_resolution import AreaFrame
from research.limits import FOUND
from research.limits import MISJUDGED
from research.limits import NO_PROPOSAL
from research.limits import NO_WINDOW
from research.limits import WRONG_IN_WINDOW
from research.limits import WRONG_OUTSIDE
from research.limits import Seen
from research.limits import count_losses
from research.limits import losses_table
from research.limits import seen_pixels
from tests.metrics.scenes import found
from tests.metrics.scenes import square
from tests.metrics.scenes import truth

SMALL, OTHER = square(10, 10, 20), square(100, 100, 40)


def seen(truths, shown, candidates=(), windows=(), resized=(1.0, 1.0)):
    windows = np.array([[*window, 2.0] for window in windows]).reshape(-1, 5)
    return Seen(
        truths,
        dataclasses.replace(shown, windows=windows),
        np.reshape(candidates, [-1, 4]),
        np.array(resized),
    )


def counts_of(frame, **options):
    options = {
        "judged_ids": [1],
        "min_score": 0.5,
        "frame_of_sizes": AreaFrame.ORIGINAL,
        "small_area": 1024,
    } | options
    counts = count_losses([frame], **options)
    return {name: numbers for name, numbers in counts.items() if any(numbers)}


def test_objects_are_found_or_lack_one_thing_first():
    both = truth([SMALL, OTHER])
    window = square(0, 0, 60)
    assert counts_of(seen(both, found([SMALL]), [SMALL])) == {
        FOUND: [1, 0],
        NO_WINDOW: [0, 1],
    }
    frame = seen(both, found([SMALL, OTHER], [0.4, 0.9]), [SMALL], [window])
    assert counts_of(frame) == {MISJUDGED: [1, 0], FOUND: [0, 1]}
    frame = seen(both, found([OTHER]), [OTHER], [window])
    assert counts_of(frame) == {NO_PROPOSAL: [1, 0], FOUND: [0, 1]}


def test_a_detection_of_another_class_finds_nothing():
    frame = seen(truth([SMALL], [2]), found([SMALL]), [SMALL])
    assert counts_of(frame, judged_ids=[1, 2]) == {
        MISJUDGED: [1, 0],
        WRONG_OUTSIDE: [1, 0],
    }
    assert counts_of(frame, judged_ids=[2]) == {MISJUDGED: [1, 0]}


def test_wrong_detections_are_of_the_look_that_they_are_from():
    shown = found([square(30, 30, 20), square(200, 200, 40)])
    frame = seen(truth(), shown, windows=[square(0, 0, 60)])
    assert counts_of(frame) == {
        WRONG_IN_WINDOW: [1, 0],
        WRONG_OUTSIDE: [0, 1],
    }


def test_sizes_may_be_those_of_the_resized_frame():
    frame = seen(truth([OTHER]), found([OTHER]), [OTHER], resized=(0.5, 0.5))
    assert counts_of(frame) == {FOUND: [0, 1]}
    assert counts_of(frame, frame_of_sizes=AreaFrame.RESIZED) == {FOUND: [1, 0]}


def test_what_counts_for_nothing_is_not_counted():
    frame = seen(truth([SMALL], difficult=[True]), found())
    assert counts_of(frame) == {}


def test_the_table_sets_small_objects_first():
    counts = count_losses(
        [seen(truth([SMALL]), found([SMALL]))],
        [1],
        0.5,
        AreaFrame.ORIGINAL,
        1024,
    )
    lines = losses_table({"base": counts}).splitlines()
    assert "found  judged otherwise  window, no proposal" in lines[0]
    assert lines[1].split() == "base, small 1 0 0 0 0 0".split()
    assert lines[2].split() == "base, other 0 0 0 0 0 0".split()


def test_pixels_are_those_of_the_first_pass_and_of_windows():
    frame = seen(truth(), found(), windows=[square(0, 0, 100)])
    # A first pass at .6; of 1000 x 1000 px 200 x 200 in a window.
    frame = frame._replace(seen=0.6)
    assert seen_pixels([frame]) == pytest.approx(0.36 * 1.04)
